"""Confirming a search: train its best trials and the base with new seeds, because a winner looks better than it is.

The best of many trials owes part of its accuracy to chance. New seeds tell how much of its gain remains, and the
test images, which chose nothing, whether the rest is real.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.base.errors import Outcome, StoreError, collected
from core.base.text import counted
from core.compare.answers import ReadPredictions, nothing_kept
from core.compare.contenders import Contender
from core.compare.gap import Gap, NotComparable, gap
from core.config.run_config import RunConfig
from core.runs.folder import RESUMABLE
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.search.search import Search
from core.search.store import Control, SearchStore
from core.search.trials import Trial, best_of, runs_of, trials_of
from core.stats.finding import ACCURACY
from core.stats.intervals import Spread, spread
from core.study.study import SEED

#: Trials that are confirmed, and the seeds that each gets; further seeds can be asked for.
BEST, SEEDS = 3, 3
MOST_SEEDS = 20


@dataclass(frozen=True)
class Side:
    """The base (``trial`` is ``None``) or a trial, trained with new seeds: the ``runs`` so far, by the order of seeds.

    ``searched`` is the validation accuracy (0 to 1) that the search saw of it, if it did. ``missing`` are the seeds
    without a run.
    """

    label: str
    trial: int | None
    config: RunConfig
    runs: tuple[RunSummary, ...]
    missing: tuple[int, ...]
    searched: float | None

    @property
    def finished(self) -> tuple[RunSummary, ...]:
        """The runs that reached their end."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def validation(self) -> Spread | None:
        """Validation accuracy over the new seeds."""
        return _spread([run.accuracy_on_held_out for run in self.finished])

    @property
    def test(self) -> Spread | None:
        """Test accuracy over the new seeds."""
        return _spread([run.accuracy_on_test for run in self.finished])


def _spread(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return spread(known) if known else None


def sides_of(search_id: str, search: Search, control: Control, trials: Sequence[Trial], store: RunStore) -> list[Side]:
    """Return the base and the trials that are confirmed, the base first; empty before anybody asked for it."""
    if not control.confirm:
        return []
    by_signature: dict[str, RunSummary] = {}
    for run in runs_of(search_id, store.summaries()):
        if run.meta.trial is None:
            by_signature.setdefault(run.signature, run)
    by_number = {trial.number: trial for trial in trials}
    first = by_number.get(0)
    base_seen = first.value if first and first.state == "finished" and _same(search, first.config) else None
    wanted: list[tuple[str, int | None, RunConfig, float | None]] = [("Base settings", None, search.base, base_seen)]
    chosen = [by_number[number] for number in control.confirm if number in by_number]
    wanted += [(f"Trial {trial.number}", trial.number, trial.config, trial.value) for trial in chosen]
    sides = []
    for label, number, config, seen in wanted:
        found = {seed: by_signature.get(config.replace({SEED: seed}).signature()) for seed in control.confirm_seeds}
        runs = tuple(run for run in found.values() if run is not None)
        missing = tuple(seed for seed, run in found.items() if run is None)
        sides.append(Side(label, number, config, runs, missing, seen))
    return sides


def _same(search: Search, config: RunConfig) -> bool:
    return config.signature() == search.base.signature()


def confirm(store: RunStore, search_id: str, seeds: int = SEEDS) -> Outcome:
    """Queue the runs that confirm a search: the best trials and the base, each with ``seeds`` new seeds in all.

    Repeating it queues what is missing, stopped or interrupted, so a kill in between loses nothing; more ``seeds`` add
    to those that exist. Which trials are confirmed is decided once. ``done`` has the ids of the queued runs. Raises
    StoreError while the search goes on, and without a finished trial other than the base.
    """
    if not 2 <= seeds <= MOST_SEEDS:
        raise StoreError(f"Confirm with 2 to {MOST_SEEDS} seeds; one seed cannot show seed-to-seed variation.")
    searches = SearchStore(store)
    done: list[str] = []
    problems: list[str] = []
    with searches.lock(search_id):
        stored = searches.get(search_id)
        search = stored.search
        if stored.control.going:
            raise StoreError("The search is going on. Confirm its best trials when it has ended, or pause it.")
        trials = trials_of(search_id, search, store, stored.control)
        chosen = stored.control.confirm or tuple(trial.number for trial in best_trials(search, trials))
        if not chosen:
            raise StoreError("No trial other than the base has finished, so there is nothing to confirm.")
        used = {run.config.train.seed for trial in trials for run in trial.runs} - {*stored.control.confirm_seeds}
        new = (seed for seed in itertools.count(search.base.train.seed + 1_000) if seed not in used)
        wanted = tuple(dict.fromkeys([*stored.control.confirm_seeds, *itertools.islice(new, seeds)]))
        control = searches.control(
            search_id,
            lambda control: replace(
                control, confirm=chosen, confirm_seeds=wanted[: max(seeds, len(control.confirm_seeds))]
            ),
        )
        sides = sides_of(search_id, search, control, trials, store)
        for seed in control.confirm_seeds:  # all sides with the first seed, then with the next: an early comparison
            for side in sides:
                with collected(problems, f"The run of {side.label} with seed {seed}"):
                    run = next((run for run in side.runs if run.config.train.seed == seed), None)
                    if run is None:
                        name = f"{search.name}: confirm {side.label.lower()}, seed {seed}"
                        done.append(store.create(side.config.replace({SEED: seed}), name=name, study=search_id))
                    elif run.state in RESUMABLE:
                        store.queue.enqueue(run.id)
                        done.append(run.id)
    return Outcome(done, problems)


def best_trials(search: Search, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials to confirm: the best finished ones other than the base."""
    return best_of((trial for trial in trials if not _same(search, trial.config)), BEST)


# --- the verdict ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What the new seeds say about ``winner``, the confirmed trial of highest mean validation accuracy.

    ``finding`` compares its test accuracy with the base's. ``gain_seen`` is how much better than the base the search
    saw it, ``gain_confirmed`` how much better it is with new seeds on the same validation images (differences of shares
    of 1); what lies between is ``selection``. ``None`` while it is unknown.
    """

    winner: Side
    base: Side
    finding: Gap
    gain_seen: float | None
    gain_confirmed: float | None

    @property
    def selection(self) -> float | None:
        """How much of the gain that the search saw was luck of the selected trial."""
        if self.gain_seen is None or self.gain_confirmed is None:
            return None
        return self.gain_seen - self.gain_confirmed

    @property
    def selection_text(self) -> str:
        """How much of the gain is left, in a sentence or two."""
        if self.gain_seen is None or self.gain_confirmed is None or self.selection is None:
            return ""
        seeds = counted(len(self.winner.finished), "new seed")
        text = (
            f"In the search, {self.winner.label.lower()} was {_compared(self.gain_seen)} the base on the validation "
            f"images. With {seeds}, it is {_compared(self.gain_confirmed)} the base"
        )
        if self.gain_seen <= 0:
            return f"{text}."
        if self.selection > 0:
            text += f": at least {ACCURACY.size_text(self.selection)} of the gain probably came from selection"
        return f"{text}. The new validation accuracies chose this trial, so they are optimistic too."


def _compared(gain: float) -> str:
    return f"{ACCURACY.size_text(gain)} {'better' if gain >= 0 else 'worse'} than"


def verdict(sides: Sequence[Side], read: ReadPredictions = nothing_kept) -> Verdict | None:
    """Return what the new seeds say; ``None`` before the base and a trial have two finished runs each.

    Validation images choose the winner among the confirmed trials; test images only judge it.
    """
    ready = [side for side in sides if len(side.finished) > 1]
    base = next((side for side in ready if side.trial is None), None)
    trials = [side for side in ready if side.trial is not None]
    if base is None or not trials:
        return None
    winner = max(trials, key=lambda side: (_mean(side.validation), -(side.trial or 0)))
    try:
        finding = gap(Contender(base.label, base.finished), Contender(winner.label, winner.finished), read=read)
    except NotComparable:
        return None
    base_seen = base.searched if base.searched is not None else _mean(base.validation)
    seen = None if winner.searched is None else winner.searched - base_seen
    return Verdict(winner, base, finding, seen, _mean(winner.validation) - _mean(base.validation))


def _mean(values: Spread | None) -> float:
    return values.mean if values else 0.0
