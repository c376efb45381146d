"""Recorder: what a run's training writes, and where it learns that it should stop.

Training talks to a run's folder through this class alone, with records and bytes. A run trained on another machine
would send the same calls to the machine that owns the folder.
"""

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from core.base.errors import FolderReplaced
from core.records import BatchRecord, EpochRecord, best
from core.runs.folder import RunFolder, this_host

PROGRESS_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0


class Recorder:
    """Write a run's files while it trains, and watch for stop requests. For the process that holds the run.

    Every method that writes raises :class:`FolderReplaced` if the folder is no longer the one that is held: it was
    moved away, and another process may train the run in the folder that took its place.
    """

    def __init__(self, run: RunFolder):
        self._held, self._held_as = run, run.identity()
        self.status = run.stored_status()
        self._progress_at = self._heartbeat_at = 0.0

    @property
    def _run(self) -> RunFolder:
        """The run, if its folder is the one that is held."""
        if self._held.identity() != self._held_as:
            raise FolderReplaced(
                f"Run {self._held.id} is no longer trained here: its folder was moved or replaced. It continues where "
                "it was when you resume it from the folder that you keep."
            )
        return self._held

    def start(self) -> None:
        """Mark the run as running here. A stop request from before a crash is dropped."""
        self._run.clear_stop()
        self._update(
            state="running",
            started_at=self._started_at(),
            finished_at=None,
            error=None,
            host=this_host(),
            pid=os.getpid(),
        )

    def environment(self, environment: Mapping[str, Any]) -> None:
        """Record versions, processor, threads and precision."""
        self._run.write_environment(environment)

    def resume(self, history: Sequence[EpochRecord], weights: bytes | None) -> None:
        """Make the run's files agree with the state that training resumes from.

        ``weights``: best.safetensors, if the state has it. A kill, a copy made during training, or the parent of an
        extended run may have left the files an epoch apart.
        """
        self._run.write_records(history)
        if weights is not None:
            self._run.write_file("best.safetensors", weights)
        self._update(epoch=len(history), **(_best(history) if history else {}))

    def batch(self, record: BatchRecord) -> None:
        """Show the progress within the epoch, at most every half second and at its end."""
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_SECONDS or record.batch == record.batches:
            self._progress_at = now
            self._run.write_progress(record)
        if now - self._heartbeat_at >= HEARTBEAT_SECONDS:
            self._heartbeat_at = now
            self._update()

    def epoch(self, record: EpochRecord, state: bytes, weights: bytes | None) -> None:
        """Keep a finished epoch; ``weights`` if it is the best so far.

        The state comes last: wherever this is interrupted, resuming from last.pt trains the same epoch again.
        """
        if weights is not None:
            self._run.write_file("best.safetensors", weights)
        self._run.append_record(record)
        self._run.write_file("last.pt", state)
        self._update(epoch=record.epoch, **(_best([record]) if weights is not None else {}))

    def result(self, result: Mapping[str, Any]) -> None:
        """Keep the evaluation on the test set."""
        self._run.write_result(result)

    def log(self, text: str) -> None:
        """Add a line to the run's log."""
        self._run.append_log(text)

    def end(self, state: Literal["stopped", "finished", "failed"], error: str | None = None) -> None:
        """Mark the run as ended."""
        self._update(state=state, error=error, started_at=self._started_at(), finished_at=time.time())

    def clear_stop(self) -> None:
        """Forget the request to stop and the latest batch."""
        self._run.clear_stop()

    def stop_requested(self) -> bool:
        """Return whether someone asked the run to stop."""
        return self._run.stop_request() is not None

    def _started_at(self) -> float:
        """When the run first started; now if that is in the future, where a wrong clock put it."""
        return min(self.status.started_at or math.inf, time.time())

    def _update(self, **changes: Any) -> None:
        self.status = replace(self.status, heartbeat=time.time(), **changes)
        self._run.write_status(self.status)


def _best(records: Sequence[EpochRecord]) -> dict[str, Any]:
    record = best(records)
    return {"best_epoch": record.epoch, "best_val_accuracy": record.val_accuracy}
