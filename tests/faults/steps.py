"""Count every step by which this process changes files under a folder, and act at the n-th step.

The interpreter reports each file that is about to be opened for writing, renamed or removed, and each folder that is
made or removed (``sys.addaudithook``), so nothing has to be patched and nothing can be missed. Flushes to the disk are
not reported; ``os.fsync`` is wrapped instead. A process that dies while writing leaves half of the file: before each
flush there is a step "tear" that truncates it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_fsync = os.fsync


@dataclass(frozen=True)
class Step:
    """The operation ``what`` that is about to happen to the file at ``path``; ``number`` counts from 1.

    ``source`` is the old name of a file that is about to be renamed.
    """

    number: int
    what: str
    path: str
    source: str = ""


class Watch:
    """Count the steps under ``root`` and call ``act`` before each one; an exception from ``act`` prevents the step."""

    def __init__(self, root: Path, act: Callable[[Step], object], tears: bool):
        self.root, self.act, self.tears = os.path.realpath(root) + os.sep, act, tears
        self.steps: list[Step] = []

    def take(self, what: str, path: str, source: str = "") -> None:
        path = os.path.realpath(path)
        if f"{path}{os.sep}".startswith(self.root):
            self.steps.append(Step(len(self.steps) + 1, what, path, source and os.path.realpath(source)))
            self.act(self.steps[-1])

    def flush(self, handle: int) -> None:
        path = _opened(handle)
        if self.tears and Path(path).is_file():
            self.take("tear", path)
        self.take("flush", path)


_watch: Watch | None = None
_hooked = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch is None:
        return
    match event:
        case "open" if not isinstance(arguments[0], int) and arguments[2] & _WRITES:
            _watch.take("open", os.fspath(arguments[0]))
        case "os.rename":
            _watch.take("rename", os.fspath(arguments[1]), os.fspath(arguments[0]))
        case "os.mkdir" | "os.rmdir" | "os.remove":
            _watch.take(event.removeprefix("os."), _within(arguments[0], arguments[-1]))


def _within(path: Any, folder: int) -> str:
    """Return the path of a file named relative to an open folder."""
    return str(Path(_opened(folder) if folder >= 0 else "", os.fspath(path)))


def _opened(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())


@contextlib.contextmanager
def watched(root: Path, act: Callable[[Step], object] = lambda step: None, *, tears: bool = False) -> Iterator[Watch]:
    """Call ``act`` before each change that this process makes to a file under ``root``."""
    global _watch, _hooked
    if not _hooked:
        sys.addaudithook(_audit)  # cannot be removed; outside this block it does nothing
        _hooked = True
    watch = Watch(root, act, tears)

    def fsync(handle: int) -> None:
        watch.flush(handle)
        _fsync(handle)

    _watch, os.fsync = watch, fsync
    try:
        yield watch
    finally:
        _watch, os.fsync = None, _fsync


def die() -> None:
    """End this process as a power failure would."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(number: int) -> Callable[[Step], None]:
    """Return an action that ends the process before step ``number``; at a tear, after truncating the file."""

    def act(step: Step) -> None:
        if step.number == number:
            if step.what == "tear":
                _tear(step.path)
            die()

    return act


def fail_at(number: int, code: int, *, lasting: bool = False) -> Callable[[Step], None]:
    """Return an action that refuses step ``number`` with the error ``code``, and if ``lasting`` all later steps."""

    def act(step: Step) -> None:
        if step.number == number or (lasting and step.number > number):
            raise OSError(code, os.strerror(code))

    return act


def _tear(path: str) -> None:
    """Truncate the file to half; where lines are appended, its last line."""
    content = Path(path).read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1 if path.endswith((".jsonl", ".txt")) else 0
    os.truncate(path, start + (len(content) - start) // 2)
