"""The settings, in four sections: the images, the network, augmentation, and training.

Each setting is defined once: the annotation gives its type and choices, :func:`~core.config.setting.setting` its
default, label, help, unit and range. Together the sections are a :class:`core.config.run_config.RunConfig`, which knows
what must hold between settings.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from core.config.setting import setting

ClassName = Literal["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
#: The ten classes in the order of CIFAR-10's labels 0–9.
CLASSES: tuple[ClassName, ...] = get_args(ClassName)
TRAIN_PER_CLASS, TEST_PER_CLASS = 5_000, 1_000
#: Images in the official training set, and in both official sets. Training images come first in CIFAR-10's order.
TRAIN_IMAGES = len(CLASSES) * TRAIN_PER_CLASS
ALL_IMAGES = TRAIN_IMAGES + len(CLASSES) * TEST_PER_CLASS
#: Height and width of an image in pixels.
IMAGE_SIZE = 32


@dataclass(frozen=True)
class SetSizes:
    """Numbers of images in the training, validation and test set. ``validation`` is 0 if the test set validates."""

    train: int
    validation: int
    test: int


def shares(total: int, k: int, *, odd_last: bool = False) -> list[int]:
    """Divide ``total`` images among ``k`` classes as evenly as possible; the first classes get the odd ones.

    With ``odd_last`` the last classes get them, as in a test set: where all images are used, the first have none left.
    """
    counts = [total // k + (index < total % k) for index in range(k)]
    return counts[::-1] if odd_last else counts


@dataclass(frozen=True)
class DataConfig:
    """Which images, and which of them train, validate and test."""

    classes: tuple[ClassName, ...] = setting(
        CLASSES, "Classes", "Classes the network learns to tell apart. Chance level is 1 divided by their number."
    )
    split: Literal["official", "pooled"] = setting(
        "official",
        "Split",
        "official: CIFAR-10's own training and test sets. "
        "pooled: merge the official training and test sets, then split them at random.",
    )
    train_size: int | None = setting(
        None,
        "Training set size",
        "Number of training images, the same for each class. A held-out validation set is taken from them.",
        unit="images",
        limits=(2, 60_000),
        none="all",
    )
    test_size: int | None = setting(
        None,
        "Test set size",
        "Number of test images. A fixed number keeps the same test images whatever the size of the training set; "
        "“all” uses every image that the split leaves.",
        unit="images",
        limits=(2, 60_000),
        none="all",
    )
    validation: Literal["held-out", "test"] = setting(
        "held-out",
        "Validate on",
        "held-out: images held out from the training set; the test set is used once, after training. "
        "test: the test set, as in the report; the best epoch is then chosen on test images, "
        "so its accuracy is slightly optimistic.",
    )
    validation_size: int | None = setting(
        None,
        "Validation set size",
        "Number of images held out from the training set. “tenth” holds out a tenth of it.",
        unit="images",
        limits=(2, 30_000),
        none="tenth",
        when=("data.validation", ("held-out",)),
    )
    split_seed: int = setting(
        0, "Split seed", "The same seed gives the same sets on every machine.", limits=(0, 2**31 - 1)
    )
    normalization: Literal["channel", "pixel-mean"] = setting(
        "channel",
        "Normalization",
        "channel: subtract each colour channel's mean and divide by its standard deviation. "
        "pixel-mean: subtract the mean training image.",
    )

    def available(self) -> SetSizes:
        """Return how many images of these classes the official training and test sets have."""
        k = len(self.classes)
        return SetSizes(k * TRAIN_PER_CLASS, 0, k * TEST_PER_CLASS)

    @property
    def whole_test_set(self) -> bool:
        """Whether the test set is the official one with all of its images, which the split seed does not change."""
        return self.split == "official" and self.sizes().test == self.available().test

    def sizes(self) -> SetSizes:
        """Return the sizes of the three sets. Meaningful for a config without problems."""
        available = self.available()
        if self.split == "official":
            train = self.train_size or available.train
            test = self.test_size or available.test
        else:
            pool = available.train + available.test
            train = self.train_size or pool - (self.test_size or 0)
            test = self.test_size or pool - train
        held_out = (self.validation_size or max(train // 10, len(self.classes))) if self.validation == "held-out" else 0
        return SetSizes(train - held_out, held_out, test)

    def validation_by_class(self) -> list[int]:
        """Return how many images of each class a run is validated on, in the order of ``classes``."""
        sizes, k = self.sizes(), len(self.classes)
        return shares(sizes.validation, k) if sizes.validation else shares(sizes.test, k, odd_last=True)


@dataclass(frozen=True)
class ModelConfig:
    """The residual network."""

    depth: int = setting(
        20, "Depth", "Layers with weights, 6n + 2: 8, 14, 20, 32, 44, 56 or 110.", unit="layers", limits=(8, 110)
    )
    width: int = setting(
        16,
        "Width",
        "Channels of the first stage; the others have 2× and 4×.",
        unit="channels",
        limits=(2, 128),
        log=True,
    )
    shortcut: Literal["A", "B", "report", "keras"] = setting(
        "A",
        "Shortcut",
        "How a shortcut connection changes the shape between stages. A: subsample and pad with zeros, no weights. "
        "B: 1×1 convolution with batch norm. report: 1×1 convolution without batch norm; "
        "all convolutions have biases, and batch-norm statistics change slowly. "
        "keras: like report, with initial weights as small as Keras drew them in early 2018 (0.88 times).",
    )


@dataclass(frozen=True)
class AugmentConfig:
    """How a training image is changed at random before the network sees it."""

    flip: Literal["none", "random", "alternating"] = setting(
        "random",
        "Horizontal flip",
        "random: flip each image with probability ½. "
        "alternating: flip each image in every other epoch, so that two epochs show both sides.",
    )
    translate: Literal["none", "shift", "keras-shift", "crop", "reflect-crop"] = setting(
        "none",
        "Translation",
        "Moves each image by whole pixels. shift: repeat the edge pixels. keras-shift: the same, but the largest moves "
        "are rarer, as Keras drew them. "
        "crop: fill with the mean colour (the usual padded random crop). reflect-crop: mirror the image at its edge.",
    )
    translate_pixels: int = setting(
        4,
        "Maximum translation",
        "Largest move in each direction, drawn at random for every image and epoch.",
        unit="pixels",
        limits=(1, 16),
        when=("augment.translate", ("shift", "keras-shift", "crop", "reflect-crop")),
    )
    cutout: int = setting(
        0, "Cutout size", "Side of a randomly placed blank square. 0: no cutout.", unit="pixels", limits=(0, 32)
    )
    grow_from: int = setting(
        32,
        "Initial crop size",
        "Side of the random crop that the first epochs train on. The crop grows to the full 32 pixels in steps of 4; "
        "small crops train faster (a crop of 20 has 0.4 of the area). 32: always the full image.",
        unit="pixels",
        limits=(8, 32),
    )
    grow_until: float = setting(
        0.75,
        "Full size from",
        "Fraction of the epochs after which training uses the full image.",
        limits=(0.0, 1.0),
        when=("augment.grow_from", tuple(range(8, 32, 4))),
    )
    mix: Literal["none", "mixup", "cutmix"] = setting(
        "none",
        "Mixing images",
        "Mixes each image with another image of its batch, and their labels. mixup: adds the pixels of both. "
        "cutmix: pastes a rectangle of the other image. The training accuracy counts the label of the first image.",
    )
    mix_alpha: float = setting(
        0.2,
        "Mixing strength (alpha)",
        "The share of each image is drawn from a beta distribution with both parameters equal to this: near 0 most "
        "images stay almost whole, 1 draws all shares alike.",
        limits=(0.01, 10.0),
        when=("augment.mix", ("mixup", "cutmix")),
    )
    mix_until: float = setting(
        0.75,
        "Mixing until",
        "Fraction of the epochs in which images are mixed. The last epochs then train on whole images.",
        limits=(0.0, 1.0),
        when=("augment.mix", ("mixup", "cutmix")),
    )


_SGD = ("train.optimizer", ("sgd", "muon"))
_MUON = ("train.optimizer", ("muon",))
_PLATEAU = ("train.schedule", ("plateau",))
_EARLY_STOPPING = ("train.early_stopping", ("loss", "accuracy"))
_AVERAGING = ("train.averaging", ("ema", "equal"))


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are trained."""

    epochs: int = setting(24, "Epochs", "Passes over the training set.", unit="epochs", limits=(1, 10_000), log=True)
    batch_size: int = setting(
        128, "Batch size", "Images per training step.", unit="images", limits=(1, 8_192), log=True
    )
    optimizer: Literal["sgd", "adam", "adamw", "muon"] = setting(
        "sgd", "Optimizer", "How weights are updated. muon: Muon for the convolutions, SGD for everything else."
    )
    lr: float = setting(0.1, "Learning rate", "Highest learning rate of the schedule.", limits=(1e-7, 10.0), log=True)
    muon_lr: float = setting(
        0.1,
        "Muon learning rate",
        "Highest learning rate of the convolutions; it follows the same schedule. "
        "Muon keeps the norm of a kernel constant, so this is a fraction of that norm.",
        limits=(1e-7, 10.0),
        log=True,
        when=_MUON,
    )
    muon_momentum: float = setting(
        0.6, "Muon momentum", "Fraction of Muon's momentum kept in each step.", limits=(0.0, 0.999), when=_MUON
    )
    momentum: float = setting(
        0.9, "Momentum", "Fraction of the previous update kept in each step.", limits=(0.0, 0.999), when=_SGD
    )
    nesterov: bool = setting(
        False, "Nesterov momentum", "Look ahead along the momentum, which must be above 0.", when=_SGD
    )
    adam_eps: float = setting(
        1e-8,
        "Adam epsilon",
        "Added to the denominator of Adam's update, so that it stays finite. Keras uses 1e-7.",
        limits=(1e-12, 1.0),
        log=True,
        when=("train.optimizer", ("adam", "adamw")),
    )
    weight_decay: float = setting(
        5e-4,
        "Weight decay",
        "Pulls weights towards zero. SGD and Adam add it to the gradient (an L2 penalty of half this times Σw²); "
        "AdamW shrinks the weights directly; convolutions trained by Muon have none.",
        limits=(0.0, 1.0),
        log=True,
    )
    decay_on: Literal["all", "weights", "kernels"] = setting(
        "all",
        "Weight decay on",
        "all: every parameter. weights: convolutions and classifier, but no batch norms or biases. "
        "kernels: convolutions only.",
    )
    schedule: Literal["constant", "multi-step", "report", "cosine", "one-cycle", "plateau"] = setting(
        "one-cycle",
        "Schedule",
        "How the learning rate changes. constant: not at all. multi-step: multiplied by gamma at each milestone. "
        "report: ×0.1, ×0.01, ×0.001 and ×0.0005 after four milestones. cosine: falls to zero along a half cosine. "
        "one-cycle: rises linearly during warm-up, then falls linearly to zero. "
        "plateau: falls when the validation objective stops improving.",
    )
    warmup_epochs: float = setting(
        0.0,
        "Warm-up",
        "Epochs in which the learning rate rises from zero to its highest value.",
        unit="epochs",
        limits=(0.0, 1_000.0),
        when=("train.schedule", ("constant", "multi-step", "cosine", "one-cycle")),
    )
    milestones: tuple[int, ...] = setting(
        (80, 120, 160, 180),
        "Milestones",
        "Epochs after which the learning rate falls, in rising order. The report's schedule has four.",
        unit="epochs",
        limits=(1, 10_000),
        when=("train.schedule", ("multi-step", "report")),
    )
    gamma: float = setting(
        0.1,
        "Milestone factor (gamma)",
        "Multiplies the learning rate at each milestone.",
        limits=(0.001, 1.0),
        when=("train.schedule", ("multi-step",)),
    )
    plateau_factor: float = setting(
        10**-0.5, "Plateau factor", "Multiplies the learning rate on a plateau.", limits=(0.01, 0.99), when=_PLATEAU
    )
    plateau_patience: int = setting(
        5,
        "Plateau patience",
        "Epochs without a lower validation objective before the learning rate falls.",
        unit="epochs",
        limits=(0, 1_000),
        when=_PLATEAU,
    )
    min_lr: float = setting(
        5e-7,
        "Minimum learning rate",
        "The learning rate never falls below this.",
        limits=(0.0, 1.0),
        log=True,
        when=_PLATEAU,
    )
    early_stopping: Literal["off", "loss", "accuracy"] = setting(
        "off", "Early stopping", "Stops the run when this validation metric has not improved for some epochs."
    )
    patience: int = setting(
        10,
        "Patience",
        "Epochs without improvement before the run stops.",
        unit="epochs",
        limits=(1, 1_000),
        when=_EARLY_STOPPING,
    )
    min_delta: float = setting(
        0.0,
        "Minimum improvement",
        "Smaller changes do not count as improvement.",
        limits=(0.0, 1.0),
        when=_EARLY_STOPPING,
    )
    averaging: Literal["off", "ema", "equal"] = setting(
        "off",
        "Weight averaging",
        "Validates and keeps an average of the weights. ema: exponential moving average, updated after every step. "
        "equal: plain mean of the weights at the end of each epoch.",
    )
    averaging_start: int = setting(
        1,
        "Averaging starts at",
        "First epoch that enters the average.",
        unit="epochs",
        limits=(1, 10_000),
        when=_AVERAGING,
    )
    averaging_decay: float = setting(
        0.99,
        "Averaging decay",
        "Fraction of the average kept in each step.",
        limits=(0.5, 0.99999),
        when=("train.averaging", ("ema",)),
    )
    label_smoothing: float = setting(
        0.0, "Label smoothing", "Fraction of each target that is spread evenly over all classes.", limits=(0.0, 0.9)
    )
    seed: int = setting(
        0, "Seed", "Seed of the initial weights, the order of the images and augmentation.", limits=(0, 2**31 - 1)
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", "Device", "auto: CUDA if available, else Apple's MPS, else the CPU."
    )
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "auto", "Precision", "auto: time a few steps of each on this computer and use the faster one."
    )
    threads: int | None = setting(
        None,
        "Threads",
        "CPU threads used for training. “all” uses every core that the program may use, as a container limits them.",
        unit="threads",
        limits=(1, 256),
        none="all",
    )
