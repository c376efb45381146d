"""Places: where queued runs are trained, and how many at once.

The worker (:mod:`core.jobs.worker`) works the queue. It asks a place whether the next run can begin there, and trains
each run through it in a thread of its own. :class:`Here` is this process. A place that hands its runs to other machines
has the same three methods; its threads wait for the machines and write the runs' folders.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from core.cost.together import abreast, chosen, cores_each, fixed_threads, obstacle, slots
from core.runs.store import RunStore
from core.runs.summary import RunSummary

#: Seconds after which a run that waits alone begins, and takes all cores: a study queues its runs one after the other.
SETTLE_SECONDS = 0.5


class Place(Protocol):
    """Where queued runs are trained. The worker calls ``slots`` and ``obstacle`` twice a second while runs wait."""

    def slots(self) -> int:
        """Return how many runs may be trained here at once; with 0, the queue waits."""
        ...

    def obstacle(self, run: RunSummary, beside: Sequence[RunSummary], waiting: int) -> str | None:
        """Return in a sentence why ``run`` cannot begin now, ``None`` if it can; ``beside`` are trained here already.

        ``waiting`` runs wait, this one among them. The sentence is empty if it can begin in a moment. The runs behind
        it in the queue wait with it. Raises LabError if it can never be trained here: it is then skipped, and the pages
        show the reason.
        """
        ...

    def train(self, store: RunStore, run_id: str) -> None:
        """Train a queued run to its end, whatever that is; the calling thread is this run's own.

        An error during training goes into the run's status. Raises RunBusy if the run no longer waits, another
        LabError if it cannot begin, FolderReplaced if the folder of the runs is no longer the one that it was.
        """
        ...


class Here:
    """This process, with a thread for each run. The threads share the cores of the machine, or its GPU."""

    def __init__(self, chosen: Callable[[], int | None]):
        """``chosen``: returns how many runs may train at once, ``None`` for automatic; asked each time, since the
        setting may change.
        """
        self._chosen = chosen
        # By run: the threads of one set to “all”, from when it may begin until its end.
        self._shares: dict[str, int] = {}

    @classmethod
    def as_set(cls, store: RunStore) -> "Here":
        """Return this process with as many slots as the settings of the laboratory say."""
        return cls(lambda: chosen(store))

    def slots(self) -> int:
        """Return how many runs may be trained at once in this process."""
        return slots(self._chosen())

    def obstacle(self, run: RunSummary, beside: Sequence[RunSummary], waiting: int) -> str | None:
        """Return why ``run`` cannot begin beside the others: too few free cores, or too little free memory."""
        number, fixed = self._chosen(), fixed_threads(run)
        if number is None and fixed is None and not beside and waiting < self.slots() and _just_queued(run):
            return ""
        share = cores_each(number, abreast([run.config], number, len(beside) + waiting))
        neighbours = [(other, fixed_threads(other) or self._shares.get(other.id, share)) for other in beside]
        problem = obstacle(run, fixed or share, neighbours, waiting, number)
        if problem is None:
            self._shares[run.id] = share
        return problem

    def train(self, store: RunStore, run_id: str) -> None:
        """Train a run in this thread. “All” threads are its share of the cores, where several runs may train."""
        from core.jobs.runner import run  # imports torch, which takes seconds; the server answers meanwhile

        try:
            run(store, run_id, only_queued=True, cores=self._shares.get(run_id) or cores_each(self._chosen()))
        finally:
            self._shares.pop(run_id, None)


def _just_queued(run: RunSummary) -> bool:
    return 0 <= time.time() - (run.status.queued_at or 0.0) < SETTLE_SECONDS
