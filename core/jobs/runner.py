"""Train one run from its folder to its end.

The background thread, the command line and the tests all train with :func:`run`, so the same config gives the same
metrics.jsonl whoever started it.
"""

import contextlib
import traceback
from collections.abc import Callable

from core.base.errors import FolderReplaced, LabError, RunBusy, StoreError
from core.base.files import locked
from core.base.memory import release_freed_memory
from core.base.paths import without_home
from core.base.text import counted
from core.config.run_config import SETTINGS, RunConfig
from core.data.task import load_task
from core.jobs.predict import final_predictions, result_of
from core.jobs.recorder import Recorder
from core.records import BatchRecord, EpochRecord, best
from core.runs.folder import LAST, RunFolder, Status
from core.runs.predictions import predictions_bytes
from core.runs.store import RunStore
from core.runs.summary import RunSummary, shared_precision
from core.training.checkpoint import load_state, state_bytes, weights_bytes
from core.training.environment import resolve
from core.training.trainer import Trainer

#: How PyTorch reports that the memory is used up, on an accelerator and on the CPU.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")

#: Seconds to wait while another process chooses a precision, which takes about five.
CHOICE_PATIENCE = 60.0
#: A run was started together with another one if it waited when that one began, or came so many seconds later.
TOGETHER_SECONDS = 60.0

OnBatch = Callable[[BatchRecord], object]
OnEpoch = Callable[[EpochRecord], object]


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
) -> Status:
    """Train a run from where it is to its end, and return its final status.

    ``on_batch`` and ``on_epoch`` receive every record. An error during training is in the status; RunBusy or
    StoreError are raised if training cannot begin. With ``only_queued``, a run that no longer waits in the queue
    raises RunBusy. With ``take_over``, a run that another computer trains is trained here instead. ``cores``: how many
    threads a new run has that is set to “all”, by default one for each core.
    """
    folder = store.run(run_id)
    with folder.hold():
        if not take_over:
            folder.refuse_elsewhere()
        if only_queued and folder.stored_status().state != "queued":
            raise RunBusy(f"Run {run_id} no longer waits in the queue.")
        return run_held(store, run_id, on_batch=on_batch, on_epoch=on_epoch, cores=cores)


def run_held(
    store: RunStore, run_id: str, *, on_batch: OnBatch = _ignore, on_epoch: OnEpoch = _ignore, cores: int | None = None
) -> Status:
    """Train like :func:`run`, for a process that holds the run's lock already."""
    folder = store.run(run_id)
    folder.refuse_reference("trained further")
    recorder = Recorder(folder)
    if recorder.status.state == "finished":
        raise StoreError(f"Run {run_id} is finished; extend it to train it further.")
    recorder.start()
    try:
        _train(store, folder, recorder, on_batch, on_epoch, cores)
    except KeyboardInterrupt:
        recorder.end("stopped")
        recorder.log(f"Stopped from the keyboard after {counted(recorder.status.epoch, 'epoch')}.")
        recorder.close()
        raise
    except FolderReplaced:
        raise  # nothing here is ours any more, the status and the log included
    except Exception as error:
        _fail(folder, recorder, error)
    release_freed_memory()
    discarded = recorder.status.state == "stopped" and folder.stop_request() == "discard"
    recorder.close()
    if discarded:
        store.trash.put(run_id, held=True)
    return recorder.status


def _train(
    store: RunStore, folder: RunFolder, recorder: Recorder, on_batch: OnBatch, on_epoch: OnEpoch, cores: int | None
) -> None:
    trainer = _prepare(store, folder, recorder, cores)
    environment, epochs = trainer.environment, trainer.config.train.epochs
    recorder.log(
        f"Training from epoch {trainer.epoch + 1} to {epochs} on {environment.device}, {environment.precision}, "
        f"{counted(environment.threads, 'thread')}{', fused kernels' if environment.kernels == 'fused' else ''}."
    )
    records = trainer.train()
    for record in records:
        if isinstance(record, EpochRecord):
            recorder.epoch(record, _state(folder, trainer), _best_weights(trainer) if trainer.is_best else None)
            on_epoch(record)
        else:
            recorder.batch(record)
            on_batch(record)
        if recorder.stop_requested():
            records.close()
            recorder.end("stopped")
            recorder.log(f"Stopped on request after {counted(trainer.epoch, 'epoch')}.")
            return
    predictions = final_predictions(folder, trainer)
    recorder.predictions(predictions_bytes(predictions, trainer.config))
    if trainer.config.data.validation == "held-out":
        recorder.result(result_of(predictions))
    recorder.end("finished")
    recorder.log(f"Finished{' early' if trainer.epoch < epochs else ''} after {counted(trainer.epoch, 'epoch')}.")


def _prepare(store: RunStore, folder: RunFolder, recorder: Recorder, cores: int | None) -> Trainer:
    """Return the trainer of a run, at the epoch of its saved state."""
    folder.migrate()
    config, recorded = folder.config(), folder.meta().environment
    if "torch" in recorded:
        environment = resolve(config, recorded)
    else:  # an extended run has only device, precision, threads and kernels of its parent's environment
        store.cache_folder.mkdir(parents=True, exist_ok=True)
        with locked(store.cache_folder / ".precision.lock", "the choice of a precision", CHOICE_PATIENCE):
            precision = shared_precision(_compared_with(store, folder.id))
            environment = resolve(config, ({"precision": precision} if precision else {}) | recorded, cores)
            recorder.environment(environment.describe())
    trainer = Trainer(config, load_task(config, environment.torch_device), environment)
    if folder.states():
        _load_state(folder, recorder, trainer)
    elif len(folder.records()) > 1:  # with one record, it was killed before its first state was written
        raise StoreError(f"Run {folder.id} has no saved state to resume from. Copy its settings into a new run.")
    recorder.resume(trainer.history, _best_weights(trainer) if trainer.best else None)
    return trainer


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


def _load_state(folder: RunFolder, recorder: Recorder, trainer: Trainer) -> None:
    """Bring the trainer to the epoch of last.pt or, if that cannot be used, of the state before it."""
    parent, problems = folder.meta().parent, []
    for name in folder.states():
        try:
            trainer.load(load_state(folder.read_state(name), folder.id, trainer.config, parent=parent, name=name))
        except LabError as error:
            problems.append(error)
            continue
        if name != LAST:
            reason = problems[0] if problems else f"{LAST} is missing."
            recorder.restore_state()
            recorder.log(f"{reason} Training continues after epoch {trainer.epoch}, from the state before it.")
        return
    raise LabError(" ".join(str(error) for error in problems)) from problems[0]


def _state(folder: RunFolder, trainer: Trainer) -> bytes:
    """Return the content of last.pt."""
    return state_bytes(trainer.state(), folder.id, trainer.config)


def _best_weights(trainer: Trainer) -> bytes:
    """Return the content of best.safetensors."""
    return weights_bytes(trainer.best or {}, best(trainer.history).epoch, trainer.config)


def _smaller_settings(folder: RunFolder) -> str:
    """Return what to make smaller for less memory, without settings that are at their lower limit already."""
    config, paths = folder.config(), ("train.batch_size", "model.width", "model.depth")
    names = [SETTINGS[path].label.lower() for path in paths if config[path] > (SETTINGS[path].limits or (0,))[0]]
    return f"; try a smaller {' or '.join(names)}" if names else ""


def _fail(folder: RunFolder, recorder: Recorder, error: Exception) -> None:
    """End a run as failed, with the reason in its status and the traceback in its log."""
    if isinstance(error, LabError):
        reason = str(error)
    elif isinstance(error, MemoryError) or any(text in str(error).lower() for text in OUT_OF_MEMORY):
        reason = f"The computer ran out of memory{_smaller_settings(folder)}."
    else:
        reason = f"Training failed with {type(error).__name__}: {error}. The log has the details."
    reason = without_home(reason)
    # On a full disk not even this can be written; the free lock then shows the run as interrupted.
    with contextlib.suppress(StoreError):
        recorder.log(reason + "\n" + without_home("".join(traceback.format_exception(error))))
    with contextlib.suppress(StoreError):
        recorder.end("failed", reason)
