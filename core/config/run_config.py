"""RunConfig: everything that decides what a run does, and nothing else.

Its four sections hold the settings (:mod:`core.config.sections`); :mod:`core.config.checks` knows what must hold
between them. Where files lie is a setting (:mod:`core.base.paths`); what a run is called is in its ``meta.json``
(:mod:`core.runs.store`).
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.base.errors import ConfigError
from core.config.checks import relations
from core.config.migrations import up_to_date
from core.config.sections import CLASSES, IMAGE_SIZE, AugmentConfig, DataConfig, ModelConfig, TrainConfig
from core.config.setting import Setting, near

__all__ = ["CLASSES", "SECTIONS", "SETTINGS", "AugmentConfig", "DataConfig", "ModelConfig", "RunConfig", "TrainConfig"]

SCHEMA_VERSION = 1
#: Pixels by which the crop grows: the network halves the image size twice.
GROWTH = 4
#: Settings that decide how a run is computed, not what it learns.
HOW_COMPUTED = ("train.device", "train.precision", "train.threads")


@dataclass(frozen=True)
class RunConfig:
    """A complete experiment. Immutable; :meth:`replace` gives a changed copy."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __getitem__(self, path: str) -> Any:
        """The value of the setting at ``path``, e.g. ``config["train.lr"]``."""
        section, name = _known(path).split(".")
        return getattr(getattr(self, section), name)

    def values(self) -> dict[str, Any]:
        """Every setting's value by path, in the order of definition."""
        return {
            f"{section}.{name}": value for section in SECTIONS for name, value in vars(getattr(self, section)).items()
        }

    def replace(self, values: Mapping[str, Any]) -> "RunConfig":
        """A copy with the settings in ``values`` (by path) changed. Unknown paths raise ConfigError."""
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
                values[path] = SETTINGS[_known(path)].parse(text)
            except ConfigError as error:
                problems.update(error.problems)
            except ValueError as error:
                problems[path] = str(error)
        if problems:
            raise ConfigError(problems)
        return self.replace(values)

    def in_effect(self, path: str) -> bool:
        """Whether the setting at ``path`` changes anything, given the others."""
        when = SETTINGS[_known(path)].when
        return when is None or self[when[0]] in when[1]

    def differences(self, other: "RunConfig") -> dict[str, tuple[Any, Any]]:
        """Settings that differ and have an effect in either, by path: (ours, theirs)."""
        return {
            path: (self[path], other[path])
            for path in SETTINGS
            if self[path] != other[path] and (self.in_effect(path) or other.in_effect(path))
        }

    def crop_sizes(self) -> list[int]:
        """Pixels of the pictures' side in each training epoch: all 32, or growing to that in equal shares of epochs."""
        augment, epochs = self.augment, self.train.epochs
        steps, until = (IMAGE_SIZE - augment.grow_from) // GROWTH, augment.grow_until * epochs
        return [
            augment.grow_from + GROWTH * int(steps * epoch / until) if epoch < until else IMAGE_SIZE
            for epoch in range(epochs)
        ]

    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the last may be smaller than the others."""
        return -(-self.data.sizes().train // self.train.batch_size)

    def problems(self) -> dict[str, str]:
        """A sentence for each setting that is not allowed, by path; empty when the config can run."""
        found = {path: text for path, one in SETTINGS.items() if (text := one.problem(self[path]))}
        # Relations between settings only make sense once each is sound by itself.
        return found or relations(self)

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
        """The config in ``content`` (from :meth:`to_dict`); settings not named take their defaults.

        What an older program wrote is brought up to date (:mod:`core.config.migrations`). Raises ConfigError for
        another schema, unknown names and values that are not allowed.
        """
        if not isinstance(content, Mapping):
            raise ConfigError({"config": "is no configuration: it holds no names and values."})
        content = up_to_date(content, SCHEMA_VERSION)
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
                if path in SETTINGS:
                    values[path] = value
                else:
                    problems[path] = "is no setting." + near(path, SETTINGS)
        if problems:
            raise ConfigError(problems)
        return cls().replace(values).checked()

    def signature(self) -> str:
        """Sixteen hex digits that two configs share when they train the same thing.

        Settings without effect and how it is computed (device, precision, threads) do not count; of the parts'
        sizes what they come to does, so that “all” and 50,000 are the same.
        """
        values = {
            path: value for path, value in self.values().items() if path not in HOW_COMPUTED and self.in_effect(path)
        }
        sizes = self.data.sizes()
        values |= {"data.train_size": sizes.train + sizes.validation, "data.test_size": sizes.test}
        if "data.validation_size" in values:
            values["data.validation_size"] = sizes.validation
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


SECTIONS = tuple(one.name for one in dataclasses.fields(RunConfig))

#: Every setting by path, in the order of definition.
SETTINGS: dict[str, Setting] = {
    f"{section}.{one.name}": one.metadata["setting"]
    for section, of in zip(SECTIONS, (DataConfig, ModelConfig, AugmentConfig, TrainConfig), strict=True)
    for one in dataclasses.fields(of)
}


def _known(path: str) -> str:
    if path not in SETTINGS:
        # People write the name alone, which is too short to be near the whole path.
        whole = next((one for one in SETTINGS if one.endswith(f".{path}")), path)
        raise ConfigError({path: "is no setting." + near(whole, SETTINGS)})
    return path


def _canonical(path: str, value: Any) -> Any:
    """Lists (from JSON) as tuples, whole numbers as float where a float is meant, classes in CIFAR-10's order."""
    kind = SETTINGS[path].kind
    if isinstance(value, list):
        value = tuple(value)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    if kind == "classes" and isinstance(value, tuple) and all(one in CLASSES for one in value):
        return tuple(sorted(value, key=CLASSES.index))
    return value
