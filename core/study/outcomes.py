"""The results of a study: a table with one row per finished run, and from it one group of seeds per value.

The outcomes table (always called ``outcomes``) has a column for each varied setting by its path, then
:data:`OUTCOMES`. Along the horizontal axis of a figure lies one varied setting, called ``x``; the others make its
``series``. :mod:`core.figures.study` draws the groups, :mod:`core.study.findings` says what they show.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from core.compare.settings import in_order
from core.config.run_config import SETTINGS
from core.config.setting import value_text
from core.runs.summary import RunSummary
from core.stats.finding import Metric
from core.stats.judgement import Group
from core.study.progress import CellStatus
from core.study.study import Study

#: Columns after the varied settings. ``accuracy`` (0 to 1) on ``images`` test images, of the epoch that was best on
#: ``selected_on`` ("held-out" or "test"); ``best_objective`` is the validation loss of that epoch with its L2 penalty;
#: ``objective`` (with the penalty) and ``loss`` (cross-entropy) are the lowest validation values of all epochs. Losses
#: are in nats per image; ``split_seed`` drew the images of the sets; ``seconds`` of training.
OUTCOMES = (
    *("train.seed", "run_id", "accuracy", "best_objective", "objective", "loss", "images"),
    *("split_seed", "selected_on", "best_epoch", "epoch", "seconds"),
)
#: The column that a metric is read from. The report's printed losses are those of its last or its most accurate epoch
#: (:attr:`core.published.points.Point.loss`), so ours beside them is the objective at the most accurate epoch.
COLUMN_OF: dict[Metric, str] = {"accuracy": "accuracy", "objective": "best_objective", "loss": "loss"}


@dataclass(frozen=True, kw_only=True)
class ValueGroup(Group):
    """The finished runs with one value of the setting; ``runs`` are their rows of the outcomes table."""

    value: Any
    runs: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class Series:
    """One line of a figure: its groups in the order of the axis; ``label`` is empty if it is the only line."""

    label: str
    groups: tuple[ValueGroup, ...]


def outcome_table(study: Study, cells: Iterable[CellStatus]) -> pd.DataFrame:
    """Return the outcomes table: a row per finished cell that has an accuracy on test images."""
    results = [(cell.run, cell.cell.settings) for cell in cells if cell.run is not None and cell.run.finished]
    return _table(results, [axis.path for axis in study.axes])


def outcomes_by(runs: Iterable[RunSummary], path: str) -> pd.DataFrame:
    """Return the outcomes table of runs that belong to no study, along the setting at ``path``.

    Runs without an accuracy on test images, and those in which the setting has no effect, are left out.
    """
    return _table([(run, {path: run.config[path]}) for run in runs if run.config.in_effect(path)], [path])


def _table(results: Iterable[tuple[RunSummary, Mapping[str, Any]]], paths: Sequence[str]) -> pd.DataFrame:
    rows = [
        {path: table_value(path, settings[path]) for path in paths}
        | {
            "train.seed": run.config.train.seed,
            "run_id": run.id,
            "accuracy": run.accuracy_on_test,
            "best_objective": run.epochs.best_val_objective,
            "objective": run.epochs.min_val_objective,
            "loss": run.epochs.min_val_loss,
            "images": run.test_images,
            "split_seed": run.config.data.split_seed,
            "selected_on": run.selected_on,
            "best_epoch": run.epochs.best_epoch,
            "epoch": run.status.epoch,
            "seconds": run.epochs.seconds,
        }
        for run, settings in results
        if run.epochs is not None and run.accuracy_on_test is not None
    ]
    return pd.DataFrame(rows, columns=[*paths, *OUTCOMES])


def cell_table(study: Study, cells: Sequence[CellStatus]) -> pd.DataFrame:
    """Return a row per cell: the varied settings as text, ``seed``, ``state``, ``epoch`` (``12/200``), ``accuracy`` (0
    to 1), ``best_objective`` and ``objective`` of a finished run, ``run_id``, ``error`` of a failed run, and the
    ``precision`` in use."""
    results = ["accuracy", "best_objective", "objective"]
    finished = outcome_table(study, cells).set_index("run_id")[results].to_dict("index")
    rows = []
    for cell_status in cells:
        cell, run = cell_status.cell, cell_status.run
        settings = {path: SETTINGS[path].text(value) for path, value in cell.settings.items()}
        result = finished.get(cell_status.run_id, {})
        rows.append(
            settings
            | {
                "seed": cell.seed,
                "state": cell_status.state,
                "epoch": f"{run.status.epoch}/{cell.config.train.epochs}" if run else "",
                **{name: result.get(name) for name in results},
                "run_id": cell_status.run_id,
                "error": run.status.error if run and run.state == "failed" else None,
                "precision": run.meta.environment.get("precision") if run else None,
            }
        )
    return pd.DataFrame(rows)


def series_of(outcomes: pd.DataFrame, x: str, series: Sequence[str] = (), metric: Metric = "accuracy") -> list[Series]:
    """Return the groups of each series, without the runs that have no finite value of ``metric``."""
    outcomes = outcomes[np.isfinite(pd.to_numeric(outcomes[COLUMN_OF[metric]], errors="coerce"))]
    if outcomes.empty:
        return []
    if not series:
        return [Series("", _groups(outcomes, x, metric))]
    tables = dict(list(outcomes.groupby(list(series), sort=False)))
    orders = [in_order(path, outcomes[path].tolist()) for path in series]
    ranked = sorted(tables, key=lambda key: [order.index(value) for order, value in zip(orders, key, strict=True)])
    return [Series(_label(series, key), _groups(tables[key], x, metric)) for key in ranked]


def _groups(rows: pd.DataFrame, x: str, metric: Metric) -> tuple[ValueGroup, ...]:
    tables, groups = dict(list(rows.sort_values("train.seed", kind="stable").groupby(x, sort=False))), []
    for value in in_order(x, rows[x].tolist()):
        runs = tables[value]
        results, images = tuple(map(float, runs[COLUMN_OF[metric]])), int(runs["images"].min())
        groups.append(ValueGroup(name=value_text(value), results=results, images=images, value=value, runs=runs))
    return tuple(groups)


def _label(series: Sequence[str], key: Sequence[Any]) -> str:
    names = (SETTINGS[path].label if path in SETTINGS else path for path in series)
    return ", ".join(f"{name} {value_text(value)}" for name, value in zip(names, key, strict=True))


def table_value(path: str, value: Any) -> Any:
    """Return a setting as the outcomes table holds it: numbers and truths as they are, else as text."""
    return value if isinstance(value, int | float) else SETTINGS[path].show(value)
