"""The queue: which runs wait, in what order, how one is stopped, and what becomes of a run whose process died.

The queue is the folders in state ``queued``, by ``queued_at``; it survives everything a folder survives.
"""

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from core.base.errors import RunBusy, StoreError
from core.base.files import sweep, write_atomically
from core.runs.epochs import summarize
from core.runs.folder import AT_WORK, RESUMABLE
from core.runs.trash import Trash

#: Seconds to wait for the lock of a run that says it is at work: that it is held is what one expects.
GLANCE = 0.1


class Queue(Trash):
    """Waiting, stopping and going on. A run that is discarded goes to the trash."""

    def __init__(self, root: Path | str):
        super().__init__(root)
        # Runs that did not wait when their status.json had this inode, time and size: they are not read again.
        self._not_waiting: dict[str, tuple[int, int, int]] = {}

    def queue_lock(self) -> FileLock:
        """The lock of whoever works the queue, not acquired."""
        return FileLock(self.root / ".queue.lock")

    def order_lock(self) -> FileLock:
        """The lock of whoever changes the order of the waiting runs, not acquired."""
        return FileLock(self.root / ".order.lock")

    def queue(self) -> list[str]:
        """Ids of the waiting runs, the next first."""
        return [run_id for _, run_id in self._waiting()]

    def _waiting(self) -> list[tuple[float, str]]:
        """When each waiting run was queued, and its id; the next first."""
        found, waiting = self.ids(), []
        for run_id in found:
            with contextlib.suppress(StoreError, OSError):
                stat = (self.root / run_id / "status.json").stat()
                stamp = stat.st_ino, stat.st_mtime_ns, stat.st_size
                if self._not_waiting.get(run_id) == stamp:
                    continue
                status = self.status_for_holder(run_id)
                if status.state == "queued":
                    waiting.append((status.queued_at or 0.0, run_id))
                else:
                    self._not_waiting[run_id] = stamp
        for gone in self._not_waiting.keys() - set(found):
            self._not_waiting.pop(gone, None)
        return sorted(waiting)

    def _end_of_queue(self) -> float:
        """A ``queued_at`` behind all waiting runs: now, unless the clock was set back since."""
        waiting = self._waiting()
        return max(time.time(), waiting[-1][0] + 1e-3) if waiting else time.time()

    def request_stop(self, run_id: str, *, keep: bool = True) -> None:
        """Ask whoever works on the run to stop within a batch; ``keep=False`` sends it to the trash then."""
        state = self.status(run_id).state
        if state == "queued":
            try:
                with self.hold(run_id):
                    status = self.status_for_holder(run_id)
                    if status.state == "queued":
                        self.write_status(run_id, replace(status, state="stopped", finished_at=time.time()))
                if not keep:
                    self.trash(run_id)
                return
            except RunBusy:  # somebody began to work on it meanwhile
                state = self.status(run_id).state
        if state not in AT_WORK:
            raise StoreError(f"Run {run_id} is {state}; only a waiting or running one can be stopped.")
        write_atomically(self.folder(run_id) / "stop", "keep" if keep else "discard")

    def enqueue(self, run_id: str) -> None:
        """Put a run that stopped, failed or was interrupted back into the queue, to go on where it was."""
        self.refuse_reference(run_id, "trained further")
        with self.hold(run_id):
            status = self.status_for_holder(run_id)
            if status.state not in (*RESUMABLE, *AT_WORK):
                raise StoreError(
                    f"Run {run_id} is {status.state}; only a run that stopped, failed or was "
                    "interrupted can be resumed. Extend a finished one instead."
                )
            self.clear_stop(run_id)
            self.write_status(
                run_id,
                replace(
                    status,
                    state="queued",
                    queued_at=self._end_of_queue(),
                    error=None,
                    finished_at=None,
                    host=None,
                    pid=None,
                ),
            )

    def mark_interrupted(self) -> list[str]:
        """Write ``interrupted`` into the runs whose process died, and clean up after it; returns their ids."""
        found = []
        sweep(self.root)
        sweep(self.cache_folder, "new-*")
        sweep(self.trash_folder, ".gone-*")
        for run_id in self.trashed():
            sweep(self.trash_folder / run_id)
        for run_id in self.ids():
            sweep(self.root / run_id)
            with contextlib.suppress(StoreError):
                if self.status_for_holder(run_id).state not in AT_WORK:
                    continue
                with self.hold(run_id, GLANCE):
                    status = self.status_for_holder(run_id)
                    if status.state in AT_WORK:
                        wanted = self.stop_request(run_id)
                        self.clear_stop(run_id)
                        self.write_status(
                            run_id,
                            replace(
                                status,
                                **self._far(run_id),
                                state="interrupted",
                                finished_at=status.heartbeat,
                                error="The program that trained this run ended before the run did.",
                            ),
                        )
                        self.append_log(run_id, "Found without its process: marked interrupted.")
                        found.append(run_id)
                if run_id in found and wanted == "discard":
                    self.trash(run_id)
        return found

    def _far(self, run_id: str) -> dict[str, Any]:
        """How far the epochs on disk are: the process may have died between writing one and saying so."""
        records = self.records(run_id)
        found = summarize(records)
        if not found:
            return {}
        return {"epoch": records[-1]["epoch"], **{one: found[one] for one in ("best_epoch", "best_val_accuracy")}}
