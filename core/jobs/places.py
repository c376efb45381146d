"""Places: where queued runs are trained, and how many at once.

The worker (:mod:`core.jobs.worker`) works the queue. It asks a place whether the next run can begin there, and trains
each run through it in a thread of its own. :class:`Here` is this process. A place that hands its runs to other machines
has the same three methods; its threads wait for the machines and write the runs' folders.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from core.cost.together import cores_each, obstacle
from core.runs.storage import Storage
from core.runs.store import RunStore
from core.runs.summary import RunSummary


class Place(Protocol):
    """Where queued runs are trained. The worker calls ``slots`` and ``obstacle`` twice a second while runs wait."""

    def slots(self) -> int:
        """Return how many runs may be trained here at once; with 0, the queue waits."""
        ...

    def obstacle(self, run: RunSummary, beside: Sequence[RunSummary]) -> str | None:
        """Return in a sentence why ``run`` cannot begin now, ``None`` if it can; ``beside`` are trained here already.

        The runs behind it in the queue wait with it. Raises LabError if it can never be trained here: it is then
        skipped, and the pages show the reason.
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

    def __init__(self, slots: Callable[[], int]):
        """``slots``: returns how many runs may train at once; asked each time, since the setting may change."""
        self._slots = slots

    @classmethod
    def as_set(cls, store: RunStore) -> "Here":
        """Return this process with as many slots as the settings of the laboratory say."""
        settings = Storage(store)
        return cls(lambda: settings.settings_or_never().runs_at_once)

    def slots(self) -> int:
        """Return how many runs may be trained at once in this process."""
        return self._slots()

    def obstacle(self, run: RunSummary, beside: Sequence[RunSummary]) -> str | None:
        """Return why ``run`` cannot begin beside the others: too few free cores, or too little free memory."""
        return obstacle(run, beside, self.slots())

    def train(self, store: RunStore, run_id: str) -> None:
        """Train a run in this thread. “All” threads are its share of the cores, where several runs may train."""
        from core.jobs.runner import run  # imports torch, which takes seconds; the server answers meanwhile

        run(store, run_id, only_queued=True, cores=cores_each(self.slots()))
