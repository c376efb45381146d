"""The background thread: works the queue in order, alone, and cleans up after the dead."""

import errno
import itertools
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load as load_weights

from core.base.errors import LabError
from core.base.paths import PROJECT
from core.cost import together
from core.jobs import runner
from core.jobs import runner as runner_module
from core.jobs import worker as worker_module
from core.jobs.places import Here
from core.jobs.worker import Worker, ensure_worker
from core.runs.folder import RunFolder
from core.runs.queue import Queue
from core.runs.storage import DAY, Storage
from core.runs.store import RunStore
from core.training.step import TrainingStep
from tests.conftest import wait_for
from tests.made import made_run, tiny_config
from tests.programs import Program

SHORT = ("train.epochs=1", "train.warmup_epochs=0")


@pytest.fixture
def worker(store):
    """A worker that trains one run at a time."""
    one = Worker(store, Here(lambda: 1))
    yield one
    one.stop()


def look(worker):
    """Let the worker look at the queue once, and wait for the runs that it started."""
    worker._start_runs()
    worker._wait_for_runs()


def look_until_nothing_starts(worker):
    """As the worker does while its waits are too short for a run to be tried twice."""
    while worker.store.queue.ids():
        worker._start_runs()
        if not worker._training:
            return
        worker._wait_for_runs()


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
    look(worker)
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
    # The last run may still be ending, which is trouble too.
    wait_for(lambda: str(store.root) in (worker.trouble or ""))
    assert "\n" not in worker.trouble, "a sentence for the pages"
    away.rename(store.root)
    run_id = store.create(tiny_config(*SHORT))
    wait_for(lambda: store.run(run_id).status().state == "finished")
    assert len(store.run(run_id).records()) == 1
    wait_for(lambda: worker.trouble is None)


def test_the_thread_lets_the_pages_go_first(store, monkeypatch):
    niceness = []
    monkeypatch.setattr(Worker, "_start_runs", lambda self: self._stopping.set())

    def note(self):
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return []

    monkeypatch.setattr(Queue, "mark_interrupted", note)
    one = Worker(store, Here(lambda: 1))
    one.start()
    wait_for(lambda: niceness)
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
    wait_for(lambda: not store.trash.ids())
    wait_for(lambda: "freed" in capsys.readouterr().err)
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
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.01)
    runs = [blocked(store, ".lock"), blocked(store, "progress.json"), blocked(store, "stop")]
    one = Worker(store, Here(lambda: 1))
    for _ in range(30):
        look_until_nothing_starts(one)
        time.sleep(0.02)
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
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 60)
    one = Worker(store, Here(lambda: 1))
    while len(tried) < 2:
        look(one)
    assert tried == [bad, good]
    assert capsys.readouterr().err.count(f"Run {bad} waits:") == 1


def test_texts_that_differ_every_time_are_one_reason(store, monkeypatch, capsys):
    run_id = store.create(tiny_config(*SHORT))
    number = itertools.count()

    def run(store, run_id, **options):
        raise OSError(28, "No space left on device", f".status.json.{next(number)}.tmp")

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0)
    one = Worker(store, Here(lambda: 1))
    for _ in range(20):
        look(one)
    assert next(number) == 20
    assert capsys.readouterr().err.count("Traceback") == 1
    monkeypatch.setattr(runner, "run", lambda *_, **options: None)
    look(one)
    monkeypatch.setattr(runner, "run", run)
    look(one)
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


# --- several runs at once ---------------------------------------------------------------------------


@pytest.fixture
def cores(monkeypatch):
    """Two cores, whatever this machine has."""
    monkeypatch.setattr(together, "core_count", lambda: 2)


@pytest.fixture
def pair(store, cores):
    """A worker that trains two runs at once."""
    one = Worker(store, Here(lambda: 2))
    yield one
    one.stop()


def at_work(store, *runs):
    return all(store.run(run_id).status().state == "running" and store.run(run_id).records() for run_id in runs)


def weights(store, run_id):
    return load_weights(store.run(run_id).read_weights())


def same_weights(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_two_runs_at_once_give_the_weights_of_one_after_the_other(store, pair):
    """Bit for bit, with different recipes beside each other: nothing that a run sets reaches the other."""
    kinds = [("train.seed=1", "train.precision=bf16"), ("train.seed=2", "train.optimizer=muon", "train.averaging=ema")]
    alone = [store.create(tiny_config(*kind)) for kind in kinds]
    for run_id in alone:
        runner.run(store, run_id)
    both = [store.create(tiny_config(*kind)) for kind in kinds]
    pair.start()
    wait_for(lambda: all(store.run(one).status().state == "finished" for one in both))
    began, ended = ([getattr(store.run(one).status(), name) for one in both] for name in ("started_at", "finished_at"))
    assert max(began) < min(ended), "they trained at the same time"
    for one, other in zip(alone, both, strict=True):
        assert same_weights(weights(store, one), weights(store, other))
        assert store.run(other).meta().environment["threads"] == 1


def test_stopping_and_discarding_leave_the_other_run_alone(store, pair):
    kept, stopped, discarded = (store.create(tiny_config("train.epochs=500")) for _ in range(3))
    pair.start()
    wait_for(lambda: at_work(store, kept, stopped))
    assert store.run(discarded).status().state == "queued", "there are two slots"
    store.queue.request_stop(stopped)
    wait_for(lambda: at_work(store, discarded))
    assert store.run(stopped).status().state == "stopped"
    store.queue.request_stop(discarded, keep=False)
    wait_for(lambda: discarded in store.trash.ids())
    done = len(store.run(kept).records())
    wait_for(lambda: len(store.run(kept).records()) > done)
    store.queue.request_stop(kept)
    wait_for(lambda: store.run(kept).status().state == "stopped")
    assert store.run(kept).log().count("Training from epoch") == 1


@pytest.mark.parametrize("trouble", ["kernel", "divergence", "disk"])
def test_a_run_that_fails_leaves_the_other_and_frees_its_slot(store, pair, monkeypatch, trouble):
    step, append = TrainingStep._step, RunFolder.append_records
    rate = ["train.lr=10", "train.schedule=constant"] * (trouble == "divergence")
    bad, good = store.create(tiny_config(*SHORT, "train.seed=7", *rate)), store.create(tiny_config(*SHORT))

    def fail(self, *arguments):
        if self.config.train.seed == 7 and trouble == "kernel":
            raise RuntimeError("a kernel failed")
        if self.config.train.seed == 7 and trouble == "divergence":
            self.model.get_parameter("conv.weight").data.fill_(torch.inf)
        return step(self, *arguments)

    def full(self, records):
        if self.id == bad and trouble == "disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, records)

    monkeypatch.setattr(TrainingStep, "_step", fail)
    monkeypatch.setattr(RunFolder, "append_records", full)
    last = store.create(tiny_config(*SHORT))
    pair.start()
    wait_for(lambda: all(store.run(one).status().state == "finished" for one in (good, last)))
    wait_for(lambda: store.run(bad).status().state == "failed")
    words = {"kernel": "a kernel failed", "divergence": "diverged", "disk": "No space left"}
    assert words[trouble] in store.run(bad).status().error and pair.trouble is None


def test_runs_begin_in_the_order_of_the_queue_and_none_twice(store, pair, monkeypatch):
    began, running, most = [], set(), []

    def run(store, run_id, **options):
        began.append(run_id)
        running.add(run_id)
        most.append(len(running))
        time.sleep(0.01)
        store.run(run_id).write_status(replace(store.run(run_id).status(), state="stopped"))
        running.remove(run_id)

    monkeypatch.setattr(runner, "run", run)
    runs = [store.create(tiny_config(*SHORT)) for _ in range(12)]
    store.queue.move(runs[-1], "front")
    pair.start()
    wait_for(lambda: not store.queue.ids() and not running)
    assert sorted(began) == sorted(runs) and began[0] in (runs[-1], runs[0])
    assert [began.index(run_id) for run_id in runs[:-1]] == sorted(began.index(run_id) for run_id in runs[:-1])
    assert max(most) == 2


KILLED = """
import sys, time
from core.cost import together
from core.jobs.places import Here
from core.jobs.worker import Worker
from core.runs.store import RunStore
together.core_count = lambda: 2
Worker(RunStore(sys.argv[1]), Here(lambda: 2)).start()
time.sleep(600)
"""


def test_killed_with_two_runs_both_resume_exactly(store, pair):
    configs = [tiny_config("train.epochs=4", f"train.seed={seed}") for seed in (3, 4)]
    straight = [store.create(config) for config in configs]
    for run_id in straight:
        runner.run(store, run_id)
    cut = [store.create(config) for config in configs]
    with Program(store.root, code=KILLED):
        wait_for(lambda: all(store.run(run_id).records() for run_id in cut))
    states = [store.run(run_id).status().state for run_id in cut]
    assert "interrupted" in states and set(states) <= {"interrupted", "finished"}
    assert sorted(store.queue.mark_interrupted()) == sorted(
        run_id for run_id, state in zip(cut, states, strict=True) if state == "interrupted"
    )
    for run_id in cut:
        if store.run(run_id).status().state == "interrupted":
            store.queue.enqueue(run_id)
    pair.start()
    wait_for(lambda: all(store.run(run_id).status().state == "finished" for run_id in cut))
    for one, other in zip(straight, cut, strict=True):
        assert same_weights(weights(store, one), weights(store, other))


ALL_THREADS = (*SHORT, "train.threads=all")


@pytest.fixture
def automatic(store, cores, monkeypatch):
    """A worker that shares two cores as many runs as wait."""
    monkeypatch.setattr(together, "has_gpu", lambda: False)
    one = Worker(store, Here(lambda: None))
    yield one
    one.stop()


def threads_of(store, run_id):
    return store.run(run_id).meta().environment["threads"]


def test_two_runs_that_wait_share_the_cores_and_one_alone_has_all(store, automatic):
    runs = [store.create(tiny_config(*ALL_THREADS, f"train.seed={seed}")) for seed in range(2)]
    automatic.start()
    wait_for(lambda: all(store.run(one).status().state == "finished" for one in runs))
    alone = store.create(tiny_config(*ALL_THREADS))
    wait_for(lambda: store.run(alone).status().state == "finished")
    assert [threads_of(store, one) for one in (*runs, alone)] == [1, 1, 2]


def test_a_run_that_waits_alone_takes_all_cores_after_a_moment(store, cores, monkeypatch):
    monkeypatch.setattr(together, "has_gpu", lambda: False)
    here = Here(lambda: None)
    first, second = (store.summary(store.create(tiny_config(*ALL_THREADS))) for _ in range(2))
    assert here.obstacle(first, [], 1) == "", "another one may come"
    assert here.obstacle(first, [], 2) is None and here.obstacle(second, [first], 1) is None, "a core each"
    settled = replace(first, status=replace(first.status, queued_at=time.time() - 1))
    assert here.obstacle(settled, [], 1) is None
    assert "none of 2 cores" in here.obstacle(second, [settled], 1)
    assert here.slots() == 2


def test_all_threads_are_a_share_of_the_cores_and_kept_on_resume(store, cores, monkeypatch):
    run_id = store.create(tiny_config("train.threads=all", "train.epochs=2", "train.warmup_epochs=0"))
    two = Here(lambda: 2)
    runner.run(store, run_id, cores=1, on_epoch=lambda _: store.queue.request_stop(run_id))
    assert store.run(run_id).status().state == "stopped"
    store.queue.enqueue(run_id)
    two.train(store, run_id)
    assert store.run(run_id).meta().environment["threads"] == 1
    assert store.run(run_id).status().state == "finished"


class Elsewhere:
    """A place with any number of slots, which says what it is told to say."""

    def __init__(self, slots=9, answer=None):
        self.number, self.answer, self.asked, self.trained = slots, answer, [], []

    def slots(self):
        return self.number

    def obstacle(self, run, beside, waiting):
        self.asked.append((run.id, [other.id for other in beside]))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def train(self, store, run_id):
        self.trained.append(run_id)
        store.run(run_id).write_status(replace(store.run(run_id).status(), state="finished"))


def test_a_run_that_has_to_wait_holds_those_behind_it_and_the_worker_says_why(store):
    first, second = store.create(tiny_config()), store.create(tiny_config())
    place = Elsewhere(answer="No node is free.")
    worker = Worker(store, place)
    look(worker)
    assert place.asked == [(first, [])] and not place.trained
    assert worker.waiting == "No node is free." and worker.trouble is None
    place.answer = None
    look(worker)
    assert place.trained == [first, second] and worker.waiting is None
    look(worker)
    assert len(place.trained) == 2


def test_a_run_that_a_place_can_never_train_is_skipped(store):
    run_ids = [store.create(tiny_config()) for _ in range(2)]
    place = Elsewhere(answer=LabError("No node has a GPU."))
    worker = Worker(store, place)
    look(worker)
    assert [run_id for run_id, _ in place.asked] == run_ids and worker.trouble == "No node has a GPU."
    for run_id in run_ids:
        store.queue.request_stop(run_id)
    look(worker)
    assert worker.trouble is None, "they wait no more"


def test_a_place_without_a_slot_trains_nothing(store):
    store.create(tiny_config())
    place = Elsewhere(slots=0)
    look(Worker(store, place))
    assert not place.trained and not place.asked
