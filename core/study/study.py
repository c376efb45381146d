"""A study: one setting or several varied over values, times seeds, on a base configuration.

A study is only the question. Its cells are ordinary runs, identified by the signature of their configuration, so any
run with that signature serves as the cell. :mod:`core.study.store` keeps studies, :mod:`core.study.progress` runs them.
"""

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.base.errors import ConfigError
from core.base.numbers import DASHES, split_list, whole_number
from core.base.text import composed, one_line, printable
from core.compare.settings import are_numbers
from core.config.presets import nearest, recipe_text
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig, known_path
from core.config.setting import near, plain
from core.published.points import FIGURES

SCHEMA_VERSION = 1
#: Nobody reads a study of more cells, and a typing error could fill the queue.
MOST_CELLS = 300
MOST_NAME = 80
#: The smallest scale. Below it the learning rate falls before anything is learned.
LEAST_SCALE = 0.1
#: The seeds are listed apart; they are not a varied setting.
SEED, SPLIT_SEED = "train.seed", "data.split_seed"


@dataclass(frozen=True)
class Axis:
    """The setting at ``path``, varied over ``values`` in this order."""

    path: str
    values: tuple[Any, ...]

    @property
    def label(self) -> str:
        """The name of the setting."""
        return SETTINGS[self.path].label

    @property
    def text(self) -> str:
        """The setting and its values: ``Batch size 32, 64, 128``."""
        return f"{self.label} {', '.join(map(SETTINGS[self.path].text, self.values))}"


@dataclass(frozen=True)
class Cell:
    """One run that a study asks for: the varied ``settings`` by path, the ``seed`` and the whole ``config``."""

    settings: dict[str, Any]
    seed: int
    config: RunConfig
    signature: str = field(repr=False)

    @property
    def label(self) -> str:
        """What differs from other cells: ``batch size 64, seed 0``."""
        values = [
            f"{SETTINGS[path].label.lower()} {SETTINGS[path].text(self.settings[path])}" for path in self.settings
        ]
        return ", ".join([*values, f"seed {self.seed}"])


@dataclass(frozen=True)
class Study:
    """A question to training. Immutable; :meth:`extended` returns a larger copy.

    ``figure`` is the number of the report's figure that the study repeats, if it does; ``scale`` the factor (0.1 to 1)
    by which its epochs and milestones are shortened. With ``redraw`` each seed draws its training images anew: the
    split seed of a cell is its seed. A ``reference`` study came with the program and is read-only.
    """

    name: str
    base: RunConfig
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...] = (0,)
    note: str = ""
    figure: int | None = None
    scale: float = 1.0
    redraw: bool = False
    reference: bool = False
    created_at: float = 0.0

    @property
    def recipe(self) -> str:
        """The base in a few words, without the varied settings: ``report · classes deer, dog``."""
        usual = nearest(self.base).config
        return recipe_text(self.base.replace({axis.path: usual[axis.path] for axis in self.axes}))

    def cells(self) -> list[Cell]:
        """Return every run of the study: all values with the first seed, then all with the next.

        So a first comparison comes early. Two combinations with the same signature are one cell.
        """
        return list(_cells(self))

    @property
    def size(self) -> int:
        """Number of combinations of values and seeds."""
        return len(self.seeds) * math.prod(len(axis.values) for axis in self.axes)

    def problems(self) -> dict[str, str]:
        """Return a sentence for each part that is not allowed; empty for a study that can run.

        Keys are ``name``, ``seeds``, ``vary``, ``redraw``, or the path of the setting to change.
        """
        problems = self._problems_of_parts()
        for cell in [] if problems.keys() - {"name"} else self.cells():
            for path, text in cell.config.problems().items():
                problems.setdefault(path, f"With {cell.label}: {text}")
            if self.redraw and not problems and not cell.config.data.whole_test_set:
                problems["redraw"] = (
                    "Each seed would be tested on other images. To draw the training images anew for each seed, choose "
                    "base settings with the official split and all of its test images."
                )
        return problems

    def _problems_of_parts(self) -> dict[str, str]:
        problems: dict[str, str] = {}
        if not self.name.strip():
            problems["name"] = "Give the study a name."
        elif len(self.name) > MOST_NAME:
            problems["name"] = f"The name has {len(self.name)} characters; at most {MOST_NAME} are allowed."
        if not self.axes:
            problems["vary"] = "Choose at least one setting to vary."
        if not self.seeds:
            problems["seeds"] = "Give at least one seed."
        elif len(set(self.seeds)) < len(self.seeds):
            problems["seeds"] = "A seed is listed twice. List each seed once."
        elif bad := [text for seed in self.seeds if (text := SETTINGS[SEED].problem(seed))]:
            problems["seeds"] = bad[0]
        problems |= {axis.path: text for axis in self.axes if (text := self._problem_of_axis(axis))}
        if len({axis.path for axis in self.axes}) < len(self.axes):
            problems["vary"] = "A setting is listed twice. Put its values into one list."
        if self.redraw and SPLIT_SEED in {axis.path for axis in self.axes}:
            problems["redraw"] = f"{SETTINGS[SPLIT_SEED].label} is varied already, so it cannot follow the seed."
        if not problems and self.size > MOST_CELLS:
            problems["vary"] = f"This is {self.size:,} runs; at most {MOST_CELLS} are allowed. Vary fewer values."
        return problems

    def _problem_of_axis(self, axis: Axis) -> str | None:
        if not axis.values:
            return "Give at least one value."
        if axis.path in HOW_COMPUTED:
            return "This setting changes how a run is computed, not what it learns. Compare single runs instead."
        if len(set(map(repr, axis.values))) < len(axis.values):
            return "A value is listed twice. List each value once."
        for value in axis.values:
            if text := SETTINGS[axis.path].problem(value):
                return text
        when = SETTINGS[axis.path].when
        if when and when[0] not in {other.path for other in self.axes} and not self.base.in_effect(axis.path):
            needed = " or ".join(map(str, when[1]))
            return f"This setting has no effect here: it needs “{SETTINGS[when[0]].label}” to be {needed}."
        return None

    def checked(self) -> "Study":
        """Return this study. Raises ConfigError with every problem."""
        if problems := self.problems():
            raise ConfigError(problems)
        return self

    def extended(self, values: Mapping[str, Iterable[Any]], seeds: Iterable[int] = ()) -> "Study":
        """Return a copy with more values (by path) and more seeds; known ones are not repeated.

        Raises ConfigError for a setting that the study does not vary.
        """
        paths = [axis.path for axis in self.axes]
        if unknown := [path for path in values if path not in paths]:
            raise ConfigError({unknown[0]: f"is not varied in this study, which varies {', '.join(paths)}."})
        axes = []
        for axis in self.axes:
            merged = tuple(dict.fromkeys((*axis.values, *values.get(axis.path, ()))))
            axes.append(Axis(axis.path, tuple(sorted(merged)) if are_numbers(merged) else merged))
        return replace(self, axes=tuple(axes), seeds=tuple(dict.fromkeys((*self.seeds, *seeds))))

    def scaled(self, scale: float) -> "Study":
        """Return a copy in which every cell has ``scale`` (0.1 to 1) times the epochs and milestones."""
        if not LEAST_SCALE <= scale <= 1:
            raise ConfigError({"scale": f"{plain(scale)} is out of range; it takes a number from {LEAST_SCALE} to 1."})

        def shorter(epochs: Iterable[int]) -> tuple[int, ...]:
            return tuple(scaled_epochs(number, scale) for number in epochs)

        train = self.base.train
        (epochs,) = shorter([train.epochs])
        base = self.base.replace({"train.epochs": epochs, "train.milestones": shorter(train.milestones)})
        axes = tuple(
            replace(axis, values=shorter(axis.values)) if axis.path == "train.epochs" else axis for axis in self.axes
        )
        return replace(self, base=base, axes=axes, scale=scale * self.scale)

    # --- as a file --------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the study as JSON-ready values, with the schema version."""
        return {
            "schema": SCHEMA_VERSION,
            "name": self.name,
            "note": self.note,
            "figure": self.figure,
            "scale": self.scale,
            **({"redraw": True} if self.redraw else {}),  # earlier versions refuse a part that they do not know
            "reference": self.reference,
            "created_at": self.created_at,
            "vary": {axis.path: list(axis.values) for axis in self.axes},
            "seeds": list(self.seeds),
            "base": self.base.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Any) -> "Study":
        """Return the study in ``content``, from :meth:`to_dict` or written by hand: ``name`` and ``vary`` are enough.

        Raises ConfigError that names everything that is not allowed.
        """
        if not isinstance(content, Mapping):
            raise ConfigError({"study": "This is not a study: it holds no names and values."})
        _check_names(content)
        base, figure = content.get("base"), content.get("figure")
        if figure is not None and figure not in FIGURES:
            raise ConfigError({"figure": no_such_figure(figure)})
        return cls(
            name=composed(one_line(_take(content, "name", "", "text", _is_text)).strip()),
            base=RunConfig() if base is None else RunConfig.from_dict(base),
            axes=_axes(content.get("vary")),
            seeds=tuple(_take(content, "seeds", [0], "a list of whole numbers, as in [0, 1, 2]", _are_seeds)),
            note=composed(printable(_take(content, "note", "", "text", _is_text))),
            figure=None if figure is None else int(figure),
            scale=float(_take(content, "scale", 1.0, "a number", _is_amount)),
            redraw=_take(content, "redraw", False, "true or false", lambda value: isinstance(value, bool)),
            reference=content.get("reference") is True,
            created_at=float(_take(content, "created_at", 0.0, "a number", _is_amount)),
        ).checked()


@functools.lru_cache(maxsize=32)  # a page asks again every few seconds
def _cells(study: Study) -> tuple[Cell, ...]:
    cells: dict[str, Cell] = {}
    for seed in study.seeds:
        for values in itertools.product(*(axis.values for axis in study.axes)):
            settings = {axis.path: value for axis, value in zip(study.axes, values, strict=True)}
            config = study.base.replace({**settings, SEED: seed, **({SPLIT_SEED: seed} if study.redraw else {})})
            signature = config.signature()
            cells.setdefault(signature, Cell(settings, seed, config, signature))
    return tuple(cells.values())


def scaled_epochs(epochs: int, scale: float) -> int:
    """Return ``epochs`` times ``scale`` as a whole number of at least one."""
    return max(1, round(epochs * scale))


# --- as text ----------------------------------------------------------------------------------------


def axis(path: str, values: Iterable[Any]) -> Axis:
    """Return the axis over ``values`` as JSON has them. Raises ConfigError for an unknown ``path`` and for the seed."""
    if path == SEED:
        raise ConfigError({SEED: "is not varied like a setting: list the seeds instead."})
    # A config turns a list into a tuple and 1 into 1.0 where the setting takes one.
    return Axis(known_path(path), tuple(RunConfig().replace({path: value})[path] for value in values))


def path_and_values(text: str) -> tuple[str, str]:
    """Return the two sides of ``train.batch_size=32,64,128``. Raises ConfigError without values."""
    path, sign, values = (part.strip() for part in text.partition("="))
    if not sign:
        raise ConfigError({path: "needs values, as in train.batch_size=32,64,128."})
    return path, values


def axis_from_text(text: str) -> Axis:
    """Return the axis of ``train.batch_size=32,64,128``; values that are lists are separated by semicolons."""
    path, values = path_and_values(text)
    return Axis(path, values_from_text(known_path(path), values))


def values_from_text(path: str, text: str) -> tuple[Any, ...]:
    """Return the values of the setting at ``path`` as a person types them. Raises ConfigError for a wrong one.

    Values are separated by commas, or by semicolons, which leave commas for the digits: ``5,000; 10,000``. Values that
    are lists are separated by semicolons.
    """
    try:
        if SETTINGS[path].kind in ("ints", "classes"):
            parts = [part for part in text.replace("\n", ";").split(";") if part.strip()]
        else:
            parts = split_list(text)
        return axis(path, map(SETTINGS[path].parse, parts)).values
    except ValueError as error:
        raise ConfigError({path: str(error)}) from None


def seeds_from_text(text: str) -> tuple[int, ...]:
    """Return the seeds that a person types: ``0, 1, 2``, ``0 1 2`` or ``0-4``. Raises ConfigError."""
    seeds: list[int] = []
    joined = re.sub(rf"\s*(?:[{DASHES}]|\.\.|…|\bto\b)\s*", "-", text.strip(), flags=re.IGNORECASE)
    for part in filter(None, re.split(r"[,;\s]+", joined)):
        shown, (first, dash, last) = one_line(part, 30), part.partition("-")
        try:
            if re.match(r"0\d|-", first) or re.match(r"-", last):  # 1,000 is not the seeds 1 and 0
                raise ValueError
            start, end = whole_number(first), whole_number(last if dash else first)
        except ValueError:
            text = f"“{shown}” is not a seed. Write whole numbers, as in 0, 1, 2 or 0-4."
            raise ConfigError({"seeds": text}) from None
        if end < start:
            raise ConfigError({"seeds": f"“{shown}” counts down. Write {end}-{start}."})
        if end - start >= MOST_CELLS:
            text = f"“{shown}” is {end - start + 1:,} seeds; a study has at most {MOST_CELLS} runs. Write fewer seeds."
            raise ConfigError({"seeds": text})
        seeds += range(start, end + 1)
    return tuple(dict.fromkeys(seeds))


# --- parts of a file ------------------------------------------------------------------------------


def _check_names(content: Mapping[Any, Any]) -> None:
    known = {"schema", "name", "note", "figure", "scale", "redraw", "reference", "created_at", "vary", "seeds", "base"}
    problems = {str(name): "is not a part of a study." + near(name, known) for name in content if name not in known}
    schema = content.get("schema", SCHEMA_VERSION)
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        problems = {"schema": f"A newer ResNet Lab wrote this file (schema {schema}). Update this one to read it."}
    elif schema != SCHEMA_VERSION:
        problems = {"schema": f"says “{schema}”; this program reads schema {SCHEMA_VERSION}."}
    if problems:
        raise ConfigError(problems)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_amount(value: Any) -> bool:
    return are_numbers([value]) and 0 <= value < 1e12


def _are_seeds(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(seed, int) for seed in value)


def _take(content: Mapping[str, Any], name: str, default: Any, expected: str, is_allowed: Callable[[Any], bool]) -> Any:
    """Return a part of a study file. Raises ConfigError if it is not what is ``expected``."""
    value = content.get(name, default)
    if not is_allowed(value):
        raise ConfigError({name: f"takes {expected}, not “{str(value)[:40]}”."})
    return value


def no_such_figure(value: Any) -> str:
    """Return why ``value`` does not name a study of the report."""
    *most, last = map(str, FIGURES)
    return f"“{str(value)[:40]}” is not a study of the report. Choose Figure {', '.join(most)} or {last}."


def _axes(vary: Any) -> tuple[Axis, ...]:
    if not isinstance(vary, Mapping):
        raise ConfigError({"vary": "is missing: list the settings to vary, each with a list of values."})
    problems = {str(path): "takes a list of values." for path, values in vary.items() if not isinstance(values, list)}
    if problems:
        raise ConfigError(problems)
    return tuple(axis(str(path), values) for path, values in vary.items())
