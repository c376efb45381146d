"""What came out of a study, as a table: one row a finished run, and from it one row a value of the knob.

The outcomes table (always called ``outcomes``) has a column for each varied knob by its path, and: ``train.seed``,
``run_id``, ``accuracy`` (share from 0 to 1, of the best epoch), ``objective`` (lowest validation objective over the
epochs, nats, L2 penalty included), ``loss`` (lowest validation cross-entropy), ``images`` (how many the accuracy was
measured on), ``selected_on`` ("test" or "held-out": what chose the best epoch), ``best_epoch``, ``epoch``, ``seconds``.
A figure's horizontal axis is one varied knob, called ``x``; the others make its ``series``. Drawing is
:mod:`core.figures_study`'s business, concluding :mod:`core.findings`'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.config import KNOBS
from core.knobs import plain
from core.statistics import Spread, spread

Metric = Literal["accuracy", "objective", "loss"]


@dataclass(frozen=True)
class Cell:
    """The runs of one value: ``spread`` over seeds of their metric, ``images`` the fewest any was measured on."""

    value: Any
    spread: Spread
    images: int
    runs: pd.DataFrame

    @property
    def words(self) -> str:
        """The value as a person writes it: ``10,000``."""
        return value_in_words(self.value)


@dataclass(frozen=True)
class Series:
    """The cells of one line of a figure, in the order of its axis; ``label`` is empty if it is the only one."""

    label: str
    cells: tuple[Cell, ...]


def series_of(outcomes: pd.DataFrame, x: str, series: Sequence[str] = (), metric: Metric = "accuracy") -> list[Series]:
    """The table as cells. Runs without a finite value of ``metric`` are left out, and so are values without a run."""
    sound = outcomes[np.isfinite(pd.to_numeric(outcomes[metric], errors="coerce"))]
    if not series:
        return [Series("", _cells(sound, x, metric))] if len(sound) else []
    keys = pd.Series(list(zip(*(sound[path] for path in series), strict=True)), index=sound.index, dtype=object)
    orders = [in_order(path, sound[path].tolist()) for path in series]
    ranked = sorted(
        dict.fromkeys(keys), key=lambda key: [order.index(one) for order, one in zip(orders, key, strict=True)]
    )
    return [Series(_label(series, key), _cells(sound[[one == key for one in keys]], x, metric)) for key in ranked]


def _cells(rows: pd.DataFrame, x: str, metric: Metric) -> tuple[Cell, ...]:
    cells = []
    for value in in_order(x, rows[x].tolist()):
        runs = rows[rows[x] == value].sort_values("train.seed", kind="stable")
        values = pd.to_numeric(runs[metric]).astype(float).tolist()
        cells.append(Cell(value, spread(values), int(pd.to_numeric(runs["images"]).min()), runs))
    return tuple(cells)


def in_order(path: str, values: Sequence[Any]) -> list[Any]:
    """The different values: numbers rising, then choices as their knob lists them, then others as they come."""
    different = list(dict.fromkeys(values))
    numbers = [value for value in different if are_numbers([value])]
    words = [value for value in different if not are_numbers([value])]
    choices = KNOBS[path].choices if path in KNOBS else ()
    return sorted(numbers) + sorted(words, key=lambda value: choices.index(value) if value in choices else len(choices))


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all values are numbers, so that they have distances; true and false have none."""
    numbers = (int, float, np.integer, np.floating)
    return all(isinstance(value, numbers) and not isinstance(value, bool) for value in values)


def value_in_words(value: Any) -> str:
    """A knob's value as a person writes it: ``10,000``, ``0.1``, ``sgd``."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return plain(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _label(series: Sequence[str], key: Sequence[Any]) -> str:
    names = (KNOBS[path].label if path in KNOBS else path for path in series)
    return ", ".join(f"{name} {value_in_words(value)}" for name, value in zip(names, key, strict=True))
