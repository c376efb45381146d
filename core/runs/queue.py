"""The queue: which runs wait, in what order, how a run is stopped, and what happens to a run whose process died.

The queue is the runs in state ``queued``, by ``queued_at``; it survives whatever a folder survives. A run is moved by
giving it another time between those of its new neighbours, written under the run's own lock. Nothing else changes, and
wherever this is cut short, every run is still in the queue exactly once.
"""

import contextlib
import math
import time
from dataclasses import replace
from typing import Any, Literal

from filelock import FileLock

from core.base.errors import RunBusy, StoreError, collected
from core.base.files import identity, lock_at, locked, sweep
from core.records import best
from core.runs.folder import AT_WORK, RESUMABLE, STATUS, RunFolder, Status
from core.runs.shelf import TRASH, Shelf, Trash

QUEUE_LOCK = ".queue.lock"
#: Where to move a run: before all others, or past one neighbour.
Where = Literal["front", "up", "down"]
#: Seconds to wait for another window that changes the order; it takes a few milliseconds.
ORDER_PATIENCE = 5.0
#: Seconds by which a run is put before the first, and that are made between neighbours without room for a third.
GAP = 1e-3
#: Seconds by which a stored time may be ahead of the clock: those of several computers differ a little.
LEAD = 60.0
#: Seconds to wait for the lock of a run that says it is at work: most likely it is held.
GLANCE = 0.1


class Queue:
    """The waiting runs of one shelf."""

    def __init__(self, shelf: Shelf, trash: Trash):
        self._shelf, self._trash = shelf, trash
        # Of each run the inode, time and size of the status.json that was read, and when the run was queued, if it
        # waits. A status is replaced as a whole, so one with the same three is not read again.
        self._known: dict[str, tuple[tuple[int, int, int], float | None]] = {}

    def lock(self) -> FileLock:
        """Return the lock of the process that works the queue, not acquired."""
        return lock_at(self._shelf.folder / QUEUE_LOCK)

    def identity(self) -> tuple[int, int] | None:
        """Return the :func:`~core.base.files.identity` of the queue's lock file, ``None`` without one."""
        return identity(self._shelf.folder / QUEUE_LOCK)

    def ordering(self) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of the process that changes the order of the waiting runs."""
        busy = "Another window is changing the queue; try again in a moment."
        return locked(self._shelf.folder / ".order.lock", "the queue", ORDER_PATIENCE, busy)

    def ids(self) -> list[str]:
        """Return the ids of the waiting runs, the next first."""
        return [run_id for _, run_id in self._waiting()]

    def end(self) -> float:
        """Return a ``queued_at`` behind all waiting runs: now, or a little later if the clock was set back a little.

        Waiting runs that a wrong clock put further into the future are moved to now first, in their order.
        """
        waiting = self._waiting()
        if _ahead(waiting):
            with contextlib.suppress(StoreError), self.ordering():
                self._settle(waiting)
            waiting = self._waiting()
        return _end(waiting)

    def _settle(self, waiting: list[tuple[float, str]]) -> None:
        """Move the runs that wait in the future to now, the next one first, so that their order is kept throughout."""
        end = _end(waiting)
        for place, run_id in enumerate(_ahead(waiting)):
            with contextlib.suppress(StoreError):  # it began or was stopped, and waits no more
                self._write_time(run_id, end + place * GAP)

    def _waiting(self) -> list[tuple[float, str]]:
        """When each waiting run was queued, and its id; the next first."""
        ids, waiting = self._shelf.ids(), []
        for run_id in ids:
            with contextlib.suppress(StoreError, OSError):
                stat = (self._shelf.place(run_id) / STATUS).stat()
                stamp = stat.st_ino, stat.st_mtime_ns, stat.st_size
                known = self._known.get(run_id)
                if known is None or known[0] != stamp:
                    status = self._run(run_id).stored_status()
                    known = stamp, (status.queued_at or 0.0) if status.state == "queued" else None
                    self._known[run_id] = known
                if known[1] is not None:
                    waiting.append((known[1], run_id))
        for gone in self._known.keys() - set(ids):
            self._known.pop(gone, None)
        return sorted(waiting)

    def _run(self, run_id: str) -> RunFolder:
        return RunFolder(self._shelf, run_id)

    # --- stopping and continuing ------------------------------------------------------------------

    def request_stop(self, run_id: str, *, keep: bool = True) -> None:
        """Stop a waiting run, or ask the process that trains a run to stop within a batch.

        With ``keep=False`` the run then goes to the trash. Raises StoreError for a run that does neither.
        """
        run = self._run(run_id)
        state = run.status().state
        if state == "queued":
            try:
                with run.hold():
                    status = run.stored_status()
                    if status.state == "queued":
                        run.write_status(replace(status, state="stopped", finished_at=time.time()))
                if not keep:
                    self._trash.put(run_id)
                return
            except RunBusy:  # a process began to work on it meanwhile
                state = run.status().state
        if state not in AT_WORK:
            raise StoreError(f"Run {run_id} is {state}; only a waiting or running one can be stopped.")
        run.request_stop("keep" if keep else "discard")

    def request_return(self, run_id: str) -> bool:
        """Ask the process that trains a run to stop within a batch and let it wait again where it was in the queue.

        The run is never ``stopped`` in between, which a search would take for its end. Return whether that was asked
        for: not if someone has asked it to stop already. Raises StoreError for a run that is not trained.
        """
        run = self._run(run_id)
        if run.stop_request():
            return False
        state = run.status().state
        if state not in AT_WORK:
            raise StoreError(f"Run {run_id} is {state}; only a running one can return to the queue.")
        run.request_stop("queue")
        return True

    def enqueue(self, run_id: str, *, take_over: bool = False) -> None:
        """Queue a run that stopped, failed or was interrupted again, to continue where it was.

        Raises RunBusy for a run that is trained, here or on another computer; with ``take_over`` the other computer
        stops training it as soon as it notices.
        """
        run = self._run(run_id)
        run.refuse_reference("trained further")
        with run.hold():
            if not take_over:
                run.refuse_elsewhere()
            status = run.stored_status()
            if status.state not in (*RESUMABLE, *AT_WORK):
                raise StoreError(
                    f"Run {run_id} is {status.state}; only a run that stopped, failed or was interrupted can be "
                    "resumed. Extend a finished one instead."
                )
            run.clear_stop()
            queued = replace(status, state="queued", queued_at=self.end(), finished_at=None)
            run.write_status(replace(queued, error=None, host=None, pid=None, on_cluster=False))

    def cancel(self, run_id: str) -> int | None:
        """Take a waiting run out of the queue: it is stopped and can be resumed.

        Return its place in the queue, or ``None`` if its training began meanwhile and stops within a batch. Raises
        StoreError for a run that neither waits nor runs.
        """
        queue = self.ids()
        self.request_stop(run_id)
        return queue.index(run_id) if run_id in queue and self._run(run_id).status().state == "stopped" else None

    def put_back(self, run_id: str, place: int) -> int:
        """Undo :meth:`cancel`: queue the run again where it was, and return its place. Raises StoreError or RunBusy."""
        self.enqueue(run_id)
        return self.move(run_id, place)

    # --- the order --------------------------------------------------------------------------------

    def move(self, run_id: str, where: Where | int) -> int:
        """Move a waiting run and return its new place in the queue; the next run has place 0.

        ``where`` may be a place, counted without this run; any place beyond the end is the end. Raises StoreError for
        a run that does not wait (any more), RunBusy if another process holds the run or changes the order.
        """
        with self.ordering():
            return self._move(run_id, where)

    def _move(self, run_id: str, where: Where | int) -> int:
        self._settle(self._waiting())
        queue = self.ids()
        if run_id not in queue:
            state = self._run(run_id).status().state
            raise StoreError(f"Run {run_id} is {state}; only a waiting run can be moved.")
        now = queue.index(run_id)
        queue.remove(run_id)
        wanted = {"front": 0, "up": now - 1, "down": now + 1}[where] if isinstance(where, str) else where
        place = min(max(wanted, 0), len(queue))
        if place != now:
            self._write_time(run_id, self._time_at(queue, place))
        return place

    def _time_at(self, others: list[str], place: int) -> float:
        """A time that sorts between the runs before ``place`` and those from it on."""
        if place == len(others):
            return max(time.time(), math.nextafter(self._time_of(others[-1]), math.inf))
        after = self._time_of(others[place])
        before = self._time_of(others[place - 1]) if place else max(after - 2 * GAP, 0.0)  # no time is negative
        if not before < (before + after) / 2 < after:
            # No room: those after it move away from it, the last one first, so that their order is kept throughout.
            for run_id in reversed(others[place:]):
                with contextlib.suppress(StoreError):  # it began or was stopped, and waits no more
                    self._write_time(run_id, self._time_of(run_id) + GAP)
            after += GAP
        return (before + after) / 2

    def _time_of(self, run_id: str) -> float:
        return self._run(run_id).stored_status().queued_at or 0.0

    def _write_time(self, run_id: str, queued_at: float) -> None:
        run = self._run(run_id)
        with run.hold():
            status = run.stored_status()
            if status.state != "queued":
                raise StoreError(f"Run {run_id} is {status.state} by now; only a waiting run can be moved.")
            run.write_status(replace(status, queued_at=queued_at))

    # --- after a crash ----------------------------------------------------------------------------

    def mark_interrupted(self) -> list[str]:
        """Write ``interrupted`` into the runs whose process died, clean up after it, and return their ids.

        They wait for a person, since one of them may have ended the process: it may have used up the memory.
        """
        sweep(self._shelf.folder)
        for folder in (*self._shelf.folder.glob(".*/"), *self._shelf.folder.glob(f".*/{TRASH}/")):
            sweep(folder, "new-*", ".gone-*")
        for run_id in self._trash.ids():
            sweep(self._trash.folder / run_id)
        interrupted: list[str] = []
        for run_id in self._shelf.ids():
            sweep(self._shelf.place(run_id))
            with collected([], run_id):  # a damaged run is shown as such, and keeps no other from being marked
                run = self._run(run_id)
                status = run.stored_status()
                if status.state not in AT_WORK or status.elsewhere:
                    continue
                with run.hold(GLANCE):
                    status = run.stored_status()
                    if status.state not in AT_WORK:
                        continue
                    request = run.stop_request()
                    run.clear_stop()
                    run.write_status(
                        replace(_interrupted(run, status), on_cluster=status.on_cluster and request in (None, "queue"))
                    )
                    run.append_log("Found without its process: marked interrupted.")
                    run.tidy_record(at_work=False)
                    interrupted.append(run_id)
                if request == "discard":
                    self._trash.put(run_id)
        return interrupted

    def take_up(self) -> list[str]:
        """Queue the runs that were interrupted on a cluster again, each in its former place, and return their ids.

        For a process that works on a cluster: no such run has ended the process that died, and nobody stopped it.
        """
        taken: list[str] = []
        for run_id in self._shelf.ids():
            with collected([], run_id):
                run = self._run(run_id)
                if not _interrupted_on_cluster(run.stored_status()):
                    continue
                with run.hold(GLANCE):
                    status = run.stored_status()
                    if _interrupted_on_cluster(status):
                        queued = replace(status, state="queued", finished_at=None, error=None, on_cluster=False)
                        run.write_status(replace(queued, host=None, pid=None))
                        run.append_log("Queued again, to continue on a cluster from its last state.")
                        taken.append(run_id)
        return taken


def _interrupted_on_cluster(status: Status) -> bool:
    return status.state == "interrupted" and status.on_cluster


def _ahead(waiting: list[tuple[float, str]]) -> list[str]:
    """The runs whose time is further ahead than clocks that are right differ, the next first."""
    limit = time.time() + LEAD
    return [run_id for at, run_id in waiting if at > limit]


def _end(waiting: list[tuple[float, str]]) -> float:
    """A time behind all runs that do not wait in the future."""
    now = time.time()
    return max([now, *(at + GAP for at, _ in waiting if at <= now + LEAD)])


def _interrupted(run: RunFolder, status: Status) -> Status:
    """The status of a run whose process died, with the epochs on disk: it may have died before it counted the last."""
    records = run.records()
    reached: dict[str, Any] = {}
    if records:
        top = best(records)
        reached = {"epoch": records[-1].epoch, "best_epoch": top.epoch, "best_val_accuracy": top.val_accuracy}
    error = "The program that trained this run ended before the run did."
    if status.on_cluster:
        error += " The run continues when the laboratory trains on a cluster again."
    # A heartbeat in the future comes from a wrong clock.
    finished_at = None if status.heartbeat is None else min(status.heartbeat, time.time())
    return replace(status, **reached, state="interrupted", finished_at=finished_at, error=error)
