"""The leaderboard: published results on all ten classes, the report's own, and the runs on this computer.

How the epoch of each result was chosen is part of it: our runs choose it on held-out images and are tested once, or
choose it on the test images as the report did, which is slightly optimistic. The published tables do not say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import pandas as pd

from core.base.text import counted
from core.compare.contenders import Contender, group_runs
from core.config.sections import CLASSES, DataConfig
from core.published.points import POINTS
from core.published.tables import RESULTS
from core.runs.summary import RunSummary
from core.stats.intervals import Interval, spread, wilson
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
    a link, ``run`` the id of our run. Several seeds of ours are one result: ``accuracy`` is the mean of ``n`` runs,
    ``sd`` their standard deviation (n − 1) in percentage points, and ``run`` has their ids, separated by commas.
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
    n: int = 1
    sd: float | None = None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval (Wilson) of the accuracy, in percent; counts the sampling of the test images only."""
        if self.images is None:
            return None
        low, high = wilson(self.accuracy / 100, self.images)
        return Interval(100 * low, 100 * high)


def standings(runs: Iterable[RunSummary], labels: Mapping[str, str]) -> list[Standing]:
    """Return all results, the best first; ``labels`` are the names of our runs by id.

    Our runs are those on all ten classes that were tested on at least as many images as the official test set has. A
    run that chooses its epoch on held-out images is tested when it finishes. Seeds of one experiment are one result.
    """
    ours = [result for result in _ours(runs, labels) if not _on_few_images(result)]
    return sorted([*_published(), *_from_report(), *ours], key=lambda result: -result.accuracy)


def unranked(runs: Iterable[RunSummary], labels: Mapping[str, str]) -> list[Standing]:
    """Return our results on fewer images, the best first: they are too uncertain to be ranked among the others."""
    few = [result for result in _ours(runs, labels) if _on_few_images(result)]
    return sorted(few, key=lambda result: -result.accuracy)


def _on_few_images(result: Standing) -> bool:
    return (result.images or 0) < DataConfig().available().test


def standings_table(results: Sequence[Standing]) -> pd.DataFrame:
    """Return the results as a table: the fields of :class:`Standing`, and ``low`` and ``high`` of its interval."""
    intervals = [result.interval or (None, None) for result in results]
    rows = [asdict(row) | {"low": low, "high": high} for row, (low, high) in zip(results, intervals, strict=True)]
    table = pd.DataFrame(rows, columns=[*(field.name for field in fields(Standing)), "low", "high"])
    return table.astype({"images": "Int64", "low": float, "high": float, "sd": float})


def standings_csv(results: Sequence[Standing]) -> str:
    """Return :func:`standings_table` as CSV."""
    percent = {name: f"{name} (%)" for name in ("accuracy", "sd", "low", "high")}
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
    tested = [run for run in runs if _on_all_classes(run) and run.accuracy_on_test is not None]
    return [_our_result(group) for group in group_runs(tested, labels)]


def _our_result(group: Contender) -> Standing:
    run, counted_runs = group.counted[0], group.counted
    over = spread([100 * run.accuracy_on_test for run in counted_runs if run.accuracy_on_test is not None])
    chosen_on = HELD_OUT if run.selected_on == "held-out" else ON_TEST
    return Standing(
        group.label,
        over.mean,
        OURS,
        chosen_on,
        OURS,
        _run_note(run),
        run=",".join(run.id for run in counted_runs),
        images=run.test_images,
        n=over.n,
        sd=over.sd,
    )


def _run_note(run: RunSummary) -> str:
    train_images = run.config.data.sizes().train
    note = f"ResNet-{run.config.model.depth}, {counted(run.status.epoch, 'epoch')} of {train_images:,} images"
    return note if run.finished else f"{note}; {_STILL_OPEN.get(run.state, f'{run.state} before its end')}"
