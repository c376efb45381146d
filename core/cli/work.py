"""``resnet-lab work``: train the queued runs in this process, or on a Ray cluster, until Ctrl-C."""

import argparse
import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from core.base import descriptors
from core.base.errors import LabError
from core.base.terminal import say
from core.cli.answer import Answer
from core.jobs.places import Here, Place
from core.jobs.ray_process import ClusterReport, chosen_cluster, parent_died, what_is_exposed, write_report
from core.jobs.worker import Worker
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.search.driver import Driver

if TYPE_CHECKING:
    from core.jobs.ray_cluster import Cluster

LOOK_SECONDS = 0.5
#: Seconds that runs may take to stop after Ctrl-C.
STOP_SECONDS = 30.0
#: Seconds between two reports for the pages.
REPORT_SECONDS = 3.0


def work(args: argparse.Namespace, store: RunStore) -> Answer:
    """Train the queued runs until Ctrl-C or SIGTERM; runs that train then return to the queue."""
    from core.data import cifar10

    if args.address and args.on != "ray":
        raise LabError("`--address` is the address of a Ray cluster; use it with `--on ray`.")
    cifar10.require()
    descriptors.prepare()
    if args.on == "here":
        return _work(store, Here.as_set(store), args.until_empty, driver=Driver(store))
    address = args.address or "auto"
    with contextlib.ExitStack() as stack:
        try:
            cluster = _connect(address)
        except LabError as error:
            write_report(store, ClusterReport(address, at=time.time(), trouble=str(error)))
            raise
        stack.callback(cluster.close)
        _say_connected(cluster)
        look = _every_look(cluster, address, for_server=args.for_server)
        driver = None if args.for_server else Driver(store)  # the server has one
        return _work(store, cluster, args.until_empty, look, takes_up=True, driver=driver)


def _connect(address: str) -> "Cluster":
    """Connect to a cluster, with token authentication unless ``RAY_AUTH_MODE`` says otherwise."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it when it is imported
    try:
        from core.jobs.ray_cluster import Cluster
    except ImportError as error:
        raise LabError("Ray is not installed. Install it with `make cluster`, then try again.") from error
    return Cluster(address)


def _say_connected(cluster: "Cluster") -> None:
    state = cluster.state()
    say(f"Connected to the Ray cluster at {state.address}: {state.text()}.")
    say(what_is_exposed(state))


def _every_look(cluster: "Cluster", address: str, *, for_server: bool) -> Callable[[Worker], bool]:
    """Return what is done at every look: a report for the pages. It returns whether to start no further run.

    A process ``for_server`` ends at once when the server that started it has died, as a thread of the server would; Ray
    then ends what trains for it. It starts no further run when the settings name another place.
    """
    parent, reported_at = os.getppid(), 0.0

    def look(worker: Worker) -> bool:
        nonlocal reported_at
        if for_server and parent_died(parent):
            os._exit(1)
        if time.monotonic() - reported_at > REPORT_SECONDS:
            reported_at = time.monotonic()
            facts = {**asdict(cluster.state()), "address": address}
            runs, waiting, trouble = len(worker.training()), worker.waiting or "", worker.trouble or ""
            report = ClusterReport(**facts, at=time.time(), runs=runs, waiting=waiting, trouble=trouble)
            write_report(worker.store, report)
        return for_server and chosen_cluster(worker.store) != address

    return look


class _Announced:
    """A place that says which runs begin and how they end, and keeps the last known state of each."""

    def __init__(self, place: Place):
        self._place = place
        self.trained: dict[str, str] = {}

    def slots(self) -> int:
        """Return how many runs may be trained at once."""
        return self._place.slots()

    def obstacle(self, run: RunSummary, beside: Sequence[RunSummary], waiting: int) -> str | None:
        """Return why ``run`` cannot begin now."""
        return self._place.obstacle(run, beside, waiting)

    def train(self, store: RunStore, run_id: str) -> None:
        """Train a queued run to its end."""
        say(f"Run {run_id} begins.")
        try:
            self._place.train(store, run_id)
        finally:
            self.trained[run_id] = "discarded"
            with contextlib.suppress(LabError):
                self.trained[run_id] = store.run(run_id).status().state
            say(f"Run {run_id}: {self.trained[run_id]}.")


def _work(
    store: RunStore,
    place: Place,
    until_empty: bool,
    look: Callable[[Worker], bool] = lambda worker: False,
    *,
    takes_up: bool = False,
    driver: Driver | None = None,
) -> Answer:
    """Work the queue until a signal, until ``look`` returns true, or until the queue is empty.

    ``takes_up``: continue the runs that were interrupted on a cluster. A ``driver`` makes the trials of searches; as
    long as one goes on, there is work.
    """
    announced = _Announced(place)
    worker = Worker(store, announced, takes_up=takes_up)
    with _signals() as asked:
        if driver:
            driver.start()
        worker.start()
        quiet_since = time.monotonic()
        while not asked.wait(LOOK_SECONDS) and not look(worker):
            if (
                not worker.looked.is_set()
                or worker.training()
                or worker.trouble
                or store.queue.ids()
                or _searching(driver)
            ):
                quiet_since = time.monotonic()
            if until_empty and (worker.read_only or time.monotonic() - quiet_since > 2 * LOOK_SECONDS):
                break
        if driver:
            driver.stop()
        worker.stop(timeout=0)
        until = math.inf
        while (training := worker.training()) and time.monotonic() < until:
            if asked.is_set():
                until = min(until, time.monotonic() + STOP_SECONDS)
                for run_id in training:  # one of them may have begun just now
                    with contextlib.suppress(LabError):  # it has ended meanwhile
                        store.queue.request_return(run_id)
            look(worker)
            time.sleep(LOOK_SECONDS)
    runs = [{"id": run_id, "state": state} for run_id, state in announced.trained.items()]
    return Answer("", {"runs": runs}, code=int(until_empty and bool(worker.read_only)))


def _searching(driver: Driver | None) -> bool:
    """Return whether a search goes on."""
    return driver is not None and any(each.control.going for each in driver.steps.searches.all()[0].values())


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """Set an event at Ctrl-C and SIGTERM, instead of ending the process."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
