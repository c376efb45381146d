"""Runs trained on the nodes of a Ray cluster: the connection, what a run asks of it, and following a run to its end.

The laboratory is a Ray driver. It puts CIFAR-10 into Ray's object store once, from where each node gets one copy, and
this code into the runtime environment, so that nodes need Python with the packages of ``requirements-cluster.txt`` and
nothing else. A trainer is an actor, a process on a node that trains one run after another: starting one takes seconds,
most of them for importing PyTorch. :mod:`core.jobs.remote` is what runs in it.

Ray ends a driver that cannot reach its cluster for a minute. Therefore only ``resnet-lab work --on ray`` imports this
module, in a process of its own, and never the server of the pages.
"""

import contextlib
import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import ray
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError

from core.base.errors import LabError, StoreError
from core.base.paths import PROJECT
from core.base.terminal import say
from core.base.text import counted
from core.config.run_config import RunConfig
from core.cost.network import MOMENTS, memory_bytes, network_cost
from core.data import cifar10
from core.jobs.ray_process import ClusterState, cluster_name
from core.jobs.recorder import Recorder
from core.jobs.remote import LOST_SECONDS, Delivery, RemoteTrainer, RunCopy
from core.jobs.runner import OnBatch, OnEpoch, choosing_precision, run
from core.runs.folder import RunFolder
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.training.environment import commit

#: Seconds between two fetches of a run: at least, for each run that trains, and at most.
FETCH_SECONDS, FETCH_SECONDS_PER_RUN, MOST_FETCH_SECONDS = 0.5, 0.01, LOST_SECONDS / 3
#: Seconds between two looks whether a run should stop.
GLANCE_SECONDS = 0.25
#: Seconds to wait for a trainer that was asked to stop; then the run is stopped without it.
STOP_PATIENCE = 1.0
#: Bytes of states per second that the laboratory takes from all runs together.
STATE_BYTES_PER_SECOND = 50e6
#: After so many ends of its process without a new epoch, a run fails.
MOST_DEATHS = 3
#: Seconds before a run is given to the cluster again after its process ended.
PAUSE_SECONDS = 1.0
#: Runs that a trainer trains before a new process takes its place, and seconds for which it waits for another run.
RUNS_OF_TRAINER, IDLE_SECONDS = 100, 60.0
#: Threads of a run on a CPU whose setting is “all”, at most: more gain little on this network.
MOST_THREADS = 4
#: Runs that share a GPU, at most: two or three fill it.
RUNS_OF_GPU = 4
#: Share of a GPU's memory that its runs may be estimated to take.
GPU_MEMORY_SHARE = 0.8
GB = 2**30


class Gone(Exception):
    """The process or the node that trains a run is gone, or does not answer."""


class _Stopped(Exception):
    """Someone asked the run to stop."""


@dataclass(frozen=True)
class Need:
    """What a run asks of a node: CPUs, which are its threads; a share of a GPU, 0 for none; bytes of memory."""

    cpus: int
    gpus: float
    memory: int

    def text(self) -> str:
        """Return ``1 CPU, 0.25 GPU and 2 GB of memory``."""
        gpus = f", {self.gpus:.2g} GPU" if self.gpus else ""
        return f"{counted(self.cpus, 'CPU')}{gpus} and {self.memory // GB} GB of memory"

    def fits(self, free: Mapping[str, float]) -> bool:
        """Return whether a node with so much ``free`` has room."""
        return (
            free.get("CPU", 0) >= self.cpus
            and free.get("GPU", 0) + 1e-9 >= self.gpus
            and free.get("memory", 0) >= self.memory
        )


@dataclass
class _Trainer:
    """A trainer on a node, or on its way there."""

    actor: Any
    need: Need
    runs: int = 0
    idle_since: float = field(default_factory=time.monotonic)


class Cluster:
    """A Ray cluster as a place of the worker (:class:`core.jobs.places.Place`)."""

    def __init__(self, address: str = "auto", namespace: str = "resnet-lab"):
        """Connect to the cluster at ``address``; ``auto`` is the one that runs on this computer.

        Raises LabError if there is no cluster, or if it refuses the token.
        """
        self.address = address
        try:
            context = ray.init(
                address=address,
                namespace=namespace,
                runtime_env={"py_modules": [str(PROJECT / "core")], "excludes": ["**/__pycache__"]},
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise LabError(_unreachable(address, error)) from error
        self._dashboard = str(context.dashboard_url or "")
        self._token = asks_for_token(ray.get_runtime_context().gcs_address)
        self._images: Any = None
        self._lock = threading.Lock()
        self._idle: list[_Trainer] = []
        self._waiting = 0  # runs whose trainer waits for room on a node
        self._needs: dict[str, Need] = {}
        self._gpu_bytes: int | None = None
        self._remote = ray.remote(RemoteTrainer)

    def close(self) -> None:
        """Leave the cluster; the runs that train there end."""
        ray.shutdown()

    # --- what the cluster has, and what a run asks of it ----------------------------------------------

    def state(self) -> ClusterState:
        """Return what the cluster has now."""
        nodes = [resources for resources in self._nodes() if resources.get("CPU")]
        address = ray.get_runtime_context().gcs_address
        return ClusterState(
            address,
            len(nodes),
            int(sum(resources["CPU"] for resources in nodes)),
            int(sum(resources.get("GPU", 0) for resources in nodes)),
            f"http://{self._dashboard}" if self._dashboard else "",
            self._token,
            address.startswith("127."),
        )

    def _nodes(self) -> list[dict[str, float]]:
        """Return the resources of each living node."""
        return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]

    def need(self, config: RunConfig, recorded: Mapping[str, Any]) -> Need:
        """Return what a run asks for; ``recorded``: the environment that it was begun with, if it was.

        Threads and device are part of it, so that a run that continues on another node computes the same.
        """
        nodes = [resources for resources in self._nodes() if resources.get("CPU")]
        device = recorded.get("device") or config.train.device
        gpus = 0.0
        if device == "cuda" or (device == "auto" and any(resources.get("GPU") for resources in nodes)):
            gpus = gpu_share(memory_bytes(config), self._gpu_memory())
        threads = recorded.get("threads") or config.train.threads
        if not threads:
            smallest = min((int(resources["CPU"]) for resources in nodes), default=1)
            threads = 1 if gpus else max(1, min(smallest, MOST_THREADS))
        return Need(int(threads), gpus, math.ceil(memory_bytes(config) / GB) * GB)

    def _gpu_memory(self) -> int:
        """Return the memory of the smallest GPU, in bytes; asked once. 0 if no node can tell."""
        if self._gpu_bytes is None:
            with contextlib.suppress(RayError):
                count = sum(1 for resources in self._nodes() if resources.get("GPU"))
                asked = [ray.remote(_gpu_memory).options(num_gpus=0.01, num_cpus=0).remote() for _ in range(count)]
                done, _ = ray.wait(asked, num_returns=len(asked), timeout=60) if asked else ([], [])
                self._gpu_bytes = min((ray.get(answer) for answer in done), default=0)
        return self._gpu_bytes or 0

    # --- as a place of the worker ---------------------------------------------------------------------

    def slots(self) -> int:
        """Return how many runs may be trained at once: as many as the cluster has CPUs, or places on its GPUs."""
        nodes = self._nodes()
        cpus = sum(resources.get("CPU", 0) for resources in nodes)
        gpus = sum(resources.get("GPU", 0) for resources in nodes)
        self._drop_idle(IDLE_SECONDS)
        return int(max(cpus, RUNS_OF_GPU * gpus))

    def obstacle(self, run: RunSummary, beside: Sequence[RunSummary], waiting: int = 1) -> str | None:
        """Return why a run cannot begin now: the runs on the cluster leave no room on any node."""
        need = self.need(run.config, run.meta.environment)
        nodes = self._nodes()
        if not any(need.fits(resources) for resources in nodes):
            raise LabError(f"No node of the cluster has {need.text()}, which run {run.id} asks for. Add such a node.")
        with self._lock:
            taken = [self._needs[other.id] for other in beside if other.id in self._needs]
        taken += [self.need(other.config, other.meta.environment) for other in beside if other.id not in self._needs]
        return None if have_room(nodes, [*taken, need]) else "All nodes of the cluster are taken."

    def train(self, store: RunStore, run_id: str) -> None:
        """Train a queued run on the cluster to its end, and write its folder here."""
        run(store, run_id, only_queued=True, train=self._train)

    # --- one run --------------------------------------------------------------------------------------

    def _train(
        self, store: RunStore, folder: RunFolder, recorder: Recorder, on_batch: OnBatch, on_epoch: OnEpoch
    ) -> None:
        folder.migrate()
        need = self.need(folder.config(), folder.meta().environment)
        with self._lock:
            self._needs[folder.id] = need
        deaths, reached = 0, recorder.status.epoch
        try:
            while True:
                following = _Following(self, store, folder, recorder, on_batch, on_epoch)
                try:
                    return following.to_the_end(need)
                except Gone as problem:
                    deaths = deaths + 1 if recorder.status.epoch <= reached else 1
                    reached = max(reached, recorder.status.epoch)
                    if deaths >= MOST_DEATHS:
                        raise LabError(
                            f"The process that trained this run on the cluster ended {MOST_DEATHS} times without "
                            f"finishing an epoch: {problem} If memory is short on the nodes, try a smaller batch."
                        ) from problem
                    self._drop_idle(0)  # they may have died with their node
                    recorder.log(f"{problem} The run continues on the cluster from its last state.")
                    if self._wait(recorder, PAUSE_SECONDS):
                        return self._stopped(recorder)
                except _Stopped:
                    return self._stopped(recorder)
        finally:
            with self._lock:
                self._needs.pop(folder.id, None)

    @staticmethod
    def _stopped(recorder: Recorder) -> None:
        recorder.end("stopped")
        recorder.log(f"Stopped on request after {counted(recorder.status.epoch, 'epoch')}.")

    @staticmethod
    def _wait(recorder: Recorder, seconds: float) -> bool:
        """Wait, and return whether someone asked the run to stop."""
        until = time.monotonic() + seconds
        while not (stopping := recorder.stop_requested()) and time.monotonic() < until:
            time.sleep(GLANCE_SECONDS)
        return stopping

    # --- trainers -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def trainer(self, need: Need) -> Iterator[Any]:
        """Lend a trainer that has what a run needs. It is kept for another run, unless the block raises."""
        trainer = self._idle_trainer(need) or self._new_trainer(need)
        try:
            yield trainer.actor
        except BaseException:
            with contextlib.suppress(RayError):
                ray.kill(trainer.actor)
            raise
        trainer.runs += 1
        trainer.idle_since = time.monotonic()
        with self._lock:
            needs, waiting = list(self._needs.values()), self._waiting
        if trainer.runs >= RUNS_OF_TRAINER or (waiting and not have_room(self._nodes(), needs)):
            ray.kill(trainer.actor)  # another trainer needs its room
            return
        with self._lock:
            self._idle.append(trainer)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Say that a trainer waits for its node during the block: where room is short, others are not kept idle."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def _idle_trainer(self, need: Need) -> _Trainer | None:
        """Take an idle trainer for such a run. Without one, end the idle trainers, since they hold resources."""
        with self._lock:
            same = next((trainer for trainer in reversed(self._idle) if trainer.need == need), None)
            if same is not None:
                self._idle.remove(same)
                return same
            others, self._idle = self._idle, []
        for trainer in others:
            ray.kill(trainer.actor)
        return None

    def _new_trainer(self, need: Need) -> _Trainer:
        options = {"num_cpus": need.cpus, "num_gpus": need.gpus, "memory": need.memory, "max_concurrency": 4}
        return _Trainer(self._remote.options(**options).remote(), need)

    def _drop_idle(self, seconds: float) -> None:
        """End the trainers that have been idle for so long."""
        now = time.monotonic()
        with self._lock:
            old = [trainer for trainer in self._idle if now - trainer.idle_since > seconds]
            self._idle = [trainer for trainer in self._idle if trainer not in old]
        for trainer in old:
            ray.kill(trainer.actor)

    # --- what a run's thread asks ---------------------------------------------------------------------

    def images(self) -> tuple[Any, Any]:
        """Return references to CIFAR-10's images and labels in the object store; they are put there once."""
        with self._lock:
            if self._images is None:
                data = cifar10.load()
                self._images = ray.put(data.images), ray.put(data.labels)
            return self._images

    def fetch_pause(self) -> float:
        """Return the seconds between two fetches of a run."""
        return fetch_pause(len(self._needs))

    def state_seconds(self, state_bytes: int) -> float:
        """Return the least time between two states of a run, so that all together stay within what one disk writes."""
        seconds = len(self._needs) * state_bytes / STATE_BYTES_PER_SECOND
        return seconds if seconds > 1 else 0.0


class _Following:
    """Follows one run from the moment it is given to the cluster to its end."""

    def __init__(
        self,
        cluster: Cluster,
        store: RunStore,
        folder: RunFolder,
        recorder: Recorder,
        on_batch: OnBatch,
        on_epoch: OnEpoch,
    ):
        self._cluster, self._store, self._folder, self._recorder = cluster, store, folder, recorder
        self._on_batch, self._on_epoch = on_batch, on_epoch

    def to_the_end(self, need: Need) -> None:
        """Train the run on the cluster. Raises Gone if its process ended before it did."""
        config = self._folder.config()
        with self._cluster.trainer(need) as trainer:
            recorded = self._environment(trainer, config, need)
            parameters = memory_of_state(config)
            images, labels = self._cluster.images()
            self._ask(
                trainer.start.remote(
                    self._copy(config, recorded), images, labels, self._cluster.state_seconds(parameters)
                )
            )
            self._follow(trainer)

    def _environment(self, trainer: Any, config: RunConfig, need: Need) -> dict[str, Any]:
        """Return the run's environment, chosen on its node if this is its first start."""
        recorded = self._folder.meta().environment
        settings = config.to_dict()
        with self._cluster.waiting():
            self._ask(trainer.environment.remote(settings, {**recorded, **_FIXED}, need.cpus), waiting=True)
        if "torch" in recorded:
            described = self._ask(trainer.environment.remote(settings, recorded, need.cpus))
            if changed := [name for name in ALIKE if described.get(name) != recorded.get(name)]:
                named = ", ".join(f"{name} {described.get(name)} instead of {recorded.get(name)}" for name in changed)
                self._recorder.log(f"The node differs from the one before ({named}): the last digits may differ.")
            self._recorder.log(f"Continues on node {described['node']}.")
            return recorded
        with choosing_precision(self._store, self._folder.id) as shared:
            described = self._ask(trainer.environment.remote(settings, shared | recorded, need.cpus))
            described["commit"] = commit()  # of the code that the node runs: it came from here
            self._recorder.environment(described)
        self._recorder.log(f"Trains on node {described['node']}.")
        return described

    def _copy(self, config: RunConfig, recorded: Mapping[str, Any]) -> RunCopy:
        folder = self._folder
        weights = None
        with contextlib.suppress(StoreError):  # none yet, or damaged: the state has them too
            weights = folder.read_weights()
        saved: dict[str, bytes] = {}
        for name in folder.states():
            try:
                saved[name] = folder.read_state(name)
            except StoreError:  # damaged: the node says so and takes the one before
                saved[name] = b""
        return RunCopy(
            folder.id,
            config.to_dict(),
            dict(recorded),
            folder.meta().parent,
            tuple(folder.records()[:2]),  # only whether there is more than one matters
            saved,
            weights,
        )

    def _follow(self, trainer: Any) -> None:
        received, stop_asked_at = 0, None
        while True:
            answer = trainer.fetch.remote(received, self._cluster.fetch_pause())
            while not _ready(answer):
                self._recorder.alive()
                stop_asked_at = self._stop(trainer, stop_asked_at)
            delivery: Delivery = self._get(answer)
            received = delivery.number
            if delivery.lost:
                self._make([call for call in delivery.calls if call[0] == "epochs"])
                raise Gone("The laboratory was out of reach for too long.")
            self._make(delivery.calls)
            if delivery.ended:
                return
            stop_asked_at = self._stop(trainer, stop_asked_at)

    def _stop(self, trainer: Any, asked_at: float | None) -> float | None:
        """Ask the trainer to stop if someone asked the run to; return when that was. Raises _Stopped if it is slow."""
        if asked_at is None:
            if not self._recorder.stop_requested():
                return None
            trainer.stop.remote()
            return time.monotonic()
        if time.monotonic() - asked_at > STOP_PATIENCE:
            raise _Stopped
        return asked_at

    def _make(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        """Make the calls of a delivery on the recorder."""
        for name, arguments in calls:
            if name not in CALLS:
                raise LabError(f"The node asked for “{name}”, which is no part of training. Its code is another one.")
            getattr(self._recorder, name)(*arguments)
            if name == "batch":
                self._on_batch(*arguments)
            elif name == "epochs":
                for record in arguments[0]:
                    self._on_epoch(record)

    def _ask(self, answer: Any, *, waiting: bool = False) -> Any:
        """Return an answer of a trainer. Raises Gone, or _Stopped if someone asks the run to stop.

        ``waiting``: the trainer may still wait for a node.
        """
        began, said = time.monotonic(), not waiting
        while not _ready(answer):
            self._recorder.alive()
            if self._recorder.stop_requested():
                raise _Stopped
            if not said and time.monotonic() - began > 10:
                self._recorder.log("Waits for a process on a node of the cluster.")
                said = True
        return self._get(answer)

    @staticmethod
    def _get(answer: Any) -> Any:
        try:
            return ray.get(answer)
        except RayTaskError as error:
            raise error.cause from None
        except RuntimeEnvSetupError as error:
            raise LabError(f"A node of the cluster cannot load the laboratory’s code: {error}") from error
        except OSError as error:
            _end_disconnected(error)
        except RayError as error:
            raise Gone(f"Its process on the cluster ended ({type(error).__name__}).") from error


def _ready(answer: Any) -> bool:
    """Wait a moment for an answer of a trainer, and return whether it is there."""
    try:
        return bool(ray.wait([answer], timeout=GLANCE_SECONDS)[0])
    except OSError as error:
        _end_disconnected(error)


def _end_disconnected(error: OSError) -> NoReturn:
    """End this process, whose Ray process on this computer is gone; the next one takes up its runs.

    Ray would end it within a minute. Until then each run would fail, and the next one after it.
    """
    say(f"Ray on this computer has stopped ({error}). The runs continue when the laboratory is connected again.")
    os._exit(1)


#: The calls that a node may make on the laboratory's recorder.
CALLS = frozenset({"resume", "batch", "epochs", "predictions", "result", "log", "end", "restore_state"})
#: What must be the same for a run that continues to compute the same, to the last digit.
ALIKE = ("processor", "capability", "accelerator", "torch")
#: An environment that every computer has, to see whether a trainer has begun.
_FIXED = {"device": "cpu", "precision": "fp32", "threads": 1, "kernels": "stock"}


def fetch_pause(runs: int) -> float:
    """Return the seconds between two fetches of a run: the more ``runs``, the longer, so that all together stay few."""
    return min(max(FETCH_SECONDS, FETCH_SECONDS_PER_RUN * runs), MOST_FETCH_SECONDS)


def gpu_share(needed: int, gpu_memory: int) -> float:
    """Return the share of a GPU for a run that ``needed`` bytes are estimated for: 1, 1/2, 1/3 or 1/4.

    1 if the GPU's memory is not known (0).
    """
    together = int(GPU_MEMORY_SHARE * gpu_memory / needed)
    return 1 / min(max(together, 1), RUNS_OF_GPU)


def have_room(nodes: Sequence[Mapping[str, float]], needs: Sequence[Need]) -> bool:
    """Return whether the ``nodes`` have room for all ``needs`` at once, the larger ones placed first."""
    free = [dict(node) for node in nodes]
    for need in sorted(needs, key=lambda need: (need.gpus, need.cpus, need.memory), reverse=True):
        node = next((node for node in free if need.fits(node)), None)
        if node is None:
            return False
        for name, amount in (("CPU", need.cpus), ("GPU", need.gpus), ("memory", need.memory)):
            node[name] = node.get(name, 0) - amount
    return True


def memory_of_state(config: RunConfig) -> int:
    """Return about how many bytes last.pt and best.safetensors of a run have together."""
    tensors = 2 + 1 + MOMENTS[config.train.optimizer] + (config.train.averaging != "off")
    return 4 * tensors * network_cost(config).parameters


def asks_for_token(address: str) -> bool:
    """Return whether the cluster refuses a connection without a token; a cluster that asks for none ignores one.

    It is tried in a process of its own, since Ray reads its mode once.
    """
    program = "import sys; from ray._raylet import GcsClient; GcsClient(sys.argv[1]).internal_kv_keys(b'', b'')"
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    with contextlib.suppress(subprocess.TimeoutExpired):
        tried = subprocess.run(
            [sys.executable, "-c", program, address], env=environment, capture_output=True, text=True, timeout=60
        )
        return tried.returncode != 0 and "uthent" in tried.stderr
    return False


def _gpu_memory() -> int:
    import torch

    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else 0


def _unreachable(address: str, error: Exception) -> str:
    text, name = str(error), cluster_name(address)
    if "InvalidAuthToken" in text:
        return f"The {name} has another token. Copy the file ~/.ray/auth_token from its head node to this computer."
    if "uthentication" in text:
        return (
            f"This computer has no token for the {name}. Copy the file ~/.ray/auth_token from its head node; if the "
            "cluster asks for none, start the laboratory with RAY_AUTH_MODE=disabled."
        )
    where = "on this computer" if address == "auto" else f"at {address} that this computer has joined"
    return f"There is no Ray cluster {where}. docs/cluster.md says how to start and join one."
