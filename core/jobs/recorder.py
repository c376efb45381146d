"""Recorder: what a run's training writes, and where it learns that it should stop.

Training talks to a run's folder through this class alone, with records and bytes. A run that is trained on another
computer sends the same calls to the laboratory that owns the folder (:mod:`core.jobs.remote`).
"""

import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from core.base.errors import FolderReplaced, StoreError
from core.records import BatchRecord, EpochRecord, Moment, best
from core.runs.folder import RunFolder, this_host

PROGRESS_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
#: Seconds between two points of the curves within an epoch, and the most points that are kept.
MOMENT_SECONDS, MOST_MOMENTS = 2.0, 200


class _Moments:
    """Collects what happens within the current epoch and the one before, in at most :data:`MOST_MOMENTS` moments."""

    def __init__(self) -> None:
        self.kept: list[Moment] = []
        self._every = self._since = 0.0
        self._before: BatchRecord | None = None

    def add(self, record: BatchRecord, now: float) -> None:
        """Add a moment if the last one is long enough ago; ``now`` is in seconds."""
        before = self._before
        if before is None or before.epoch != record.epoch:
            self.kept = [moment for moment in self.kept if moment.position > record.epoch - 2]
            self._every, self._since = MOMENT_SECONDS, now
            self._before = replace(record, batch=0, loss=0.0, accuracy=0.0)
        elif now - self._since >= self._every:
            self._since, self._before = now, record
            self.kept.append(_between(before, record))
            if len(self.kept) >= MOST_MOMENTS:
                self.kept = [_mean(*pair) for pair in zip(self.kept[::2], self.kept[1::2], strict=False)]
                self._every *= 2


def _between(before: BatchRecord, record: BatchRecord) -> Moment:
    """Return the mean of the batches between two records, whose values are means over all batches of the epoch."""
    batches = record.batch - before.batch
    loss = (record.loss * record.batch - before.loss * before.batch) / batches
    accuracy = (record.accuracy * record.batch - before.accuracy * before.batch) / batches
    position = record.epoch - 1 + record.batch / record.batches
    # The last batch may be smaller than the others, so that the difference of the means is not exact.
    return Moment(round(position, 5), round(loss, 5), round(min(max(accuracy, 0.0), 1.0), 5))


def _mean(first: Moment, second: Moment) -> Moment:
    return Moment(second.position, (first.loss + second.loss) / 2, (first.accuracy + second.accuracy) / 2)


@contextlib.contextmanager
def _reporting() -> Iterator[None]:
    """Write what only reports on the training: if it cannot be written, the training goes on."""
    try:
        yield
    except FolderReplaced:
        raise
    except StoreError:
        pass


class Recorder:
    """Write a run's files while it trains, and watch for stop requests. For the process that holds the run.

    Every method that writes raises :class:`FolderReplaced` if the folder is no longer the one that is held: it was
    moved away, and another process may train the run in the folder that took its place.
    """

    def __init__(self, run: RunFolder):
        self._held, self._held_as = run, run.identity()
        self.status = run.stored_status()
        self._progress_at = self._heartbeat_at = 0.0
        self._moments = _Moments()
        self._without_weights: list[EpochRecord] = []  # epochs since best.safetensors was written

    @property
    def _run(self) -> RunFolder:
        """The run, if its folder is the one that is held."""
        if self._held.identity() != self._held_as:
            raise FolderReplaced(
                f"Run {self._held.id} is no longer trained here: its folder was moved or replaced. It continues where "
                "it was when you resume it from the folder that you keep."
            )
        return self._held

    def start(self, *, on_cluster: bool = False) -> None:
        """Mark the run as running here, or ``on_cluster`` for this process.

        A stop request from before a crash is dropped. Files from before there were checksums are recorded.
        """
        self._run.clear_stop()
        self._run.tidy_record(at_work=True)
        self._write_status(
            state="running",
            started_at=self._started_at(),
            finished_at=None,
            error=None,
            host=this_host(),
            pid=os.getpid(),
            on_cluster=on_cluster,
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
        self._without_weights = []
        if weights is not None:
            self._run.write_file("best.safetensors", weights)
        self._update(epoch=len(history), **(_best(history) if history else {}))

    def batch(self, record: BatchRecord) -> None:
        """Show the progress within the epoch, at most every half second and at its end."""
        now = time.monotonic()
        self._moments.add(record, now)
        if now - self._progress_at >= PROGRESS_SECONDS or record.batch == record.batches:
            self._progress_at = now
            with _reporting():
                self._run.write_progress(replace(record, moments=tuple(self._moments.kept)))
        self.alive()

    def alive(self) -> None:
        """Show that someone works on the run, at most every five seconds."""
        now = time.monotonic()
        if now - self._heartbeat_at >= HEARTBEAT_SECONDS:
            self._heartbeat_at = now
            with _reporting():
                self._update()

    def epoch(self, record: EpochRecord, state: bytes, weights: bytes | None) -> None:
        """Keep a finished epoch; ``weights`` if it is the best so far.

        The state comes last: wherever this is interrupted, resuming from last.pt trains the same epoch again.
        """
        self.epochs((record,), state, weights)

    def epochs(self, records: Sequence[EpochRecord], state: bytes | None, weights: bytes | None) -> None:
        """Keep epochs that were finished since the last call, as they come from another computer.

        ``state`` is that after the newest epoch, ``None`` if it comes later; ``weights`` those of the best epoch of
        all, if it is new. With several epochs, the state comes first: a run with epochs and no state cannot continue.
        """
        self._refuse_another()
        if weights is not None:
            self._run.write_file("best.safetensors", weights)
        if state is not None and len(records) > 1:
            self._run.write_state(state)
        if records:
            self._run.append_records(records)
        if state is not None and len(records) <= 1:
            self._run.write_state(state)
        self._without_weights += records
        changes: dict[str, Any] = {"epoch": records[-1].epoch} if records else {}
        if weights is not None:
            changes |= _best(self._without_weights)
            self._without_weights = []
        self._update(**changes)

    def predictions(self, content: bytes) -> None:
        """Keep the answers of the network, from :func:`~core.runs.predictions.predictions_bytes`."""
        self._refuse_another()
        self._run.write_predictions(content)

    def result(self, result: Mapping[str, Any]) -> None:
        """Keep the evaluation on the test set."""
        self._refuse_another()
        self._run.write_result(result)

    def log(self, text: str) -> None:
        """Add a line to the run's log, if it can be written."""
        with _reporting():
            self._run.append_log(text)

    def end(self, state: Literal["stopped", "finished", "failed"], error: str | None = None) -> None:
        """Mark the run as ended; one that stops to :meth:`~core.runs.queue.Queue.request_return` waits again."""
        if state == "stopped" and self._run.stop_request() == "queue":
            self._update(state="queued", started_at=self._started_at(), on_cluster=False, host=None, pid=None)
            return
        times = {"started_at": self._started_at(), "finished_at": time.time()}
        self._update(state=state, error=error, on_cluster=False, **times)

    def restore_state(self) -> None:
        """Continue from the state before the last."""
        self._run.restore_state()

    def close(self) -> None:
        """Leave the folder tidy: without what is needed only during training, and with a short record of its files."""
        with _reporting():
            self._run.clear_stop()
        with _reporting():  # the record is damaged, or the disk is full: what stays does no harm
            if self.status.state == "finished":
                self._run.drop_previous_state()
            self._run.tidy_record(at_work=False)

    def stop_requested(self) -> bool:
        """Return whether someone asked the run to stop."""
        return self._run.stop_request() is not None

    def _started_at(self) -> float:
        """When the run first started; now if that is in the future, where a wrong clock put it."""
        return min(self.status.started_at or math.inf, time.time())

    def _refuse_another(self) -> None:
        """Raise FolderReplaced if another program has written that it trains the run, as where no lock is seen."""
        found = self.status
        with contextlib.suppress(StoreError):  # a status that is damaged is written anew
            found = self._held.stored_status()
        if (found.host, found.pid) != (self.status.host, self.status.pid):
            where = found.host or "another program"
            raise FolderReplaced(f"Run {self._held.id} is no longer trained here: {where} has taken it over.")

    def _update(self, **changes: Any) -> None:
        self._refuse_another()
        self._write_status(**changes)

    def _write_status(self, **changes: Any) -> None:
        self.status = replace(self.status, heartbeat=time.time(), **changes)
        self._run.write_status(self.status)
        if self._run.checksums.long:
            with _reporting():
                self._run.tidy_record(at_work=True)


def _best(records: Sequence[EpochRecord]) -> dict[str, Any]:
    record = best(records)
    return {"best_epoch": record.epoch, "best_val_accuracy": record.val_accuracy}
