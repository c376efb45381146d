"""The settings, in four sections: which images, which network, what is done to a picture, how weights are found.

Each is defined once, with its unit, range, default and a line of help. What holds between them is in
:mod:`core.config.checks`; together they are a :class:`core.config.run_config.RunConfig`.
"""

from dataclasses import dataclass

from core.config.setting import setting

#: The ten classes in the order of CIFAR-10's labels 0–9.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
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


@dataclass(frozen=True)
class DataConfig:
    """Which images, and which of them train, validate and test."""

    classes: tuple[str, ...] = setting(
        CLASSES,
        "classes",
        "Classes",
        "What the network tells apart; two make a pair, chance is 1/number.",
        choices=CLASSES,
    )
    split: str = setting(
        "official",
        "choice",
        "Split",
        "official: CIFAR-10's own training and test images. pooled: both thrown together and split anew.",
        choices=("official", "pooled"),
    )
    train_size: int | None = setting(
        None,
        "int",
        "Training part",
        "Images for training, equally many of each class; a held-out validation part is taken from these.",
        unit="images",
        low=2,
        high=60_000,
        none="all",
    )
    test_size: int | None = setting(
        None,
        "int",
        "Test part",
        "Images for testing. A fixed number keeps the same test images whatever the training size; "
        "“all” takes every image the split leaves.",
        unit="images",
        low=2,
        high=60_000,
        none="all",
    )
    validation: str = setting(
        "held-out",
        "choice",
        "Validate on",
        "held-out: a part of the training images; the test images are touched once, at the end. "
        "test: the test images, as in the report; the best epoch is then chosen on the test images.",
        choices=("held-out", "test"),
    )
    validation_size: int | None = setting(
        None,
        "int",
        "Validation part",
        "Images held out from the training part; “tenth” takes a tenth of it.",
        unit="images",
        low=2,
        high=30_000,
        none="tenth",
        when=("data.validation", ("held-out",)),
    )
    split_seed: int = setting(
        0, "int", "Split seed", "The same number gives the same parts on every machine.", low=0, high=2**31 - 1
    )
    normalization: str = setting(
        "channel",
        "choice",
        "Normalization",
        "channel: subtract each colour's mean and divide by its deviation. pixel-mean: subtract the mean picture.",
        choices=("channel", "pixel-mean"),
    )

    def available(self) -> SetSizes:
        """Return how many images of these classes the official training and test sets have."""
        k = len(self.classes)
        return SetSizes(k * TRAIN_PER_CLASS, 0, k * TEST_PER_CLASS)

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


@dataclass(frozen=True)
class ModelConfig:
    """The residual network."""

    depth: int = setting(
        20, "int", "Depth", "Layers with weights, 6n+2: 8, 14, 20, 32, 44, 56, 110.", unit="layers", low=8, high=110
    )
    width: int = setting(
        16,
        "int",
        "Width",
        "Channels of the first stage; the later two have 2× and 4× as many.",
        unit="channels",
        low=2,
        high=128,
    )
    shortcut: str = setting(
        "A",
        "choice",
        "Shortcut",
        "How a block's input reaches its output where the shape changes. A: subsampled and zero-padded, no weights. "
        "B: 1×1 convolution with batch norm. report: 1×1 convolution, biases everywhere, slow batch norm.",
        choices=("A", "B", "report"),
    )


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to a training picture before the network sees it."""

    flip: str = setting(
        "random",
        "choice",
        "Mirror",
        "random: each picture mirrored with probability ½. alternating: mirrored every other epoch, "
        "so that two epochs show both sides.",
        choices=("none", "random", "alternating"),
    )
    translate: str = setting(
        "none",
        "choice",
        "Translate",
        "Moves each picture by whole pixels. shift: the edge is repeated. crop: the edge is filled with the mean "
        "(the usual padded random crop). reflect-crop: the edge is mirrored.",
        choices=("none", "shift", "crop", "reflect-crop"),
    )
    translate_pixels: int = setting(
        4,
        "int",
        "Translate by",
        "Largest move in either direction, drawn anew for each picture and epoch.",
        unit="pixels",
        low=1,
        high=16,
        when=("augment.translate", ("shift", "crop", "reflect-crop")),
    )
    cutout: int = setting(
        0,
        "int",
        "Cutout",
        "Side of a square blanked out at a random place; 0 leaves the picture whole.",
        unit="pixels",
        low=0,
        high=32,
    )
    grow_from: int = setting(
        32,
        "int",
        "Grow from",
        "Side of the random window of each picture that the first epochs see; it grows to all 32 pixels in steps of 4. "
        "A window of 20 has 0.4 of the area. 32: always the whole picture.",
        unit="pixels",
        low=8,
        high=32,
    )
    grow_until: float = setting(
        0.75,
        "float",
        "Whole from",
        "Share of the epochs after which the whole picture is seen.",
        low=0.0,
        high=1.0,
        when=("augment.grow_from", tuple(range(8, 32, 4))),
    )


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are found."""

    epochs: int = setting(24, "int", "Epochs", "Passes over the training images.", unit="epochs", low=1, high=10_000)
    batch_size: int = setting(128, "int", "Batch size", "Images per step.", unit="images", low=1, high=8_192)
    optimizer: str = setting(
        "sgd",
        "choice",
        "Optimizer",
        "The rule that turns gradients into steps. muon: Muon for the convolutions, SGD for norms and classifier.",
        choices=("sgd", "adam", "adamw", "muon"),
    )
    lr: float = setting(0.1, "float", "Learning rate", "The highest rate of the schedule.", low=1e-7, high=10.0)
    muon_lr: float = setting(
        0.1,
        "float",
        "Rate of the convolutions",
        "Muon's highest rate; it follows the same schedule. A kernel's norm is fixed, so this is a share of it.",
        low=1e-7,
        high=10.0,
        when=("train.optimizer", ("muon",)),
    )
    muon_momentum: float = setting(
        0.6,
        "float",
        "Momentum of the convolutions",
        "How much of Muon's last sum is kept.",
        low=0.0,
        high=0.999,
        when=("train.optimizer", ("muon",)),
    )
    momentum: float = setting(
        0.9,
        "float",
        "Momentum",
        "How much of the last step is kept.",
        low=0.0,
        high=0.999,
        when=("train.optimizer", ("sgd", "muon")),
    )
    nesterov: bool = setting(
        False,
        "bool",
        "Nesterov momentum",
        "Looks ahead along the momentum; needs momentum above 0.",
        when=("train.optimizer", ("sgd", "muon")),
    )
    adam_eps: float = setting(
        1e-8,
        "float",
        "Adam's ε",
        "Keeps the division finite; Keras uses 1e-7.",
        low=1e-12,
        high=1.0,
        when=("train.optimizer", ("adam", "adamw")),
    )
    weight_decay: float = setting(
        5e-4,
        "float",
        "Weight decay",
        "Pulls weights to zero. SGD and Adam add it to the gradient (an L2 penalty of half this times Σw²); "
        "AdamW shrinks the weights directly; Muon's convolutions have none.",
        low=0.0,
        high=1.0,
    )
    decay_on: str = setting(
        "all",
        "choice",
        "Decay applies to",
        "all: every parameter. weights: convolutions and classifier, no norms or biases. kernels: convolutions alone.",
        choices=("all", "weights", "kernels"),
    )
    schedule: str = setting(
        "one-cycle",
        "choice",
        "Schedule",
        "How the learning rate moves. constant; multi-step: falls at milestones; report: ×0.1, ×0.01, ×0.001, ×0.0005 "
        "after four milestones; cosine: to zero along a half cosine; one-cycle: straight up in the warm-up, "
        "straight down to zero; plateau: falls when the validation objective stops falling.",
        choices=("constant", "multi-step", "report", "cosine", "one-cycle", "plateau"),
    )
    warmup_epochs: float = setting(
        0.0,
        "float",
        "Warm-up",
        "Epochs over which the rate rises from zero to its highest.",
        unit="epochs",
        low=0.0,
        high=1_000.0,
        when=("train.schedule", ("constant", "multi-step", "cosine", "one-cycle")),
    )
    milestones: tuple[int, ...] = setting(
        (80, 120, 160, 180),
        "ints",
        "Milestones",
        "Epochs after which the rate falls, rising; report takes four.",
        unit="epochs",
        low=1,
        high=10_000,
        when=("train.schedule", ("multi-step", "report")),
    )
    gamma: float = setting(
        0.1,
        "float",
        "Fall at a milestone",
        "The rate is multiplied by this.",
        low=0.001,
        high=1.0,
        when=("train.schedule", ("multi-step",)),
    )
    plateau_factor: float = setting(
        10**-0.5,
        "float",
        "Fall on a plateau",
        "The rate is multiplied by this.",
        low=0.01,
        high=0.99,
        when=("train.schedule", ("plateau",)),
    )
    plateau_patience: int = setting(
        5,
        "int",
        "Plateau patience",
        "Epochs without a lower validation objective before it falls.",
        unit="epochs",
        low=0,
        high=1_000,
        when=("train.schedule", ("plateau",)),
    )
    min_lr: float = setting(
        5e-7,
        "float",
        "Smallest rate",
        "The rate never falls below this.",
        low=0.0,
        high=1.0,
        when=("train.schedule", ("plateau",)),
    )
    early_stopping: str = setting(
        "off",
        "choice",
        "Stop early",
        "Ends the run when this validation figure has not improved for some epochs.",
        choices=("off", "loss", "accuracy"),
    )
    patience: int = setting(
        10,
        "int",
        "Patience",
        "Epochs without improvement before the run ends.",
        unit="epochs",
        low=1,
        high=1_000,
        when=("train.early_stopping", ("loss", "accuracy")),
    )
    min_delta: float = setting(
        0.0,
        "float",
        "Least improvement",
        "A smaller change does not count as one.",
        low=0.0,
        high=1.0,
        when=("train.early_stopping", ("loss", "accuracy")),
    )
    averaging: str = setting(
        "off",
        "choice",
        "Weight averaging",
        "Validates and keeps an average of the weights. ema: exponential, after every step. "
        "equal: the plain mean of the weights at the ends of epochs.",
        choices=("off", "ema", "equal"),
    )
    averaging_start: int = setting(
        1,
        "int",
        "Average from epoch",
        "The first epoch that is averaged.",
        unit="epochs",
        low=1,
        high=10_000,
        when=("train.averaging", ("ema", "equal")),
    )
    averaging_decay: float = setting(
        0.99,
        "float",
        "Averaging decay",
        "How much of the average each step keeps.",
        low=0.5,
        high=0.99999,
        when=("train.averaging", ("ema",)),
    )
    label_smoothing: float = setting(
        0.0, "float", "Label smoothing", "Share of the target spread evenly over all classes.", low=0.0, high=0.9
    )
    seed: int = setting(0, "int", "Seed", "Decides first weights, order and augmentation.", low=0, high=2**31 - 1)
    device: str = setting(
        "auto",
        "choice",
        "Device",
        "auto: CUDA, else Apple's MPS, else the processor.",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    precision: str = setting(
        "auto",
        "choice",
        "Precision",
        "auto: a few steps of each are timed on this machine and the faster is kept.",
        choices=("auto", "fp32", "bf16"),
    )
    threads: int | None = setting(
        None, "int", "Threads", "Processor threads for training.", unit="threads", low=1, high=256, none="all"
    )
