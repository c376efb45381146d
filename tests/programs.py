"""Python programs in processes of their own, without the seconds in which each would import torch and Streamlit.

The first program of a test process starts multiprocessing's fork server, which imports both once (tests/preloaded.py);
every program is a fork of it. It differs from a program that a shell starts in its start alone: where that is tested,
use :mod:`subprocess`.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType

from core.base.paths import PROJECT

_METHODS = multiprocessing.get_all_start_methods()
_forks = multiprocessing.get_context("forkserver" if "forkserver" in _METHODS else "spawn")
_forks.set_forkserver_preload(["tests.preloaded"])


class Program:
    """``python -m MODULE WORDS`` or, with ``code``, ``python -c CODE WORDS``, in the project's folder."""

    def __init__(
        self,
        *words: object,
        module: str = "core",
        code: str | None = None,
        environment: Mapping[str, str] | None = None,
        descriptors: int | None = None,
    ):
        """``environment`` is this process's unless given; ``descriptors``: how many files it may have open."""
        self._streams = [tempfile.NamedTemporaryFile() for _ in range(2)]  # noqa: SIM115 - they go with this object
        paths = [stream.name for stream in self._streams]
        about = (module, code, [*map(str, words)], dict(environment or os.environ), descriptors, paths)
        self._process = _forks.Process(target=_run, args=about, daemon=True)
        with _no_main():
            self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def out(self) -> str:
        """What it has written to stdout so far."""
        return Path(self._streams[0].name).read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return Path(self._streams[1].name).read_text(encoding="utf-8")

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal, or None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float = 300) -> int:
        """Return its exit code when it has ended."""
        self._process.join(seconds)
        code = self.poll()
        assert code is not None, f"it has not ended\n{self.err}"
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.join()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


@contextmanager
def _no_main() -> Iterator[None]:
    """Hide the main module, which a fork would run: AppTest leaves app.py there, and it starts a worker."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _run(
    module: str,
    code: str | None,
    words: list[str],
    environment: dict[str, str],
    descriptors: int | None,
    paths: list[str],
) -> None:
    """Become the program."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(PROJECT)
    for handle, path in enumerate(paths, 1):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, handle)
        os.close(file)
    sys.stdout, sys.stderr = (os.fdopen(handle, "w", 1, "utf-8", closefd=False) for handle in (1, 2))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if descriptors:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    if code is None:
        sys.argv = [module, *words]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *words]
        exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})
