"""Enough file descriptors: as many as the system allows, and a few that no connection of a browser can take.

A server has a descriptor for each connection. When all are taken, a training cannot write its files and would fail. So
this process may use a few less than it is allowed (its soft limit). What opens a file when there are none left raises
the limit for that moment, in the thread that accepts connections, so that none can be accepted meanwhile.
"""

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

T = TypeVar("T")
#: Descriptors that only files can have.
RESERVED = 32
#: No more are asked for, even if the system allows millions: some programs look at each.
_MOST = 65_536
#: Seconds to wait for the thread that accepts connections.
_PATIENCE = 30.0

_lock = threading.Lock()
_limits: tuple[int, int] | None = None  # the usual one, and the one with the reserve
_loop: asyncio.AbstractEventLoop | None = None


def prepare(loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Raise this process's soft limit as far as the system allows, less the reserve. Does nothing where it cannot.

    ``loop`` is the one that accepts connections.
    """
    global _limits, _loop
    _loop = loop or _loop
    if resource is None or _limits is not None:
        return
    with contextlib.suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
        most = max(most, soft) if soft != resource.RLIM_INFINITY else most
        if most > 4 * RESERVED:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most - RESERVED, hard))
            _limits = most - RESERVED, most


def open_descriptor(path: Path, flags: int, mode: int = 0o777) -> int:
    """Open a file like :func:`os.open`, with the reserve if there is no other descriptor left."""
    return with_reserve(lambda: os.open(path, flags, mode))


def with_reserve(action: Callable[[], T]) -> T:
    """Return what ``action`` returns. If it finds no descriptor, do it again with the reserve; it should be short."""
    try:
        return action()
    except Exception as error:
        if _limits is None or not _none_left(error):
            raise
    if _loop is None or not _loop.is_running() or _in_loop():
        return _with_raised_limit(action)
    done: Future[T] = Future()

    def act() -> None:
        try:
            done.set_result(_with_raised_limit(action))
        except BaseException as error:
            done.set_exception(error)

    _loop.call_soon_threadsafe(act)
    return done.result(_PATIENCE)


def _none_left(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that there is no descriptor left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            return True
        error = error.__cause__
    return False


def _in_loop() -> bool:
    """Whether this thread is the one that accepts connections."""
    try:
        return asyncio.get_running_loop() is _loop
    except RuntimeError:
        return False


def _with_raised_limit(action: Callable[[], T]) -> T:
    assert _limits is not None
    usual, most = _limits
    with _lock:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        try:
            return action()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (usual, hard))
