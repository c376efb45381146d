"""RunFolder: the files of one run.

=======================  ===============================================================================
config.json              the complete RunConfig with a schema version; config.json.v0 and so on are earlier forms
meta.json                name, tags, note, owner, study, parent, whether it is a reference run, environment
status.json              state, epoch, best epoch so far, times, heartbeat, host and pid, error if any
metrics.jsonl            one line per finished epoch, appended; a torn last line is ignored
best.safetensors         the best epoch's weights with ``input.mean`` and ``input.std``
last.pt                  everything needed to continue exactly; says which run and configuration it belongs to
previous.pt              the state before last.pt, until the run is finished
result.json              for a run with held-out images: its one evaluation on the test set
predictions.safetensors  what the network answered for each validation and test image (:mod:`core.runs.predictions`)
log.txt                  what a person wants to read when the run failed
checksums.txt            sizes and SHA-256 of all files but the next three (:mod:`core.runs.checksums`)
progress.json            the state within the epoch: batch, loss, images/s, seconds left, curves; removed at the end
stop                     present while someone asks the run to stop; holds ``keep`` or ``discard``
.lock                    locked by the process that works on the run
=======================  ===============================================================================

Every file but metrics.jsonl and log.txt is replaced atomically, and every file is verified when it is read.
status.json can say ``running`` for a run whose process is dead; a free lock tells, and the run is reported as
``interrupted``. Reference runs are read-only: what a person adds to one is kept in ``.local.json`` next to the runs.
"""

import contextlib
import hashlib
import os
import socket
import sys
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from core.base.errors import ConfigError, Conflict, RunBusy, StoreError
from core.base.files import (
    PATIENCE,
    file_stamp,
    flush_folder,
    identity,
    is_locked,
    locked,
    make_folder,
    os_errors_as_store_errors,
    read_file,
    write_atomically,
    write_json,
)
from core.base.strict_json import from_json, with_check, without_check
from core.base.text import composed, duration, one_line, printable
from core.config.run_config import RunConfig
from core.records import BatchRecord, EpochRecord
from core.runs import validate
from core.runs.checksums import CHECKSUMS, NO_VERSION, Checksums, Version
from core.runs.epochs import METRICS_BYTES, METRICS_FILE, parse_record, record_line, rising
from core.runs.predictions import PREDICTIONS, PREDICTIONS_BYTES, Predictions, contradiction, read_predictions
from core.runs.shelf import Shelf

CONFIG, META, STATUS, PROGRESS, RESULT = "config.json", "meta.json", "status.json", "progress.json", "result.json"
LOG, STOP, LOCK = "log.txt", "stop", ".lock"
LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.safetensors"
#: The files that a run can continue from.
SAVED_STATES = (LAST, PREVIOUS)

State = Literal["queued", "running", "stopping", "stopped", "finished", "failed", "interrupted"]
#: What happens to a run that is asked to stop: it is kept, goes to the trash, or waits again where it was in the queue.
StopRequest = Literal["keep", "discard", "queue"]
STATES: tuple[str, ...] = get_args(State)
#: States in which a process works on the run, or did until it died.
AT_WORK = ("running", "stopping")
#: States from which a run can continue exactly where it was.
RESUMABLE = ("stopped", "interrupted", "failed")
#: Seconds after its last heartbeat for which a run on another computer counts as trained there.
ALIVE_SECONDS = 60.0
#: Only the end of a longer log is shown.
LOG_BYTES = 200_000
#: In the cache, predictions are in a file of this name and the run's id.
_CACHED = "predictions-"
#: Seconds to wait while others change a name, tags or a note: each takes some milliseconds, and any number may wait.
META_PATIENCE = 30.0


@dataclass(frozen=True)
class Meta:
    """The content of meta.json: what a run is called and where it comes from.

    A search (:mod:`core.search`) is a kind of study: ``study`` is then its id, ``trial`` the number of the trial that
    the run belongs to, and ``pruned_at`` the step after which the search stopped the trial.
    """

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    pinned: bool = False
    owner: str = ""
    study: str | None = None
    parent: str | None = None
    reference: bool = False
    created_at: float = 0.0
    environment: dict[str, Any] = field(default_factory=dict)
    trial: int | None = None
    pruned_at: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of meta.json. Earlier versions refuse a field that they do not know, so unset ones stay
        away."""
        unset = {name for name in ("trial", "pruned_at") if getattr(self, name) is None}
        return {name: value for name, value in asdict(self).items() if name not in unset}


@dataclass(frozen=True)
class Status:
    """The content of status.json. Times are seconds since 1970, accuracies from 0 to 1.

    ``on_cluster``: the run trains on a cluster, or did when its laboratory died (:meth:`Queue.take_up`).
    """

    state: State = "queued"
    epoch: int = 0
    epochs: int = 0
    best_epoch: int | None = None
    best_val_accuracy: float | None = None
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    heartbeat: float | None = None
    host: str | None = None
    pid: int | None = None
    error: str | None = None
    on_cluster: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the content of status.json; ``on_cluster`` only if it is true, since earlier versions refuse it."""
        return {name: value for name, value in asdict(self).items() if name != "on_cluster" or value}

    @property
    def active(self) -> bool:
        """Whether the run waits in the queue or a process works on it."""
        return self.state == "queued" or self.state in AT_WORK

    @property
    def elsewhere(self) -> bool:
        """Whether another computer trains the run: its lock cannot be seen here, but it was heard of lately."""
        if self.state not in AT_WORK or self.host in (None, this_host()) or self.heartbeat is None:
            return False
        return abs(time.time() - self.heartbeat) < ALIVE_SECONDS

    @property
    def elsewhere_text(self) -> str:
        """Where another computer trains the run, and when it was last heard of."""
        age = max(time.time() - (self.heartbeat or 0.0), 0.0)
        return f"running on {one_line(str(self.host), 60)}, last heard of {duration(age)} ago"


class LocalNotes:
    """What the person here added to reference runs, which are read-only: names, tags, notes and pins by run id."""

    def __init__(self, folder: Path):
        self._path = folder / ".local.json"

    def of(self, run_id: str) -> dict[str, Any]:
        """Return what was added to a run; nothing if it cannot be read, which is not worth losing the run for."""
        own = (self._read() or {}).get(run_id)
        return validate.tidied(own) if isinstance(own, dict) and not validate.misfit(own, Meta) else {}

    def add(self, run_id: str, changes: Mapping[str, Any]) -> None:
        """Add ``changes`` to a run. Raises StoreError rather than overwrite a damaged file."""
        content = self._read()
        if content is None:
            raise StoreError(
                f"{self._path.name} in the folder of the runs is damaged. It holds your names and notes of the runs "
                "that came with the program; repair or delete it and try again."
            )
        own = content.get(run_id)
        content[run_id] = {**(own if isinstance(own, dict) else {}), **changes}
        write_json(self._path, with_check(content))

    def _read(self) -> dict[str, Any] | None:
        try:
            content = without_check(from_json(read_file(self._path)))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, StoreError):
            return None
        return content if isinstance(content, dict) else None


class RunFolder:
    """One run's files, read and written by name. Every method raises StoreError if the run no longer exists."""

    def __init__(self, shelf: Shelf, run_id: str):
        """Raises StoreError for text that is not a run id, or if there is no such run."""
        self.id = run_id
        self._shelf = shelf
        self._checksums = Checksums(shelf.path(run_id), run_id)

    @property
    def checksums(self) -> Checksums:
        """The record of the run's files, which reads and writes them."""
        self._shelf.path(self.id)
        return self._checksums

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._shelf.path(self.id)

    # --- reading ----------------------------------------------------------------------------------

    def config(self) -> RunConfig:
        """Return the configuration. Raises StoreError if the file is missing or its content not allowed."""
        content = self._read_json(CONFIG)
        try:
            return RunConfig.from_dict(content)
        except ConfigError as error:
            raise StoreError(f"The configuration of run {self.id} cannot be used: {error}") from error

    def meta(self) -> Meta:
        """Return name, tags and origin; of a reference run with what the person added."""
        meta = self.stored_meta()
        return replace(meta, **LocalNotes(self._shelf.folder).of(self.id)) if meta.reference else meta

    def stored_meta(self) -> Meta:
        """Return name, tags and origin as the file has them."""
        return Meta(**self._fields(META, Meta))

    def status(self) -> Status:
        """Return the status as of now: ``interrupted`` if the file says ``running`` and nobody works on the run."""
        status = self.stored_status()
        if status.state in AT_WORK and not self.held():
            # The process may have ended between our two looks; then the file has the final state.
            status = self.stored_status()
            if status.state in AT_WORK and not status.elsewhere:
                return replace(status, state="interrupted")
        if status.state == "running" and self.stop_request():
            return replace(status, state="stopping")
        return status

    def stored_status(self) -> Status:
        """Return the status as the file has it, for the process that holds the lock."""
        return Status(**self._fields(STATUS, Status))

    def progress(self) -> BatchRecord | None:
        """Return the latest batch of the epoch at work, or ``None``."""
        content = self._optional_json(PROGRESS)
        try:
            if content is None:
                return None
            return validate.record(without_check(content), BatchRecord)
        except ValueError as problem:
            raise self._damaged(PROGRESS, problem) from None

    def result(self) -> dict[str, Any] | None:
        """Return the one evaluation on the test set, or ``None`` before it."""
        result = self._optional_json(RESULT)
        if result is not None and (problem := validate.bad_result(result)):
            raise self._damaged(RESULT, problem)
        return result

    def predictions(self) -> Predictions | None:
        """Return what the network answered for each validation and test image; ``None`` if that is not kept.

        Those of reference runs, and of runs that were not finished when they were computed, are kept in the cache.
        """
        try:
            content = self.checksums.read(PREDICTIONS, PREDICTIONS_BYTES)
        except FileNotFoundError:
            cached = self._cached_predictions()
            if cached is None:
                return None
            content = cached
        return read_predictions(content, self.id, self.config())

    def check_predictions(self) -> None:
        """Raise StoreError if the predictions are damaged or, of a finished run, contradict its epochs or its result.

        It says nothing if the files that they are compared with cannot be read.
        """
        try:
            finished = self.stored_status().state == "finished"
            config, records, result = self.config(), self.records(), self.result()
        except StoreError:
            return
        predictions = self.predictions()
        if predictions and finished and (problem := contradiction(predictions, config, records, result)):
            raise self._damaged(PREDICTIONS, problem)

    def predictions_stamp(self) -> list[int]:
        """Return a value that changes when the predictions are written, or no longer belong to the run."""
        names = (PREDICTIONS, CONFIG, STATUS, BEST, CHECKSUMS)
        return file_stamp([*(f"{self.path}/{name}" for name in names), str(self._predictions_cache)])

    def log(self) -> str:
        """Return the log, of a long one the end; empty if there is none. A damaged log begins with a note."""
        path = self.path / LOG
        try:
            content = read_file(path, start=max(path.lstat().st_size - LOG_BYTES, 0))
        except FileNotFoundError:
            return ""
        text = printable(content[-LOG_BYTES:].decode(errors="replace"))
        if len(content) >= LOG_BYTES:
            text = f"… (the beginning is left out)\n{text.partition(chr(10))[2]}"
        problem = self.checksums.problem(LOG)
        return f"[{problem}]\n{text}" if problem else text

    def records(self) -> list[EpochRecord]:
        """Return the finished epochs, oldest first, without a torn last line."""
        try:
            lines = self.checksums.read(METRICS_FILE, METRICS_BYTES).split(b"\n")
        except FileNotFoundError:
            return []
        return rising(map(parse_record, lines[:-1]))

    def best_weights(self) -> Path:
        """Return the path of best.safetensors. Raises StoreError if the run has none yet."""
        path = self.path / BEST
        if not path.is_file():
            raise StoreError(f"Run {self.id} has no weights yet; they are kept from its first finished epoch on.")
        return path

    def read_weights(self) -> bytes:
        """Return the verified content of best.safetensors. Raises StoreError if the run has none yet."""
        return self.checksums.read(self.best_weights().name, sys.maxsize)

    def states(self) -> list[str]:
        """Return which of :data:`SAVED_STATES` the run has; none before the first finished epoch."""
        return [name for name in SAVED_STATES if (self.path / name).is_file()]

    def last_state(self) -> Path | None:
        """Return the path of the newest saved state, or ``None`` before the first finished epoch."""
        return next((self.path / name for name in self.states()), None)

    def read_state(self, name: str = LAST) -> bytes:
        """Return the verified content of one of :meth:`states`."""
        return self.checksums.read(name, sys.maxsize)

    # --- what a person adds -----------------------------------------------------------------------

    def annotate(self, *, shown: Mapping[str, str] | None = None, **changes: Any) -> None:
        """Change name, tags, note or pinned. For a reference run the change is kept next to the runs.

        ``shown``: the name or note as the person saw it before changing it. Raises :class:`Conflict` if the stored one
        is another by now; without ``shown`` it is replaced.
        """
        if unknown := changes.keys() - {"name", "tags", "note", "pinned"}:
            raise StoreError(f"{', '.join(unknown)} of a run cannot be changed; name, tags, note and pinned can.")
        with self._meta_lock():
            for name, text in (shown or {}).items():
                stored = getattr(self.meta(), name)
                if stored not in (composed(text), composed(changes[name])):
                    raise Conflict(f"the {name} of run {self.id}", stored, changes[name])
            self._change_meta(changes)

    def retag(self, add: Iterable[str], remove: Iterable[str]) -> None:
        """Add and remove tags."""
        removed = set(map(composed, remove))
        with self._meta_lock():
            tags = [*self.meta().tags, *(composed(tag.strip()) for tag in add)]
            self._change_meta({"tags": [tag for tag in tags if tag not in removed]})

    def mark_pruned(self, step: int) -> None:
        """Record the step after which a search stopped the trial of this run."""
        with self._meta_lock():
            self._change_meta({"pruned_at": step})

    def _change_meta(self, changes: dict[str, Any]) -> None:
        """Change meta.json, for the holder of its lock."""
        changes = written(changes)
        content = self._read_json(META)
        if content.get("reference"):
            LocalNotes(self._shelf.folder).add(self.id, changes)
        else:
            self.checksums.write_json(META, {**content, **changes})

    def refuse_reference(self, action: str) -> None:
        """Raise StoreError if this is a reference run, which cannot be ``action`` ("deleted")."""
        reference: object = False
        with contextlib.suppress(StoreError):  # a run that cannot be read is not a reference run
            reference = self._read_json(META).get("reference")
        if reference:
            raise StoreError(
                f"Run {self.id} is a reference run that came with the program; it cannot be {action}. "
                "Copy its settings into a new run to change them."
            )

    def refuse_elsewhere(self) -> None:
        """Raise RunBusy if another computer trains the run. For what must not be done to a run that is trained."""
        status = Status()
        with contextlib.suppress(StoreError):  # of a damaged run nobody can tell
            status = self.stored_status()
        if status.elsewhere:
            raise RunBusy(
                f"Run {self.id} is {status.elsewhere_text}. Stop it there. If that computer no longer trains it, wait "
                f"a minute, or take it over: `resnet-lab resume {self.id} --take-over`."
            )

    def _meta_lock(self) -> contextlib.AbstractContextManager[None]:
        """Held while meta.json is read, changed and written back: the trainer and two windows may do so at once."""
        return locked(self._shelf.folder / ".meta.lock", f"run {self.id}", META_PATIENCE)

    # --- writing, for the process that holds the lock ---------------------------------------------

    def write_status(self, status: Status) -> None:
        """Replace the status."""
        self.checksums.write_json(STATUS, status.to_dict())

    def write_progress(self, record: BatchRecord) -> None:
        """Replace the latest batch of the epoch at work."""
        content = asdict(record)
        write_json(self.path / PROGRESS, with_check(content), durable=False)

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Record versions, processor, threads and precision of the training."""
        with self._meta_lock():
            self.checksums.write_json(META, {**self._read_json(META), "environment": dict(environment)})

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Keep the evaluation on the test set."""
        self.checksums.write_json(RESULT, result)

    def write_predictions(self, content: bytes) -> None:
        """Keep the answers of the network, from :func:`~core.runs.predictions.predictions_bytes`."""
        self.checksums.write(PREDICTIONS, content)

    def keep_predictions(self, content: bytes) -> None:
        """Keep predictions that were computed later: in the folder of a finished run, otherwise in the cache.

        Reference runs are read-only, and a run that is resumed gets other weights. In the cache, predictions belong to
        the weights and the epoch that the run has now.
        """
        if self.stored_status().state == "finished" and not self.stored_meta().reference:
            self.write_predictions(content)
            return
        path = self._predictions_cache
        with os_errors_as_store_errors(path):
            make_folder(path.parent)
            for other in path.parent.glob(f"{_CACHED}*"):
                if not os.path.lexists(self._shelf.folder / other.name.removeprefix(_CACHED)):  # its run was deleted
                    other.unlink(missing_ok=True)
        write_atomically(path, self._cache_key(content) + content)

    def settle(self) -> None:
        """Stop a run that waited or trained where its folder comes from, and forget that place."""
        status = self.stored_status()
        state = "stopped" if status.active else status.state
        status = replace(status, state=state, queued_at=None, heartbeat=None, on_cluster=False)
        self.write_status(replace(status, host=None, pid=None))

    def delete_states(self) -> None:
        """Delete what a finished run could be extended from, to save space. Raises StoreError for any other run."""
        self.refuse_reference("changed")
        with self.hold():
            if (state := self.stored_status().state) != "finished":
                raise StoreError(f"Run {self.id} is {state}; only a finished run can do without its saved state.")
            self.append_log("Deleted the saved state to save space. The run cannot be extended any more.")
            self.tidy_record(at_work=False, without=SAVED_STATES)
            for name in SAVED_STATES:
                path = self.path / name
                with os_errors_as_store_errors(path):
                    path.unlink(missing_ok=True)
            flush_folder(self.path)
            self.tidy_record(at_work=False)

    def migrate(self) -> None:
        """Replace a config.json of an older version by what it means today; the old file is kept."""
        content = self._read_json(CONFIG)
        current = self.config().to_dict()
        if content.get("schema") != current["schema"]:
            self.checksums.write(f"{CONFIG}.v{content['schema']}", self.checksums.read(CONFIG))
            self.checksums.write_json(CONFIG, current)

    def write_file(self, name: Literal["best.safetensors", "last.pt"], content: bytes) -> None:
        """Replace the best weights or the state to continue from."""
        self.checksums.write(name, content)

    def write_state(self, content: bytes) -> None:
        """Replace the state to continue from, and keep the one before as previous.pt."""
        self.checksums.write(LAST, content, keep=PREVIOUS)

    def restore_state(self) -> None:
        """Make previous.pt the state to continue from, in place of a damaged last.pt."""
        self.checksums.move(PREVIOUS, LAST)

    def drop_previous_state(self) -> None:
        """Delete previous.pt, which nothing needs after the run is finished."""
        self.checksums.remove(PREVIOUS)

    def append_record(self, record: EpochRecord) -> None:
        """Append a finished epoch and flush it to the disk."""
        self.append_records((record,))

    def append_records(self, records: Sequence[EpochRecord]) -> None:
        """Append finished epochs, oldest first, and flush them to the disk together."""
        self.checksums.append(METRICS_FILE, "".join(record_line(record) + "\n" for record in records).encode())

    def write_records(self, records: Sequence[EpochRecord]) -> None:
        """Replace all epochs by ``records``, oldest first: those that the state to continue from knows."""
        self.checksums.write(METRICS_FILE, "".join(record_line(record) + "\n" for record in records))

    def append_log(self, text: str) -> None:
        """Add a line with the time to the log."""
        line = f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n"
        self.checksums.append(LOG, line.encode(errors="replace"))

    def tidy_record(self, *, at_work: bool, without: Container[str] = (), damaged: Iterable[str] = ()) -> None:
        """Shorten the record of the files to their present versions; make it for a run that has none.

        ``at_work``: this process goes on to train the run. Files ``without`` are no longer recorded; ``damaged`` ones
        are recorded as damaged. Raises StoreError if the record is damaged.
        """
        # Large files are read before the lock is taken.
        others = self.checksums.survey(lambda name: name != META and name not in without)
        with self._meta_lock():
            meta = self.checksums.survey(lambda name: name == META and name not in without)
            broken = {name: [NO_VERSION] for name in damaged}
            self.checksums.tidy(others | meta | broken, at_work=at_work)

    # --- who works on it --------------------------------------------------------------------------

    def hold(self, patience: float = PATIENCE) -> contextlib.AbstractContextManager[None]:
        """Return a context that holds the run's lock, so that no other process works on the run.

        Entering it raises RunBusy if another process holds the lock for longer than ``patience`` seconds.
        """
        return locked(self.path / LOCK, f"run {self.id}", patience)

    def identity(self) -> tuple[int, int] | None:
        """Return the :func:`~core.base.files.identity` of the lock file, ``None`` without one."""
        return identity(self._shelf.place(self.id) / LOCK)

    def held(self) -> bool:
        """Return whether a process holds the run's lock."""
        return is_locked(self.path / LOCK)

    def request_stop(self, request: StopRequest) -> None:
        """Ask the process that works on the run to stop within a batch."""
        write_atomically(self.path / STOP, request)

    def stop_request(self) -> StopRequest | None:
        """Return what someone asked for, or ``None``."""
        try:
            asked = read_file(self.path / STOP).decode(errors="replace")
        except (OSError, StoreError):
            return None
        return next((request for request in get_args(StopRequest) if request == asked), "keep")

    def clear_stop(self) -> None:
        """Forget the request to stop and the latest batch."""
        for name in (STOP, PROGRESS):
            path = self.path / name
            with os_errors_as_store_errors(path):
                path.unlink(missing_ok=True)

    # --- files ------------------------------------------------------------------------------------

    @property
    def _predictions_cache(self) -> Path:
        return self._shelf.cache_folder / f"{_CACHED}{self.id}"

    def _cached_predictions(self) -> bytes | None:
        """Return the content in the cache that belongs to the run's present weights; ``None`` if there is none."""
        try:
            key, content = read_file(self._predictions_cache, PREDICTIONS_BYTES + 100).partition(b"\n")[::2]
            return content if key + b"\n" == self._cache_key(content) else None
        except (FileNotFoundError, StoreError):
            return None

    def _cache_key(self, content: bytes) -> bytes:
        """Return a line that tells whether ``content`` is whole and belongs to the run's present weights."""
        listed = self.checksums.listed().get(BEST, ())
        weights = listed[0] if len(listed) == 1 else Version.of(self.read_weights())
        key = f"{self.id} {weights.sha256} {self.stored_status().epoch} ".encode()
        return hashlib.sha256(key + content).hexdigest().encode() + b"\n"

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = from_json(self.checksums.read(name))
        except FileNotFoundError:
            raise StoreError(f"Run {self.id} has no {name}; its folder is incomplete.") from None
        except ValueError as error:
            raise StoreError(f"{name} of run {self.id} cannot be read; the file is damaged ({error}).") from error
        if not isinstance(content, dict):
            raise self._damaged(name, "it holds no names and values")
        return content

    def _fields(self, name: str, of: type) -> dict[str, Any]:
        """The fields of the dataclass ``of`` in a file. Raises StoreError if something does not fit."""
        content = self._read_json(name)
        if problem := validate.misfit(content, of):
            raise self._damaged(name, problem)
        return validate.tidied(content)

    def _optional_json(self, name: str) -> dict[str, Any] | None:
        return self._read_json(name) if os.path.lexists(self.path / name) else None

    def _damaged(self, name: str, problem: object) -> StoreError:
        return StoreError(f"{name} of run {self.id} is damaged: {problem}.")


def written(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, tags, note and so on as meta.json holds them.

    Each letter is written in one way; tags have no space around them, and each is there once.
    """
    texts = {name: composed(value) if isinstance(value, str) else value for name, value in about.items()}
    if "tags" in texts:
        texts["tags"] = list(dict.fromkeys(text for tag in texts["tags"] if (text := composed(str(tag).strip()))))
    return texts


def write_new_run(folder: Path, config: RunConfig, meta: Meta, status: Status) -> None:
    """Write what every run has into an empty folder."""
    write_json(folder / CONFIG, config.to_dict())
    write_json(folder / META, meta.to_dict())
    write_json(folder / STATUS, status.to_dict())


def this_host() -> str:
    """Return the name of this computer."""
    return socket.gethostname()
