"""``resnet-lab work``: the queue is worked until it is empty, and what Ctrl-C leaves."""

import errno
import json
import signal
import sys
from unittest.mock import Mock

import pytest

from core.cli.main import main
from core.jobs import ray_process
from core.runs.queue import Queue
from core.runs.storage import Storage
from core.search.store import SearchStore
from tests.conftest import wait_for
from tests.made import tiny_config
from tests.programs import Program
from tests.search_made import made_search, started

SHORT = ("train.epochs=1", "train.warmup_epochs=0", "data.train_size=200")


def test_the_queue_is_worked_until_it_is_empty(store, capsys):
    runs = [store.create(tiny_config(*SHORT)) for _ in range(2)]
    assert main(["work", "--until-empty", "--runs", str(store.root), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert sorted(answer["runs"], key=lambda run: run["id"]) == [
        {"id": run_id, "state": "finished"} for run_id in sorted(runs)
    ]


def test_a_search_is_worked_until_its_budget_is_used_up(store, capsys):
    base = tiny_config(*SHORT)
    search_id = started(store, made_search("train.lr=0.01 to 0.1", base=base, trials=2, sampler="random"))
    assert main(["work", "--until-empty", "--runs", str(store.root), "--json"]) == 0
    assert [run["state"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["finished"] * 2
    assert SearchStore(store).get(search_id).control.done


def test_ctrl_c_queues_the_run_that_trains_before_those_that_wait(store):
    Storage(store).change(runs_at_once=1)
    runs = [store.create(tiny_config("train.epochs=500")) for _ in range(2)]
    with Program("work", "--runs", store.root) as program:
        wait_for(lambda: store.run(runs[0]).records())
        program.send_signal(signal.SIGINT)
        assert program.wait() == 0
    assert store.queue.ids() == runs
    assert [bool(store.run(run_id).records()) for run_id in runs] == [True, False]


def test_in_a_folder_that_may_only_be_read_nothing_is_waited_for(store, capsys, monkeypatch):
    store.create(tiny_config(*SHORT))
    monkeypatch.setattr(Queue, "lock", Mock(side_effect=OSError(errno.EROFS, "Read-only file system")))
    assert main(["work", "--until-empty", "--runs", str(store.root)]) == 1
    assert "can only be read here" in capsys.readouterr().err


def test_an_address_needs_a_cluster(store, capsys):
    assert main(["work", "--address", "10.0.0.1:6379", "--runs", str(store.root)]) == 1
    assert "--on ray" in capsys.readouterr().err


def test_without_ray_the_person_and_the_pages_learn_what_to_install(store, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "core.jobs.ray_cluster", None)
    assert main(["work", "--on", "ray", "--runs", str(store.root)]) == 1
    assert "make cluster" in capsys.readouterr().err
    report = ray_process.read_report(store)
    assert report is not None and "make cluster" in report.trouble and not report.of("auto")


def test_without_a_cluster_the_person_learns_that_there_is_none(store, capsys, monkeypatch):
    pytest.importorskip("ray", reason="`make cluster` installs Ray")
    monkeypatch.setattr("ray.init", lambda **options: (_ for _ in ()).throw(ConnectionError("no cluster")))
    assert main(["work", "--on", "ray", "--runs", str(store.root)]) == 1
    assert "docs/cluster.md" in capsys.readouterr().err
