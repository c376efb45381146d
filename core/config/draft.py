"""A run that is being put together: what a person has chosen so far, and what to say about it.

:class:`Draft` holds the choices of a form and knows nothing of the form's widgets. Values that are not allowed are kept
too, with a sentence for each. Nothing is queued here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.base.text import counted
from core.config.presets import PRESETS, nearest
from core.config.run_config import SETTINGS, RunConfig

MAX_RUNS = 20
_SIZES = ("data.train_size", "data.test_size", "data.validation_size")


@dataclass
class Draft:
    """A run that is being put together.

    ``unread`` is typed text, by setting, that could not be parsed; ``config`` keeps the setting's last value.
    ``editions`` counts by setting how often its value came from elsewhere than its own widget. The count is part of
    the widget's key, so that a widget with an outdated value is created again.
    """

    preset: str = "quick"
    config: RunConfig = PRESETS["quick"].config
    unread: dict[str, str] = field(default_factory=dict)
    editions: Counter[str] = field(default_factory=Counter)
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    copies: int = 1
    source: str | None = None

    @property
    def recipe(self) -> RunConfig:
        """The preset's own config."""
        return PRESETS[self.preset].config

    def to_dict(self) -> dict[str, Any]:
        """Return the choices as JSON stores them, those that are not allowed included."""
        return {
            "preset": self.preset,
            "set": {path: self.config[path] for path in SETTINGS if self.config[path] != self.recipe[path]},
            "unread": dict(self.unread),
            "name": self.name,
            "tags": list(self.tags),
            "note": self.note,
            "copies": self.copies,
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Draft":
        """Return the draft in ``content`` (from :meth:`to_dict`).

        Raises ConfigError for unknown settings, and KeyError, TypeError or ValueError for other content.
        """
        preset, source = str(content["preset"]), content["source"]
        return cls(
            preset,
            PRESETS[preset].config.replace(dict(content["set"])),
            {path: str(text) for path, text in dict(content["unread"]).items() if path in SETTINGS},
            name=str(content["name"]),
            tags=tuple(map(str, content["tags"])),
            note=str(content["note"]),
            copies=min(max(int(content["copies"]), 1), MAX_RUNS),
            source=source if source is None else str(source),
        )

    def choose_preset(self, name: str) -> None:
        """Start again from a preset. Name, tags and note stay."""
        self.preset, self.source = name, None
        self._forget_unread()
        self._become(self.recipe)

    def choose_classes(self, classes: Sequence[str], widget: str | None = None) -> None:
        """Choose other classes. Sets too large for them shrink; the preset's sizes come back where they fit again.

        ``widget`` is the setting whose widget made the choice.
        """
        before, after = fitted(self.recipe, self.config.data.classes), fitted(self.recipe, classes)
        untouched = {path: after[path] for path in _SIZES if self.config[path] == before[path]}
        self._become(fitted(self.config, classes).replace(untouched), widget)

    def copy_run(self, run_id: str | None, config: RunConfig, name: str, tags: tuple[str, ...]) -> None:
        """Start from the config of another run, or from one that belongs to no run yet."""
        self.preset, self.source, self.name, self.tags = nearest(config).name, run_id, name, tags
        self.editions.update(("name", "tags"))
        self._forget_unread()
        self._become(config)

    def take(self, path: str, value: Any) -> None:
        """Take a setting's value, or text for it, from its own widget."""
        if path == "data.classes":
            self.choose_classes(value, widget=path)
            return
        if isinstance(value, str):
            try:
                value = SETTINGS[path].parse(value)
            except ValueError:
                self.unread[path] = value
                return
        self.unread.pop(path, None)
        self.config = self.config.replace({path: value})

    def shown(self, path: str) -> str:
        """Return the setting's text: what was typed, or its value."""
        return self.unread[path] if path in self.unread else SETTINGS[path].show(self.config[path])

    def problems(self) -> dict[str, str]:
        """Return a sentence for each setting that is not allowed or could not be parsed, by path."""
        problems = self.config.problems(unread=self.unread)
        for path, text in self.unread.items():
            try:
                SETTINGS[path].parse(text)
            except ValueError as error:
                problems[path] = str(error)
        return {path: text for path, text in problems.items() if self.config.in_effect(path)}

    def changed(self) -> set[str]:
        """Return the settings that differ from the preset."""
        return {*self.config.differences(self.recipe), *self.unread}

    def runs(self) -> list[tuple[RunConfig, str]]:
        """Return config and name of each run to start."""
        return runs_by_seed(self.config, self.name, self.copies)

    def _become(self, config: RunConfig, widget: str | None = None) -> None:
        replaced = {path for path in SETTINGS if config[path] != self.config[path]} - {widget}
        self.editions.update(replaced)
        for path in replaced:
            self.unread.pop(path, None)
        self.config = config

    def _forget_unread(self) -> None:
        self.editions.update(list(self.unread))  # a list, because Counter reads a mapping as counts
        self.unread.clear()


def runs_by_seed(config: RunConfig, name: str, seeds: int) -> list[tuple[RunConfig, str]]:
    """Return ``seeds`` checked configs with consecutive seeds, and the name of each run. Raises ConfigError."""
    first = config.train.seed
    return [
        (config.replace({"train.seed": seed}).checked(), f"{name}, seed {seed}" if name and seeds > 1 else name)
        for seed in range(first, first + seeds)
    ]


def fitted(config: RunConfig, classes: Sequence[str]) -> RunConfig:
    """Return ``config`` with other classes. A set that is too large for them keeps the number of images per class.

    The validation set shrinks with the training set, so that it stays the same fraction of it.
    """
    before, k = config.data, len(classes)
    config = config.replace({"data.classes": tuple(classes)})
    if k < 2:
        return config
    data, available = config.data, config.data.available()
    pool = available.train + available.test
    most_train, most_test = (pool, pool) if data.split == "pooled" else (available.train, available.test)
    share = min(1.0, k / max(len(before.classes), 2))

    def at_most(size: int | None, most: int) -> int | None:
        return size if size is None or size <= most else min(round(size * share), most)

    train, test = at_most(data.train_size, most_train), at_most(data.test_size, most_test)
    held_out = data.validation_size
    if held_out and (train is None or train != before.train_size):
        held_out = max(k, round(held_out * share))
    return config.replace({"data.train_size": train, "data.test_size": test, "data.validation_size": held_out})


def split_text(config: RunConfig) -> str:
    """Return which images train, validate and test, in Markdown, for a config without problems."""
    data, sizes = config.data, config.data.sizes()
    if data.validation == "held-out":
        text = (
            f"Trains on **{sizes.train:,}** images, validates on **{sizes.validation:,}** images held out from "
            f"training, and tests once, at the end, on **{sizes.test:,}** images."
        )
    else:
        text = (
            f"Trains on **{sizes.train:,}** images and validates on the **{sizes.test:,} test images**, as in the "
            "report. The best epoch is chosen on the images that measure it, so its accuracy is slightly optimistic."
        )
    if data.split == "official":
        return text
    pool = data.available().train + data.available().test
    return (
        f"{text} The official training and test sets ({pool:,} images of these classes) are merged and re-split at "
        f"random with seed {data.split_seed}, so do not compare the result with results on the official test set."
    )


def work_text(config: RunConfig) -> str:
    """Return the number of epochs and steps, and the chance level."""
    steps, k, epochs = config.steps_per_epoch(), len(config.data.classes), config.train.epochs
    return f"{counted(epochs, 'epoch')} of {counted(steps, 'step')} · {k} classes, chance level {100 / k:.3g} %"
