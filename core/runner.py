"""One run, from its folder to its end: where the trainer meets the store.

The background thread, the command line and the tests all train through :func:`run`, so the same config
gives the same metrics.jsonl whoever started it.
"""

import contextlib
import io
import math
import os
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from core.config import RunConfig
from core.data import cifar10
from core.data.task import Task, make_task
from core.errors import ConfigError, LabError, RunBusy, StoreError
from core.model.resnet import resnet
from core.settings import without_home
from core.store import RunStore, Status, this_host
from core.training.environment import Environment, resolve
from core.training.evaluation import Evaluation, evaluate
from core.training.records import BatchRecord, EpochRecord
from core.training.schedule import ENDS_AT_ZERO, stops_early
from core.training.trainer import Trainer
from core.words import one_line

PROGRESS_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
#: What a file of weights has beside the network's: how a picture becomes its input.
_INPUTS = ("input.mean", "input.std")
#: Of a run's environment what a child must share to be the run that had been longer.
_GOES_ON = tuple(one.name for one in fields(Environment))

#: How PyTorch says that there is no more, on an accelerator and on the processor.
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")

OnBatch = Callable[[BatchRecord], object]
OnEpoch = Callable[[dict[str, Any]], object]


def run(
    store: RunStore, run_id: str, *, on_batch: OnBatch | None = None, on_epoch: OnEpoch | None = None,
    only_queued: bool = False,
) -> Status:  # fmt: skip
    """Train a run from where it is to its end; returns how it then stands.

    ``on_batch`` hears each BatchRecord, ``on_epoch`` each line of metrics.jsonl. What goes wrong while
    training is told by the status; RunBusy or StoreError are raised before anything began. With ``only_queued`` a run
    that was taken out of the queue meanwhile is left alone, by RunBusy.
    """
    with store.hold(run_id):
        if only_queued and store.status_for_holder(run_id).state != "queued":
            raise RunBusy(f"Run {run_id} does not wait any more.")
        status = run_held(store, run_id, on_batch=on_batch, on_epoch=on_epoch)
        discard = store.stop_request(run_id) == "discard"
        store.clear_stop(run_id)
    if discard and status.state == "stopped":
        store.trash(run_id)
    return status


def run_held(
    store: RunStore, run_id: str, *, on_batch: OnBatch | None = None, on_epoch: OnEpoch | None = None
) -> Status:
    """:func:`run` for a caller who holds the run's lock already; a request to discard is left to them."""
    store.refuse_reference(run_id, "trained further")
    status = store.status_for_holder(run_id)
    if status.state == "finished":
        raise StoreError(f"Run {run_id} is finished; extend it to train it further.")
    status = replace(
        status, state="running", started_at=status.started_at or time.time(), finished_at=None, error=None,
        heartbeat=time.time(), host=this_host(), pid=os.getpid(),
    )  # fmt: skip
    store.clear_stop(run_id)  # a request that reached nobody, of before a crash
    store.write_status(run_id, status)
    desk = _Desk(store, run_id, status)
    try:
        _train(desk, on_batch, on_epoch)
    except KeyboardInterrupt:
        desk.end("stopped")
        store.append_log(run_id, f"Stopped from the keyboard after {desk.status.epoch} epochs.")
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
        self.store.append_log(self.run_id, text)

    def on_batch(self, record: BatchRecord) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS or record.batch == record.batches:
            self._told = now
            self.store.write_progress(self.run_id, record.to_dict())
        if now - self._beat >= HEARTBEAT_SECONDS:
            self._beat = now
            self.update(heartbeat=time.time())

    def on_epoch(self, record: EpochRecord, trainer: Trainer) -> None:
        """Keep a finished epoch: first what it found, last the state to go on from.

        Whatever this is cut short at, going on from last.pt trains the same epoch again to the same end.
        """
        if trainer.is_best:
            self.keep_best(record.epoch, trainer)
        self.store.append_record(self.run_id, record.to_dict())
        # Into memory first: where the disk fills up under it, torch.save hides the cause behind one of its own.
        state = io.BytesIO()
        torch.save(trainer.state(), state)
        self.store.write_file(self.run_id, "last.pt", state.getvalue())
        best = {"best_epoch": record.epoch, "best_val_accuracy": record.val_accuracy} if trainer.is_best else {}
        self.update(epoch=record.epoch, heartbeat=time.time(), **best)

    def keep_best(self, epoch: int, trainer: Trainer) -> None:
        about = {"epoch": str(epoch), "classes": ",".join(trainer.task.classes)}
        self.store.write_file(self.run_id, "best.safetensors", save(trainer.best or {}, about))

    def update(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)
        self.store.write_status(self.run_id, self.status)

    def end(self, state: Literal["stopped", "finished", "failed"], error: str | None = None) -> None:
        self.update(state=state, error=error, finished_at=time.time(), heartbeat=time.time())

    def asked_to_stop(self) -> bool:
        return self.store.stop_request(self.run_id) is not None


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
                on_epoch(record.to_dict())
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
        store.write_result(run_id, _final_test(store, run_id, trainer))
    desk.end("finished")
    early = " early" if trainer.epoch < trainer.config.train.epochs else ""
    desk.log(f"Finished{early} after {trainer.epoch} epochs.")


def _prepare(store: RunStore, run_id: str) -> Trainer:
    """The trainer of a run, at the epoch its last state was kept.

    What the other files hold beyond that state, or lack of it, is made to agree with it: a kill, a copy made
    while the run was trained, or the parent of an extended run may have left them an epoch apart.
    """
    store.migrate(run_id)
    config = store.config(run_id)
    recorded = store.meta(run_id).environment
    environment = resolve(config, recorded)
    # An extended run has of its parent's only what makes it go on exactly.
    store.write_environment(run_id, recorded if "torch" in recorded else environment.describe())
    trainer = Trainer(config, load_task(config, environment), environment)
    if state := store.last_state(run_id):
        trainer.load(load_state(state))
    elif len(store.records(run_id)) > 1:  # with one, it was killed before its first state was kept
        raise StoreError(f"Run {run_id} came without the state to go on from; clone it to start anew.")
    store.write_records(run_id, [one.to_dict() for one in trainer.history])
    return trainer


def _best_so_far(trainer: Trainer) -> dict[str, Any]:
    if not trainer.history:
        return {}
    best = max(trainer.history, key=lambda one: one.val_accuracy)
    return {"best_epoch": best.epoch, "best_val_accuracy": best.val_accuracy}


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
        desk.store.write_status(desk.run_id, desk.status)


# --- what else is done with a run -----------------------------------------------------------------


def load_task(config: RunConfig, environment: Environment) -> Task:
    """The run's images on its device. Raises DataError if CIFAR-10 is not on this computer."""
    cifar = cifar10.load()
    return make_task(config, cifar.images, cifar.labels, environment.torch_device)


def load_state(path: Path) -> dict[str, Any]:
    """The state in a last.pt, read without running any code it may hold. Raises LabError if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            # torch.save packs nothing. What is packed can be a few bytes that unpack to all of the memory.
            if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
                raise zipfile.BadZipFile("not made by torch.save")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise almost anything
        raise LabError(
            f"{path.name} of run {path.parent.name} is damaged: the run cannot go on from it. "
            "Clone the run to start anew."
        ) from error
    if not isinstance(state, dict):
        raise LabError(f"{path.name} of run {path.parent.name} holds no state of a run.")
    return state


def load_weights(store: RunStore, run_id: str, config: RunConfig) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """The best epoch's network on the processor, and its ``input.mean`` and ``input.std``."""
    path = store.best_weights(run_id)
    model = resnet(config.model.depth, len(config.data.classes), config.model.width, config.model.shortcut)
    try:
        with safe_open(path, framework="pt") as file:
            named = (file.metadata() or {}).get("classes")
            tensors = {name: file.get_tensor(name) for name in _expected(model, file)}
        inputs = {name: tensors.pop(name) for name in _INPUTS}
        model.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise StoreError(
            f"The weights of run {run_id} cannot be used: the file is damaged or belongs to another network."
        ) from error
    if named is not None and named != ",".join(config.data.classes):
        raise StoreError(
            f"The weights of run {run_id} cannot be used: they tell {one_line(named.replace(',', ', '))} apart, its "
            f"configuration says {', '.join(config.data.classes)}. One of the two files belongs to another run."
        )
    sound = all(one.isfinite().all() for one in (*model.state_dict().values(), *inputs.values()))
    if not sound or not (inputs["input.std"] > 0).all():
        raise StoreError(
            f"The weights of run {run_id} cannot be used: some are no numbers, so its training broke down or the file "
            "is damaged. Clone the run with a smaller learning rate."
        )
    return model.eval(), inputs


def _expected(model: torch.nn.Module, file: Any) -> list[str]:
    """Names of the tensors in a file of weights; KeyError if they are not the model's and the input's, shapes too.

    Told by the file's head, before a tensor that fits no memory is read.
    """
    shapes = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # no mapping
    inputs = {name: found.pop(name) for name in _INPUTS}
    if found != shapes or any(shape not in ((3, 1, 1), (3, 32, 32)) for shape in inputs.values()):
        raise KeyError
    return [*found, *inputs]


def extend(store: RunStore, run_id: str, epochs: int) -> str:
    """Queue a child run that goes on from the end of a finished run, to ``epochs`` in all; returns its id.

    Raises LabError for a run that is not finished, and for schedules that end at zero.
    """
    config, about = extension(store, run_id, epochs)
    return store.create(config, **about)


def extension(store: RunStore, run_id: str, epochs: int) -> tuple[RunConfig, dict[str, Any]]:
    """The child of :func:`extend`, not yet made: its config, and what ``store.create`` is to be told about it."""
    config, status = store.config(run_id), store.status(run_id)
    if status.active:
        raise RunBusy(f"Run {run_id} is {status.state}; it can be extended when it is finished.")
    state = store.last_state(run_id)
    if status.state != "finished":
        raise StoreError(f"Run {run_id} is {status.state}; resume it instead of extending it.")
    if state is None:
        raise StoreError(f"Run {run_id} came without the state to go on from; clone it with more epochs instead.")
    if config.train.schedule in ENDS_AT_ZERO:
        raise StoreError(
            f"The {config.train.schedule} schedule has brought the learning rate to zero: more epochs would change "
            "nothing. Clone the run with more epochs instead."
        )
    if epochs <= status.epoch:
        raise ConfigError(
            {"train.epochs": f"{epochs} is no more than the {status.epoch} it has; take a higher number."}
        )
    meta = store.meta(run_id)
    about = {
        "name": f"{meta.name or run_id} → {epochs} epochs", "tags": meta.tags, "parent": run_id,
        # What makes it go on exactly. Versions and processor are of where the child is trained.
        "environment": {name: meta.environment[name] for name in _GOES_ON if name in meta.environment},
        "files": {"last.pt": state, "best.safetensors": store.best_weights(run_id)},
    }  # fmt: skip
    changes: dict[str, Any] = {"train.epochs": epochs}
    if config.in_effect("augment.grow_until"):
        # Windows that grow have grown: a share of more epochs would make them small again.
        grown = math.floor(1e9 * config.augment.grow_until * config.train.epochs / epochs) / 1e9
        changes["augment.grow_until"] = min(grown, 1.0)
    records = store.records(run_id)
    if stops_early(config.train, [one["val_loss"] for one in records], [one["val_accuracy"] for one in records]):
        changes["train.early_stopping"] = "off"  # or the child would stop at once
    return config.replace(changes), about


def evaluate_best(store: RunStore, run_id: str, part: Literal["validation", "test"] = "validation") -> dict[str, Any]:
    """The best epoch's weights on a part of the run's data, class by class (see Evaluation), with ``epoch``."""
    config = store.config(run_id)
    environment = Environment("cpu", "fp32", torch.get_num_threads())
    model, _ = load_weights(store, run_id, config)
    task = load_task(config, environment)
    which = task.validation if part == "validation" else task.test
    best = store.status(run_id).best_epoch
    return {"epoch": best, "part": part, **evaluate(model, which, task.normalization, environment).to_dict()}
