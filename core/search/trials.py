"""The trials of a search, read from its run folders, and how much of the budget they have used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from core.base.errors import DIVERGED
from core.base.text import counted, distinct_names, duration, one_line, percent_range
from core.config.run_config import SETTINGS, RunConfig
from core.runs.folder import AT_WORK
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.search.search import Search
from core.search.space import in_order
from core.search.store import Control, Stored
from core.stats.intervals import wilson
from core.study.study import SEED

#: ``waiting``: another seed is to be trained, or the run is in the queue or was interrupted; ``stopped``: by a person.
TrialState = Literal["waiting", "running", "paused", "finished", "pruned", "stopped", "failed"]
#: States of a trial that is over.
ENDED = ("finished", "pruned", "stopped", "failed")


@dataclass(frozen=True)
class Trial:
    """A trial and its ``runs``, one for each seed so far.

    ``steps`` are validation accuracies (0 to 1): of each epoch, or with several seeds the best of each finished run. A
    trial that was pruned counts as it was after ``pruned_at`` steps, however far its run came since.
    """

    number: int
    config: RunConfig
    runs: tuple[RunSummary, ...]
    steps: tuple[float, ...]
    state: TrialState
    several_seeds: bool = False
    pruned_at: int | None = None

    @property
    def ended(self) -> bool:
        """Whether the trial is over."""
        return self.state in ENDED

    @property
    def counted_steps(self) -> tuple[float, ...]:
        """The steps that count."""
        return self.steps[: self.pruned_at] if self.pruned_at else self.steps

    @property
    def value(self) -> float | None:
        """What the search maximises, of the steps so far: the best epoch's validation accuracy, its mean over seeds."""
        steps = self.counted_steps
        if not steps:
            return None
        return sum(steps) / len(steps) if self.several_seeds else max(steps)

    @property
    def interval_text(self) -> str:
        """Return ``95 % interval 90.9–92.0 %`` of the value (Wilson), which counts the sampling of its images only."""
        if self.value is None:
            return ""
        return f"95 % interval {percent_range(*wilson(self.value, self.config.data.sizes().validation))}"

    @property
    def seconds(self) -> float:
        """Seconds of training of all its runs."""
        return sum(run.epochs.seconds for run in self.runs if run.epochs)

    @property
    def error(self) -> str:
        """Why it failed, in one line; empty unless it did."""
        failed = next((run for run in self.runs if run.state == "failed"), None)
        return one_line(failed.status.error or "The log of the run has the reason.", 400) if failed else ""

    @property
    def diverged(self) -> bool:
        """Whether it failed because the loss of a run was no longer finite."""
        return DIVERGED in self.error

    @property
    def epoch(self) -> int:
        """Finished epochs of all its runs."""
        return sum(run.status.epoch for run in self.runs)


def runs_of(search_id: str, runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Return the runs of a search, the oldest first: trials and confirmations."""
    return sorted((run for run in runs if run.meta.study == search_id), key=lambda run: run.id)


def trials_of(search_id: str, search: Search, store: RunStore, control: Control | None = None) -> list[Trial]:
    """Return the trials of a search by number."""
    held = control.held if control else ()
    by_number: dict[int, list[RunSummary]] = {}
    for run in runs_of(search_id, store.summaries()):
        if run.meta.trial is not None:
            by_number.setdefault(run.meta.trial, []).append(run)
    return [_trial(number, by_number[number], search, store, held) for number in sorted(by_number)]


def _trial(number: int, runs: list[RunSummary], search: Search, store: RunStore, held: Sequence[str]) -> Trial:
    runs.sort(key=lambda run: run.config.train.seed)
    several = search.seeds > 1
    if several:
        steps = tuple(run.epochs.best_val_accuracy for run in runs if run.finished and run.epochs)
    else:
        steps = tuple(record.val_accuracy for record in store.records(runs[0].id))
    pruned = next((run.meta.pruned_at for run in runs if run.meta.pruned_at is not None), None)
    state = "pruned" if pruned is not None else _state(runs, search.seeds, held)
    return Trial(
        number, runs[0].config.replace({SEED: search.base.train.seed}), tuple(runs), steps, state, several, pruned
    )


def _state(runs: Sequence[RunSummary], seeds: int, held: Sequence[str]) -> TrialState:
    states = {run.state for run in runs}
    if "failed" in states:
        return "failed"
    if any(run.state == "stopped" and run.id in held for run in runs):
        return "paused"
    if "stopped" in states:
        return "stopped"
    if states & set(AT_WORK):
        return "running"
    return "finished" if states == {"finished"} and len(runs) >= seeds else "waiting"


def nothing_yet(trials: Sequence[Trial]) -> str:
    """Return what to say of a search whose trials have no accuracy."""
    if trials and all(trial.ended for trial in trials):
        return "No trial has finished an epoch, so there is nothing to compare."
    return "Results appear here after the first epoch of the first trial."


def best_of(trials: Iterable[Trial], most: int = 1) -> list[Trial]:
    """Return the finished trials of highest value, the best first, the first of equals."""
    finished = [trial for trial in trials if trial.state == "finished" and trial.value is not None]
    return sorted(finished, key=lambda trial: (-(trial.value or 0.0), trial.number))[:most]


# --- how far it is --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How much of the budget is used: ended trials, and seconds of training of all trials."""

    search: Search
    trials: int
    ended: int
    seconds: float

    @property
    def share(self) -> float:
        """The used share of the budget, from 0 to 1: of whichever of trials and minutes is nearer its end."""
        shares = [self.ended / self.search.trials] if self.search.trials else []
        if self.search.minutes:
            shares.append(self.seconds / (60 * self.search.minutes))
        return min(max(shares, default=0.0), 1.0)

    @property
    def used_up(self) -> bool:
        """Whether no further trial may begin."""
        if self.search.trials and self.trials >= self.search.trials:
            return True
        return bool(self.search.minutes) and self.seconds >= 60 * (self.search.minutes or 0.0)

    @property
    def text(self) -> str:
        """``12 of 40 trials, 14 min of 1 h 00 min of training``."""
        of_trials = f"{self.ended} of {counted(self.search.trials, 'trial')}" if self.search.trials else ""
        parts = [of_trials or counted(self.ended, "trial")]
        limit = f" of {duration(60 * self.search.minutes)}" if self.search.minutes else ""
        return ", ".join([*parts, f"{duration(self.seconds)}{limit} of training"])


def progress_of(search: Search, trials: Sequence[Trial]) -> Progress:
    """Return how much of the budget is used. A trial in the trash keeps its place, unless it was the last."""
    count = trials[-1].number + 1 if trials else 0
    return Progress(search, count, sum(trial.ended for trial in trials), sum(trial.seconds for trial in trials))


def counts_text(trials: Sequence[Trial]) -> str:
    """Return ``3 finished, 1 pruned, 1 running``."""
    states = [trial.state for trial in trials]
    order: tuple[TrialState, ...] = ("finished", "pruned", "stopped", "failed", "running", "paused", "waiting")
    return ", ".join(f"{states.count(state)} {state}" for state in order if state in states) or "no trial yet"


def labels(searches: Mapping[str, Stored], store: RunStore) -> dict[str, str]:
    """Return the name, state and trials of each search, by id."""
    names = distinct_names({search_id: stored.search.name for search_id, stored in searches.items()})
    return {
        search_id: f"{names[search_id]} · {_state_text(search_id, stored, store)}"
        for search_id, stored in searches.items()
    }


def _state_text(search_id: str, stored: Stored, store: RunStore) -> str:
    control, trials = stored.control, trials_of(search_id, stored.search, store, stored.control)
    if not trials:
        return "starting" if control.going else "not started"
    state = "running" if control.going else "ended" if control.done else "paused"
    return f"{state}, {counts_text(trials)}"


# --- as a table -----------------------------------------------------------------------------------


def table(search: Search, trials: Sequence[Trial]) -> pd.DataFrame:
    """Return a row per trial: ``number``, ``state``, ``value`` (0 to 1), ``best`` (the best finished so far), ``epoch``
    and ``seconds`` (of all its runs), ``run_id`` of its first run, and a column for each varied setting by path, empty
    where the setting has no effect."""
    rows, best = [], None
    paths = [one.path for one in in_order(search.ranges)]
    for trial in trials:
        if trial.state == "finished" and trial.value is not None:
            best = trial.value if best is None else max(best, trial.value)
        settings = search.varied(trial.config)
        rows.append(
            {
                "number": trial.number,
                "state": trial.state,
                "value": trial.value,
                "best": best,
                "epoch": trial.epoch,
                "seconds": trial.seconds,
                "run_id": trial.runs[0].id,
                **{path: settings.get(path) for path in paths},
            }
        )
    columns = ["number", "state", "value", "best", "epoch", "seconds", "run_id", *paths]
    frame = pd.DataFrame(rows, columns=columns)
    numeric = [path for path in paths if SETTINGS[path].kind in ("int", "float")]
    return frame.astype({"value": float, "best": float} | dict.fromkeys(numeric, float))
