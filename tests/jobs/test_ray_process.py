"""Who works the queue when the settings name a cluster, and what the pages read of it. Without Ray."""

import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.base.errors import StoreError
from core.jobs import ray_process
from core.jobs.ray_process import ClusterReport, Keeper, read_report, what_is_exposed, what_is_there, write_report
from core.jobs.worker import Worker
from core.runs.storage import Storage
from tests.conftest import wait_for
from tests.made import tiny_config


def test_a_report_is_read_as_it_was_written_and_counts_while_it_is_fresh(store):
    assert read_report(store) is None
    report = ClusterReport("auto", at=time.time(), nodes=2, cpus=16, gpus=1, runs=3, dashboard="http://10.0.0.1:8265")
    write_report(store, report)
    assert read_report(store) == report
    assert report.of("auto") and not report.of("10.0.0.1:6379")
    assert "2 nodes" in what_is_there(report, "auto") and "16 CPUs" in what_is_there(report, "auto")
    assert what_is_exposed(report) != what_is_exposed(ClusterReport("auto", token=True))
    assert what_is_exposed(report) != what_is_exposed(replace(report, local=True))
    old = ClusterReport("auto", at=time.time() - 60, nodes=2)
    assert not old.of("auto") and "2 nodes" not in what_is_there(old, "auto")


@pytest.mark.parametrize("address", ["", "host", "host:port", "a host:6379", "host:6379 --on here", "-x:1:2"])
def test_an_address_that_is_none_is_refused(store, address):
    with pytest.raises(StoreError):
        Storage(store).change(cluster=address)
    assert Storage(store).settings().cluster is None


@pytest.mark.parametrize("address", ["auto", "10.0.0.1:6379", "head.lab:6379", "[fe80::1]:6379", None])
def test_an_address_is_kept(store, address):
    assert Storage(store).change(cluster=address).cluster == Storage(store).settings().cluster == address


def test_the_worker_leaves_the_queue_to_the_process_while_the_settings_name_a_cluster(store, monkeypatch):
    started, trained = [], []

    def start(arguments, **options):
        started.append(arguments)
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **options)

    class Place:
        def slots(self):
            return 1

        def obstacle(self, run, beside, waiting):
            return None

        def train(self, store, run_id):
            store.run(run_id).write_status(replace(store.run(run_id).status(), state="finished"))
            trained.append(run_id)

    monkeypatch.setattr(ray_process, "subprocess", SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL))
    keeper = Keeper(store)
    worker = Worker(store, Place(), keeper.look)
    Storage(store).change(cluster="10.0.0.1:6379")
    run_id = store.create(tiny_config())
    worker.start()
    try:
        wait_for(keeper.running, 60)
        with store.queue.lock().acquire(timeout=60):  # free: the process can take it
            assert store.run(run_id).status().state == "queued"
        (arguments,) = started
        assert arguments[arguments.index("--address") + 1] == "10.0.0.1:6379"
        assert arguments[arguments.index("--runs") + 1] == str(store.root)
        assert keeper.look() and len(started) == 1
        Storage(store).change(cluster=None)
        wait_for(lambda: trained == [run_id], 60)
    finally:
        worker.stop()
        keeper.stop()
    assert not keeper.running()


def test_a_process_that_ends_is_started_again_after_a_pause(store, monkeypatch):
    started = []

    class Ended:
        def __init__(self, *arguments, **options):
            started.append(arguments)

        def poll(self):
            return 1

    monkeypatch.setattr(ray_process, "subprocess", SimpleNamespace(Popen=Ended, DEVNULL=subprocess.DEVNULL))
    Storage(store).change(cluster="auto")
    keeper = Keeper(store)
    assert keeper.look() and keeper.look() and len(started) == 1
    monkeypatch.setattr(ray_process, "PAUSE_SECONDS", 0.0)
    assert keeper.look() and len(started) == 2
    report = read_report(store)
    assert report is not None and "exit status 1" in report.trouble and not report.of("auto")
    write_report(store, replace(report, trouble="The reason."))
    assert keeper.look() and len(started) == 3
    assert read_report(store) == replace(report, trouble="The reason.")
