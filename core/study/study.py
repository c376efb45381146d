"""A study: one setting or several varied over values, times seeds, on a base configuration.

What is defined here is only what a study asks. Its cells are ordinary runs, known by the signature of their
configuration, so a run that was trained for another reason serves as a cell too. Where studies are kept is
:mod:`core.study.store`'s business, how far one is and what is done with it :mod:`core.study.progress`'s.
"""

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.base.errors import ConfigError
from core.base.text import one_line, printable
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig, known_path
from core.config.setting import near, plain

SCHEMA_VERSION = 1
#: More cells are no study a person looks at, and a slip of the keyboard would fill the queue.
MOST_CELLS = 300
MOST_NAME = 80
#: A study is never scaled down further than this: its rates would fall before anything was learnt.
LEAST_SCALE = 0.1

#: What is no setting of a study: the seeds are given apart.
SEED = "train.seed"


@dataclass(frozen=True)
class Axis:
    """The setting at ``path`` varied over ``values``, in this order and each once."""

    path: str
    values: tuple[Any, ...]

    @property
    def label(self) -> str:
        """The setting's name as the form has it."""
        return SETTINGS[self.path].label

    def in_words(self) -> str:
        """``Training part 6000, 7000, 8000``."""
        return f"{self.label} {', '.join(SETTINGS[self.path].show(one) for one in self.values)}"


@dataclass(frozen=True)
class Cell:
    """One run a study asks for: the varied settings' ``settings`` by path, the ``seed``, and the whole ``config``."""

    settings: dict[str, Any]
    seed: int
    config: RunConfig
    signature: str = field(repr=False)

    def in_words(self) -> str:
        """``training part 6000, seed 0``."""
        told = [f"{SETTINGS[path].label.lower()} {SETTINGS[path].show(value)}" for path, value in self.settings.items()]
        return ", ".join([*told, f"seed {self.seed}"])


@dataclass(frozen=True)
class Study:
    """A question to training. Immutable; :meth:`extended` gives a larger copy.

    ``figure`` is the number of the report's figure it draws again, if it does; ``scale`` the factor (0.1 to 1)
    by which epochs and milestones are smaller than there. A ``reference`` study came with the program.
    """

    name: str
    base: RunConfig
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...] = (0,)
    note: str = ""
    figure: int | None = None
    scale: float = 1.0
    reference: bool = False
    created_at: float = 0.0

    def cells(self) -> list[Cell]:
        """Every run it asks for: all values with the first seed, then all with the next, so that a rough picture
        comes early. Two combinations that train the same thing are one cell."""
        return list(_cells(self))

    @property
    def size(self) -> int:
        """Number of combinations of values and seeds."""
        size = len(self.seeds)
        for axis in self.axes:
            size *= len(axis.values)
        return size

    def problems(self) -> dict[str, str]:
        """A sentence for each part that is not allowed; empty for a study that can run.

        Keys are ``name``, ``seeds``, ``vary``, or the path of the setting to change.
        """
        found = self._problems_of_parts()
        if found:
            return found
        for cell in self.cells():
            for path, text in cell.config.problems().items():
                found.setdefault(path, f"with {cell.in_words()}: {text}")
        return found

    def _problems_of_parts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if not self.name.strip():
            found["name"] = "is missing; give the study a name you will know it by."
        elif len(self.name) > MOST_NAME:
            found["name"] = f"has {len(self.name)} characters; at most {MOST_NAME} are allowed."
        if not self.axes:
            found["vary"] = "names no setting; a study varies at least one."
        if not self.seeds:
            found["seeds"] = "are missing; a study takes at least one."
        elif len(set(self.seeds)) < len(self.seeds):
            found["seeds"] = "name one twice; each counts once."
        elif bad := [text for one in self.seeds if (text := SETTINGS[SEED].problem(one))]:
            found["seeds"] = bad[0]
        for axis in self.axes:
            if text := self._problem_of_axis(axis):
                found[axis.path] = text
        if len({axis.path for axis in self.axes}) < len(self.axes):
            found["vary"] = "names a setting twice; put its values into one list."
        if not found and self.size > MOST_CELLS:
            found["vary"] = f"asks for {self.size:,} runs; at most {MOST_CELLS} are allowed. Take fewer values."
        return found

    def _problem_of_axis(self, axis: Axis) -> str | None:
        if not axis.values:
            return "has no values; give at least one."
        if axis.path in HOW_COMPUTED:
            return "decides how a run is computed, not what it learns; train such runs one by one and compare them."
        if len({repr(one) for one in axis.values}) < len(axis.values):
            return "names a value twice; each counts once."
        bad = next((text for one in axis.values if (text := SETTINGS[axis.path].problem(one))), None)
        if bad:
            return bad
        when = SETTINGS[axis.path].when
        if when and when[0] not in {one.path for one in self.axes} and not self.base.in_effect(axis.path):
            return (
                f"has no effect here: it counts only where “{SETTINGS[when[0]].label}” is "
                f"{' or '.join(str(one) for one in when[1])}."
            )
        return None

    def checked(self) -> "Study":
        """This study, or ConfigError with every problem."""
        if problems := self.problems():
            raise ConfigError(problems)
        return self

    def extended(self, values: Mapping[str, Iterable[Any]], seeds: Iterable[int] = ()) -> "Study":
        """A copy with more values (by path of a setting that is varied) and more seeds; known ones are not repeated.

        Raises ConfigError for a setting that is not varied here: its runs would answer another question.
        """
        paths = [axis.path for axis in self.axes]
        if unknown := [path for path in values if path not in paths]:
            raise ConfigError({unknown[0]: f"is not varied in this study, which varies {', '.join(paths)}."})
        axes = []
        for axis in self.axes:
            new = [one for one in values.get(axis.path, ()) if one not in axis.values]
            merged = (*axis.values, *dict.fromkeys(new))
            axes.append(Axis(axis.path, tuple(sorted(merged)) if _are_numbers(merged) else merged))
        more = [one for one in dict.fromkeys(seeds) if one not in self.seeds]
        return replace(self, axes=tuple(axes), seeds=(*self.seeds, *more))

    def scaled(self, scale: float) -> "Study":
        """A copy whose every cell has ``scale`` (0.1 to 1) times the epochs and milestones, values kept otherwise."""
        if not LEAST_SCALE <= scale <= 1:
            raise ConfigError({"scale": f"{plain(scale)} is out of range; it takes a number from {LEAST_SCALE} to 1."})
        base = self.base.replace(
            {
                "train.epochs": scaled_epochs(self.base.train.epochs, scale),
                "train.milestones": tuple(scaled_epochs(one, scale) for one in self.base.train.milestones),
            }
        )
        axes = tuple(
            Axis(one.path, tuple(scaled_epochs(value, scale) for value in one.values))
            if one.path == "train.epochs"
            else one
            for one in self.axes
        )
        return replace(self, base=base, axes=axes, scale=scale * self.scale)

    # --- as a file --------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the schema version."""
        return {
            "schema": SCHEMA_VERSION,
            "name": self.name,
            "note": self.note,
            "figure": self.figure,
            "scale": self.scale,
            "reference": self.reference,
            "created_at": self.created_at,
            "vary": {axis.path: list(axis.values) for axis in self.axes},
            "seeds": list(self.seeds),
            "base": self.base.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Any) -> "Study":
        """The study in ``content`` (from :meth:`to_dict`, or written by hand: ``name``, ``vary`` and ``base`` do).

        Raises ConfigError that names each thing that is not allowed.
        """
        if not isinstance(content, Mapping):
            raise ConfigError({"study": "is no study: it holds no names and values."})
        known = {"schema", "name", "note", "figure", "scale", "reference", "created_at", "vary", "seeds", "base"}
        found = {str(one): "is no part of a study." + near(one, known) for one in content if one not in known}
        schema = content.get("schema", SCHEMA_VERSION)
        if isinstance(schema, int) and schema > SCHEMA_VERSION:
            found = {"schema": f"was written by a newer ResNet Lab (schema {schema}); update this one to read it."}
        elif schema != SCHEMA_VERSION:
            found = {"schema": f"says “{schema}”; this program reads schema {SCHEMA_VERSION}."}
        if found:
            raise ConfigError(found)
        base = content.get("base")
        config = RunConfig() if base is None else RunConfig.from_dict(base)
        name, note = _text(content, "name"), _text(content, "note")
        return cls(
            name.strip(), config, _axes(content.get("vary")), _seeds(content.get("seeds", [0])), note,
            _figure(content.get("figure")), _number(content, "scale", 1.0), content.get("reference") is True,
            _number(content, "created_at", 0.0),
        ).checked()  # fmt: skip


@functools.lru_cache(maxsize=32)  # a page asks again every few seconds
def _cells(study: Study) -> tuple[Cell, ...]:
    found: dict[str, Cell] = {}
    for seed in study.seeds:
        for values in itertools.product(*(axis.values for axis in study.axes)):
            settings = {axis.path: value for axis, value in zip(study.axes, values, strict=True)}
            config = study.base.replace({**settings, SEED: seed})
            signature = config.signature()
            found.setdefault(signature, Cell(settings, seed, config, signature))
    return tuple(found.values())


def scaled_epochs(epochs: int, scale: float) -> int:
    """``epochs`` times ``scale``, to a whole number of at least one."""
    return max(1, round(epochs * scale))


def axis(path: str, values: Iterable[Any]) -> Axis:
    """The axis over ``values`` (as JSON has them); ConfigError if ``path`` is no setting, or the seed."""
    if path == SEED:
        raise ConfigError({SEED: "is not varied like a setting: name the seeds themselves."})
    # Through a config, so that a list becomes a tuple and 1 a 1.0 where the setting takes such.
    return Axis(known_path(path), tuple(RunConfig().replace({path: one})[path] for one in values))


def path_and_values(text: str) -> tuple[str, str]:
    """The two sides of ``train.batch_size=32,64,128``; ConfigError if it has but one."""
    path, sign, values = (part.strip() for part in text.partition("="))
    if not sign:
        raise ConfigError({path: "needs values, as in train.batch_size=32,64,128."})
    return path, values


def axis_from_text(text: str) -> Axis:
    """The axis that ``train.batch_size=32,64,128`` means; values that are lists are parted by semicolons."""
    path, values = path_and_values(text)
    if path not in SETTINGS or path == SEED:
        return axis(path, ())
    return Axis(path, values_from_text(path, values))


def values_from_text(path: str, text: str) -> tuple[Any, ...]:
    """Values of the setting at ``path`` as a person types them; ConfigError names the first that is none."""
    parting = ";" if SETTINGS[path].kind in ("ints", "classes") else ","
    try:
        parsed = [SETTINGS[path].parse(part) for part in text.replace("\n", parting).split(parting) if part.strip()]
    except ValueError as error:
        raise ConfigError({path: str(error)}) from None
    return axis(path, parsed).values


def seeds_from_text(text: str) -> tuple[int, ...]:
    """Seeds as a person types them: ``0, 1, 2`` or ``0-4``. Raises ConfigError."""
    seeds: list[int] = []
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if not part:
            continue
        if not first.isdecimal() or (dash and not (last.isdecimal() and 0 <= int(last) - int(first) <= MOST_CELLS)):
            raise ConfigError({"seeds": f"“{part[:30]}” is no seed; write whole numbers as in 0, 1, 2 or 0-4."})
        seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    return tuple(dict.fromkeys(seeds))


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name, "")
    if not isinstance(value, str):
        raise ConfigError({name: f"takes text, not “{str(value)[:40]}”."})
    return printable(value) if name == "note" else one_line(value)


def _number(content: Mapping[str, Any], name: str, default: float) -> float:
    value = content.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ConfigError({name: f"takes a number, not “{str(value)[:40]}”."})
    return float(value)


def _figure(value: Any) -> int | None:
    if value is not None and value not in (3, 5, 7, 9):
        raise ConfigError({"figure": f"“{str(value)[:40]}” is none of the report's studies, Figures 3, 5, 7 and 9."})
    return None if value is None else int(value)


def _axes(vary: Any) -> tuple[Axis, ...]:
    if not isinstance(vary, Mapping):
        raise ConfigError({"vary": "is missing: name the settings to vary, each with a list of values."})
    problems = {str(path): "takes a list of values." for path, values in vary.items() if not isinstance(values, list)}
    if problems:
        raise ConfigError(problems)
    return tuple(axis(str(path), values) for path, values in vary.items())


def _seeds(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(isinstance(one, int) for one in values):
        raise ConfigError({"seeds": "takes a list of whole numbers, as in [0, 1, 2]."})
    return tuple(values)
