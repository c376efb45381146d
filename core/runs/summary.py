"""RunSummary: what lists, charts and studies know about a run, without reading all of its epochs again.

:meth:`core.runs.store.RunStore.summaries` returns the summary of every run that can be read,
:meth:`~core.runs.store.RunStore.damaged` the others.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.base.text import distinct_names, percent, percent_range
from core.config.presets import recipe_text
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig
from core.config.sections import DataConfig
from core.records import EpochRecord, best
from core.runs.folder import AT_WORK, Meta, State, Status
from core.stats.intervals import Interval, wilson

Kind = Literal["test", "validation"]
#: What the accuracy of a validation is called: some runs validate on the test images.
KIND_OF_VALIDATION: dict[str, Kind] = {"held-out": "validation", "test": "test"}

#: Settings that tell runs of one title apart; with more of them, the ends of their ids are shorter.
_MOST_DIFFERING = 3


@dataclass(frozen=True)
class EpochSummary:
    """Results over the finished epochs of a run. Losses are in nats per image, accuracies from 0 to 1.

    ``best_…`` belongs to the epoch of highest validation accuracy (the first of equals), ``last_…`` to the last epoch;
    ``min_…`` is the lowest value of all epochs. ``…_objective`` is with the L2 penalty. ``seconds`` is the training
    time.
    """

    seconds: float
    images_per_second: float
    best_epoch: int
    best_val_accuracy: float
    best_val_loss: float
    best_val_objective: float
    last_epoch: int
    last_val_accuracy: float
    last_val_loss: float
    last_train_loss: float
    min_val_loss_epoch: int
    min_val_loss: float
    min_val_objective: float

    @classmethod
    def of(cls, records: Sequence[EpochRecord]) -> "EpochSummary | None":
        """Return the summary of ``records`` (oldest first), or ``None`` without any."""
        if not records:
            return None
        top, last = best(records), records[-1]
        lowest = min(records, key=lambda record: _nan_last(record.val_loss))
        return cls(
            seconds=last.seconds,
            images_per_second=last.images_per_second,
            best_epoch=top.epoch,
            best_val_accuracy=top.val_accuracy,
            best_val_loss=top.val_loss,
            best_val_objective=top.val_objective,
            last_epoch=last.epoch,
            last_val_accuracy=last.val_accuracy,
            last_val_loss=last.val_loss,
            last_train_loss=last.train_loss,
            min_val_loss_epoch=lowest.epoch,
            min_val_loss=lowest.val_loss,
            min_val_objective=min((record.val_objective for record in records), key=_nan_last),
        )


def _nan_last(value: float) -> tuple[bool, float]:
    return math.isnan(value), value


@dataclass(frozen=True)
class TestResult:
    """The one evaluation of the best weights on a test set that chose nothing: accuracy from 0 to 1, loss in nats."""

    __test__ = False  # not a test class of pytest

    accuracy: float
    loss: float | None = None


@dataclass(frozen=True)
class Accuracy:
    """An accuracy of a run's best weights under the name that every page and command uses.

    ``share`` (0 to 1) of ``images`` images, in epoch ``epoch``. ``chose_epoch``: the same images chose this epoch,
    which makes the accuracy slightly optimistic.
    """

    kind: Kind
    share: float
    images: int
    epoch: int
    chose_epoch: bool

    @property
    def name(self) -> str:
        """``Test accuracy`` or ``Validation accuracy``."""
        return f"{self.kind.capitalize()} accuracy"

    @property
    def interval(self) -> Interval:
        """The 95 % interval (Wilson), which counts the sampling of the images only."""
        return wilson(self.share, self.images)

    def interval_text(self) -> str:
        """Return ``95 % interval 90.9–92.0 %``."""
        return f"95 % interval {percent_range(*self.interval)}"

    def text(self) -> str:
        """Return ``91.50 % test accuracy (95 % interval 90.9–92.0 %)``."""
        return f"{percent(self.share)} {self.kind} accuracy ({self.interval_text()})"


def accuracies_of(data: DataConfig, epoch: int, validated: float, tested: float | None) -> tuple[Accuracy, ...]:
    """Return the accuracies of a run's best weights, the one that stands for the run first: on test images, if known.

    ``validated`` is the accuracy that chose the epoch, ``tested`` the one on a test set that chose nothing.
    """
    sizes = data.sizes()
    if data.validation == "test":
        return (Accuracy("test", validated, sizes.test, epoch, True),)
    validation = Accuracy("validation", validated, sizes.validation, epoch, True)
    return (validation,) if tested is None else (Accuracy("test", tested, sizes.test, epoch, False), validation)


@dataclass(frozen=True)
class RunSummary:
    """A run as of now: its configuration, name, state and results.

    ``epochs`` is ``None`` before the first finished epoch, ``test`` before the test set is evaluated. ``curve`` is the
    course of validation accuracy in a few dozen points.
    """

    id: str
    config: RunConfig
    meta: Meta
    status: Status
    signature: str
    epochs: EpochSummary | None = None
    test: TestResult | None = None
    curve: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The name that the person gave the run; may be empty."""
        return self.meta.name

    @property
    def state(self) -> State:
        """The state; ``interrupted`` for a run whose process died."""
        return self.status.state

    @property
    def at_work(self) -> bool:
        """Whether a process is training the run."""
        return self.state in AT_WORK

    @property
    def finished(self) -> bool:
        """Whether the run reached its end."""
        return self.state == "finished"

    @property
    def selected_on(self) -> str:
        """The images that choose the best epoch: ``"held-out"`` or ``"test"``."""
        return self.config.data.validation

    @property
    def best_val_accuracy(self) -> float | None:
        """Validation accuracy of the best epoch, from 0 to 1; ``None`` before the first finished epoch."""
        return self.epochs.best_val_accuracy if self.epochs else None

    @property
    def accuracy_on_test(self) -> float | None:
        """Accuracy on test images, from 0 to 1: the rule for every comparison.

        A run with held-out validation images is evaluated on the test set once, at its end. A run that validates on
        the test set has the accuracy of its best epoch, which is slightly optimistic. ``None`` if neither is known.
        """
        if self.selected_on == "held-out":
            return self.test.accuracy if self.test else None
        return self.best_val_accuracy

    @property
    def accuracy_on_held_out(self) -> float | None:
        """Accuracy of the best epoch on held-out images, from 0 to 1; ``None`` without held-out images or epochs."""
        return self.best_val_accuracy if self.selected_on == "held-out" else None

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """The accuracies of the best weights, see :func:`accuracies_of`; none before an epoch is finished."""
        if self.epochs is None:
            return ()
        tested = self.test.accuracy if self.test else None
        return accuracies_of(self.config.data, self.epochs.best_epoch, self.epochs.best_val_accuracy, tested)

    @property
    def headline(self) -> Accuracy | None:
        """The accuracy that stands for the run wherever there is one number; ``None`` before an epoch is finished."""
        return next(iter(self.accuracies), None)

    @property
    def rank(self) -> tuple[int, float]:
        """What sorts runs by accuracy, the accuracy last.

        First those tested on at least as many images as the official test set has, then those tested on fewer, whose
        accuracies are uncertain, then those with a validation accuracy. Runs without an epoch are lowest.
        """
        first = self.headline
        if first is None:
            return 0, -1.0
        if first.kind == "validation":
            return 0, first.share
        return 2 if first.images >= self.config.data.available().test else 1, first.share

    @property
    def test_images(self) -> int:
        """Number of images in the test set."""
        return self.config.data.sizes().test


@dataclass(frozen=True)
class DamagedRun:
    """A run whose folder cannot be read, and why."""

    id: str
    error: str
    name: str = ""
    state: str = "damaged"


AnyRun = RunSummary | DamagedRun


def readable(runs: Iterable[AnyRun]) -> list[RunSummary]:
    """Return the runs that can be read."""
    return [run for run in runs if isinstance(run, RunSummary)]


def title(run: AnyRun) -> str:
    """Return what a run is called: its name, or what it trains; seeds of an unnamed experiment share it."""
    return run.name or (recipe_text(run.config) if isinstance(run, RunSummary) else run.id)


def labels(runs: Iterable[AnyRun]) -> dict[str, str]:
    """Return what to call each of several runs, by id: no two are the same.

    Runs with one title are told apart by the settings in which they differ, such as the seed, or by the end of the id.
    """
    runs = list(runs)
    alike: dict[str, list[AnyRun]] = {}
    for run in runs:
        alike.setdefault(title(run), []).append(run)
    texts = {run.id: text for text, group in alike.items() for run in group}
    for text, group in alike.items():
        differing = _differing(readable(group)) if len(group) > 1 else []
        for run in readable(group) if len(differing) <= _MOST_DIFFERING else ():
            texts[run.id] = " · ".join([text, *(SETTINGS[path].phrase(run.config[path]) for path in differing)])
    return distinct_names(texts)


def _differing(runs: Sequence[RunSummary]) -> list[str]:
    values = [run.config.values() for run in runs]
    return [path for path in SETTINGS if path not in HOW_COMPUTED and len({config[path] for config in values}) > 1]


def common_accuracy(runs: Iterable[RunSummary]) -> tuple[str, dict[str, float]]:
    """Return the name of the accuracy that runs can be compared by, and its value for each run that has one, by id.

    It is the test accuracy if every run with an epoch has one, otherwise the validation accuracy of the best epochs.
    """
    begun = [run for run in runs if run.epochs]
    if all(run.accuracy_on_test is not None for run in begun):
        return "Test accuracy", {run.id: run.accuracy_on_test for run in begun if run.accuracy_on_test is not None}
    return "Validation accuracy", {run.id: run.epochs.best_val_accuracy for run in begun if run.epochs}


def best_tested(runs: Iterable[RunSummary]) -> tuple[RunSummary | None, int]:
    """Return the run of highest test accuracy and of how many it is the best; ``None`` and 0 if no run is tested.

    Runs tested on fewer images than the official test set has count only if all of them are.
    """
    tested = [run for run in runs if run.accuracy_on_test is not None]
    best = max(tested, key=lambda run: run.rank, default=None)
    return best, sum(run.rank[0] == best.rank[0] for run in tested) if best else 0


def shared_precision(runs: Iterable[RunSummary]) -> str | None:
    """Return the precision that ``auto`` chose for the first of the ``runs`` that has one, or ``None``."""
    decided = [run for run in runs if run.config.train.precision == "auto" and "precision" in run.meta.environment]
    first = min(decided, key=lambda run: (run.status.started_at or run.meta.created_at, run.id), default=None)
    return str(first.meta.environment["precision"]) if first else None


def find_repeat(summaries: Iterable[RunSummary], config: RunConfig) -> RunSummary | None:
    """Return the first of the runs that trains exactly what ``config`` trains, or ``None``."""
    signature = config.signature()
    return next((run for run in summaries if run.signature == signature), None)


def fingerprint(runs: Sequence[AnyRun]) -> int:
    """Return a number that changes, within this process, when a list of these runs has to be drawn again.

    It changes when a run is added, removed, renamed, tagged, noted or pinned, and when its state or epoch changes.
    """
    parts = [(run.id, run.state, run.name) for run in runs]
    more = [(run.status.epoch, run.meta.note, run.meta.tags, run.meta.pinned) for run in readable(runs)]
    return hash((*parts, *more))
