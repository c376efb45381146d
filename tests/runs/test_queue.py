"""The order of the queue: moved as asked, whatever the times were, and nothing else is touched."""

import errno
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from filelock import FileLock

from core.base.errors import RunBusy, StoreError
from core.config.run_config import RunConfig
from core.runs import queue as queue_module
from core.runs.queue import Queue
from tests.made import made_run
from tests.runs.test_store import another_process_holds

PROJECT = Path(__file__).parents[2]


def waiting(store, count, times=None):
    """Waiting runs, the next first; ``times`` in place of a second between two."""
    made = [made_run(store, epochs=0, state="queued") for _ in range(count)]
    for run_id, at in zip(made, times or range(count), strict=True):
        store.run(run_id).write_status(replace(store.run(run_id).status(), queued_at=at and float(at)))
    return made


def test_a_run_is_moved_to_the_front_up_and_down(store):
    a, b, c, d = waiting(store, 4)
    assert store.queue.move(c, "front") == 0
    assert store.queue.ids() == [c, a, b, d]
    assert store.queue.move(b, "up") == 1
    assert store.queue.ids() == [c, b, a, d]
    assert store.queue.move(c, "down") == 1
    assert store.queue.ids() == [b, c, a, d]
    assert store.queue.move(b, "down") == 1
    assert store.queue.move(b, "down") == 2
    assert store.queue.move(b, "down") == 3
    assert store.queue.ids() == [c, a, d, b]


def test_at_the_ends_nothing_moves(store):
    a, b = waiting(store, 2)
    before = [store.run(run_id).status() for run_id in (a, b)]
    assert (store.queue.move(a, "up"), store.queue.move(a, "front"), store.queue.move(b, "down")) == (0, 0, 1)
    assert [store.run(run_id).status() for run_id in (a, b)] == before


def test_a_place_can_be_named(store):
    a, b, c = waiting(store, 3)
    assert store.queue.move(a, 1) == 1
    assert store.queue.ids() == [b, a, c]
    assert store.queue.move(b, 99) == 2
    assert store.queue.ids() == [a, c, b]


def test_a_run_queued_later_comes_after_one_moved_to_the_end(store):
    a, *_ = waiting(store, 3)
    store.queue.move(a, 99)
    new = made_run(store, epochs=0, state="queued")
    assert store.queue.ids()[-2:] == [a, new]


@pytest.mark.parametrize(
    "times", [[5, 5, 5, 5, 5], [None] * 5, [0, 1, 1, 1, 2], [1e9, 1e9 + 2e-7, 1e9 + 3e-7, 2e9, 2e9]]
)
def test_any_moves_end_in_the_order_of_a_list(store, times):
    queue, chance = waiting(store, 5, times), random.Random(0)
    for _ in range(40):
        run_id, where = chance.choice(queue), chance.choice(["front", "up", "down", 2])
        now = queue.index(run_id)
        queue.remove(run_id)
        queue.insert(max({"front": 0, "up": now - 1, "down": now + 1}.get(where, where), 0), run_id)
        assert store.queue.move(run_id, where) == queue.index(run_id)
        assert store.queue.ids() == queue


def test_only_its_place_changes(store):
    _, b, _ = waiting(store, 3)
    before = store.run(b).status()
    store.queue.move(b, "front")
    assert replace(store.run(b).status(), queued_at=before.queued_at) == before


@pytest.mark.parametrize("state", ["stopped", "finished", "failed", "interrupted"])
def test_what_does_not_wait_is_left_alone(store, state):
    waiting(store, 2)
    run_id = made_run(store, state=state)
    before = store.run(run_id).status()
    with pytest.raises(StoreError, match=f"is {state}; only a waiting run"):
        store.queue.move(run_id, "front")
    assert store.run(run_id).status() == before


def test_a_run_that_began_between_the_look_and_the_write_is_left_alone(store, monkeypatch):
    a, b = waiting(store, 2)
    began = replace(store.run(b).status(), state="running")
    look = Queue._time_at

    def begin_meanwhile(*arguments):
        store.run(b).write_status(began)
        return look(*arguments)

    monkeypatch.setattr(Queue, "_time_at", begin_meanwhile)
    with pytest.raises(StoreError, match="is running by now"):
        store.queue.move(b, "front")
    assert store.run(b).stored_status() == began
    assert store.queue.ids() == [a]


def test_a_neighbour_that_began_meanwhile_is_left_alone(store, monkeypatch):
    a, b, c, d = waiting(store, 4, [5, 5, 5, 5])
    with store.run(c).hold():
        began = replace(store.run(c).status(), state="running", queued_at=5.0)
        queue = [a, b, c, d]
        monkeypatch.setattr(store.queue, "ids", lambda: list(queue))
        store.run(c).write_status(began)
        assert store.queue.move(d, 2) == 2  # no room between b and c: those after move away
        assert store.run(c).stored_status() == began
    monkeypatch.undo()
    assert store.queue.ids() == [a, b, d]


def test_no_time_is_below_zero_and_every_run_stays_whole(store):
    made = waiting(store, 3, [0, 0, 0])
    for run_id in (*made, *made):
        assert store.queue.move(run_id, "front") == 0
    assert store.queue.ids() == made[::-1]
    assert all(store.run(run_id).status().queued_at >= 0 for run_id in made)
    assert set(store.frame()["state"]) == {"queued"}


def test_a_run_in_other_hands_is_busy_and_stays(store):
    a, b = waiting(store, 2)
    with another_process_holds(store, b), pytest.raises(RunBusy, match="Another process is working"):
        store.queue.move(b, "front")
    assert store.queue.ids() == [a, b]


def test_one_window_waits_for_another_and_says_so_in_the_end(store, monkeypatch):
    a, b = waiting(store, 2)
    monkeypatch.setattr(queue_module, "ORDER_PATIENCE", 0.05)
    with store.queue.ordering(), pytest.raises(RunBusy, match="Another window is changing the queue"):
        store.queue.move(b, "front")
    assert store.queue.ids() == [a, b]
    assert store.queue.move(b, "front") == 0


def test_two_processes_at_once_corrupt_nothing(store):
    made = waiting(store, 5, [5, 5, 5, 5, 5])
    program = (
        "import random, sys\n"
        "from core.runs.store import RunStore\n"
        "store, chance = RunStore(sys.argv[1]), random.Random(int(sys.argv[2]))\n"
        "for _ in range(40):\n"
        "    store.queue.move(chance.choice(sys.argv[3:]), chance.choice(['front', 'up', 'down']))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(store.root), str(seed), *made], cwd=PROJECT)
        for seed in range(2)
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert sorted(store.queue.ids()) == sorted(made)
    assert all(store.run(run_id).status().state == "queued" for run_id in made)


def test_a_cancelled_run_is_stopped_and_goes_back_to_its_place(store):
    a, b, c = waiting(store, 3)
    place = store.queue.cancel(b)
    assert (place, store.run(b).status().state, store.queue.ids()) == (1, "stopped", [a, c])
    assert store.queue.put_back(b, place) == 1
    assert store.queue.ids() == [a, b, c]


def test_a_run_that_began_is_asked_to_stop_instead(store):
    (a,) = waiting(store, 1)
    with store.run(a).hold():
        store.run(a).write_status(replace(store.run(a).status(), state="running"))
        assert store.queue.cancel(a) is None
        assert store.run(a).stop_request() == "keep"


def test_what_is_over_cannot_be_cancelled(store):
    with pytest.raises(StoreError, match="is finished; only a waiting or running one can be stopped"):
        store.queue.cancel(made_run(store))


def test_waiting_runs_of_a_wrong_clock_come_back_to_now_in_their_order(store):
    made = [store.create(RunConfig()) for _ in range(4)]
    for run_id, years in zip(made[1:], (70, 30, 50), strict=True):
        ahead = time.time() + years * 365 * 86_400
        store.run(run_id).write_status(replace(store.run(run_id).status(), queued_at=ahead))
    order = [made[0], made[2], made[3], made[1]]
    assert store.queue.ids() == order
    new = store.create(RunConfig())
    assert store.queue.ids() == [*order, new]
    assert all((store.run(run_id).status().queued_at or 0) < time.time() + 1 for run_id in order)


def test_a_run_moved_to_the_end_stays_at_the_present(store):
    first, second = store.create(RunConfig()), store.create(RunConfig())
    store.run(second).write_status(replace(store.run(second).status(), queued_at=time.time() + 1e9))
    assert store.queue.move(first, "down") == 1
    assert store.queue.ids() == [second, first]
    assert (store.run(first).status().queued_at or 0) < time.time() + 1


def test_a_heartbeat_in_the_future_does_not_date_the_end_of_a_run(store):
    run_id = made_run(store, state="running")
    store.run(run_id).write_status(replace(store.run(run_id).stored_status(), heartbeat=time.time() + 1e9))
    store.queue.mark_interrupted()
    assert (store.run(run_id).stored_status().finished_at or 0) <= time.time()


def test_the_order_of_a_queue_that_may_only_be_read_stays(store, monkeypatch):
    first, second = waiting(store, 2)
    monkeypatch.setattr(FileLock, "acquire", Mock(side_effect=OSError(errno.EROFS, "Read-only file system")))
    with pytest.raises(StoreError, match="can only be read here"):
        store.queue.move(second, "front")
    assert store.queue.ids() == [first, second]
