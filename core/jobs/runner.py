"""One run, from its folder to its end: where the trainer meets the store.

The background thread, the command line and the tests all train through :func:`run`, so the same config
gives the same metrics.jsonl whoever started it.
"""

import contextlib
import io
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch
from safetensors.torch import save

from core.base.errors import LabError, RunBusy, StoreError
from core.base.paths import without_home
from core.jobs.evaluate import load_task
from core.records import BatchRecord, EpochRecord, best
from core.runs.folder import Status, this_host
from core.runs.store import RunStore
from core.training.checkpoint import load_state, load_weights
from core.training.environment import resolve
from core.training.evaluation import Evaluation, evaluate
from core.training.trainer import Trainer

PROGRESS_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0

#: How PyTorch says that there is no more, on an accelerator and on the processor.
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")

OnBatch = Callable[[BatchRecord], object]
OnEpoch = Callable[[EpochRecord], object]


def run(
    store: RunStore, run_id: str, *, on_batch: OnBatch | None = None, on_epoch: OnEpoch | None = None,
    only_queued: bool = False,
) -> Status:  # fmt: skip
    """Train a run from where it is to its end; returns how it then stands.

    ``on_batch`` hears each BatchRecord, ``on_epoch`` each EpochRecord. What goes wrong while
    training is told by the status; RunBusy or StoreError are raised before anything began. With ``only_queued`` a run
    that was taken out of the queue meanwhile is left alone, by RunBusy.
    """
    with store.run(run_id).hold():
        if only_queued and store.run(run_id).stored_status().state != "queued":
            raise RunBusy(f"Run {run_id} does not wait any more.")
        status = run_held(store, run_id, on_batch=on_batch, on_epoch=on_epoch)
        discard = store.run(run_id).stop_request() == "discard"
        store.run(run_id).clear_stop()
    if discard and status.state == "stopped":
        store.trash.put(run_id)
    return status


def run_held(
    store: RunStore, run_id: str, *, on_batch: OnBatch | None = None, on_epoch: OnEpoch | None = None
) -> Status:
    """:func:`run` for a caller who holds the run's lock already; a request to discard is left to them."""
    store.run(run_id).refuse_reference("trained further")
    status = store.run(run_id).stored_status()
    if status.state == "finished":
        raise StoreError(f"Run {run_id} is finished; extend it to train it further.")
    status = replace(
        status, state="running", started_at=status.started_at or time.time(), finished_at=None, error=None,
        heartbeat=time.time(), host=this_host(), pid=os.getpid(),
    )  # fmt: skip
    store.run(run_id).clear_stop()  # a request that reached nobody, of before a crash
    store.run(run_id).write_status(status)
    desk = _Desk(store, run_id, status)
    try:
        _train(desk, on_batch, on_epoch)
    except KeyboardInterrupt:
        desk.end("stopped")
        store.run(run_id).append_log(f"Stopped from the keyboard after {desk.status.epoch} epochs.")
        raise
    except Exception as error:
        _fail(desk, error)
    return desk.status


class _Desk:
    """Where one run's papers lie while it is worked on: writes them, and hears the request to stop."""

    def __init__(self, store: RunStore, run_id: str, status: Status):
        self.store, self.run_id, self.status = store, run_id, status
        self._told = self._beat = 0.0

    def log(self, text: str) -> None:
        self.store.run(self.run_id).append_log(text)

    def on_batch(self, record: BatchRecord) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS or record.batch == record.batches:
            self._told = now
            self.store.run(self.run_id).write_progress(record)
        if now - self._beat >= HEARTBEAT_SECONDS:
            self._beat = now
            self.update(heartbeat=time.time())

    def on_epoch(self, record: EpochRecord, trainer: Trainer) -> None:
        """Keep a finished epoch: first what it found, last the state to go on from.

        Whatever this is cut short at, going on from last.pt trains the same epoch again to the same end.
        """
        if trainer.is_best:
            self.keep_best(record.epoch, trainer)
        self.store.run(self.run_id).append_record(record)
        # Into memory first: where the disk fills up under it, torch.save hides the cause behind one of its own.
        state = io.BytesIO()
        torch.save(trainer.state(), state)
        self.store.run(self.run_id).write_file("last.pt", state.getvalue())
        best = {"best_epoch": record.epoch, "best_val_accuracy": record.val_accuracy} if trainer.is_best else {}
        self.update(epoch=record.epoch, heartbeat=time.time(), **best)

    def keep_best(self, epoch: int, trainer: Trainer) -> None:
        about = {"epoch": str(epoch), "classes": ",".join(trainer.task.classes)}
        self.store.run(self.run_id).write_file("best.safetensors", save(trainer.best or {}, about))

    def update(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)
        self.store.run(self.run_id).write_status(self.status)

    def end(self, state: Literal["stopped", "finished", "failed"], error: str | None = None) -> None:
        self.update(state=state, error=error, finished_at=time.time(), heartbeat=time.time())

    def asked_to_stop(self) -> bool:
        return self.store.run(self.run_id).stop_request() is not None


def _train(desk: _Desk, on_batch: OnBatch | None, on_epoch: OnEpoch | None) -> None:
    store, run_id = desk.store, desk.run_id
    trainer = _prepare(store, run_id)
    best = _best_so_far(trainer)
    if trainer.best:
        desk.keep_best(best["best_epoch"], trainer)
    desk.update(epoch=trainer.epoch, **best)
    place = f"{trainer.environment.device}, {trainer.environment.precision}, {trainer.environment.threads} threads"
    desk.log(f"Training from epoch {trainer.epoch + 1} to {trainer.config.train.epochs} on {place}.")
    records = trainer.train()
    for record in records:
        if isinstance(record, EpochRecord):
            desk.on_epoch(record, trainer)
            if on_epoch:
                on_epoch(record)
        else:
            desk.on_batch(record)
            if on_batch:
                on_batch(record)
        if desk.asked_to_stop():
            records.close()
            desk.end("stopped")
            desk.log(f"Stopped on request after {trainer.epoch} epochs.")
            return
    if trainer.config.data.validation == "held-out":
        store.run(run_id).write_result(_final_test(store, run_id, trainer))
    desk.end("finished")
    early = " early" if trainer.epoch < trainer.config.train.epochs else ""
    desk.log(f"Finished{early} after {trainer.epoch} epochs.")


def _prepare(store: RunStore, run_id: str) -> Trainer:
    """The trainer of a run, at the epoch its last state was kept.

    What the other files hold beyond that state, or lack of it, is made to agree with it: a kill, a copy made
    while the run was trained, or the parent of an extended run may have left them an epoch apart.
    """
    store.run(run_id).migrate()
    config = store.run(run_id).config()
    recorded = store.run(run_id).meta().environment
    environment = resolve(config, recorded)
    # An extended run has of its parent's only what makes it go on exactly.
    store.run(run_id).write_environment(recorded if "torch" in recorded else environment.describe())
    trainer = Trainer(config, load_task(config, environment), environment)
    if state := store.run(run_id).last_state():
        trainer.load(load_state(state))
    elif len(store.run(run_id).records()) > 1:  # with one, it was killed before its first state was kept
        raise StoreError(f"Run {run_id} came without the state to go on from; clone it to start anew.")
    store.run(run_id).write_records(trainer.history)
    return trainer


def _best_so_far(trainer: Trainer) -> dict[str, Any]:
    if not trainer.history:
        return {}
    top = best(trainer.history)
    return {"best_epoch": top.epoch, "best_val_accuracy": top.val_accuracy}


def _final_test(store: RunStore, run_id: str, trainer: Trainer) -> dict[str, Any]:
    """The one look at the test part: the best epoch's weights, and the last one's, on images that chose nothing."""
    best_epoch = _best_so_far(trainer)["best_epoch"]
    best = trainer.judged
    if best_epoch != trainer.epoch:
        best, _ = load_weights(store, run_id, trainer.config)
        best.to(trainer.environment.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def test(model: torch.nn.Module) -> Evaluation:
        return evaluate(model, trainer.task.test, trainer.task.normalization, trainer.environment)

    return {
        "best": {"epoch": best_epoch, **test(best).to_dict()},
        "last": {"epoch": trainer.epoch, **test(trainer.judged).to_dict()},
    }


def _fail(desk: _Desk, error: Exception) -> None:
    """End a run as failed, with the cause in a sentence and the traceback in its log."""
    if isinstance(error, LabError):
        cause = str(error)
    elif isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY):
        cause = "The computer ran out of memory; try a smaller batch, width or depth."
    else:
        cause = f"Training failed with {type(error).__name__}: {error}. The log has the details."
    cause = without_home(cause)
    # On a full disk even this cannot be written; the free lock then shows the run as interrupted.
    with contextlib.suppress(StoreError):
        desk.log(cause + "\n" + without_home("".join(traceback.format_exception(error))))
    desk.status = replace(desk.status, state="failed", error=cause, finished_at=time.time())
    with contextlib.suppress(StoreError):
        desk.store.run(desk.run_id).write_status(desk.status)


# --- what else is done with a run -----------------------------------------------------------------
