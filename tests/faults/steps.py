"""Every step by which this process changes files under a folder, counted, and something done at the n-th of them.

The interpreter tells of each file it is about to open for writing, rename, remove, and of each folder it makes or
removes (``sys.addaudithook``), so no part of the program has to be patched, and none can be forgotten. The flush to the
disk is not told and is wrapped. A process that dies in the middle of writing leaves half of what it wrote: each flush
has a step before it, at which the file is torn.
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
    """``what`` is about to be done to the file at ``path``; ``number`` counts from 1."""

    number: int
    what: str
    path: str


class Watch:
    """Counts the steps under ``root`` and calls ``act`` before each is done; what ``act`` raises is its end."""

    def __init__(self, root: Path, act: Callable[[Step], object], tears: bool):
        self.root, self.act, self.tears = os.path.realpath(root) + os.sep, act, tears
        self.steps: list[Step] = []

    def take(self, what: str, path: str) -> None:
        path = os.path.realpath(path)
        if path.startswith(self.root):
            self.steps.append(Step(len(self.steps) + 1, what, path))
            self.act(self.steps[-1])

    def flush(self, handle: int) -> None:
        path = _opened(handle)
        if self.tears:
            self.take("tear", path)
        self.take("flush", path)


_watch: Watch | None = None
_heard = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch is None:
        return
    match event:
        case "open" if not isinstance(arguments[0], int) and arguments[2] & _WRITES:
            _watch.take("open", os.fspath(arguments[0]))
        case "os.rename":
            _watch.take("rename", os.fspath(arguments[1]))
        case "os.mkdir" | "os.rmdir" | "os.remove":
            _watch.take(event.removeprefix("os."), _within(arguments[0], arguments[-1]))


def _within(path: Any, folder: int) -> str:
    """The path of a file that was named within an open folder."""
    return str(Path(_opened(folder) if folder >= 0 else "", os.fspath(path)))


def _opened(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())


@contextlib.contextmanager
def watched(root: Path, act: Callable[[Step], object] = lambda step: None, *, tears: bool = False) -> Iterator[Watch]:
    """Watch what this process does to files under ``root``."""
    global _watch, _heard
    if not _heard:
        sys.addaudithook(_hear)  # stays as long as the process; it does nothing outside this block
        _heard = True
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
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(number: int) -> Callable[[Step], None]:
    """Die before the step of this number is done; at a tear, after the file was torn."""

    def act(step: Step) -> None:
        if step.number == number:
            if step.what == "tear":
                _tear(step.path)
            die()

    return act


def fail_at(number: int, code: int, *, lasting: bool = False) -> Callable[[Step], None]:
    """Refuse the step of this number with an error of the system; if ``lasting``, all that follow too."""

    def act(step: Step) -> None:
        if step.number == number or (lasting and step.number > number):
            raise OSError(code, os.strerror(code))

    return act


def _tear(path: str) -> None:
    """Leave half of what was written last: of the file, or of its last line where lines are appended."""
    content = Path(path).read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1 if path.endswith(".jsonl") else 0
    os.truncate(path, start + (len(content) - start) // 2)
