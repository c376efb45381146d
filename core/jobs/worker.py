"""The background threads that train the queued runs.

The queue is the runs in state ``queued`` (:mod:`core.runs.queue`). Every process may start a :class:`Worker`; the one
that gets the queue's lock works, the others wait for it. A worker that dies frees its lock, and the next one marks its
runs as interrupted. Where runs are trained, and how many at once, is said by a place (:mod:`core.jobs.places`).
"""

import contextlib
import math
import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from core.base.errors import FolderReplaced, LabError, Once, RunBusy, StoreError
from core.base.files import FORBIDDEN
from core.base.paths import runs_folder
from core.base.terminal import say
from core.jobs.places import Here, Place
from core.jobs.ray_process import Keeper
from core.runs.storage import DAY, Storage
from core.runs.store import RunStore
from core.runs.summary import RunSummary

#: Seconds between two looks at the queue, and before a run that could not begin is tried again.
POLL_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class _Training:
    """A run that is being trained at ``place``. ``run`` is what was known of it before, ``None`` for a damaged run."""

    run_id: str
    run: RunSummary | None
    place: Place


class Worker:
    """Trains the queued runs of one store, each in a thread of its own, as many at once as a place has slots.

    A daemon thread works the queue: it starts the first run that waits when the place has room for it.
    """

    def __init__(
        self,
        store: RunStore,
        place: Place | None = None,
        elsewhere: Callable[[], bool] = lambda: False,
        *,
        takes_up: bool = False,
    ):
        """``place``: where runs are trained, by default this process (:meth:`Here.as_set`).

        The attribute may be set to another place at any time: runs that train stay where they are. ``elsewhere``: asked
        at each look whether another process works the queue instead (:mod:`core.jobs.ray_process`); it waits for the
        queue's lock, which this worker gives up when its present runs have ended. ``takes_up``: runs that were
        interrupted on a cluster are queued again.
        """
        self.store = store
        self._elsewhere, self._takes_up = elsewhere, takes_up
        self.place: Place = place or Here.as_set(store)
        self.thread: threading.Thread | None = None
        #: Why the queue stands still or a run was skipped, as long as that is so.
        self.trouble: str | None = None
        #: Why the next run does not start although there is a free slot, as long as that is so.
        self.waiting: str | None = None
        #: A sentence if this program may only read the folder of the runs.
        self.read_only: str | None = None
        self._reported = Once()
        #: Set when this worker has seen the queue, or that another process works it.
        self.looked = threading.Event()
        self._stopping = threading.Event()
        #: Set when a run has ended, so that the next one starts at once.
        self._ended = threading.Event()
        self._training: dict[_Training, threading.Thread] = {}
        self._replaced: FolderReplaced | None = None
        # By run, or "" for the queue: why it stands still, and when a run is tried again.
        self._troubles: dict[str, str] = {}
        self._again_at: dict[str, float] = {}
        self._tidied_at = -math.inf

    def start(self) -> None:
        """Start the thread, unless it is running; returns at once."""
        if self.thread is None or not self.thread.is_alive():
            self._stopping.clear()
            self.thread = threading.Thread(target=self._work, name="resnet-lab-worker", daemon=True)
            self.thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Start no further run and wait for the thread, which waits until its present runs have ended."""
        self._stopping.set()
        self._ended.set()
        if self.thread:
            self.thread.join(timeout)

    def training(self) -> list[str]:
        """Return the ids of the runs that this worker trains now."""
        return [training.run_id for training in list(self._training)]

    def _work(self) -> None:
        yield_to_pages()
        while not self._stopping.is_set():
            try:
                if self._elsewhere():
                    raise Timeout("")
                with self.store.queue.lock().acquire(timeout=0):
                    self._work_queue()
            except Timeout:
                self._troubles.clear()  # another process works the queue
                self.trouble = self.waiting = self.read_only = None
            except OSError as error:
                if error.errno not in FORBIDDEN:
                    self._report(error)
                elif self.read_only is None:
                    self.read_only = (
                        f"The folder {self.store.root} can only be read here. You can view its runs, but not start or "
                        "change any."
                    )
                    say(self.read_only)
            except Exception as error:  # the folder is gone, the disk is full, ...: try again later
                self._report(error)
            self.looked.set()
            self._stopping.wait(POLL_SECONDS)
        self._wait_for_runs()

    def _work_queue(self) -> None:
        """Train queued runs, for the holder of the queue's lock, as long as the lock is the one of this folder."""
        self.read_only = None
        held = self.store.queue.identity()
        self.store.queue.mark_interrupted()
        if self._takes_up:
            self.store.queue.take_up()
        while not self._stopping.is_set() and not self._elsewhere():
            self._ended.clear()
            if self.store.queue.identity() != held:
                raise FolderReplaced(
                    f"The folder {self.store.root} was moved or replaced while this program worked in it."
                )
            if error := self._replaced:  # the other runs may lie in a folder whose queue is another process's
                self._replaced = None
                raise error
            self._tidy()
            self._start_runs()
            self.looked.set()
            self._ended.wait(POLL_SECONDS)
        self._wait_for_runs()

    def _wait_for_runs(self) -> None:
        """Wait until the runs that train have ended. Meanwhile no other process takes the queue."""
        for thread in list(self._training.values()):
            thread.join()

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

    # --- starting runs ----------------------------------------------------------------------------

    def _start_runs(self) -> None:
        """Start the runs that are first in the queue, as many as the place has room for."""
        self.waiting = None
        self._forget_trouble("")
        place, slots = self.place, self.place.slots()
        if len(self._trained_at(place)) >= slots:
            return
        queue = self.store.queue.ids()
        for run_id in self._troubles.keys() - set(queue):
            self._forget_trouble(run_id)
        for run_id in queue:
            beside = self._trained_at(place)
            if len(beside) >= slots or self._stopping.is_set():
                return
            try:
                if not self._may_start(run_id):
                    continue
                run = self._summary(run_id)
                if run and (obstacle := self._obstacle(place, run, beside, queue)) is not None:
                    self.waiting = obstacle or None
                    return
                self._forget_trouble(run_id)
                self._start(_Training(run_id, run, place))
            except Exception as error:  # its folder is gone or read-only, or worse; the next run may be fine
                self._skip(run_id, error)

    def _trained_at(self, place: Place) -> list[_Training]:
        return [training for training in list(self._training) if training.place is place]

    def _obstacle(self, place: Place, run: RunSummary, beside: list[_Training], queue: list[str]) -> str | None:
        """Return why the place cannot train a run now: ``""`` for a moment, ``None`` if it can."""
        others = [self._summary(training.run_id) or training.run for training in beside]
        waiting = len(set(queue) - self._again_at.keys() - set(self.training()))
        return place.obstacle(run, [other for other in others if other], waiting)

    def _may_start(self, run_id: str) -> bool:
        """Return whether a run of the queue waits for this worker, and not for its next try."""
        if self._again_at.get(run_id, -math.inf) > time.monotonic():
            return False
        self._again_at.pop(run_id, None)
        if any(training.run_id == run_id for training in list(self._training)):
            return False
        run = self.store.run(run_id)
        return not run.held() and run.status().state == "queued"

    def _summary(self, run_id: str) -> RunSummary | None:
        """Return the summary of a run; ``None`` if it is damaged: starting it then says so in its status."""
        try:
            return self.store.summary(run_id)
        except StoreError:
            return None

    def _start(self, training: _Training) -> None:
        thread = threading.Thread(
            target=self._train, args=(training,), name=f"resnet-lab-run-{training.run_id}", daemon=True
        )
        self._training[training] = thread
        try:
            thread.start()
        except BaseException:  # the system has no more threads
            del self._training[training]
            raise

    def _train(self, training: _Training) -> None:
        """Train a run to its end, in the run's own thread; whatever happens, the queue goes on."""
        run_id = training.run_id
        try:
            yield_to_pages()
            training.place.train(self.store, run_id)
            self._reported.forget(run_id)
        except FolderReplaced as error:
            self._replaced = error
        except RunBusy:  # taken, stopped or deleted since the queue was read
            self._again_at[run_id] = time.monotonic() + POLL_SECONDS
        except Exception as error:  # its folder is gone or read-only, or worse; the next run may be fine
            self._skip(run_id, error)
        finally:
            del self._training[training]
            self._ended.set()

    def _skip(self, run_id: str, error: Exception) -> None:
        """Report why a run could not begin, and let the runs behind it begin before it is tried again."""
        self._again_at[run_id] = time.monotonic() + POLL_SECONDS
        self._report(error, run_id)

    # --- what the pages say -----------------------------------------------------------------------

    def _report(self, error: Exception, run_id: str = "") -> None:
        """Keep a sentence for the pages; the terminal gets the traceback once for each run and reason.

        Whatever happens while it is reported, the queue goes on.
        """
        text = type(error).__name__
        with contextlib.suppress(Exception):
            text = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        self._troubles[run_id] = self.trouble = text
        with contextlib.suppress(Exception):
            if self._reported.is_new(error, run_id):
                head = f"Run {run_id} waits:" if run_id else "The queue waits:"
                say("\n".join([head, *traceback.format_exception(error)]))

    def _forget_trouble(self, run_id: str) -> None:
        """Forget why a run was skipped; "" is the queue. What is left of other troubles is shown."""
        self._troubles.pop(run_id, None)
        self.trouble = next(reversed(list(self._troubles.values())), None)


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
            store = RunStore(root)
            _workers[root] = Worker(store, elsewhere=Keeper(store).look)
        _workers[root].start()
        return _workers[root]
