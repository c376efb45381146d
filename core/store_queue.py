"""The queue: which runs wait, in what order, how one is stopped, and what becomes of a run whose process died.

The queue is the folders in state ``queued``, by ``queued_at``; it survives everything a folder survives.
"""

import contextlib
import time
from dataclasses import replace

from filelock import FileLock

from core.errors import RunBusy, StoreError
from core.files import write_atomically
from core.store_files import AT_WORK, RESUMABLE
from core.store_trash import Trash


class Queue(Trash):
    """Waiting, stopping and going on. A run that is discarded goes to the trash."""

    def queue_lock(self) -> FileLock:
        """The lock of whoever works the queue, not acquired."""
        return FileLock(self.root / ".queue.lock")

    def order_lock(self) -> FileLock:
        """The lock of whoever changes the order of the waiting runs, not acquired."""
        return FileLock(self.root / ".order.lock")

    def queue(self) -> list[str]:
        """Ids of the waiting runs, the next first."""
        waiting = []
        for run_id in self.ids():
            with contextlib.suppress(StoreError):
                status = self.status(run_id)
                if status.state == "queued":
                    waiting.append((status.queued_at or 0.0, run_id))
        return [run_id for _, run_id in sorted(waiting)]

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
        self._refuse_reference(run_id, "trained further")
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
                    status, state="queued", queued_at=time.time(), error=None, finished_at=None, host=None, pid=None
                ),
            )

    def mark_interrupted(self) -> list[str]:
        """Write ``interrupted`` into the runs whose process died; returns their ids."""
        found = []
        for run_id in self.ids():
            with contextlib.suppress(StoreError):
                if self.status_for_holder(run_id).state not in AT_WORK:
                    continue
                with self.hold(run_id):
                    status = self.status_for_holder(run_id)
                    if status.state in AT_WORK:
                        wanted = self.stop_request(run_id)
                        self.clear_stop(run_id)
                        self.write_status(
                            run_id,
                            replace(
                                status,
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
