"""One run's files: which runs there are, what each file says, and how its holder writes it.

The rest of :class:`core.runs.store.RunStore` stands on this: :mod:`core.runs.trash` and :mod:`core.runs.queue`
know no file's content but through it.
"""

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from core.base.errors import ConfigError, RunBusy, StoreError
from core.base.files import append_to_file, read_file, told_plainly, write_atomically, write_json
from core.base.text import one_line, printable
from core.config.run_config import RunConfig
from core.runs import validate
from core.runs.epochs import METRICS_BYTES, parse_record, rising

State = Literal["queued", "running", "stopping", "stopped", "finished", "failed", "interrupted"]
STATES: tuple[str, ...] = get_args(State)
#: States in which a process is at work, or was when it died.
AT_WORK = ("running", "stopping")
#: States from which a run can go on exactly where it was.
RESUMABLE = ("stopped", "interrupted", "failed")
#: Of a longer log the end is told.
LOG_BYTES = 200_000

#: Seconds to wait for a lock. A reader that looks whether it is free holds it for an instant; this is longer.
PATIENCE = 2.0
#: What the name of a run looks like.
RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}")


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


class RunFiles:
    """The files of all runs under one folder, each read and written by its name."""

    def __init__(self, root: Path | str):
        self.root = Path(root)
        with told_plainly(self.root):
            self.root.mkdir(parents=True, exist_ok=True)

    # --- which runs there are ---------------------------------------------------------------------

    def ids(self) -> list[str]:
        """Ids of all runs, newest first."""
        try:
            with os.scandir(self.root) as entries:
                found = [entry.name for entry in entries if RUN_ID.fullmatch(entry.name) and entry.is_dir()]
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
        if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
            raise StoreError(f"“{one_line(str(run_id), 60)}” is no run id; one looks like 20261124-093000-k7fa.")
        return run_id

    def find(self, text: str) -> str:
        """The run meant by a full id, a unique end or beginning of one, a name, or ``latest``."""
        runs, shown = self.ids(), one_line(text, 60)
        if text == "latest" and runs:
            return runs[0]
        if text in runs:
            return text
        named = [one for one in runs if text and self._is_named(one, text)]
        alike = named or [one for one in runs if len(text) >= 4 and (one.startswith(text) or one.endswith(text))]
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise StoreError(f"“{shown}” could mean {len(alike)} runs: {', '.join(alike[:5])}; give the whole id.")
        if RUN_ID.fullmatch(text):
            self.folder(text)
        raise StoreError(f"There is no run “{shown}”; `python -m core list` shows those there are.")

    def _is_named(self, run_id: str, text: str) -> bool:
        try:
            return self.meta(run_id).name == text
        except StoreError:
            return False

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
        if wrong := validate.misfit(content, Meta):
            raise StoreError(f"meta.json of run {run_id} is damaged: {wrong}.")
        meta = Meta(**validate.tidied(content))
        own = (self._local() or {}).get(run_id) if meta.reference else None
        # An edited .local.json is not worth losing the run for.
        return (
            replace(meta, **validate.tidied(own)) if isinstance(own, dict) and not validate.misfit(own, Meta) else meta
        )

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

    def status_for_holder(self, run_id: str) -> Status:
        """The state as the file says it, for the process that holds the lock."""
        content = self._read_json(run_id, "status.json")
        if wrong := validate.misfit(content, Status):
            raise StoreError(f"status.json of run {run_id} is damaged: {wrong}.")
        return Status(**validate.tidied(content))

    def progress(self, run_id: str) -> dict[str, Any] | None:
        """What is known inside the epoch, or ``None``."""
        progress = self._optional_json(run_id, "progress.json")
        if progress is not None and (wrong := validate.bad_progress(progress)):
            raise StoreError(f"progress.json of run {run_id} is damaged: {wrong}.")
        return progress

    def result(self, run_id: str) -> dict[str, Any] | None:
        """The test evaluation made once at the end, or ``None``."""
        result = self._optional_json(run_id, "result.json")
        if result is not None and (wrong := validate.bad_result(result)):
            raise StoreError(f"result.json of run {run_id} is damaged: {wrong}.")
        return result

    def log(self, run_id: str) -> str:
        """The run's log as text, of a long one the end; empty if nothing was written."""
        path = self.folder(run_id) / "log.txt"
        try:
            text = read_file(path, start=max(path.lstat().st_size - LOG_BYTES, 0))
        except FileNotFoundError:
            return ""
        told = printable(text[-LOG_BYTES:].decode(errors="replace"))
        return told if len(text) < LOG_BYTES else f"… (the beginning is left out)\n{told.partition(chr(10))[2]}"

    def records(self, run_id: str) -> list[dict[str, Any]]:
        """The finished epochs, oldest first; a torn last line is left out."""
        try:
            lines = read_file(self.folder(run_id) / "metrics.jsonl", METRICS_BYTES).split(b"\n")
        except FileNotFoundError:
            return []
        return [record.to_dict() for record in rising(parse_record(line) for line in lines[:-1])]

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

    # --- writing a run (its holder) ---------------------------------------------------------------

    def write_status(self, run_id: str, status: Status) -> None:
        """Replace the state."""
        write_json(self.folder(run_id) / "status.json", asdict(status))

    def write_progress(self, run_id: str, progress: Mapping[str, Any]) -> None:
        """Replace what is known inside the epoch."""
        write_json(self.folder(run_id) / "progress.json", progress)

    def write_environment(self, run_id: str, environment: Mapping[str, Any]) -> None:
        """Record versions, processor, threads and precision the run is trained with."""
        path = self.folder(run_id) / "meta.json"
        with self.meta_lock(run_id):
            write_json(path, {**self._read_json(run_id, "meta.json"), "environment": dict(environment)})

    def meta_lock(self, run_id: str) -> contextlib.AbstractContextManager[None]:
        """Held while a run's papers are read, changed and written back: the trainer and two windows may do so at once.

        Raises RunBusy if somebody holds it for long, StoreError if it cannot be opened.
        """
        return locked(self.root / ".meta.lock", run_id)

    def write_result(self, run_id: str, result: Mapping[str, Any]) -> None:
        """Keep the test evaluation."""
        write_json(self.folder(run_id) / "result.json", result)

    def migrate(self, run_id: str) -> None:
        """Replace a config.json of an older program by what it means today; the old file is kept."""
        content = self._read_json(run_id, "config.json")
        current = self.config(run_id).to_dict()
        if content.get("schema") != current["schema"]:
            path = self.folder(run_id) / "config.json"
            write_atomically(path.with_name(f"config.json.v{content['schema']}"), path.read_bytes())
            write_json(path, current)

    def write_file(self, run_id: str, name: Literal["best.safetensors", "last.pt"], content: bytes) -> None:
        """Replace the weights or the state to go on from."""
        write_atomically(self.folder(run_id) / name, content)

    def append_record(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Append one epoch to metrics.jsonl and flush it to the disk."""
        append_to_file(self.folder(run_id) / "metrics.jsonl", json.dumps(record).encode() + b"\n")

    def write_records(self, run_id: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Replace all epochs by ``records``, which rise: those that the state to go on from knows."""
        write_atomically(self.folder(run_id) / "metrics.jsonl", "".join(json.dumps(one) + "\n" for one in records))

    def append_log(self, run_id: str, text: str) -> None:
        """Add a line with the time to the log."""
        line = f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n"
        append_to_file(self.folder(run_id) / "log.txt", line.encode(errors="replace"))

    # --- who works on it --------------------------------------------------------------------------

    @contextlib.contextmanager
    def hold(self, run_id: str, patience: float = PATIENCE) -> Iterator[None]:
        """Hold the run's lock: nobody else works on it meanwhile.

        Raises RunBusy if another process does, and still does after ``patience`` seconds.
        """
        with locked(self.folder(run_id) / ".lock", run_id, patience):
            yield

    def held(self, run_id: str) -> bool:
        """Whether some process holds the run's lock."""
        return is_locked(self.folder(run_id) / ".lock")

    def stop_request(self, run_id: str) -> str | None:
        """``"keep"`` or ``"discard"`` if someone asked the run to stop, else ``None``."""
        try:
            return "discard" if read_file(self.folder(run_id) / "stop") == b"discard" else "keep"
        except (OSError, StoreError):
            return None

    def clear_stop(self, run_id: str) -> None:
        """Forget the request to stop and what was known inside the epoch."""
        for name in ("stop", "progress.json"):
            path = self.folder(run_id) / name
            with told_plainly(path):
                path.unlink(missing_ok=True)

    # --- files ------------------------------------------------------------------------------------

    @property
    def trash_folder(self) -> Path:
        """Where deleted runs wait."""
        return self.root / ".trash"

    @property
    def cache_folder(self) -> Path:
        """What can be made again."""
        return self.root / ".cache"

    @property
    def local_file(self) -> Path:
        """What the person here added to reference runs; not shared."""
        return self.root / ".local.json"

    def _local(self) -> dict[str, Any] | None:
        """What the person here added to reference runs, by id; ``None`` if the file cannot be read."""
        try:
            content = validate.parse(read_file(self.local_file))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, StoreError):
            return None
        return content if isinstance(content, dict) else None

    def _read_json(self, run_id: str, name: str) -> dict[str, Any]:
        path = self.folder(run_id) / name
        try:
            content = validate.parse(read_file(path))
        except FileNotFoundError:
            raise StoreError(f"Run {run_id} has no {name}; its folder is incomplete.") from None
        except ValueError as error:
            raise StoreError(f"{name} of run {run_id} cannot be read; the file is damaged ({error}).") from error
        if not isinstance(content, dict):
            raise StoreError(f"{name} of run {run_id} is damaged: it holds no names and values.")
        return content

    def _optional_json(self, run_id: str, name: str) -> dict[str, Any] | None:
        return self._read_json(run_id, name) if os.path.lexists(self.folder(run_id) / name) else None


@contextlib.contextmanager
def locked(path: Path, run_id: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a run's lock file. Raises RunBusy if another process does, StoreError if it cannot be opened."""
    if path.is_symlink():  # to open it would empty what it leads to
        raise StoreError(f"The folder of run {run_id} cannot be locked: its file .lock is a link; remove it.")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience, poll_interval=0.01)
    except Timeout:  # itself an OSError, so it comes before the others
        raise RunBusy(f"Another process is working on run {run_id}; wait for it or stop it first.") from None
    except OSError as error:
        raise StoreError(f"The folder of run {run_id} cannot be locked: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock file."""
    if not path.is_file() or path.is_symlink():  # nobody holds what our programs would not open
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def this_host() -> str:
    """Name of this computer."""
    return socket.gethostname()
