"""RunConfig: everything that decides what a run does, and nothing else.

Four sections (data, model, augment, train) hold the knobs, each defined once with its unit, range,
default and a line of help. The checks that need more than one knob are at the end. Where files lie
is a setting (:mod:`core.settings`); what a run is called is in its ``meta.json``
(:mod:`core.store`).
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigError
from core.knobs import Knob, knob, near

SCHEMA_VERSION = 1

#: The ten classes in the order of CIFAR-10's labels 0–9.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_PER_CLASS, TEST_PER_CLASS = 5_000, 1_000


@dataclass(frozen=True)
class DataConfig:
    """Which images, and which of them train, validate and test."""

    classes: tuple[str, ...] = knob(
        CLASSES,
        "classes",
        "Classes",
        "What the network tells apart; two make a pair, chance is 1/number.",
        choices=CLASSES,
    )
    split: str = knob(
        "official",
        "choice",
        "Split",
        "official: CIFAR-10's own training and test images. pooled: both thrown together and split anew.",
        choices=("official", "pooled"),
    )
    train_size: int | None = knob(
        None,
        "int",
        "Training part",
        "Images for training, equally many of each class; a held-out validation part is taken from these.",
        unit="images",
        low=2,
        high=60_000,
        none="all",
    )
    test_size: int | None = knob(
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
    validation: str = knob(
        "held-out",
        "choice",
        "Validate on",
        "held-out: a part of the training images; the test images are touched once, at the end. "
        "test: the test images, as in the report; the best epoch is then chosen on the test images.",
        choices=("held-out", "test"),
    )
    validation_size: int | None = knob(
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
    split_seed: int = knob(
        0, "int", "Split seed", "The same number gives the same parts on every machine.", low=0, high=2**31 - 1
    )
    normalization: str = knob(
        "channel",
        "choice",
        "Normalization",
        "channel: subtract each colour's mean and divide by its deviation. pixel-mean: subtract the mean picture.",
        choices=("channel", "pixel-mean"),
    )


@dataclass(frozen=True)
class ModelConfig:
    """The residual network."""

    depth: int = knob(
        20, "int", "Depth", "Layers with weights, 6n+2: 8, 14, 20, 32, 44, 56, 110.", unit="layers", low=8, high=110
    )
    width: int = knob(
        16,
        "int",
        "Width",
        "Channels of the first stage; the later two have 2× and 4× as many.",
        unit="channels",
        low=2,
        high=128,
    )
    shortcut: str = knob(
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

    flip: str = knob(
        "random",
        "choice",
        "Mirror",
        "random: each picture mirrored with probability ½. alternating: mirrored every other epoch, "
        "so that two epochs show both sides.",
        choices=("none", "random", "alternating"),
    )
    translate: str = knob(
        "none",
        "choice",
        "Translate",
        "Moves each picture by whole pixels. shift: the edge is repeated. crop: the edge is filled with the mean "
        "(the usual padded random crop). reflect-crop: the edge is mirrored.",
        choices=("none", "shift", "crop", "reflect-crop"),
    )
    translate_pixels: int = knob(
        4,
        "int",
        "Translate by",
        "Largest move in either direction, drawn anew for each picture and epoch.",
        unit="pixels",
        low=1,
        high=16,
        when=("augment.translate", ("shift", "crop", "reflect-crop")),
    )
    cutout: int = knob(
        0,
        "int",
        "Cutout",
        "Side of a square blanked out at a random place; 0 leaves the picture whole.",
        unit="pixels",
        low=0,
        high=32,
    )


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are found."""

    epochs: int = knob(24, "int", "Epochs", "Passes over the training images.", unit="epochs", low=1, high=10_000)
    batch_size: int = knob(128, "int", "Batch size", "Images per step.", unit="images", low=1, high=8_192)
    optimizer: str = knob(
        "sgd", "choice", "Optimizer", "The rule that turns gradients into steps.", choices=("sgd", "adam", "adamw")
    )
    lr: float = knob(0.1, "float", "Learning rate", "The highest rate of the schedule.", low=1e-7, high=10.0)
    momentum: float = knob(
        0.9,
        "float",
        "Momentum",
        "How much of the last step is kept.",
        low=0.0,
        high=0.999,
        when=("train.optimizer", ("sgd",)),
    )
    nesterov: bool = knob(
        False,
        "bool",
        "Nesterov momentum",
        "Looks ahead along the momentum; needs momentum above 0.",
        when=("train.optimizer", ("sgd",)),
    )
    adam_eps: float = knob(
        1e-8,
        "float",
        "Adam's ε",
        "Keeps the division finite; Keras uses 1e-7.",
        low=1e-12,
        high=1.0,
        when=("train.optimizer", ("adam", "adamw")),
    )
    weight_decay: float = knob(
        5e-4,
        "float",
        "Weight decay",
        "Pulls weights to zero. SGD and Adam add it to the gradient (an L2 penalty of half this times Σw²); "
        "AdamW shrinks the weights directly.",
        low=0.0,
        high=1.0,
    )
    decay_on: str = knob(
        "all",
        "choice",
        "Decay applies to",
        "all: every parameter. weights: convolutions and classifier, no norms or biases. kernels: convolutions alone.",
        choices=("all", "weights", "kernels"),
    )
    schedule: str = knob(
        "one-cycle",
        "choice",
        "Schedule",
        "How the learning rate moves. constant; multi-step: falls at milestones; report: ×0.1, ×0.01, ×0.001, ×0.0005 "
        "after four milestones; cosine: to zero along a half cosine; one-cycle: straight up in the warm-up, "
        "straight down to zero; plateau: falls when the validation objective stops falling.",
        choices=("constant", "multi-step", "report", "cosine", "one-cycle", "plateau"),
    )
    warmup_epochs: float = knob(
        0.0,
        "float",
        "Warm-up",
        "Epochs over which the rate rises from zero to its highest.",
        unit="epochs",
        low=0.0,
        high=1_000.0,
        when=("train.schedule", ("constant", "multi-step", "cosine", "one-cycle")),
    )
    milestones: tuple[int, ...] = knob(
        (80, 120, 160, 180),
        "ints",
        "Milestones",
        "Epochs after which the rate falls, rising; report takes four.",
        unit="epochs",
        low=1,
        high=10_000,
        when=("train.schedule", ("multi-step", "report")),
    )
    gamma: float = knob(
        0.1,
        "float",
        "Fall at a milestone",
        "The rate is multiplied by this.",
        low=0.001,
        high=1.0,
        when=("train.schedule", ("multi-step",)),
    )
    plateau_factor: float = knob(
        10**-0.5,
        "float",
        "Fall on a plateau",
        "The rate is multiplied by this.",
        low=0.01,
        high=0.99,
        when=("train.schedule", ("plateau",)),
    )
    plateau_patience: int = knob(
        5,
        "int",
        "Plateau patience",
        "Epochs without a lower validation objective before it falls.",
        unit="epochs",
        low=0,
        high=1_000,
        when=("train.schedule", ("plateau",)),
    )
    min_lr: float = knob(
        5e-7,
        "float",
        "Smallest rate",
        "The rate never falls below this.",
        low=0.0,
        high=1.0,
        when=("train.schedule", ("plateau",)),
    )
    early_stopping: str = knob(
        "off",
        "choice",
        "Stop early",
        "Ends the run when this validation figure has not improved for some epochs.",
        choices=("off", "loss", "accuracy"),
    )
    patience: int = knob(
        10,
        "int",
        "Patience",
        "Epochs without improvement before the run ends.",
        unit="epochs",
        low=1,
        high=1_000,
        when=("train.early_stopping", ("loss", "accuracy")),
    )
    min_delta: float = knob(
        0.0,
        "float",
        "Least improvement",
        "A smaller change does not count as one.",
        low=0.0,
        high=1.0,
        when=("train.early_stopping", ("loss", "accuracy")),
    )
    averaging: str = knob(
        "off",
        "choice",
        "Weight averaging",
        "Validates and keeps an average of the weights. ema: exponential, after every step. "
        "equal: the plain mean of the weights at the ends of epochs.",
        choices=("off", "ema", "equal"),
    )
    averaging_start: int = knob(
        1,
        "int",
        "Average from epoch",
        "The first epoch that is averaged.",
        unit="epochs",
        low=1,
        high=10_000,
        when=("train.averaging", ("ema", "equal")),
    )
    averaging_decay: float = knob(
        0.99,
        "float",
        "Averaging decay",
        "How much of the average each step keeps.",
        low=0.5,
        high=0.99999,
        when=("train.averaging", ("ema",)),
    )
    label_smoothing: float = knob(
        0.0, "float", "Label smoothing", "Share of the target spread evenly over all classes.", low=0.0, high=0.9
    )
    seed: int = knob(0, "int", "Seed", "Decides first weights, order and augmentation.", low=0, high=2**31 - 1)
    device: str = knob(
        "auto",
        "choice",
        "Device",
        "auto: CUDA, else Apple's MPS, else the processor.",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    precision: str = knob(
        "auto",
        "choice",
        "Precision",
        "auto: a few steps of each are timed on this machine and the faster is kept.",
        choices=("auto", "fp32", "bf16"),
    )
    threads: int | None = knob(
        None, "int", "Threads", "Processor threads for training.", unit="threads", low=1, high=256, none="all"
    )


@dataclass(frozen=True)
class PartSizes:
    """Numbers of images: ``train`` the weights see, ``validation`` (0 if the test part serves), ``test``."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class RunConfig:
    """A complete experiment. Immutable; :meth:`replace` gives a changed copy."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()

    def __getitem__(self, path: str) -> Any:
        """The value of the knob at ``path``, e.g. ``config["train.lr"]``."""
        section, name = _known(path).split(".")
        return getattr(getattr(self, section), name)

    def values(self) -> dict[str, Any]:
        """Every knob's value by path, in the order of definition."""
        return {path: self[path] for path in KNOBS}

    def replace(self, values: Mapping[str, Any]) -> "RunConfig":
        """A copy with the knobs in ``values`` (by path) changed. Unknown paths raise ConfigError."""
        sections: dict[str, dict[str, Any]] = {}
        for path, value in values.items():
            section, name = _known(path).split(".")
            sections.setdefault(section, {})[name] = _canonical(path, value)
        changed = {name: dataclasses.replace(getattr(self, name), **new) for name, new in sections.items()}
        return dataclasses.replace(self, **changed)

    def set_from_text(self, settings: list[str]) -> "RunConfig":
        """A copy with settings such as ``"train.batch_size=64"`` applied; ConfigError names each bad one."""
        values, problems = {}, {}
        for setting in settings:
            path, sign, text = setting.partition("=")
            path = path.strip()
            try:
                if not sign:
                    raise ValueError("needs a value, as in train.batch_size=64.")
                values[path] = KNOBS[_known(path)].parse(text)
            except ConfigError as error:
                problems.update(error.problems)
            except ValueError as error:
                problems[path] = str(error)
        if problems:
            raise ConfigError(problems)
        return self.replace(values)

    def in_effect(self, path: str) -> bool:
        """Whether the knob at ``path`` changes anything, given the others."""
        when = KNOBS[_known(path)].when
        return when is None or self[when[0]] in when[1]

    def differences(self, other: "RunConfig") -> dict[str, tuple[Any, Any]]:
        """Knobs that differ and have an effect in either, by path: (ours, theirs)."""
        return {
            path: (self[path], other[path])
            for path in KNOBS
            if self[path] != other[path] and (self.in_effect(path) or other.in_effect(path))
        }

    def part_sizes(self) -> PartSizes:
        """How many images train, validate and test. Meaningful for a config without problems."""
        data, available = self.data, _available(self.data)
        if data.split == "official":
            train = data.train_size or available.train
            test = data.test_size or available.test
        else:
            pool = available.train + available.test
            train = data.train_size or pool - (data.test_size or 0)
            test = data.test_size or pool - train
        held_out = (data.validation_size or max(train // 10, len(data.classes))) if data.validation == "held-out" else 0
        return PartSizes(train - held_out, held_out, test)

    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the last may be smaller than the others."""
        return -(-self.part_sizes().train // self.train.batch_size)

    def problems(self) -> dict[str, str]:
        """A sentence for each knob that is not allowed, by path; empty when the config can run."""
        found = {path: text for path, one in KNOBS.items() if (text := one.problem(self[path]))}
        # Relations between knobs only make sense once each is sound by itself.
        return found or _relations(self)

    def checked(self) -> "RunConfig":
        """This config, or ConfigError with every problem."""
        if problems := self.problems():
            raise ConfigError(problems)
        return self

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the schema version."""
        return {"schema": SCHEMA_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, content: Any) -> "RunConfig":
        """The config in ``content`` (from :meth:`to_dict`); knobs not named take their defaults.

        Raises ConfigError for another schema, unknown names and values that are not allowed.
        """
        if not isinstance(content, Mapping):
            raise ConfigError({"config": "is no configuration: it holds no names and values."})
        schema = content.get("schema")
        if schema != SCHEMA_VERSION:
            newer = isinstance(schema, int) and schema > SCHEMA_VERSION
            text = (
                f"was written by a newer ResNet Lab (schema {schema}); update this one to read it."
                if newer
                else (f"says schema “{schema}”; this program reads schema {SCHEMA_VERSION}.")
            )
            raise ConfigError({"schema": text})
        values, problems = {}, {}
        for section, names in content.items():
            if section == "schema":
                continue
            if section not in SECTIONS or not isinstance(names, Mapping):
                problems[str(section)] = "is no section of a configuration." + near(section, SECTIONS)
                continue
            for name, value in names.items():
                path = f"{section}.{name}"
                if path in KNOBS:
                    values[path] = value
                else:
                    problems[path] = "is no knob." + near(path, KNOBS)
        if problems:
            raise ConfigError(problems)
        return cls().replace(values).checked()

    def signature(self) -> str:
        """Sixteen hex digits that two configs share when they train the same thing.

        Knobs without effect and how it is computed (device, precision, threads) do not count.
        """
        how = {"train.device", "train.precision", "train.threads"}
        values = {path: value for path, value in self.values().items() if path not in how and self.in_effect(path)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


SECTIONS = tuple(one.name for one in dataclasses.fields(RunConfig))

#: Every knob by path, in the order of definition.
KNOBS: dict[str, Knob] = {
    f"{section}.{one.name}": one.metadata["knob"]
    for section, of in zip(SECTIONS, (DataConfig, ModelConfig, AugmentConfig, TrainConfig), strict=True)
    for one in dataclasses.fields(of)
}


def _known(path: str) -> str:
    if path not in KNOBS:
        # People write the name alone, which is too short to be near the whole path.
        whole = next((one for one in KNOBS if one.endswith(f".{path}")), path)
        raise ConfigError({path: "is no knob." + near(whole, KNOBS)})
    return path


def _canonical(path: str, value: Any) -> Any:
    """Lists (from JSON) as tuples, whole numbers as float where a float is meant, classes in CIFAR-10's order."""
    kind = KNOBS[path].kind
    if isinstance(value, list):
        value = tuple(value)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    if kind == "classes" and isinstance(value, tuple) and all(one in CLASSES for one in value):
        return tuple(sorted(value, key=CLASSES.index))
    return value


def _available(data: DataConfig) -> PartSizes:
    """Images the official split has of these classes."""
    return PartSizes(len(data.classes) * TRAIN_PER_CLASS, 0, len(data.classes) * TEST_PER_CLASS)


def _relations(config: RunConfig) -> dict[str, str]:
    """Problems between knobs that are each allowed by themselves."""
    found: dict[str, str] = {}
    data, train = config.data, config.train
    have, k = _available(data), len(data.classes)
    pool = have.train + have.test
    sizes = config.part_sizes()
    if data.split == "official":
        if (data.train_size or 0) > have.train:
            found["data.train_size"] = (
                f"{data.train_size:,} is more than the {have.train:,} official training images of these {k} classes; "
                f"take at most {have.train:,}, or the pooled split, which has {pool:,}."
            )
        if (data.test_size or 0) > have.test:
            found["data.test_size"] = (
                f"{data.test_size:,} is more than the {have.test:,} official test images of these {k} classes; "
                f"take at most {have.test:,}."
            )
    elif data.train_size is None and data.test_size is None:
        found["data.train_size"] = (
            f"a pooled split needs the size of the training or of the test part, out of {pool:,} images; "
            f"the report takes {have.train:,} for training."
        )
    elif (data.test_size or 0) > pool - k:
        found["data.test_size"] = (
            f"{data.test_size:,} leaves too few of the {pool:,} images of these {k} classes to train on; "
            f"test on at most {pool - k:,}."
        )
    elif (data.train_size or 0) > pool - k:
        found["data.train_size"] = (
            f"{data.train_size:,} leaves too few of the {pool:,} images of these {k} classes to test on; "
            f"train on at most {pool - k:,}."
        )
    elif (data.train_size or 0) + (data.test_size or 0) > pool:
        found["data.train_size"] = (
            f"training and test part together exceed the {pool:,} images of these {k} classes; "
            f"with this test part, train on at most {pool - (data.test_size or 0):,}."
        )
    if not found:
        if sizes.test < k:
            found["data.test_size"] = f"{sizes.test} images cannot hold one of each of {k} classes; take at least {k}."
        if data.validation == "held-out" and sizes.validation < k:
            found["data.validation_size"] = f"needs at least {k} images, one of each class."
        if sizes.train < k:
            at = "data.validation_size" if data.validation == "held-out" and data.validation_size else "data.train_size"
            found[at] = (
                f"leaves {max(sizes.train, 0)} images to train on, and {k} classes need at least {k}; "
                "enlarge the training part or shrink the validation part."
            )
        elif train.batch_size > sizes.train:
            found["train.batch_size"] = (
                f"a batch of {train.batch_size:,} is more than the {sizes.train:,} training images; "
                f"take at most {sizes.train:,}."
            )
    if (config.model.depth - 2) % 6:
        found["model.depth"] = f"{config.model.depth} is not 6n+2; take 8, 14, 20, 32, 44, 56 or 110."
    if config.in_effect("train.nesterov") and train.nesterov and train.momentum == 0:
        found["train.nesterov"] = "needs momentum above 0; raise the momentum or switch Nesterov off."
    if config.in_effect("train.milestones"):
        if list(train.milestones) != sorted(set(train.milestones)):
            found["train.milestones"] = "must rise, each greater than the one before."
        elif train.schedule == "report" and len(train.milestones) != 4:
            found["train.milestones"] = "the report's schedule has four milestones, such as 80,120,160,180."
        elif not train.milestones:
            found["train.milestones"] = "needs at least one epoch, or take the constant schedule."
    if config.in_effect("train.warmup_epochs") and train.warmup_epochs >= train.epochs:
        found["train.warmup_epochs"] = (
            f"{train.warmup_epochs:g} epochs of warm-up leave nothing of {train.epochs}; "
            f"take fewer than {train.epochs}."
        )
    if config.in_effect("train.averaging_start") and train.averaging_start > train.epochs:
        found["train.averaging_start"] = f"lies after the last epoch; take at most {train.epochs}."
    return found
