"""What a search may vary: a range or a list of values for each setting, from the settings' own definitions."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.base.errors import ConfigError
from core.base.numbers import DASHES
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig, known_path
from core.config.setting import Setting, plain
from core.study.study import SEED, path_and_values, values_from_text

#: Settings that decide which images validate a run: trials must be compared on the same ones.
_IMAGES = tuple(path for path in SETTINGS if path.startswith("data.") and path != "data.normalization")
#: Settings that a search can vary, the most usual first.
SEARCHABLE = tuple(
    dict.fromkeys(
        ["train.lr", "train.weight_decay", "train.batch_size", "train.optimizer", "train.momentum", "augment.translate"]
        + [path for path in SETTINGS if path not in (SEED, *HOW_COMPUTED, *_IMAGES)]
    )
)
#: A whole-number setting of which fewer values than this share are allowed is searched as a list: the depth.
_SPARSE = 0.5
_MOST_TRIED = 128
#: Digits that a number drawn from a range keeps, so that a person can read and repeat it.
DIGITS = 4


#: Two ends and a scale. A dash between them is none of a number such as 1e-3.
_RANGE = re.compile(
    rf"\s*(.+?)\s*(?:\.\.|…|\bto\b|(?<=[\d.\s])[{DASHES}](?=[\d.\s]))\s*(.+?)\s*(?:\b(log|linear)\b)?\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class Range:
    """The values that a search tries for the setting at ``path``.

    Either ``choices`` in no order, or numbers from ``low`` to ``high``, drawn from a logarithmic scale with ``log``.
    """

    path: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def setting(self) -> Setting:
        """The definition of the setting."""
        return SETTINGS[self.path]

    @property
    def whole(self) -> bool:
        """Whether the numbers are whole."""
        return self.setting.kind == "int"

    @property
    def values_text(self) -> str:
        """The values as a person types them: ``0.01 to 1 log`` or ``sgd, adamw``."""
        if self.choices:
            separator = "; " if self.setting.kind in ("ints", "classes") else ", "
            return separator.join(map(self.setting.show, self.choices))
        scale = "" if self.log == self.setting.log else " log" if self.log else " linear"
        return f"{self.setting.show(self._number(self.low))} to {self.setting.show(self._number(self.high))}{scale}"

    @property
    def text(self) -> str:
        """The setting and its values: ``Learning rate 0.01 to 1``."""
        return f"{self.setting.label} {self.values_text}"

    def holds(self, value: Any) -> bool:
        """Return whether the search can try ``value``."""
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def rounded(self, value: float) -> Any:
        """Return a number of the range with :data:`DIGITS` digits, a whole one if the setting takes these."""
        if self.whole:
            return round(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def _number(self, value: float) -> Any:
        return round(value) if self.whole else float(value)

    def problem(self) -> str | None:
        """Return what is wrong with the range by itself, or ``None``."""
        if self.path not in SEARCHABLE:
            if self.path in _IMAGES:
                return "This setting decides which images validate a run. Trials are compared on the same images."
            return "This setting does not change what a run learns, or only by chance. Confirm the best with new seeds."
        if self.choices:
            if len(set(map(repr, self.choices))) < len(self.choices):
                return "A value is listed twice. List each value once."
            if len(self.choices) < 2:
                return "Give at least two values, or a range such as 0.01 to 1."
            return next((text for value in self.choices if (text := self.setting.problem(value))), None)
        if self.setting.kind not in ("int", "float"):
            return f"This setting takes no range. List values of it: {self.setting.expects()}."
        for end in (self.low, self.high):
            if text := self.setting.problem(self._number(end)):
                return text
        if not self.low < self.high:
            return f"The range must rise: {plain(self.low)} is not below {plain(self.high)}."
        if self.log and self.low <= 0:
            return "A logarithmic range starts above 0. Raise its start or add “linear”."
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the range as JSON-ready values, without the path."""
        if self.choices:
            return {"choices": list(self.choices)}
        return {"low": self._number(self.low), "high": self._number(self.high), "log": self.log}


def range_from_dict(path: str, content: Any) -> Range:
    """Return the range in ``content``, from :meth:`Range.to_dict`. Raises ConfigError."""
    known_path(path)
    if isinstance(content, dict) and content.keys() == {"choices"} and isinstance(content["choices"], list):
        # A config turns a list into a tuple and 1 into 1.0 where the setting takes one.
        return Range(path, tuple(RunConfig().replace({path: value})[path] for value in content["choices"]))
    if isinstance(content, dict) and content.keys() <= {"low", "high", "log"} and {"low", "high"} <= content.keys():
        low, high, log = content["low"], content["high"], content.get("log", SETTINGS[path].log)
        if all(_is_number(end) for end in (low, high)) and isinstance(log, bool):
            return Range(path, low=float(low), high=float(high), log=log)
    raise ConfigError({path: "takes a list of choices, or low, high and log."})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def range_from_text(text: str) -> Range:
    """Return the range of ``train.lr=0.01 to 1`` or ``train.optimizer=sgd,adamw``. Raises ConfigError."""
    path, values = path_and_values(text)
    return range_of(known_path(path), values)


def range_of(path: str, text: str) -> Range:
    """Return the range that a person types: ``0.01 to 1``, ``0.01..1``, ``0.8 - 1 linear``, or a list of values.

    Without ``log`` or ``linear``, the definition of the setting decides. Raises ConfigError.
    """
    setting = SETTINGS[path]
    found = _RANGE.fullmatch(text)
    if found is None or setting.kind not in ("int", "float"):
        return Range(path, values_from_text(path, text))
    try:
        low, high = (setting.parse(found[number]) for number in (1, 2))
    except ValueError as error:
        raise ConfigError({path: str(error)}) from None
    if low is None or high is None:
        raise ConfigError({path: "A range is between two numbers, such as 0.01 to 1."})
    return Range(
        path, low=float(low), high=float(high), log=setting.log if found[3] is None else found[3].lower() == "log"
    )


def usual_range(path: str, base: RunConfig) -> Range:
    """Return a range to start with: every choice, or numbers around the base's."""
    setting, value = SETTINGS[path], base[path]
    if setting.kind == "choice":
        return Range(path, setting.choices)
    if setting.kind == "bool":
        return Range(path, (False, True))
    if not isinstance(value, int | float) or setting.limits is None:
        return Range(path, (value,))
    if setting.kind == "int" and (listed := _allowed(path, base)):
        return Range(path, listed)
    least, most = setting.limits
    if setting.log:
        factor, centre = (4.0, value) if setting.kind == "int" else (10.0, value or math.sqrt(max(least, 1e-6) * 1e-1))
        low, high = centre / factor, centre * factor
    elif most <= 1:
        low, high = _shares_around(value)
    else:
        low, high = value / 2, value * 2 or min(most, 10.0)
    low, high = max(low, least), min(high, most)
    if setting.kind == "int":
        low, high = float(math.ceil(low)), float(math.floor(high))
    return Range(path, low=float(f"{low:.3g}"), high=float(f"{high:.3g}"), log=setting.log)


def _shares_around(value: float) -> tuple[float, float]:
    """Return two ends around a share of 1: near 1, what is missing to it varies by its factor, as for a momentum."""
    if value >= 0.5:
        return (1 - 4 * (1 - value), 1 - (1 - value) / 4) if value < 1 else (0.0, 1.0)
    return 0.0, 2 * value or 0.2


def _allowed(path: str, base: RunConfig) -> tuple[int, ...]:
    """Return the four allowed values next to the base's, if most whole numbers within the limits are not allowed."""
    limits = SETTINGS[path].limits
    if limits is None or limits[1] - limits[0] > _MOST_TRIED:
        return ()
    numbers = range(int(limits[0]), int(limits[1]) + 1)
    allowed = [number for number in numbers if path not in base.replace({path: number}).problems()]
    if len(allowed) >= _SPARSE * len(numbers):
        return ()
    return tuple(sorted(sorted(allowed, key=lambda number: abs(number - base[path]))[:4]))


def in_order(ranges: Sequence[Range]) -> list[Range]:
    """Return the ranges so that a setting comes after the one that decides whether it has an effect."""
    places = {path: place for place, path in enumerate(SETTINGS)}

    def depth(path: str) -> int:
        when = SETTINGS[path].when
        return 0 if when is None else 1 + depth(when[0])

    return sorted(ranges, key=lambda one: (depth(one.path), places[one.path]))


def varied(ranges: Sequence[Range], config: RunConfig) -> dict[str, Any]:
    """Return the values of ``config`` for the settings that a search varies, without those that have no effect."""
    return {one.path: config[one.path] for one in in_order(ranges) if config.in_effect(one.path)}


def combinations(ranges: Sequence[Range]) -> int | None:
    """Return how many combinations of values there are, conditions left out of account; ``None`` if endless."""
    counts = [len(one.choices) or (int(one.high) - int(one.low) + 1 if one.whole else 0) for one in ranges]
    return math.prod(counts) if all(counts) else None
