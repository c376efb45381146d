"""Train one run from its folder to its end.

The background thread, the command line and the tests all train with :func:`run`, so the same config gives the same
metrics.jsonl whoever started it.
"""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol

from core.base.errors import FolderReplaced, LabError, RunBusy, StoreError
from core.base.files import locked
from core.base.memory import release_freed_memory
from core.base.paths import without_home
from core.base.text import counted
from core.config.run_config import SETTINGS, RunConfig
from core.data.task import Task, load_task
from core.jobs.predict import HasWeights, final_predictions, result_of
from core.jobs.recorder import Recorder
from core.records import BatchRecord, EpochRecord, best
from core.runs.folder import LAST, Meta, RunFolder, Status
from core.runs.predictions import predictions_bytes
from core.runs.store import RunStore
from core.runs.summary import RunSummary, shared_precision
from core.training.checkpoint import load_state, state_bytes, weights_bytes
from core.training.environment import Environment, resolve
from core.training.trainer import Trainer

#: How PyTorch reports that the memory is used up, on an accelerator and on the CPU.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")

#: Seconds to wait while another process chooses a precision, which takes about five.
CHOICE_PATIENCE = 60.0
#: A run was started together with another one if it waited when that one began, or came so many seconds later.
TOGETHER_SECONDS = 60.0

OnBatch = Callable[[BatchRecord], object]
OnEpoch = Callable[[EpochRecord], object]


class RunFiles(HasWeights, Protocol):
    """What training reads of a run: a :class:`RunFolder`, or the copy of a run on another computer."""

    def meta(self) -> Meta: ...
    def records(self) -> list[EpochRecord]: ...
    def states(self) -> list[str]: ...
    def read_state(self, name: str = LAST) -> bytes: ...


class Records(Protocol):
    """Where training writes: a :class:`Recorder`, or what sends the same calls to the computer that has one."""

    def resume(self, history: Sequence[EpochRecord], weights: bytes | None) -> None: ...
    def batch(self, record: BatchRecord) -> None: ...
    def epoch(self, record: EpochRecord, state: bytes, weights: bytes | None) -> None: ...
    def predictions(self, content: bytes) -> None: ...
    def result(self, result: Mapping[str, Any]) -> None: ...
    def log(self, text: str) -> None: ...
    def end(self, state: Literal["stopped", "finished", "failed"], error: str | None = None) -> None: ...
    def restore_state(self) -> None: ...
    def stop_requested(self) -> bool: ...


#: Trains a run that this process holds, from its folder to its end; what it raises fails the run.
Train = Callable[[RunStore, RunFolder, Recorder, OnBatch, OnEpoch], object]


def _ignore(record: object) -> None:
    """Do nothing with a record."""


def run(
    store: RunStore,
    run_id: str,
    *,
    on_batch: OnBatch = _ignore,
    on_epoch: OnEpoch = _ignore,
    only_queued: bool = False,
    take_over: bool = False,
    cores: int | None = None,
    train: Train | None = None,
) -> Status:
    """Train a run from where it is to its end, and return its final status.

    ``on_batch`` and ``on_epoch`` receive every record. An error during training is in the status; RunBusy or
    StoreError are raised if training cannot begin. With ``only_queued``, a run that no longer waits in the queue
    raises RunBusy. With ``take_over``, a run that another computer trains is trained here instead. ``cores``: how many
    threads a new run has that is set to “all”, by default one for each core. ``train`` trains it elsewhere than in this
    process, on a node of a cluster (:mod:`core.jobs.ray_cluster`).
    """
    folder = store.run(run_id)
    with folder.hold():
        if not take_over:
            folder.refuse_elsewhere()
        if only_queued and folder.stored_status().state != "queued":
            raise RunBusy(f"Run {run_id} no longer waits in the queue.")
        return run_held(store, run_id, on_batch=on_batch, on_epoch=on_epoch, cores=cores, train=train)


def run_held(
    store: RunStore,
    run_id: str,
    *,
    on_batch: OnBatch = _ignore,
    on_epoch: OnEpoch = _ignore,
    cores: int | None = None,
    train: Train | None = None,
) -> Status:
    """Train like :func:`run`, for a process that holds the run's lock already."""
    folder = store.run(run_id)
    folder.refuse_reference("trained further")
    recorder = Recorder(folder)
    if recorder.status.state == "finished":
        raise StoreError(f"Run {run_id} is finished; extend it to train it further.")
    recorder.start(on_cluster=train is not None)
    train = train or partial(_train, cores=cores)
    try:
        train(store, folder, recorder, on_batch, on_epoch)
    except KeyboardInterrupt:
        recorder.end("stopped")
        recorder.log(f"Stopped from the keyboard after {counted(recorder.status.epoch, 'epoch')}.")
        recorder.close()
        raise
    except FolderReplaced:
        raise  # nothing here is ours any more, the status and the log included
    except Exception as error:
        fail(folder, recorder, error)
    discarded = recorder.status.state == "stopped" and folder.stop_request() == "discard"
    recorder.close()
    if discarded:
        store.trash.put(run_id, held=True)
    release_freed_memory()  # last: until then a page shows a discarded run as stopped
    return recorder.status


def _train(
    store: RunStore,
    folder: RunFolder,
    recorder: Recorder,
    on_batch: OnBatch,
    on_epoch: OnEpoch,
    *,
    cores: int | None = None,
) -> None:
    folder.migrate()
    config, recorded = folder.config(), folder.meta().environment
    if "torch" in recorded:
        environment = resolve(config, recorded)
    else:  # an extended run has only device, precision, threads and kernels of its parent's environment
        with choosing_precision(store, folder.id) as shared:
            environment = resolve(config, shared | recorded, cores)
            recorder.environment(environment.describe())
    train_here(folder, recorder, load_task(config, environment.torch_device), environment, on_batch, on_epoch)


@contextlib.contextmanager
def choosing_precision(store: RunStore, run_id: str) -> Iterator[dict[str, Any]]:
    """Hold the lock under which a run's environment is chosen and recorded.

    Yields ``{"precision": …}`` of the runs that this one is compared with, or nothing if there is none. A run whose
    settings name a precision needs neither.
    """
    if store.run(run_id).config().train.precision != "auto":
        yield {}
        return
    store.cache_folder.mkdir(parents=True, exist_ok=True)
    with locked(store.cache_folder / ".precision.lock", "the choice of a precision", CHOICE_PATIENCE):
        precision = shared_precision(_compared_with(store, run_id))
        yield {"precision": precision} if precision else {}


def train_here(
    run: RunFiles,
    recorder: Records,
    task: Task,
    environment: Environment,
    on_batch: OnBatch = _ignore,
    on_epoch: OnEpoch = _ignore,
) -> None:
    """Train a run from its saved state to its end or until it should stop, in this thread.

    The same for a thread of the laboratory and for a node of a cluster: they differ in ``run`` and ``recorder``.
    """
    trainer = Trainer(run.config(), task, environment)
    _resume(run, recorder, trainer)
    epochs = trainer.config.train.epochs
    recorder.log(
        f"Training from epoch {trainer.epoch + 1} to {epochs} on {environment.device}, {environment.precision}, "
        f"{counted(environment.threads, 'thread')}{', fused kernels' if environment.kernels == 'fused' else ''}."
    )
    records = trainer.train()
    for record in records:
        if isinstance(record, EpochRecord):
            recorder.epoch(record, _state(run, trainer), _best_weights(trainer) if trainer.is_best else None)
            on_epoch(record)
        else:
            recorder.batch(record)
            on_batch(record)
        if recorder.stop_requested():
            records.close()
            recorder.end("stopped")
            recorder.log(f"Stopped on request after {counted(trainer.epoch, 'epoch')}.")
            return
    predictions = final_predictions(run, trainer)
    recorder.predictions(predictions_bytes(predictions, trainer.config))
    if trainer.config.data.validation == "held-out":
        recorder.result(result_of(predictions))
    recorder.end("finished")
    recorder.log(f"Finished{' early' if trainer.epoch < epochs else ''} after {counted(trainer.epoch, 'epoch')}.")


def _resume(run: RunFiles, recorder: Records, trainer: Trainer) -> None:
    """Bring a new trainer to the epoch of the run's saved state, and the run's files to agree with it."""
    if run.states():
        _load_state(run, recorder, trainer)
    elif len(run.records()) > 1:  # with one record, it was killed before its first state was written
        raise StoreError(f"Run {run.id} has no saved state to resume from. Copy its settings into a new run.")
    recorder.resume(trainer.history, _best_weights(trainer) if trainer.best else None)


def _compared_with(store: RunStore, run_id: str) -> list[RunSummary]:
    """Return the runs of the same study, and those started together with this run that differ in the seed alone."""
    this = store.summary(run_id)

    def together(run: RunSummary) -> bool:
        if this.meta.study is not None and run.meta.study == this.meta.study:
            return True
        started = run.status.started_at or 0.0
        return started > this.meta.created_at - TOGETHER_SECONDS and _without_seed(run) == _without_seed(this)

    return [run for run in store.summaries() if run.id != run_id and together(run)]


def _without_seed(run: RunSummary) -> RunConfig:
    return run.config.replace({"train.seed": 0})


def _load_state(run: RunFiles, recorder: Records, trainer: Trainer) -> None:
    """Bring the trainer to the epoch of last.pt or, if that cannot be used, of the state before it."""
    parent, problems = run.meta().parent, []
    for name in run.states():
        try:
            trainer.load(load_state(run.read_state(name), run.id, trainer.config, parent=parent, name=name))
        except LabError as error:
            problems.append(error)
            continue
        if name != LAST:
            reason = problems[0] if problems else f"{LAST} is missing."
            recorder.restore_state()
            recorder.log(f"{reason} Training continues after epoch {trainer.epoch}, from the state before it.")
        return
    raise LabError(" ".join(str(error) for error in problems)) from problems[0]


def _state(run: RunFiles, trainer: Trainer) -> bytes:
    """Return the content of last.pt."""
    return state_bytes(trainer.state(), run.id, trainer.config)


def _best_weights(trainer: Trainer) -> bytes:
    """Return the content of best.safetensors."""
    return weights_bytes(trainer.best or {}, best(trainer.history).epoch, trainer.config)


def _smaller_settings(run: RunFiles) -> str:
    """Return what to make smaller for less memory, without settings that are at their lower limit already."""
    config, paths = run.config(), ("train.batch_size", "model.width", "model.depth")
    names = [SETTINGS[path].label.lower() for path in paths if config[path] > (SETTINGS[path].limits or (0,))[0]]
    return f"; try a smaller {' or '.join(names)}" if names else ""


def fail(run: RunFiles, recorder: Records, error: Exception) -> None:
    """End a run as failed, with the reason in its status and the traceback in its log."""
    if isinstance(error, LabError):
        reason = str(error)
    elif isinstance(error, MemoryError) or any(text in str(error).lower() for text in OUT_OF_MEMORY):
        reason = f"The computer ran out of memory{_smaller_settings(run)}."
    else:
        reason = f"Training failed with {type(error).__name__}: {error}. The log has the details."
    reason = without_home(reason)
    # On a full disk not even this can be written; the free lock then shows the run as interrupted.
    with contextlib.suppress(StoreError):
        recorder.log(reason + "\n" + without_home("".join(traceback.format_exception(error))))
    with contextlib.suppress(StoreError):
        recorder.end("failed", reason)
