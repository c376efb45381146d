"""RunConfig: everything that decides what a run does, and nothing else.

Its four sections define the settings (:mod:`core.config.sections`). This module knows what must hold between settings,
and how a config is read, written and compared. A run's name is not here: it is in the run's ``meta.json``.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.base.errors import ConfigError
from core.base.text import counted
from core.config.sections import CLASSES, IMAGE_SIZE, AugmentConfig, DataConfig, ModelConfig, TrainConfig
from core.config.setting import Setting, near, settings_of

SCHEMA_VERSION = 1
#: Steps from a schema version to the next: each takes the content of a ``config.json`` and returns the new content.
#: Whoever changes what a ``config.json`` means raises SCHEMA_VERSION and adds the step from the version before.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
#: Pixels by which the crop grows: the network halves the image twice.
GROWTH = 4
#: Settings that decide how a run is computed, not what it learns.
HOW_COMPUTED = ("train.device", "train.precision", "train.threads")
#: Settings in which an extended run may differ from its parent.
EXTENDED = ("train.epochs", "train.early_stopping", "augment.grow_until")


@dataclass(frozen=True)
class RunConfig:
    """A complete experiment. Immutable: :meth:`replace` returns a changed copy."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __getitem__(self, path: str) -> Any:
        """Return the value of the setting at ``path``, e.g. ``config["train.lr"]``."""
        section, name = known_path(path).split(".")
        return getattr(getattr(self, section), name)

    def values(self) -> dict[str, Any]:
        """Return every setting's value by path, in the order of definition."""
        return {path: self[path] for path in SETTINGS}

    def replace(self, values: Mapping[str, Any]) -> "RunConfig":
        """Return a copy with other values, by path. Raises ConfigError for unknown paths."""
        sections: dict[str, dict[str, Any]] = {}
        for path, value in values.items():
            section, name = known_path(path).split(".")
            sections.setdefault(section, {})[name] = _canonical(path, value)
        changed = {name: dataclasses.replace(getattr(self, name), **new) for name, new in sections.items()}
        return dataclasses.replace(self, **changed)

    def set_from_text(self, settings: list[str]) -> "RunConfig":
        """Return a copy with settings such as ``"train.batch_size=64"``. ConfigError names each bad one."""
        values, problems = {}, {}
        for setting in settings:
            path, sign, text = setting.partition("=")
            path = path.strip()
            try:
                if not sign:
                    raise ValueError("needs a value, as in train.batch_size=64.")
                values[path] = SETTINGS[known_path(path)].parse(text)
            except ConfigError as error:
                problems.update(error.problems)
            except ValueError as error:
                problems[path] = str(error)
        config = self.replace(values)
        if problems:
            raise ConfigError(problems | config.problems(unread=problems))
        return config

    def in_effect(self, path: str) -> bool:
        """Return whether the setting at ``path`` changes anything, given the other settings."""
        when = SETTINGS[known_path(path)].when
        return when is None or self[when[0]] in when[1]

    def differences(self, other: "RunConfig") -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ and have an effect in either config, by path: (ours, theirs)."""
        return {
            path: (self[path], other[path])
            for path in SETTINGS
            if self[path] != other[path] and (self.in_effect(path) or other.in_effect(path))
        }

    def crop_sizes(self) -> list[int]:
        """Return the side of the training images in each epoch, in pixels.

        All 32, or growing to 32 in steps that take equal shares of the epochs.
        """
        augment, epochs = self.augment, self.train.epochs
        steps, until = (IMAGE_SIZE - augment.grow_from) // GROWTH, augment.grow_until * epochs
        return [
            augment.grow_from + GROWTH * int(steps * epoch / until) if epoch < until else IMAGE_SIZE
            for epoch in range(epochs)
        ]

    def mixes(self, epoch: int) -> bool:
        """Return whether images are mixed in ``epoch`` (from 1)."""
        augment = self.augment
        return augment.mix != "none" and epoch <= augment.mix_until * self.train.epochs

    def steps_per_epoch(self) -> int:
        """Return the number of batches in an epoch; the last one may be smaller."""
        return -(-self.data.sizes().train // self.train.batch_size)

    def problems(self, unread: Collection[str] = ()) -> dict[str, str]:
        """Return a sentence for each setting that is not allowed, by path; empty when the config can run.

        What must hold between settings is checked where each of them is allowed by itself. ``unread`` are settings
        whose value here is not the one the person meant, because it could not be read.
        """
        problems = {path: text for path, setting in SETTINGS.items() if (text := setting.problem(self[path]))}
        problems = {path: text for path, text in problems.items() if path not in unread}
        wrong = {*problems, *unread}
        for check, paths in _RELATIONS.items():
            if wrong.isdisjoint(paths):
                problems |= check(self)
        return problems

    def checked(self) -> "RunConfig":
        """Return this config. Raises ConfigError with every problem."""
        if problems := self.problems():
            raise ConfigError(problems)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the config as JSON stores it, with the schema version."""
        return {"schema": SCHEMA_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, content: Any) -> "RunConfig":
        """Return the config in ``content`` (from :meth:`to_dict`). Missing settings take their defaults.

        Content of an older schema is brought up to date (:data:`MIGRATIONS`), never changed in place. Raises
        ConfigError for another schema, unknown names and values that are not allowed.
        """
        if not isinstance(content, Mapping):
            raise ConfigError({"config": "is not a configuration: a JSON object is needed."})
        while type(schema := content.get("schema")) is int and schema < SCHEMA_VERSION and schema in MIGRATIONS:
            content = {**MIGRATIONS[schema](dict(content)), "schema": schema + 1}
        if schema != SCHEMA_VERSION:
            if isinstance(schema, int) and schema > SCHEMA_VERSION:
                text = f"was written by a newer ResNet Lab (schema {schema}). Update this one to read it."
            else:
                text = f"has schema “{schema}”, but this program reads schema {SCHEMA_VERSION}."
            raise ConfigError({"schema": text})
        values, problems = {}, {}
        for section, names in content.items():
            if section in SECTIONS and isinstance(names, Mapping):
                values.update({f"{section}.{name}": value for name, value in names.items()})
            elif section != "schema":
                problems[str(section)] = "is not a section of a configuration." + near(section, SECTIONS)
        problems |= {path: _unknown(path) for path in values if path not in SETTINGS}
        if problems:
            raise ConfigError(problems)
        return cls().replace(values).checked()

    def signature(self) -> str:
        """Return sixteen hex digits that two configs share when they train the same thing.

        Settings without effect and settings of how it is computed (device, precision, threads) do not count. Sizes
        count as numbers of images, so that “all” and 50,000 are the same.
        """
        values = {
            path: value
            for path, value in self.values().items()
            if path not in HOW_COMPUTED and self.in_effect(path) and (path, value) not in _WITHOUT
        }
        sizes = self.data.sizes()
        values |= {"data.train_size": sizes.train + sizes.validation, "data.test_size": sizes.test}
        if "data.validation_size" in values:
            values["data.validation_size"] = sizes.validation
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


#: Settings that came after the table of runs had got its columns; theirs are the last.
LATER = ("augment.mix", "augment.mix_alpha", "augment.mix_until")
#: Settings that earlier versions did not have, at the value with which a run trains as those versions did. They do not
#: count, so that a recipe keeps the signature it had.
_WITHOUT = (("augment.mix", "none"),)

SECTIONS = tuple(section.name for section in dataclasses.fields(RunConfig))

#: Every setting by path, in the order of definition.
SETTINGS: dict[str, Setting] = {
    f"{name}.{setting_name}": setting
    for name, section in zip(SECTIONS, (DataConfig, ModelConfig, AugmentConfig, TrainConfig), strict=True)
    for setting_name, setting in settings_of(section).items()
}


def known_path(path: str) -> str:
    """Return ``path`` if there is a setting at it. Raises ConfigError with the closest path."""
    if path not in SETTINGS:
        raise ConfigError({path: _unknown(path)})
    return path


def _unknown(path: str) -> str:
    # People write the name alone, which is too short to be close to the whole path.
    whole = next((known for known in SETTINGS if known.endswith(f".{path}")), path)
    return "is not a known setting." + near(whole, SETTINGS)


def _canonical(path: str, value: Any) -> Any:
    """Return lists (from JSON) as tuples, whole numbers of a float setting as float, classes in CIFAR-10's order."""
    kind = SETTINGS[path].kind
    if isinstance(value, list):
        value = tuple(value)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    if kind == "classes" and isinstance(value, tuple) and all(name in CLASSES for name in value):
        return tuple(sorted(value, key=CLASSES.index))
    return value


# --- What must hold between settings that are each allowed by themselves -----------------------------


def _problems_of_sets(config: RunConfig) -> dict[str, str]:
    """Return sets larger than the images of these classes, or too small for every class."""
    problems: dict[str, str] = {}
    data, sizes, k = config.data, config.data.sizes(), len(config.data.classes)
    train, test, official, pooled = data.train_size or 0, data.test_size or 0, data.available(), data.split == "pooled"
    pool = official.train + official.test
    most_train, most_test = (pool - k, pool - k) if pooled else (official.train, official.test)
    of_classes = f"images of these {k} classes"
    if pooled and not train and not test:
        problems["data.train_size"] = (
            f"is missing: to split {pool:,} pooled images, set the size of the training or of the test set. "
            f"The report trains on {official.train:,}."
        )
    if train > most_train:
        problems["data.train_size"] = (
            f"{train:,} is too many: the {data.split} split can train on at most {most_train:,} {of_classes}."
        )
    if test > most_test:
        problems["data.test_size"] = (
            f"{test:,} is too many: the {data.split} split can test on at most {most_test:,} {of_classes}."
        )
    if not problems and pooled and train + test > pool:
        problems["data.train_size"] = (
            f"{train:,} and a test set of {test:,} are more than the {pool:,} {of_classes}. "
            f"Use at most {pool - test:,}."
        )
    if problems:  # the sizes mean nothing then
        return problems
    too_few = "{:,} images cannot cover {} classes. Use at least {}."
    if sizes.test < k:
        problems["data.test_size"] = too_few.format(sizes.test, k, k)
    if data.validation == "held-out" and sizes.validation < k:
        problems["data.validation_size"] = too_few.format(sizes.validation, k, k)
    if sizes.train < k:
        path = "data.validation_size" if data.validation == "held-out" and data.validation_size else "data.train_size"
        problems[path] = (
            f"leaves {max(sizes.train, 0)} training images for {k} classes. "
            "Use a larger training set or a smaller validation set."
        )
    return problems


def _problem_of_batch(config: RunConfig) -> dict[str, str]:
    batch, images = config.train.batch_size, config.data.sizes().train
    if batch <= images or _problems_of_sets(config):
        return {}
    return {"train.batch_size": f"{batch:,} is more than the {images:,} training images. Use at most {images:,}."}


def _problem_of_depth(config: RunConfig) -> dict[str, str]:
    depth = config.model.depth
    return {"model.depth": f"{depth} is not 6n+2. Use 8, 14, 20, 32, 44, 56 or 110."} if (depth - 2) % 6 else {}


def _problem_of_crop(config: RunConfig) -> dict[str, str]:
    crop = config.augment.grow_from
    if crop % GROWTH == 0:  # the image is halved twice, and the report's shortcut needs an even side
        return {}
    return {"augment.grow_from": f"{crop} is not a multiple of {GROWTH}. Use 20, 24, 28, or 32 for full images."}


def _problem_of_nesterov(config: RunConfig) -> dict[str, str]:
    if config.in_effect("train.nesterov") and config.train.nesterov and config.train.momentum == 0:
        return {"train.nesterov": "needs momentum above 0. Raise the momentum or switch Nesterov momentum off."}
    return {}


def _problem_of_milestones(config: RunConfig) -> dict[str, str]:
    milestones, text = config.train.milestones, ""
    if list(milestones) != sorted(set(milestones)):
        text = "must be in rising order, each epoch once."
    elif config.train.schedule == "report" and len(milestones) != 4:
        text = "must be four epochs for the report's schedule, such as 80,120,160,180."
    elif not milestones:
        text = "needs at least one epoch. For no change, use the constant schedule."
    return {"train.milestones": text} if text and config.in_effect("train.milestones") else {}


def _problem_of_warmup(config: RunConfig) -> dict[str, str]:
    warmup, epochs = config.train.warmup_epochs, config.train.epochs
    if not config.in_effect("train.warmup_epochs") or warmup < epochs:
        return {}
    text = f"A warm-up of {counted(warmup, 'epoch')} leaves none of the run's {counted(epochs, 'epoch')} to train at "
    return {"train.warmup_epochs": f"{text}the full learning rate. Use less than {epochs}, or 0 for no warm-up."}


def _problem_of_averaging(config: RunConfig) -> dict[str, str]:
    start, epochs = config.train.averaging_start, config.train.epochs
    if not config.in_effect("train.averaging_start") or start <= epochs:
        return {}
    return {"train.averaging_start": f"{start} is after the last epoch. Use at most {epochs}."}


_SETS = ("data.classes", "data.split", "data.train_size", "data.test_size", "data.validation", "data.validation_size")
#: Each check, and the settings it reads: it makes sense only if each of them is allowed by itself.
_RELATIONS: dict[Callable[[RunConfig], dict[str, str]], tuple[str, ...]] = {
    _problems_of_sets: _SETS,
    _problem_of_batch: (*_SETS, "train.batch_size"),
    _problem_of_depth: ("model.depth",),
    _problem_of_crop: ("augment.grow_from",),
    _problem_of_nesterov: ("train.optimizer", "train.nesterov", "train.momentum"),
    _problem_of_milestones: ("train.schedule", "train.milestones"),
    _problem_of_warmup: ("train.schedule", "train.warmup_epochs", "train.epochs"),
    _problem_of_averaging: ("train.averaging", "train.averaging_start", "train.epochs"),
}
