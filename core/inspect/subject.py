"""Which run Inspect is about, and which of its answers: on which images, and with the weights of which epoch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.base.errors import StoreError
from core.runs.predictions import Answers, Part, Predictions, Weights
from core.runs.store import RunStore
from core.runs.summary import AnyRun, DamagedRun, RunSummary, readable

#: The sets of images and the epochs, each in the order of preference.
PARTS: tuple[Part, ...] = ("test", "validation")
WEIGHTS: tuple[Weights, ...] = ("best", "last")


@dataclass(frozen=True, eq=False)
class Subject:
    """A run on Inspect, what it is called, all its predictions, and the ``answers`` that are shown."""

    run: RunSummary
    label: str
    predictions: Predictions
    answers: Answers

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the labels."""
        return self.predictions.classes

    @property
    def held_out(self) -> Answers | None:
        """The answers of the same epoch for validation images that are not test images; ``None`` without any."""
        kept = (each for each in self.predictions.kept if each.part == "validation")
        return next((each for each in kept if each.epoch == self.answers.epoch), None)


def inspectable(runs: Iterable[AnyRun]) -> list[RunSummary]:
    """Return the runs whose network can be inspected: it has finished an epoch, and no process works on it."""
    return [run for run in readable(runs) if run.epochs is not None and not run.status.active]


def choose_subject(store: RunStore, runs: Sequence[AnyRun], wanted: str | None) -> tuple[str | None, str | None]:
    """Return the id of the run to inspect, and a sentence if it is not the ``wanted`` one (an id, part of one, a name).

    The default is the newest run that keeps predictions, or else the newest that can be inspected; ``None`` if there is
    none.
    """
    possible = [run.id for run in inspectable(runs)]
    first = next(filter(store.keeps_predictions, possible), possible[0] if possible else None)
    if not wanted:
        return first, None
    try:
        run_id = store.find(wanted)
    except StoreError as error:
        return first, str(error)
    if run_id in possible:
        return run_id, None
    run = next((run for run in runs if run.id == run_id), None)
    if isinstance(run, DamagedRun):
        return first, run.error
    if run is not None and run.status.active:
        return first, f"Run {run_id} is {run.state}. Inspect it when it has ended."
    return first, f"Run {run_id} has no finished epoch, so it has no network to inspect."


def two_epochs(subject: Subject) -> tuple[Subject, Subject] | None:
    """Return a run's best and last epoch as two subjects, or ``None`` if there are no predictions of both."""
    predictions, part = subject.predictions, subject.answers.part
    best, last = predictions.answers(part, "best"), predictions.answers(part, "last")
    if best is None or last is None or best.epoch == last.epoch:
        return None
    first, second = (
        replace(subject, label=f"the {name} epoch {answers.epoch}", answers=answers)
        for name, answers in (("best", best), ("last", last))
    )
    return first, second


def shared_parts(predictions: Sequence[Predictions]) -> list[Part]:
    """Return the sets of images for which all of the ``predictions`` (one or two runs') have answers."""
    return [part for part in PARTS if all(each.answers(part) for each in predictions)]


def shared_weights(predictions: Sequence[Predictions], part: Part) -> list[Weights]:
    """Return the epochs that all of the ``predictions`` have answers of; of best and last only one if they are one."""
    same = all(each.best_epoch == each.last_epoch for each in predictions)
    kept: list[Weights] = [name for name in WEIGHTS if all(each.answers(part, name) for each in predictions)]
    return kept[:1] if same else kept
