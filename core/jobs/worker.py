"""The queue and the background thread that works it.

The queue is the folders in state ``queued``; this module only decides who works them. Every process
may start a :class:`Worker`; the one that gets the queue's lock works, the others wait for it to be
free. A worker that died leaves its lock free and its run marked as found.
"""

import contextlib
import os
import threading
import traceback
from pathlib import Path

from filelock import Timeout

from core.base.errors import LabError, RunBusy, StoreError
from core.base.paths import runs_folder
from core.runs.store import RunStore

POLL_SECONDS = 0.5


class Worker:
    """Works the queue of one store in a daemon thread."""

    def __init__(self, store: RunStore):
        self.store = store
        self.thread: threading.Thread | None = None
        #: Why the queue does not go on, or passed a run over: a sentence, while that is so.
        self.trouble: str | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the thread, unless it is running; returns at once."""
        if self.thread is None or not self.thread.is_alive():
            self._ended.clear()
            self.thread = threading.Thread(target=self._work, name="resnet-lab-worker", daemon=True)
            self.thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Take no further run and wait for the thread; the run at work goes on until it ends."""
        self._ended.set()
        if self.thread:
            self.thread.join(timeout)

    def _work(self) -> None:
        yield_to_pages()
        while not self._ended.is_set():
            try:
                with self.store.queue.lock().acquire(timeout=0):
                    self.store.queue.mark_interrupted()
                    while not self._ended.is_set():
                        self._take_next()
            except Timeout:
                self.trouble = None  # another process works the queue; look again in a moment
            except Exception as error:
                # The folder may be gone or the disk full; whatever it is, the queue must go on when it is over.
                self._note(error)
            self._ended.wait(POLL_SECONDS)

    def _take_next(self) -> None:
        """Train the first waiting run that can be, or wait a moment if there is none."""
        passed_over = False
        for run_id in self.store.queue.ids():
            try:
                if self.store.run(run_id).held() or self.store.run(run_id).status().state != "queued":
                    continue
                from core.jobs.runner import run  # torch takes seconds to import; the server answers meanwhile

                if not passed_over:
                    self.trouble = None
                run(self.store, run_id, only_queued=True)
                return
            except RunBusy:
                pass  # someone else has taken, stopped or deleted it since we looked
            except StoreError as error:
                # It could not even be begun: its folder is gone or may not be written. The next one may be sound.
                self._note(error)
                passed_over = True
        if not passed_over:
            self.trouble = None
        self._ended.wait(POLL_SECONDS)

    def _note(self, error: Exception) -> None:
        """Keep a sentence for the pages; the terminal gets the traceback, once."""
        told = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        if told != self.trouble:
            traceback.print_exception(error)
        self.trouble = told


def yield_to_pages() -> None:
    """Let other threads go first. Threads that this one starts, OpenMP's among them, inherit it."""
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


_workers: dict[Path, Worker] = {}
_starting = threading.Lock()


def ensure_worker(root: Path | None = None) -> Worker:
    """This process's worker for the runs in ``root`` (default: the setting), started if it was not."""
    root = (root or runs_folder()).resolve()
    with _starting:
        if root not in _workers:
            _workers[root] = Worker(RunStore(root))
        _workers[root].start()
        return _workers[root]
