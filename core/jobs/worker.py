"""The background thread that trains the queued runs.

The queue is the runs in state ``queued`` (:mod:`core.runs.queue`). Every process may start a :class:`Worker`; the one
that gets the queue's lock works, the others wait for it. A worker that dies frees its lock, and the next one marks its
run as interrupted.
"""

import contextlib
import errno
import math
import os
import threading
import time
import traceback
from pathlib import Path

from filelock import Timeout

from core.base.errors import FolderReplaced, LabError, Once, RunBusy
from core.base.paths import runs_folder
from core.base.terminal import say
from core.runs.storage import DAY, Storage
from core.runs.store import RunStore

POLL_SECONDS = 0.5


class Worker:
    """Trains the queued runs of one store in a daemon thread."""

    def __init__(self, store: RunStore):
        self.store = store
        self.thread: threading.Thread | None = None
        #: Why the queue stands still or a run was skipped, as long as that is so.
        self.trouble: str | None = None
        #: A sentence if this program may only read the folder of the runs.
        self.read_only: str | None = None
        self._reported = Once()
        self._stopping = threading.Event()
        self._tidied_at = -math.inf

    def start(self) -> None:
        """Start the thread, unless it is running; returns at once."""
        if self.thread is None or not self.thread.is_alive():
            self._stopping.clear()
            self.thread = threading.Thread(target=self._work, name="resnet-lab-worker", daemon=True)
            self.thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Start no further run and wait for the thread, which trains its present run to the end."""
        self._stopping.set()
        if self.thread:
            self.thread.join(timeout)

    def _work(self) -> None:
        yield_to_pages()
        while not self._stopping.is_set():
            try:
                with self.store.queue.lock().acquire(timeout=0):
                    self._work_queue()
            except Timeout:
                self.trouble = self.read_only = None  # another process works the queue
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    self._report(error)
                elif self.read_only is None:
                    self.read_only = (
                        f"The folder {self.store.root} can only be read here. You can view its runs, but not start or "
                        "change any."
                    )
                    say(self.read_only)
            except Exception as error:  # the folder is gone, the disk is full, ...: try again later
                self._report(error)
            self._stopping.wait(POLL_SECONDS)

    def _work_queue(self) -> None:
        """Train queued runs, for the holder of the queue's lock, as long as the lock is the one of this folder."""
        self.read_only = None
        held = self.store.queue.identity()
        self.store.queue.mark_interrupted()
        while not self._stopping.is_set():
            if self.store.queue.identity() != held:
                raise FolderReplaced(
                    f"The folder {self.store.root} was moved or replaced while this program worked in it."
                )
            self._tidy()
            self._train_next()

    def _tidy(self) -> None:
        """Once a day, delete what the storage settings say."""
        if time.monotonic() - self._tidied_at < DAY:
            return
        self._tidied_at = time.monotonic()
        try:
            done = Storage(self.store).tidy()
        except LabError as error:
            done = str(error)
        if done:
            say(done)

    def _train_next(self) -> None:
        """Train the first queued run that can be trained, or wait a moment if there is none."""
        skipped = False
        for run_id in self.store.queue.ids():
            try:
                if self.store.run(run_id).held() or self.store.run(run_id).status().state != "queued":
                    continue
                from core.jobs.runner import run  # imports torch, which takes seconds; the server answers meanwhile

                if not skipped:
                    self.trouble = None
                run(self.store, run_id, only_queued=True)
                self._reported.forget(run_id)
                return
            except FolderReplaced:
                raise  # the other runs may lie in a folder whose queue is another process's
            except RunBusy:
                pass  # taken, stopped or deleted since the queue was read
            except Exception as error:  # its folder is gone or read-only, or worse; the next run may be fine
                self._report(error, run_id)
                skipped = True
        if not skipped:
            self.trouble = None
        self._stopping.wait(POLL_SECONDS)

    def _report(self, error: Exception, run_id: str = "") -> None:
        """Keep a sentence for the pages; the terminal gets the traceback once for each run and reason.

        Whatever happens while it is reported, the queue goes on.
        """
        self.trouble = type(error).__name__
        with contextlib.suppress(Exception):
            self.trouble = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            if self._reported.is_new(error, run_id):
                head = f"Run {run_id} waits:" if run_id else "The queue waits:"
                say("\n".join([head, *traceback.format_exception(error)]))


def yield_to_pages() -> None:
    """Lower the priority of this thread and of the threads that it starts, such as OpenMP's."""
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


_workers: dict[Path, Worker] = {}
_starting = threading.Lock()


def ensure_worker(root: Path | None = None) -> Worker:
    """Return this process's worker for the runs in ``root`` (default: the setting), started if necessary."""
    root = (root or runs_folder()).resolve()
    with _starting:
        if root not in _workers:
            _workers[root] = Worker(RunStore(root))
        _workers[root].start()
        return _workers[root]
