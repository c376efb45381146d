"""What Home says: what trains and waits, the latest and best runs, and how ours compare with the report's results."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.compare.settings import classes_text
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.published.arithmetic import note
from core.published.points import TASKS, Point, main_result, points_of
from core.runs.summary import AnyRun, DamagedRun, RunSummary, best_tested, readable


@dataclass(frozen=True)
class Overview:
    """All runs by what they do: ``waiting`` in the order of the queue, ``rest`` newest first."""

    training: list[RunSummary]
    waiting: list[RunSummary]
    rest: list[AnyRun]

    @classmethod
    def of(cls, runs: Iterable[AnyRun]) -> "Overview":
        """Sort the runs."""
        runs = list(runs)
        training = [run for run in readable(runs) if run.at_work]
        # The order of the queue: by time, then by id.
        waiting = sorted(
            (run for run in readable(runs) if run.state == "queued"),
            key=lambda run: (run.status.queued_at or 0.0, run.id),
        )
        active = {run.id for run in (*training, *waiting)}
        return cls(training, waiting, [run for run in runs if run.id not in active])

    @property
    def busy(self) -> bool:
        """Whether a run is training or waiting."""
        return bool(self.training or self.waiting)


def own_runs(runs: Iterable[AnyRun]) -> list[AnyRun]:
    """Return the runs that did not come with the program."""
    return [run for run in runs if isinstance(run, DamagedRun) or not run.meta.reference]


def is_newcomer(runs: Iterable[AnyRun]) -> bool:
    """Return whether none of the person's own runs has finished, so that Home shows the first steps."""
    return not any(run.state == "finished" for run in own_runs(runs))


def has_weights(runs: Iterable[AnyRun]) -> bool:
    """Return whether some run has finished an epoch, and can therefore classify images."""
    return any(run.epochs for run in readable(runs))


def result_text(run: AnyRun) -> str:
    """Return a run's result in a line, or why it failed or cannot be read."""
    if isinstance(run, DamagedRun):
        return run.error
    return run.status.error if run.state == "failed" and run.status.error else accuracy_text(run)


def accuracy_text(run: RunSummary) -> str:
    """Return the accuracy that stands for the run, with its name and interval."""
    return run.headline.text() if run.headline else "no epoch finished"


def best_by_task(runs: Iterable[AnyRun], most: int) -> list[tuple[str, list[RunSummary]]]:
    """Return the most accurate runs for each set of classes, tested ones first, the task with the most runs first.

    Accuracies on different numbers of classes cannot be compared. There are ``most`` runs in all, at least one for each
    task that has room.
    """
    by_task: dict[str, list[RunSummary]] = {}
    for run in readable(runs):
        if run.headline is not None:
            by_task.setdefault(classes_text(run.config.data.classes), []).append(run)
    tasks = sorted(by_task, key=lambda task: -len(by_task[task]))[:most]
    each, more = divmod(most, len(tasks)) if tasks else (0, 0)
    for of_task in by_task.values():
        of_task.sort(key=lambda run: run.rank, reverse=True)
    return [(task, by_task[task][: each + (at < more)]) for at, task in enumerate(tasks)]


# --- compared with the report ---------------------------------------------------------------------


@dataclass(frozen=True)
class BestRun:
    """The best of our ``of`` runs by one way of choosing the epoch.

    ``ahead`` is its accuracy on test images minus the report's (from −1 to 1); ``None`` if the report measured nothing.
    """

    run: RunSummary
    accuracy: float
    ahead: float | None
    of: int

    def text(self) -> str:
        """Return ``95 % interval 90.9–92.0 % · epoch 164 · 10,000 test images · best of 3 runs``."""
        first = self.run.headline
        parts = [first.interval_text(), f"epoch {first.epoch}"] if first else []
        parts += [f"{self.run.test_images:,} test images"]
        parts += [f"best of {self.of:,} runs"] * (self.of > 1) + ["so far"] * self.run.status.active
        return " · ".join(parts)


@dataclass(frozen=True)
class ReportComparison:
    """A task of the report: its result, and our best runs on the same classes.

    ``point`` is ``None``, and ``note`` says why, if the numbers that the report prints are no measurement.
    ``as_report`` chose its epoch on the test images, which is slightly optimistic, as in the report; ``honest`` chose
    it on held-out images and was tested once. ``waiting`` counts our runs if none has an accuracy on test images yet.
    ``recipe`` is the report's configuration for this ``task``, with its largest training set.
    """

    task: str
    title: str
    point: Point | None
    note: str
    as_report: BestRun | None
    honest: BestRun | None
    waiting: int
    recipe: RunConfig

    def empty_text(self) -> str:
        """Return what is missing where nothing can be compared."""
        if self.waiting:
            runs = "1 run on these classes has" if self.waiting == 1 else f"{self.waiting:,} runs on these classes have"
            return f"{runs} no accuracy on test images yet. A run with held-out images gets one when it finishes."
        return "No run on these classes yet. Start with the report’s settings, or with fewer epochs."


_TITLES = {"all-ten": "All ten classes", "deer-dog": "Deer or dog"}


def report_comparisons(runs: Iterable[AnyRun]) -> list[ReportComparison]:
    """Return each task of the report with our best runs on the same classes."""
    comparisons = []
    for task, title in _TITLES.items():
        same = [run for run in readable(runs) if run.config.data.classes == TASKS[task]]
        recipe, point = _recipe(task)
        as_report, honest = _best(same, point, "test"), _best(same, point, "held-out")
        waiting = 0 if as_report or honest else len(same)
        text = "" if point else note(_largest(recipe).figure)
        comparisons.append(ReportComparison(task, title, point, text, as_report, honest, waiting, recipe))
    return comparisons


def _recipe(task: str) -> tuple[RunConfig, Point | None]:
    """Return the report's configuration for its largest training set, and the result that it measured with it."""
    config = PRESETS["report"].config.replace({"data.classes": TASKS[task]})
    largest = _largest(config)
    return config.replace({largest.path: largest.value}), main_result(config)


def _largest(config: RunConfig) -> Point:
    """Return what the report prints for the config's classes and the largest training set."""
    return max(points_of(config.data.classes, "data.train_size"), key=lambda point: point.value)


def _best(runs: Sequence[RunSummary], point: Point | None, selected_on: str) -> BestRun | None:
    best, of = best_tested(run for run in runs if run.selected_on == selected_on)
    if best is None or best.accuracy_on_test is None:
        return None
    accuracy = best.accuracy_on_test
    return BestRun(best, accuracy, accuracy - point.best_accuracy if point else None, of)


def points_text(ahead: float) -> str:
    """Return a difference of accuracies in percentage points: ``0.45 points below``."""
    if round(100 * ahead, 2) == 0:
        return "level"
    return f"{abs(100 * ahead):.2f} points {'above' if ahead > 0 else 'below'}"
