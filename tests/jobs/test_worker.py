"""The background thread: works the queue in order, alone, and cleans up after the dead."""

import itertools
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from core.base.paths import PROJECT
from core.jobs import runner
from core.jobs import runner as runner_module
from core.jobs import worker as worker_module
from core.jobs.worker import Worker, ensure_worker
from core.runs.queue import Queue
from core.runs.storage import DAY, Storage
from core.runs.store import RunStore
from tests.made import made_run, tiny_config

SHORT = ("train.epochs=1", "train.warmup_epochs=0")


def wait_for(what, seconds=90):
    """Wait until ``what()`` is true; fail after a time no healthy run needs."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def worker(store):
    one = Worker(store)
    yield one
    one.stop()


def test_the_queue_is_worked_in_order(store, worker):
    runs = [store.create(tiny_config(*SHORT)) for _ in range(3)]
    # The second is put to the end of the queue.
    store.run(runs[1]).write_status(replace(store.run(runs[1]).status(), queued_at=time.time() + 10))
    assert store.queue.ids() == [runs[0], runs[2], runs[1]]
    worker.start()
    wait_for(lambda: all(store.run(one).status().state == "finished" for one in runs))
    began = {one: store.run(one).status().started_at for one in runs}
    assert sorted(runs, key=began.get) == [runs[0], runs[2], runs[1]]


def test_a_failing_run_does_not_hold_up_the_next(store, worker):
    broken, sound = store.create(tiny_config(*SHORT)), store.create(tiny_config(*SHORT))
    (store.run(broken).path / "config.json").write_text("{")
    worker.start()
    wait_for(lambda: store.run(sound).status().state == "finished")
    assert store.run(broken).status().state == "failed"
    assert "config.json" in store.run(broken).status().error


def test_stopping_from_outside_leaves_the_run_to_be_resumed(store, worker):
    run_id = store.create(tiny_config("train.epochs=500"))
    worker.start()
    wait_for(lambda: len(store.run(run_id).records()) >= 1)
    store.queue.request_stop(run_id)
    wait_for(lambda: store.run(run_id).status().state == "stopped")
    done = len(store.run(run_id).records())
    store.queue.enqueue(run_id)
    wait_for(lambda: len(store.run(run_id).records()) > done)
    store.queue.request_stop(run_id, keep=False)
    wait_for(lambda: run_id in store.trash.ids())
    assert run_id not in store.ids()


def test_dead_runs_are_marked_before_the_queue_goes_on(store, worker):
    dead = made_run(store, epochs=2, state="running")
    waiting = store.create(tiny_config(*SHORT))
    worker.start()
    wait_for(lambda: store.run(waiting).status().state == "finished")
    status = store.run(dead).stored_status()
    assert status.state == "interrupted" and "ended before the run did" in status.error
    assert len(store.run(dead).records()) == 2


def test_a_run_cancelled_while_it_is_taken_is_not_trained(store):
    """As when the person cancels it while torch is imported: what the worker read of it is old."""

    class Late(RunStore):
        def status(self, run_id):
            return replace(super().status(run_id), state="queued")

        def queue(self):
            return self.ids()

    cancelled = store.create(tiny_config(*SHORT))
    store.queue.request_stop(cancelled)
    worker = Worker(Late(store.root))
    worker._train_next()
    assert store.run(cancelled).status().state == "stopped" and not store.run(cancelled).records()
    assert worker.trouble is None


def test_two_workers_share_no_run(store):
    first, second = Worker(store), Worker(RunStore(store.root))
    runs = [store.create(tiny_config(*SHORT)) for _ in range(3)]
    first.start()
    second.start()
    wait_for(lambda: all(store.run(one).status().state == "finished" for one in runs))
    assert all(store.run(one).log().count("Training from epoch") == 1 for one in runs)
    first.stop()
    last = store.create(tiny_config(*SHORT))
    wait_for(lambda: store.run(last).status().state == "finished")  # the other takes over
    second.stop()


HOLDER = """
import sys, time
from core.runs.store import RunStore
store = RunStore(sys.argv[1])
with store.run(sys.argv[2]).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_held_by_another_process_is_left_to_it(store, worker):
    held, free = store.create(tiny_config(*SHORT)), store.create(tiny_config(*SHORT))
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.root, held],
        cwd=PROJECT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout.readline() == "held\n"
    worker.start()
    wait_for(lambda: store.run(free).status().state == "finished")
    assert store.run(held).status().state == "queued"
    other.communicate("")
    wait_for(lambda: store.run(held).status().state == "finished")


def test_the_thread_goes_on_when_the_folder_comes_back(store, worker):
    first = store.create(tiny_config(*SHORT))
    worker.start()
    wait_for(lambda: store.run(first).status().state == "finished")
    away = store.root.rename(store.root.with_name("away"))
    wait_for(lambda: worker.trouble is not None)
    assert str(store.root) in worker.trouble and "\n" not in worker.trouble, "a sentence for the pages"
    away.rename(store.root)
    run_id = store.create(tiny_config(*SHORT))
    wait_for(lambda: store.run(run_id).status().state == "finished")
    assert len(store.run(run_id).records()) == 1
    wait_for(lambda: worker.trouble is None)


def test_the_thread_lets_the_pages_go_first(store, monkeypatch):
    niceness = []
    monkeypatch.setattr(Worker, "_train_next", lambda self: self._stopping.set())

    def note(self):
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return []

    monkeypatch.setattr(Queue, "mark_interrupted", note)
    one = Worker(store)
    one.start()
    one.stop()
    assert niceness == [min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)] or niceness == [10]


def test_one_worker_per_process_and_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_module, "_workers", {})
    first = ensure_worker(tmp_path)
    assert ensure_worker(tmp_path) is first
    assert first.thread.is_alive() and first.thread.daemon
    first.stop()


def test_the_worker_deletes_what_the_storage_settings_say(store, worker, monkeypatch, capsys):
    kept, old = made_run(store), made_run(store)
    store.trash.put(old)
    storage = Storage(store)
    storage.change(empty_trash_after=1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * DAY)
    storage.tidy()
    assert store.trash.ids() == [old], "what is due is noted first"
    monkeypatch.setattr(time, "time", lambda: now + 3 * DAY)
    worker.start()
    wait_for(lambda: not store.trash.ids(), 10)
    wait_for(lambda: "freed" in capsys.readouterr().err, 10)
    assert store.ids() == [kept] and not (store.trash.folder / old).exists()


def blocked(store, name):
    """A waiting run that cannot be begun, because a folder stands where its file ``name`` belongs."""
    run_id = store.create(tiny_config(*SHORT))
    path = store.run(run_id).path / name
    path.unlink(missing_ok=True)
    (path / "x").mkdir(parents=True)
    return run_id


def test_runs_that_cannot_be_begun_are_reported_once_each(store, capsys, monkeypatch):
    """Two runs in turn printed a traceback at every try, 650 MB a day."""
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0)
    runs = [blocked(store, ".lock"), blocked(store, "progress.json"), blocked(store, "stop")]
    one = Worker(store)
    for _ in range(30):
        one._train_next()
    err = capsys.readouterr().err
    assert err.count("waits:") == len(runs)
    assert all(err.count(f"Run {run_id} waits:") == 1 for run_id in runs)
    assert one.trouble and "\n" not in one.trouble
    assert [store.run(run_id).status().state for run_id in runs] == ["queued"] * 3
    assert not any(store.run(run_id).log() for run_id in runs)


@pytest.mark.parametrize(
    "error", [RecursionError("deep"), MemoryError(), OSError(24, "Too many open files"), KeyError("x")]
)
def test_a_run_that_raises_anything_does_not_hold_up_the_next(store, monkeypatch, capsys, error):
    bad, good = store.create(tiny_config(*SHORT)), store.create(tiny_config(*SHORT))
    tried = []

    def run(store, run_id, **options):
        tried.append(run_id)
        if run_id == bad:
            raise error

    monkeypatch.setattr(runner, "run", run)
    one = Worker(store)
    one._train_next()
    assert tried == [bad, good]
    assert capsys.readouterr().err.count(f"Run {bad} waits:") == 1


def test_texts_that_differ_every_time_are_one_reason(store, monkeypatch, capsys):
    run_id = store.create(tiny_config(*SHORT))
    number = itertools.count()

    def run(store, run_id, **options):
        raise OSError(28, "No space left on device", f".status.json.{next(number)}.tmp")

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0)
    one = Worker(store)
    for _ in range(20):
        one._train_next()
    assert next(number) == 20
    assert capsys.readouterr().err.count("Traceback") == 1
    monkeypatch.setattr(runner, "run", lambda *_, **options: None)
    one._train_next()
    monkeypatch.setattr(runner, "run", run)
    one._train_next()
    assert f"Run {run_id} waits:" in capsys.readouterr().err, "it worked in between"


def test_a_fault_that_cannot_be_put_into_words_does_not_end_the_thread(store, worker, monkeypatch):
    class Unspeakable(Exception):
        def __str__(self):
            raise ValueError("no words")

    bad, good = store.create(tiny_config(*SHORT)), store.create(tiny_config(*SHORT))
    real = runner_module.run

    def run(store, run_id, **options):
        if run_id == bad:
            raise Unspeakable
        return real(store, run_id, **options)

    monkeypatch.setattr(runner_module, "run", run)
    worker.start()
    wait_for(lambda: store.run(good).status().state == "finished")
    wait_for(lambda: worker.trouble == "Unspeakable")
    assert worker.thread.is_alive()
