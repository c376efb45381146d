"""A real Ray cluster on this computer: a head that trains nothing, and nodes with one CPU each."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pytest

pytest.importorskip("ray", reason="`make cluster` installs Ray")

import ray
from ray._private.authentication_test_utils import reset_auth_token_state
from ray.cluster_utils import Cluster as RayNodes

from core.base.errors import LabError
from core.base.paths import PROJECT
from core.config.run_config import RunConfig
from core.cost.network import memory_bytes
from core.jobs import ray_cluster
from core.jobs.ray_cluster import GB, Cluster, Need, fetch_pause, gpu_share, have_room
from core.jobs.remote import LOST_SECONDS
from core.jobs.runner import run
from core.runs.store import RunStore
from tests.conftest import wait_for
from tests.jobs.test_remote import same
from tests.made import tiny_config

pytestmark = pytest.mark.timeout(900)
T = TypeVar("T")
EPOCHS = 6
TRAIN = (f"train.epochs={EPOCHS}", "data.train_size=300")
PATIENCE = 600
#: The images take 184 MB of a node's object store.
NODE = {"num_cpus": 1, "object_store_memory": 300 * 2**20}


# --- without a cluster ----------------------------------------------------------------------------


def test_room_for_runs_is_counted_node_by_node():
    nodes = [{"CPU": 3.0, "memory": 8.0 * GB}, {"CPU": 3.0, "memory": 8.0 * GB, "GPU": 1.0}]
    two_threads, quarter = Need(2, 0.0, GB), Need(1, 0.25, GB)
    assert have_room(nodes, [two_threads] * 2)
    assert not have_room(nodes, [two_threads] * 3)  # 6 CPUs in all, but none has 2 left
    assert have_room(nodes, [quarter] * 3)
    assert not have_room(nodes, [quarter] * 4)  # its node has 3 CPUs
    assert not have_room(nodes, [Need(1, 0.0, 9 * GB)])
    assert not have_room([], [two_threads])


@pytest.mark.parametrize(
    ("needed", "memory", "share"), [(GB, 0, 1.0), (30 * GB, 80 * GB, 0.5), (GB, 80 * GB, 0.25), (90 * GB, 80 * GB, 1.0)]
)
def test_a_run_gets_the_share_of_a_gpu_that_its_memory_needs(needed, memory, share):
    assert gpu_share(needed, memory) == share


def test_ray_is_asked_for_the_threads_the_memory_and_the_share_of_a_gpu(monkeypatch):
    nodes = [{"CPU": 16.0, "memory": 64.0 * GB}, {"CPU": 8.0, "GPU": 2.0, "memory": 64.0 * GB}]
    asked = []
    monkeypatch.setattr(ray, "init", lambda **options: SimpleNamespace(dashboard_url=""))
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="10.0.0.1:6379"))
    monkeypatch.setattr(ray_cluster, "asks_for_token", lambda address: True)
    monkeypatch.setattr(Cluster, "_nodes", lambda self: nodes)
    monkeypatch.setattr(Cluster, "_gpu_memory", lambda self: 80 * GB)
    cluster = Cluster("10.0.0.1:6379")
    cluster._remote = SimpleNamespace(options=lambda **options: asked.append(options) or asked_for)
    asked_for = SimpleNamespace(remote=lambda: None)
    config = RunConfig()
    for recorded in ({}, {"device": "cpu", "threads": 3}, {"device": "cuda", "threads": 2}):
        cluster._new_trainer(cluster.need(config, recorded))
    nodes.pop()
    cluster._new_trainer(cluster.need(config, {}))  # no GPU: “all” threads are four
    assert [(options["num_cpus"], options["num_gpus"]) for options in asked] == [(1, 0.25), (3, 0), (2, 0.25), (4, 0)]
    assert {options["memory"] for options in asked} == {math.ceil(memory_bytes(config) / GB) * GB}


def test_a_laboratory_whose_ray_has_stopped_ends_and_fails_no_run(store, monkeypatch):
    def broken(*arguments, **options):
        raise OSError("Broken pipe")

    monkeypatch.setattr(ray, "wait", broken)
    monkeypatch.setattr(os, "_exit", sys.exit)
    run_id = store.create(tiny_config())
    with pytest.raises(SystemExit):
        run(store, run_id, train=lambda *arguments: ray_cluster._ready(None))
    assert store.run(run_id).stored_status().state == "running"
    store.queue.mark_interrupted()
    assert store.queue.take_up() == [run_id]


def test_many_runs_are_fetched_less_often_but_never_so_seldom_that_they_end_themselves():
    assert fetch_pause(1) == 0.5 < fetch_pause(1_000) < fetch_pause(10**6) < LOST_SECONDS / 2


# --- with one -------------------------------------------------------------------------------------


def patiently(start: Callable[[], T]) -> T:
    """Start a node, again if it takes more than the 30 s that Ray waits on a busy computer."""
    for _ in range(5):
        with contextlib.suppress(Exception):
            return start()
    return start()


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    """A cluster of two nodes that train; it asks for a token."""
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 32, "RAY_worker_niceness": "0"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    reset_auth_token_state()
    head = {"num_cpus": 0, "object_store_memory": NODE["object_store_memory"], "include_dashboard": False}
    nodes = patiently(lambda: RayNodes(initialize_head=True, head_node_args=head))
    try:
        patiently(lambda: nodes.add_node(**NODE))
        patiently(lambda: nodes.add_node(**NODE))
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        reset_auth_token_state()


@pytest.fixture(scope="module")
def cluster(nodes: RayNodes) -> Iterator[Cluster]:
    """The laboratory's connection."""
    cluster = Cluster(nodes.address)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> RunStore:
    """A store with one run that was trained in this process."""
    store = RunStore(tmp_path_factory.mktemp("home"))
    assert run(store, store.create(tiny_config(*TRAIN))).state == "finished"
    return store


def equal_to_home(home: RunStore, store: RunStore, run_id: str) -> bool:
    """Whether a run is the same as the one at home, to the last bit, and has each epoch once."""
    assert [record.epoch for record in store.run(run_id).records()] == list(range(1, EPOCHS + 1))
    return same(home.run(home.ids()[0]), store.run(run_id))


def begin(cluster: Cluster, store: RunStore, run_id: str) -> threading.Thread:
    """Train a run on the cluster in a thread, as the worker does."""
    thread = threading.Thread(target=cluster.train, args=(store, run_id))
    thread.start()
    return thread


def epochs(store: RunStore, run_id: str) -> int:
    return len(store.run(run_id).records())


def test_a_stopped_and_resumed_run_equals_one_at_home(cluster, home, store):
    state = cluster.state()
    assert (state.nodes, state.cpus, state.gpus, state.token) == (2, 2, 0, True)
    assert cluster.slots() == 2
    run_id = store.create(tiny_config(*TRAIN))
    thread = begin(cluster, store, run_id)
    wait_for(lambda: epochs(store, run_id) >= 1, PATIENCE)
    assert store.run(run_id).status().state == "running" and store.run(run_id).held()
    store.queue.request_stop(run_id)
    thread.join(PATIENCE)
    assert store.run(run_id).status().state == "stopped"
    assert 1 <= epochs(store, run_id) < EPOCHS
    store.queue.enqueue(run_id)
    cluster.train(store, run_id)
    assert store.run(run_id).status().state == "finished"
    assert equal_to_home(home, store, run_id)
    environment = store.run(run_id).meta().environment
    assert (environment["device"], environment["precision"], environment["threads"]) == ("cpu", "fp32", 1)
    assert store.run(run_id).status().host and "node" in environment


def test_a_discarded_run_goes_to_the_trash(cluster, store):
    run_id = store.create(tiny_config("train.epochs=500"))
    thread = begin(cluster, store, run_id)
    wait_for(lambda: epochs(store, run_id) >= 1, PATIENCE)
    store.queue.request_stop(run_id, keep=False)
    thread.join(PATIENCE)
    assert store.trash.ids() == [run_id] and store.ids() == []


def test_a_run_whose_process_dies_continues_from_its_last_state(cluster, home, store, monkeypatch):
    started = []
    create = cluster._new_trainer

    def remember(need):
        started.append(create(need))
        return started[-1]

    monkeypatch.setattr(cluster, "_new_trainer", remember)
    cluster._drop_idle(0)
    run_id = store.create(tiny_config(*TRAIN))
    thread = begin(cluster, store, run_id)
    wait_for(lambda: epochs(store, run_id) >= 2, PATIENCE)
    ray.kill(started[0].actor)
    thread.join(PATIENCE)
    assert len(started) == 2
    assert store.run(run_id).status().state == "finished", store.run(run_id).log()
    assert equal_to_home(home, store, run_id)


def test_a_run_whose_node_dies_continues_on_another(cluster, nodes, home, store):
    lost = patiently(lambda: nodes.add_node(**NODE))
    cluster._drop_idle(0)
    runs = [store.create(tiny_config(*TRAIN)) for _ in range(3)]  # one on each node
    threads = [begin(cluster, store, run_id) for run_id in runs]
    wait_for(lambda: all(epochs(store, run_id) >= 1 for run_id in runs), PATIENCE)
    nodes.remove_node(lost)
    for thread in threads:
        thread.join(PATIENCE)
    assert [store.run(run_id).status().state for run_id in runs] == ["finished"] * 3
    assert all(equal_to_home(home, store, run_id) for run_id in runs)
    logs = [store.run(run_id).log() for run_id in runs]
    assert sum("continues on the cluster" in log for log in logs) == 1


def test_what_no_node_has_is_refused_and_what_is_taken_is_waited_for(cluster, store):
    large = store.summary(store.create(tiny_config("train.threads=64")))
    with pytest.raises(LabError, match="64 CPUs"):
        cluster.obstacle(large, [])
    small = [store.summary(store.create(tiny_config())) for _ in range(3)]
    assert cluster.obstacle(small[0], []) is None
    assert cluster.obstacle(small[1], small[:1]) is None
    assert cluster.obstacle(small[2], small[:2])


def work(store: RunStore, address: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "core", "work", "--on", "ray", "--address", address, "--until-empty", "--json"]
    return subprocess.Popen([*command, "--runs", store.root], cwd=PROJECT, text=True, stdout=subprocess.PIPE)


def test_a_killed_laboratory_takes_its_runs_up_again(nodes, cluster, home, store: RunStore, tmp_path: Path):
    cluster._drop_idle(0)
    run_id = store.create(tiny_config(*TRAIN))
    first = work(store, nodes.address)
    wait_for(lambda: epochs(store, run_id) >= 2, PATIENCE)
    first.kill()
    first.wait()
    reached = epochs(store, run_id)
    assert store.run(run_id).status().state == "interrupted"
    second = work(store, nodes.address)  # nobody resumes the run
    wait_for(lambda: epochs(store, run_id) > reached, PATIENCE)
    second.send_signal(signal.SIGTERM)  # as a batch system does at the end of a job: the run is queued again
    assert second.wait(PATIENCE) == 0
    assert store.run(run_id).status().state in ("queued", "finished")
    if store.run(run_id).status().state == "queued":
        assert work(store, nodes.address).wait(PATIENCE) == 0
    assert equal_to_home(home, store, run_id)
    deadline = time.monotonic() + 60  # what a killed laboratory had begun ends with it
    while ray.available_resources().get("CPU") != 2.0:
        assert time.monotonic() < deadline, ray.available_resources()
        time.sleep(1)
