"""The tables of Compare, each made once from the runs' summaries."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from core.base.text import SELECTED_ON, counted
from core.compare.contenders import Contender
from core.compare.settings import NO_EFFECT, setting_text_of_run
from core.config.run_config import SETTINGS
from core.runs.summary import AnyRun, RunSummary
from core.stats.intervals import spread


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _of_epochs(name: str) -> Callable[[RunSummary], Any]:
    return lambda run: getattr(run.epochs, name, None)


#: The columns of :func:`runs_table` that are not settings: the cell of a run that can be read.
_CELLS: dict[str, Callable[[RunSummary], Any]] = {
    "state": lambda run: run.state,
    "curve": lambda run: list(run.curve),
    "best": lambda run: _percent(run.accuracy_on_held_out),
    "best_epoch": _of_epochs("best_epoch"),
    "selected_on": lambda run: SELECTED_ON[run.selected_on],
    "last": lambda run: _percent(run.epochs.last_val_accuracy if run.epochs else None),
    "last_epoch": _of_epochs("last_epoch"),
    "test": lambda run: _percent(run.accuracy_on_test),
    "min_val_loss": _of_epochs("min_val_loss"),
    "epochs_done": lambda run: f"{run.status.epoch}/{run.config.train.epochs}",
    "seconds": _of_epochs("seconds"),
    "images_per_second": _of_epochs("images_per_second"),
    "tags": lambda run: list(run.meta.tags),
    "note": lambda run: run.meta.note,
    "study": lambda run: run.meta.study,
    "created": lambda run: datetime.fromtimestamp(run.meta.created_at),
    "id": lambda run: run.id,
    "error": lambda run: run.status.error,
}
_NUMBERS = ("best", "best_epoch", "last", "last_epoch", "test", "min_val_loss", "images_per_second")


def runs_table(runs: Sequence[AnyRun], labels: Mapping[str, str], columns: Sequence[str]) -> pd.DataFrame:
    """Return a row per run: ``pinned`` if any is, ``run`` (its label), and ``columns`` (names or setting paths).

    Accuracies are in percent, ``seconds`` is a duration. A setting's cells are numbers if all are, otherwise text.
    """
    table = pd.DataFrame({"run": [labels[run.id] for run in runs]})
    pinned = [isinstance(run, RunSummary) and run.meta.pinned for run in runs]
    if any(pinned):
        table.insert(0, "pinned", pinned)
    for name in columns:
        table[name] = _setting_cells(runs, name) if name in SETTINGS else _cells(runs, name)
    return table


def _cells(runs: Sequence[AnyRun], name: str) -> pd.Series:
    cells = [_CELLS[name](run) if isinstance(run, RunSummary) else getattr(run, name, None) for run in runs]
    if name in _NUMBERS:
        return pd.Series(cells, dtype=float)
    if name == "seconds":
        return durations(cells)
    if name == "created":
        return pd.to_datetime(pd.Series(cells))
    empty: Any = [] if name in ("curve", "tags") else ""
    return pd.Series([empty if cell is None else cell for cell in cells], dtype=object)


def _setting_cells(runs: Sequence[AnyRun], path: str) -> pd.Series:
    texts = pd.Series([setting_text_of_run(run, path) if isinstance(run, RunSummary) else "" for run in runs])
    texts = texts.replace(NO_EFFECT, "")
    numbers = pd.to_numeric(texts, errors="coerce")
    return numbers if numbers.notna().equals(texts != "") else texts


def durations(seconds: Iterable[float | None]) -> pd.Series:
    """Return seconds as whole-second durations, which a table shows as a clock and sorts as numbers."""
    return pd.to_timedelta(pd.Series(seconds, dtype=float).round(), unit="s")


def results_table(runs: Sequence[RunSummary], labels: Mapping[str, str]) -> pd.DataFrame:
    """Return best and last results of each run, accuracies in percent."""
    columns = ("state", "test", "best", "best_epoch", "selected_on", "last", "last_epoch", "min_val_loss", "seconds")
    table = pd.DataFrame({"label": [labels[run.id] for run in runs]})
    return table.assign(**{name: _cells(runs, name) for name in columns})


#: The accuracies of :func:`seeds_table`.
_SEED_COLUMNS = ("test", "best", "last")


def seeds_table(contenders: Iterable[Contender]) -> pd.DataFrame:
    """Return the accuracies in percent over the counted seeds of each contender that has several: ``mean ± sd``."""
    several = _with_seeds(contenders)
    table = pd.DataFrame({"label": [label for label, _ in several], "n": [len(runs) for _, runs in several]})
    for name in _SEED_COLUMNS:
        table[name] = [_mean_text(_known(name, runs), len(runs)) for _, runs in several]
    return table


def seeds_numbers(contenders: Iterable[Contender]) -> pd.DataFrame:
    """Return :func:`seeds_table` in numbers: accuracies from 0 to 1, each with its mean, deviation and number of runs.

    Columns: ``group``, ``runs``, and for ``test``, ``val`` and ``last_val`` each ``…_accuracy_mean``,
    ``…_accuracy_sd`` (n − 1; empty for one run) and ``…_runs``.
    """
    several = _with_seeds(contenders)
    table = pd.DataFrame({"group": [label for label, _ in several], "runs": [len(runs) for _, runs in several]})
    for name, column in zip(_SEED_COLUMNS, ("test", "val", "last_val"), strict=True):
        values = [_known(name, runs) for _, runs in several]
        spreads = [spread(some) if some else None for some in values]
        table[f"{column}_accuracy_mean"] = [over.mean / 100 if over else None for over in spreads]
        table[f"{column}_accuracy_sd"] = [over.sd / 100 if over and over.sd is not None else None for over in spreads]
        table[f"{column}_runs"] = [len(some) for some in values]
    return table


def _with_seeds(contenders: Iterable[Contender]) -> list[tuple[str, Sequence[RunSummary]]]:
    return [(contender.label, contender.counted) for contender in contenders if len(contender.counted) > 1]


def _known(name: str, runs: Iterable[RunSummary]) -> list[float]:
    """Return the accuracies in percent of the runs that have one."""
    values = (_CELLS[name](run) for run in runs)
    return [value for value in values if value is not None]


def _mean_text(some: Sequence[float], runs: int) -> str:
    if len(some) < 2:
        return NO_EFFECT
    over_seeds = spread(some)
    return f"{over_seeds.mean:.2f} ± {over_seeds.sd:.2f}" + (f" (n = {len(some)})" if len(some) < runs else "")


def differing_table(
    differing: Mapping[str, Sequence[str]], runs: Sequence[RunSummary], labels: Mapping[str, str]
) -> pd.DataFrame:
    """Return a row per run: ``run`` (its id), ``name`` (its label), and the settings in which the runs differ, by path.

    ``differing`` has their texts (:func:`core.compare.settings.differing_settings_of_runs`).
    """
    names = {"run": [run.id for run in runs], "name": [labels[run.id] for run in runs]}
    return pd.DataFrame(names | {path: list(texts) for path, texts in differing.items()})


def left_out_text(runs: Sequence[RunSummary], path: str) -> str:
    """Return why runs are missing in a chart of test accuracy against the setting at ``path``; empty if none is."""
    untested = [run for run in runs if run.accuracy_on_test is None]
    if len(untested) == len(runs):
        return "No selected run has a test accuracy yet. A run with held-out images gets one when it finishes."
    without = [run for run in runs if run.accuracy_on_test is not None and not run.config.in_effect(path)]
    reasons = [
        f"{counted(len(some), 'run')} {reason}"
        for some, reason in ((untested, "without a test accuracy"), (without, "in which this setting has no effect"))
        if some
    ]
    return f"Left out: {', and '.join(reasons)}." if reasons else ""
