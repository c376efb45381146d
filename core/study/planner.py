"""Plan seeds: how many show a difference of a given size, what they cost on this machine, and the runs to queue.

The numbers come from what :func:`core.stats.judgement.judge` measured, times from :mod:`core.cost.estimate`.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.base.errors import Outcome, collected
from core.base.text import counted, expected_time
from core.compare.contenders import Contender
from core.config.run_config import RunConfig
from core.cost.estimate import total
from core.runs.store import RunStore
from core.runs.summary import RunSummary, shared_precision, title
from core.stats.finding import ACCURACY
from core.stats.judgement import MOST_SEEDS, POWER, Judgement
from core.study import progress
from core.study.store import StudyStore
from core.study.study import SEED, Study

#: Seeds in each group that measure seed-to-seed variation, where it is unknown.
FIRST_SEEDS = 3
#: States in which a run is trained or will be, without a click.
_ON_ITS_WAY = ("finished", "running", "stopping", "queued")


@dataclass(frozen=True)
class Plan:
    """``seeds`` in each group show a true ``difference`` (0 to 1) with :data:`~core.stats.judgement.POWER`.

    ``None`` if :data:`~core.stats.judgement.MOST_SEEDS` do not. ``measured`` is false while seed-to-seed variation is
    unknown: ``seeds`` are then those that measure it. ``runs`` are still to be trained, which takes ``seconds``
    (``None`` before any measurement on this machine).
    """

    difference: float
    seeds: int | None
    measured: bool
    runs: int
    seconds: float | None

    @property
    def text(self) -> str:
        """The plan as one sentence or two."""
        aim = f"{ACCURACY.size_text(self.difference)} with {100 * POWER:.0f} % power"
        if self.seeds is None:
            return f"Even {MOST_SEEDS} seeds each would not show {aim}. Choose a larger difference."
        if not self.measured:
            return (
                f"Seed-to-seed variation is unknown until a group has two seeds. {self.seeds} seeds each measure it: "
                f"{self.cost}."
            )
        if not self.runs:
            return f"To see {aim} you need {self.seeds} seeds each. They exist already, or are queued."
        return f"To see {aim} you need {self.seeds} seeds each: {self.cost}."

    @property
    def cost(self) -> str:
        """What is left to train: ``4 more runs, about 2 h 10 min on this computer``."""
        return f"{counted(self.runs, 'more run')}, {expected_time(self.seconds)}"


def usual_difference(judgement: Judgement) -> float:
    """Return a difference to start planning with: the one that was measured, from 0.3 to 10 points."""
    return min(max(round(abs(judgement.difference), 3), 0.003), 0.1)


def seeds_for(judgement: Judgement, difference: float) -> int | None:
    """Return how many seeds each group needs in all; ``None`` if too many."""
    return FIRST_SEEDS if judgement.variances is None else judgement.variances.seeds_for(difference)


# --- two contenders -------------------------------------------------------------------------------


def plan_contenders(judgement: Judgement, sides: Sequence[Contender], difference: float, store: RunStore) -> Plan:
    """Return the plan for contenders that :mod:`core.compare.gap` has judged."""
    seeds = seeds_for(judgement, difference)
    missing = missing_runs(sides, seeds or 0, store.summaries())
    seconds = total([config for config, _ in missing], store).seconds
    return Plan(difference, seeds, judgement.variances is not None, len(missing), seconds)


def missing_runs(
    sides: Sequence[Contender], seeds: int, runs: Iterable[RunSummary]
) -> list[tuple[RunConfig, Contender]]:
    """Return the configs, each with its contender, that give every contender so many ``seeds``.

    Seeds that another contender has come first. A run that exists among ``runs``, or is on its way, is not missing.
    """
    known = {run.signature for run in runs if run.state in _ON_ITS_WAY}
    used = sorted({run.config.train.seed for side in sides for run in side.counted})
    missing = []
    for side in sides:
        own = [run.config.train.seed for run in side.counted]
        order = dict.fromkeys([*own, *used, *range(len(used) + seeds)])
        for seed in itertools.islice(order, len(own), max(seeds, len(own))):
            config = side.config.replace({SEED: seed})
            if config.signature() not in known:
                missing.append((config, side))
    return missing


def queue_contenders(judgement: Judgement, sides: Sequence[Contender], difference: float, store: RunStore) -> Outcome:
    """Queue the missing runs of :func:`plan_contenders`, the sides in turn; ``done`` holds their ids."""
    done: list[str] = []
    problems: list[str] = []
    missing = missing_runs(sides, seeds_for(judgement, difference) or 0, store.summaries())
    for config, side in sorted(missing, key=lambda pair: pair[0].train.seed):
        with collected(problems, f"The run with seed {config.train.seed}"):
            about: dict[str, Any] = {"name": _name(side, config.train.seed)}
            if precision := shared_precision(side.runs):
                about["environment"] = {"precision": precision}
            done.append(store.create(config, **about))
    return Outcome(done, problems)


def _name(side: Contender, seed: int) -> str:
    """Return the name of another seed of a contender: that of its oldest run, with the seed changed."""
    name = side.runs[0].name
    if not name:
        return ""
    renamed, changed = re.subn(r"\bseed \d+\b", f"seed {seed}", name)
    return renamed if changed else f"{title(side.runs[0])}, seed {seed}"


# --- a study --------------------------------------------------------------------------------------


def plan_study(judgement: Judgement, study_id: str, study: Study, difference: float, store: RunStore) -> Plan:
    """Return the plan for a study: as many seeds for each of its values."""
    seeds = seeds_for(judgement, difference)
    grown = with_seeds(study, seeds or 0)
    left = progress.preview(progress.statuses(study_id, grown, store.summaries()), store)
    return Plan(difference, seeds, judgement.variances is not None, left.runs, left.seconds if left.runs else 0.0)


def with_seeds(study: Study, seeds: int) -> Study:
    """Return the study with at least so many ``seeds``; the new ones are the smallest that it lacks."""
    more = (seed for seed in itertools.count() if seed not in study.seeds)
    return study.extended({}, itertools.islice(more, max(seeds - len(study.seeds), 0)))


def queue_study(judgement: Judgement, study_id: str, difference: float, store: RunStore) -> Outcome:
    """Add the seeds of :func:`plan_study` to the study and queue what is missing; ``done`` holds the queued runs.

    Raises StoreError for a study that came with the program.
    """
    seeds = seeds_for(judgement, difference) or 0
    StudyStore(store).update(study_id, lambda study: with_seeds(study, seeds))
    return progress.start(store, study_id)
