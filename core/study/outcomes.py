"""What came out of a study, as a table: one row a finished run, and from it one row a value of the setting.

The outcomes table (always called ``outcomes``) has a column for each varied setting by its path, and: ``train.seed``,
``run_id``, ``accuracy`` (share from 0 to 1, of the best epoch), ``objective`` (lowest validation objective over the
epochs, nats, L2 penalty included), ``loss`` (lowest validation cross-entropy), ``images`` (how many the accuracy was
measured on), ``selected_on`` ("test" or "held-out": what chose the best epoch), ``best_epoch``, ``epoch``, ``seconds``.
A figure's horizontal axis is one varied setting, called ``x``; the others make its ``series``. Drawing is
:mod:`core.figures.study`'s business, concluding :mod:`core.study.findings`'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.config.run_config import SETTINGS
from core.config.setting import plain
from core.stats.intervals import Spread, spread
from core.study.progress import CellStatus
from core.study.study import Study

Metric = Literal["accuracy", "objective", "loss"]


@dataclass(frozen=True)
class Group:
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
    cells: tuple[Group, ...]


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


def _cells(rows: pd.DataFrame, x: str, metric: Metric) -> tuple[Group, ...]:
    cells = []
    for value in in_order(x, rows[x].tolist()):
        runs = rows[rows[x] == value].sort_values("train.seed", kind="stable")
        values = pd.to_numeric(runs[metric]).astype(float).tolist()
        cells.append(Group(value, spread(values), int(pd.to_numeric(runs["images"]).min()), runs))
    return tuple(cells)


def in_order(path: str, values: Sequence[Any]) -> list[Any]:
    """The different values: numbers rising, then choices as their setting lists them, then others as they come."""
    different = list(dict.fromkeys(values))
    numbers = [value for value in different if are_numbers([value])]
    words = [value for value in different if not are_numbers([value])]
    choices = SETTINGS[path].choices if path in SETTINGS else ()
    return sorted(numbers) + sorted(words, key=lambda value: choices.index(value) if value in choices else len(choices))


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all values are numbers, so that they have distances; true and false have none."""
    numbers = (int, float, np.integer, np.floating)
    return all(isinstance(value, numbers) and not isinstance(value, bool) for value in values)


def value_in_words(value: Any) -> str:
    """A setting's value as a person writes it: ``10,000``, ``0.1``, ``sgd``."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return plain(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _label(series: Sequence[str], key: Sequence[Any]) -> str:
    names = (SETTINGS[path].label if path in SETTINGS else path for path in series)
    return ", ".join(f"{name} {value_in_words(value)}" for name, value in zip(names, key, strict=True))


#: Columns of a study's outcomes after those of the varied settings.
OUTCOMES = (
    "train.seed", "run_id", "accuracy", "objective", "loss", "images", "selected_on", "best_epoch", "epoch", "seconds",
)  # fmt: skip


def outcomes(study: Study, cells: Iterable[CellStatus]) -> pd.DataFrame:
    """The finished cells, a row each: the varied settings by path, then :data:`OUTCOMES`.

    ``accuracy`` (a share) on ``images`` test images: the best epoch's, where the test part chose it
    (``selected_on`` is ``test``), or the one measurement at the end (``held-out``). ``objective`` and ``loss``
    are the lowest of all epochs on the validation part, in nats per image; ``seconds`` of training.
    """
    rows = []
    for one in cells:
        if one.state != "finished" or one.row is None:
            continue
        row, held_out = one.row, one.cell.config.data.validation == "held-out"
        accuracy = row["test_accuracy"] if held_out else row["best_val_accuracy"]
        if pd.isna(accuracy):
            continue
        rows.append(
            {
                **{path: as_in_table(path, value) for path, value in one.cell.settings.items()},
                "train.seed": one.cell.seed,
                "run_id": row["id"],
                "accuracy": float(accuracy),
                "objective": float(row["min_val_objective"]),
                "loss": float(row["min_val_loss"]),
                "images": one.cell.config.data.sizes().test,
                "selected_on": row["selected_on"],
                "best_epoch": int(row["best_epoch"]),
                "epoch": int(row["epoch"]),
                "seconds": float(row["seconds"]),
            }
        )
    return pd.DataFrame(rows, columns=[*(axis.path for axis in study.axes), *OUTCOMES])


def cell_table(study: Study, cells: Sequence[CellStatus]) -> pd.DataFrame:
    """Every cell in its order: the varied settings by path as text, ``seed``, ``state``, ``epoch`` (``12/200``),
    ``accuracy`` (a share) and ``objective`` of a finished one, ``run_id``, and of a failed one its ``error``."""
    found = {row["run_id"]: row for row in outcomes(study, cells).to_dict("records")}
    rows = []
    for one in cells:
        result = found.get(one.run_id)
        rows.append(
            {path: SETTINGS[path].show(value) for path, value in one.cell.settings.items()}
            | {
                "seed": one.cell.seed,
                "state": one.state,
                "epoch": f"{one.row['epoch']:.0f}/{one.cell.config.train.epochs}" if one.row else "",
                "accuracy": result and result["accuracy"],
                "objective": result and result["objective"],
                "run_id": one.run_id,
                "error": one.row["error"] if one.row and one.state == "failed" else None,
            }
        )
    return pd.DataFrame(rows)


def as_in_table(path: str, value: Any) -> Any:
    """A setting as the outcomes hold it: numbers and truths as they are, all else as the command line writes it."""
    return value if isinstance(value, int | float) else SETTINGS[path].show(value)
