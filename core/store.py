"""RunStore: the only code that knows what is inside ``runs/``.

A run is a folder. What each of its files holds:

====================  ==================================================================================
config.json           the complete RunConfig, with a schema version
meta.json             name, tags, note, owner, study, parent, whether it is a reference run, environment
status.json           state, epoch, best so far, times, heartbeat, host and pid, error if any
metrics.jsonl         one line per finished epoch, appended; a torn last line is ignored
progress.json         inside the epoch: batch, running loss, images/s, seconds left
best.safetensors      the best epoch's weights with ``input.mean`` and ``input.std``
last.pt               everything needed to go on exactly
result.json           where a part was held out: the one test evaluation, made at the end
log.txt               what a person would want to read when it failed
stop                  present while someone asks the run to stop; holds ``keep`` or ``discard``
.lock                 locked by the process that works on the run
====================  ==================================================================================

Every file but metrics.jsonl and log.txt is replaced atomically. The state on disk can say ``running``
for a run whose process is dead; the lock cannot, so a free lock makes it ``interrupted``.
Dot-folders hold what is no run. Reference runs are read-only: what a person adds to one is kept in
``.local.json``. Tables of runs and of epochs are made in :mod:`core.frames`.
"""

import contextlib
import getpass
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import pandas as pd
from filelock import FileLock, Timeout

from core.config import RunConfig
from core.errors import ConfigError, RunBusy, StoreError
from core.files import told_plainly, write_atomically
from core.frames import Reader, parse_record

State = Literal["queued", "running", "stopping", "stopped", "finished", "failed", "interrupted"]
STATES: tuple[str, ...] = get_args(State)
#: States in which a process is at work, or was when it died.
AT_WORK = ("running", "stopping")
#: States from which a run can go on exactly where it was.
RESUMABLE = ("stopped", "interrupted", "failed")

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True)
class Meta:
    """What a run is called and where it came from."""

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


@dataclass(frozen=True)
class Status:
    """How a run stands. Times are seconds since 1970; accuracies are shares from 0 to 1."""

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

    @property
    def active(self) -> bool:
        """Whether it is waiting for the queue or at work."""
        return self.state == "queued" or self.state in AT_WORK


class RunStore:
    """All runs under one folder. Cheap to make; holds no state but small caches in its readers."""

    def __init__(self, root: Path | str):
        self.root = Path(root)
        self._reader = Reader()
        with told_plainly(self.root):
            self.root.mkdir(parents=True, exist_ok=True)

    # --- which runs there are ---------------------------------------------------------------------

    def ids(self) -> list[str]:
        """Ids of all runs, newest first."""
        try:
            with os.scandir(self.root) as entries:
                found = [entry.name for entry in entries if _ID.fullmatch(entry.name) and entry.is_dir()]
        except OSError as error:
            raise StoreError(f"The folder of runs, {self.root}, cannot be read: {error.strerror}.") from error
        return sorted(found, reverse=True)

    def folder(self, run_id: str) -> Path:
        """The run's folder. Raises StoreError for what is no run id, or no run here."""
        path = self.root / self.checked_id(run_id)
        if not path.is_dir():
            where = " It is in the trash; restore it first." if (self.trash_folder / run_id).is_dir() else ""
            raise StoreError(f"There is no run {run_id}.{where}")
        return path

    @staticmethod
    def checked_id(run_id: str) -> str:
        """``run_id`` if it has the form of one, else StoreError; no other text ever touches a path."""
        if not isinstance(run_id, str) or not _ID.fullmatch(run_id):
            shown = re.sub(r"[^\x20-\x7e]", "?", str(run_id))[:60]
            raise StoreError(f"“{shown}” is no run id; one looks like 20261124-093000-k7fa.")
        return run_id

    def find(self, text: str) -> str:
        """The run meant by a full id, a unique end or beginning of one, a name, or ``latest``."""
        runs = self.ids()
        if text == "latest" and runs:
            return runs[0]
        if text in runs:
            return text
        named = [one for one in runs if text and self._is_named(one, text)]
        alike = named or [one for one in runs if len(text) >= 4 and (one.startswith(text) or one.endswith(text))]
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise StoreError(f"“{text}” could mean {len(alike)} runs: {', '.join(alike[:5])}; give the whole id.")
        if _ID.fullmatch(text):
            self.folder(text)
        raise StoreError(f"There is no run “{text}”; `python -m core list` shows those there are.")

    def _is_named(self, run_id: str, text: str) -> bool:
        try:
            return self.meta(run_id).name == text
        except StoreError:
            return False

    # --- making a run -----------------------------------------------------------------------------

    def create(
        self,
        config: RunConfig,
        *,
        name: str = "",
        tags: tuple[str, ...] = (),
        note: str = "",
        parent: str | None = None,
        study: str | None = None,
        last_state: Path | None = None,
    ) -> str:
        """Queue a new run and return its id.

        The folder is prepared under another name and renamed, so that no reader meets half a run.
        ``last_state`` is a last.pt to go on from. Raises ConfigError or StoreError.
        """
        run_id, staged = self._stage(
            config.checked(),
            Meta(name=name.strip(), tags=tags, note=note, parent=parent, study=study, owner=_owner()),
            last_state,
        )
        with told_plainly(self.root / run_id):
            staged.rename(self.root / run_id)
        return run_id

    @contextlib.contextmanager
    def create_held(self, config: RunConfig, **about: Any) -> Iterator[str]:
        """Like :meth:`create`, but the run is this process's from the first instant: no queue can take it."""
        last_state = about.pop("last_state", None)
        run_id, staged = self._stage(config.checked(), Meta(owner=_owner(), **about), last_state)
        with _locked(staged / ".lock", run_id):
            with told_plainly(self.root / run_id):
                staged.rename(self.root / run_id)
            yield run_id

    def _stage(self, config: RunConfig, meta: Meta, last_state: Path | None) -> tuple[str, Path]:
        now = time.time()
        run_id = _new_id(now)
        staged = self.cache_folder / f"new-{run_id}"
        try:
            with told_plainly(staged):
                staged.mkdir(parents=True)
            if last_state is not None:
                with told_plainly(staged / "last.pt"):
                    shutil.copyfile(last_state, staged / "last.pt")
            _write_json(staged / "config.json", config.to_dict())
            _write_json(staged / "meta.json", asdict(replace(meta, created_at=now)))
            _write_json(
                staged / "status.json", asdict(Status(state="queued", epochs=config.train.epochs, queued_at=now))
            )
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        return run_id, staged

    # --- reading a run ----------------------------------------------------------------------------

    def config(self, run_id: str) -> RunConfig:
        """The run's configuration. Raises StoreError if the file is missing or not allowed."""
        content = self._read_json(run_id, "config.json")
        try:
            return RunConfig.from_dict(content)
        except ConfigError as error:
            raise StoreError(f"The configuration of run {run_id} cannot be used: {error}") from error

    def meta(self, run_id: str) -> Meta:
        """Name, tags and origin; for a reference run with what the person added."""
        content = self._read_json(run_id, "meta.json")
        try:
            meta = Meta(**{**content, "tags": tuple(content.get("tags", ()))})
        except (TypeError, AttributeError) as error:
            raise StoreError(f"meta.json of run {run_id} is damaged: it does not hold a run's description.") from error
        if meta.reference:
            with contextlib.suppress(TypeError, ValueError):  # an edited .local.json is not worth losing the run for
                own = dict(self._local().get(run_id, {}))
                return replace(meta, **{**own, "tags": tuple(own.get("tags", meta.tags))})
        return meta

    def status(self, run_id: str) -> Status:
        """How the run stands now: ``running`` with a free lock is told as ``interrupted``."""
        status = self.status_for_holder(run_id)
        if status.state in AT_WORK and not self.held(run_id):
            # The process may have let go between our two looks; then the file tells the end.
            status = self.status_for_holder(run_id)
            if status.state in AT_WORK:
                return replace(status, state="interrupted")
        if status.state == "running" and self.stop_request(run_id):
            return replace(status, state="stopping")
        return status

    def progress(self, run_id: str) -> dict[str, Any] | None:
        """What is known inside the epoch, or ``None``."""
        return self._optional_json(run_id, "progress.json")

    def result(self, run_id: str) -> dict[str, Any] | None:
        """The test evaluation made once at the end, or ``None``."""
        return self._optional_json(run_id, "result.json")

    def log(self, run_id: str) -> str:
        """The run's log as text, empty if nothing was written."""
        try:
            return (self.folder(run_id) / "log.txt").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def records(self, run_id: str) -> list[dict[str, Any]]:
        """The finished epochs, oldest first; a torn last line is left out."""
        try:
            lines = (self.folder(run_id) / "metrics.jsonl").read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [record for line in lines[:-1] if (record := parse_record(line))]

    def best_weights(self, run_id: str) -> Path:
        """Path of best.safetensors; StoreError if the run has none yet."""
        path = self.folder(run_id) / "best.safetensors"
        if not path.is_file():
            raise StoreError(f"Run {run_id} has no weights yet: they are kept from its first finished epoch on.")
        return path

    def last_state(self, run_id: str) -> Path | None:
        """Path of last.pt, or ``None`` before the first finished epoch."""
        path = self.folder(run_id) / "last.pt"
        return path if path.is_file() else None

    def metrics(self, run_id: str) -> pd.DataFrame:
        """The run's finished epochs as a table, one row each (columns: :data:`core.frames.METRICS`)."""
        return self._reader.metrics(self.folder(run_id) / "metrics.jsonl")

    def frame(self) -> pd.DataFrame:
        """All runs as one tidy table, newest first (columns: :data:`core.frames.SUMMARY`, the knobs, ``curve``)."""
        return self._reader.frame(self)

    # --- writing a run (its holder) ---------------------------------------------------------------

    def write_status(self, run_id: str, status: Status) -> None:
        """Replace the state."""
        _write_json(self.folder(run_id) / "status.json", asdict(status))

    def write_progress(self, run_id: str, progress: Mapping[str, Any]) -> None:
        """Replace what is known inside the epoch."""
        _write_json(self.folder(run_id) / "progress.json", progress)

    def write_environment(self, run_id: str, environment: Mapping[str, Any]) -> None:
        """Record versions, processor, threads and precision the run is trained with."""
        path = self.folder(run_id) / "meta.json"
        _write_json(path, {**self._read_json(run_id, "meta.json"), "environment": dict(environment)})

    def write_result(self, run_id: str, result: Mapping[str, Any]) -> None:
        """Keep the test evaluation."""
        _write_json(self.folder(run_id) / "result.json", result)

    def write_file(self, run_id: str, name: Literal["best.safetensors", "last.pt"], content: bytes | Any) -> None:
        """Replace the weights or the state to go on from (bytes, or a function that writes to a file)."""
        write_atomically(self.folder(run_id) / name, content)

    def append_record(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Append one epoch to metrics.jsonl and flush it to the disk."""
        path = self.folder(run_id) / "metrics.jsonl"
        with told_plainly(path), path.open("ab+") as file:
            _end_torn_line(file)
            file.write(json.dumps(record).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def cut_records(self, run_id: str, epoch: int) -> None:
        """Drop the epochs after ``epoch``: those whose state to go on from was not kept."""
        kept = [one for one in self.records(run_id) if one["epoch"] <= epoch]
        write_atomically(self.folder(run_id) / "metrics.jsonl", "".join(json.dumps(one) + "\n" for one in kept))

    def append_log(self, run_id: str, text: str) -> None:
        """Add a line with the time to the log."""
        path = self.folder(run_id) / "log.txt"
        with told_plainly(path), path.open("a") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")

    # --- who works on it --------------------------------------------------------------------------

    @contextlib.contextmanager
    def hold(self, run_id: str) -> Iterator[None]:
        """Hold the run's lock: nobody else works on it meanwhile. Raises RunBusy if another process does."""
        with _locked(self.folder(run_id) / ".lock", run_id):
            yield

    def held(self, run_id: str) -> bool:
        """Whether some process holds the run's lock."""
        return _is_locked(self.folder(run_id) / ".lock")

    def queue_lock(self) -> FileLock:
        """The lock of whoever works the queue, not acquired."""
        return FileLock(self.root / ".queue.lock")

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

    def stop_request(self, run_id: str) -> str | None:
        """``"keep"`` or ``"discard"`` if someone asked the run to stop, else ``None``."""
        try:
            return "discard" if (self.folder(run_id) / "stop").read_text() == "discard" else "keep"
        except OSError:
            return None

    def clear_stop(self, run_id: str) -> None:
        """Forget the request to stop and what was known inside the epoch."""
        for name in ("stop", "progress.json"):
            (self.folder(run_id) / name).unlink(missing_ok=True)

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

    def status_for_holder(self, run_id: str) -> Status:
        """The state as the file says it, for the process that holds the lock."""
        try:
            status = Status(**self._read_json(run_id, "status.json"))
        except TypeError as error:
            raise StoreError(f"status.json of run {run_id} is damaged: it does not hold a run's state.") from error
        if status.state not in STATES:
            raise StoreError(f"status.json of run {run_id} names the unknown state “{status.state}”.")
        return status

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

    # --- what a person adds, and the trash --------------------------------------------------------

    def annotate(self, run_id: str, **changes: Any) -> None:
        """Change name, tags, note or pinned. On a reference run the change is kept beside it."""
        allowed = {"name", "tags", "note", "pinned"}
        if unknown := set(changes) - allowed:
            raise StoreError(
                f"{', '.join(sorted(unknown))} of a run cannot be changed; {', '.join(sorted(allowed))} can."
            )
        if "tags" in changes:
            changes["tags"] = [tag for one in changes["tags"] if (tag := str(one).strip())]
        content = self._read_json(run_id, "meta.json")
        if content.get("reference"):
            local = self._local()
            local[run_id] = {**local.get(run_id, {}), **changes}
            _write_json(self.local_file, local)
        else:
            _write_json(self.folder(run_id) / "meta.json", {**content, **changes})

    @property
    def trash_folder(self) -> Path:
        """Where deleted runs wait."""
        return self.root / ".trash"

    @property
    def cache_folder(self) -> Path:
        """What can be made again."""
        return self.root / ".cache"

    def trash(self, run_id: str) -> None:
        """Move a run to the trash. A run at work and a reference run are refused."""
        self._refuse_reference(run_id, "deleted")
        if self.held(run_id):
            raise RunBusy(f"Run {run_id} is running; stop it before deleting it.")
        with self.hold(run_id), told_plainly(self.trash_folder / run_id):
            with contextlib.suppress(StoreError):  # a damaged run can be thrown away too
                status = self.status_for_holder(run_id)
                if status.state == "queued":
                    self.write_status(run_id, replace(status, state="stopped", finished_at=time.time()))
            self.trash_folder.mkdir(exist_ok=True)
            self.folder(run_id).rename(self.trash_folder / run_id)

    def trashed(self) -> list[str]:
        """Ids in the trash, newest first."""
        if not self.trash_folder.is_dir():
            return []
        return sorted((one.name for one in self.trash_folder.iterdir() if _ID.fullmatch(one.name)), reverse=True)

    def restore(self, run_id: str) -> None:
        """Bring a run back from the trash. A run that was waiting comes back stopped."""
        path = self.trash_folder / self.checked_id(run_id)
        if not path.is_dir():
            raise StoreError(f"Run {run_id} is not in the trash.")
        if (self.root / run_id).exists():
            raise StoreError(f"Run {run_id} exists already; nothing was restored.")
        with told_plainly(self.root / run_id):
            path.rename(self.root / run_id)

    def empty_trash(self) -> int:
        """Delete what is in the trash for good; returns the bytes freed."""
        freed = 0
        for run_id in self.trashed():
            path = self.trash_folder / run_id
            freed += sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
            with told_plainly(path):
                shutil.rmtree(path)
        return freed

    def _refuse_reference(self, run_id: str, what: str) -> None:
        reference: object = False
        with contextlib.suppress(StoreError):  # what cannot be read is no reference run
            reference = self._read_json(run_id, "meta.json").get("reference")
        if reference:
            raise StoreError(
                f"Run {run_id} is a reference run that came with the program; it cannot be {what}. "
                "Clone it to change it."
            )

    # --- files ------------------------------------------------------------------------------------

    @property
    def local_file(self) -> Path:
        """What the person here added to reference runs; not shared."""
        return self.root / ".local.json"

    def _local(self) -> dict[str, Any]:
        try:
            content = json.loads(self.local_file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def _read_json(self, run_id: str, name: str) -> dict[str, Any]:
        path = self.folder(run_id) / name
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise StoreError(f"Run {run_id} has no {name}; its folder is incomplete.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{name} of run {run_id} cannot be read; the file is damaged ({error}).") from error
        if not isinstance(content, dict):
            raise StoreError(f"{name} of run {run_id} is damaged: it holds no names and values.")
        return content

    def _optional_json(self, run_id: str, name: str) -> dict[str, Any] | None:
        return self._read_json(run_id, name) if (self.folder(run_id) / name).is_file() else None


def _end_torn_line(file: BinaryIO) -> None:
    """Close the last line of an appended file if a crash left it open, so that ours stands alone."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1) + "\n")


@contextlib.contextmanager
def _locked(path: Path, run_id: str) -> Iterator[None]:
    lock = FileLock(path)
    try:
        # A reader that looks whether the lock is free holds it for an instant; wait longer than that.
        lock.acquire(timeout=2)
    except Timeout:  # itself an OSError, so it comes before the others
        raise RunBusy(f"Another process is working on run {run_id}; wait for it or stop it first.") from None
    except OSError as error:
        raise StoreError(f"The folder of run {run_id} cannot be locked: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _new_id(now: float) -> str:
    """An id that sorts by time to the millisecond: two of its last characters count, two are random."""
    base = len(_ALPHABET)
    tick = int(now % 1 * base**2)
    tail = _ALPHABET[tick // base] + _ALPHABET[tick % base] + secrets.choice(_ALPHABET) + secrets.choice(_ALPHABET)
    return datetime.fromtimestamp(now).strftime("%Y%m%d-%H%M%S-") + tail


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def this_host() -> str:
    """Name of this computer."""
    return socket.gethostname()
