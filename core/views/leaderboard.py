"""The leaderboard: published results on all ten classes, the report's own, and the runs on this computer.

How the epoch of each result was chosen is part of it: our runs choose it on held-out images and are tested once, or
choose it on the test images as the report did, which is slightly optimistic. The published tables do not say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd

from core.base.text import counted
from core.config.sections import CLASSES
from core.published.points import POINTS
from core.published.tables import RESULTS
from core.runs.summary import RunSummary
from core.stats.intervals import Interval, wilson
from core.views.exports import as_csv

TABLE_1, TABLE_2, REPORT, OURS = "Table 1", "Table 2", "the report", "ours"
NOT_REPORTED, ON_TEST, HELD_OUT = "not reported", "test images", "held-out images, tested once"
_STILL_OPEN = {
    "running": "still training, best so far",
    "stopping": "still training, best so far",
    "queued": "waiting to continue, best so far",
}


@dataclass(frozen=True)
class Standing:
    """A result: ``accuracy`` in percent, measured on ``images`` test images if their number is known.

    ``source`` is where it is from (a table of the report, the report, or ours), ``by`` its authors and year, ``paper``
    a link, ``run`` the id of our run.
    """

    name: str
    accuracy: float
    source: str
    chosen_on: str
    by: str
    note: str = ""
    paper: str | None = None
    run: str | None = None
    images: int | None = None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval (Wilson) of the accuracy, in percent; counts the sampling of the test images only."""
        if self.images is None:
            return None
        low, high = wilson(self.accuracy / 100, self.images)
        return Interval(100 * low, 100 * high)


def standings(runs: Iterable[RunSummary], labels: Mapping[str, str]) -> list[Standing]:
    """Return all results, the best first; ``labels`` are the names of our runs by id.

    Our runs are those on all ten classes that have an accuracy on test images. A run that chooses its epoch on
    held-out images has one when it finishes.
    """
    results = [*_published(), *_from_report(), *_ours(runs, labels)]
    return sorted(results, key=lambda result: -result.accuracy)


def standings_table(results: Sequence[Standing]) -> pd.DataFrame:
    """Return the results as a table: the fields of :class:`Standing`, and ``low`` and ``high`` of its interval."""
    intervals = [result.interval or (None, None) for result in results]
    rows = [asdict(row) | {"low": low, "high": high} for row, (low, high) in zip(results, intervals, strict=True)]
    return pd.DataFrame(rows).astype({"images": "Int64", "low": float, "high": float})


def standings_csv(results: Sequence[Standing]) -> str:
    """Return :func:`standings_table` as CSV."""
    percent = {name: f"{name} (%)" for name in ("accuracy", "low", "high")}
    return as_csv(standings_table(results).rename(columns=percent))


def untested(runs: Iterable[RunSummary]) -> int:
    """Return how many ten-class runs have finished an epoch but have no accuracy on test images."""
    return sum(run.epochs is not None and run.accuracy_on_test is None for run in runs if _on_all_classes(run))


def _on_all_classes(run: RunSummary) -> bool:
    return len(run.config.data.classes) == len(CLASSES)


def _published() -> list[Standing]:
    return [
        Standing(
            result.method,
            result.accuracy,
            f"Table {result.table}",
            NOT_REPORTED,
            result.authors,
            result.note,
            paper=result.link,
        )
        for result in RESULTS
    ]


def _from_report() -> list[Standing]:
    """Return the report's two results for ten classes: at its usual batch size, and its best."""
    results = []
    for point in POINTS:
        if point.path == "train.batch_size" and point.value in (32, 128):
            name, accuracy = f"ResNet-20, batch {point.value}", round(100 * point.best_accuracy, 2)
            note = f"Figure {point.figure}; one run, 200 epochs"
            results.append(Standing(name, accuracy, REPORT, ON_TEST, REPORT, note, images=point.images))
    return results


def _ours(runs: Iterable[RunSummary], labels: Mapping[str, str]) -> list[Standing]:
    results = []
    for run in runs:
        if _on_all_classes(run) and run.accuracy_on_test is not None:
            chosen_on, accuracy = HELD_OUT if run.selected_on == "held-out" else ON_TEST, 100 * run.accuracy_on_test
            ours = Standing(labels[run.id], accuracy, OURS, chosen_on, OURS, _run_note(run), images=run.test_images)
            results.append(replace(ours, run=run.id))
    return results


def _run_note(run: RunSummary) -> str:
    train_images = run.config.data.sizes().train
    note = f"ResNet-{run.config.model.depth}, {counted(run.status.epoch, 'epoch')} of {train_images:,} images"
    return note if run.finished else f"{note}; {_STILL_OPEN.get(run.state, f'{run.state} before its end')}"
