"""The order of the queue: moved as asked, whatever the times were, and nothing else is touched."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.base.errors import RunBusy, StoreError
from core.runs import queue_order
from core.runs.queue_order import move
from tests.made import made_run
from tests.runs.test_store import another_process_holds

PROJECT = Path(__file__).parents[2]


def waiting(store, count, times=None):
    """Waiting runs, the next first; ``times`` in place of a second between two."""
    made = [made_run(store, epochs=0, state="queued") for _ in range(count)]
    for run_id, time in zip(made, times or range(count), strict=True):
        store.write_status(run_id, replace(store.status(run_id), queued_at=time and float(time)))
    return made


def test_a_run_is_moved_to_the_front_up_and_down(store):
    a, b, c, d = waiting(store, 4)
    assert move(store, c, "front") == 0
    assert store.queue() == [c, a, b, d]
    assert move(store, b, "up") == 1
    assert store.queue() == [c, b, a, d]
    assert move(store, c, "down") == 1
    assert store.queue() == [b, c, a, d]
    assert move(store, b, "down") == 1
    assert move(store, b, "down") == 2
    assert move(store, b, "down") == 3
    assert store.queue() == [c, a, d, b]


def test_at_the_ends_nothing_moves(store):
    a, b = waiting(store, 2)
    before = [store.status(one) for one in (a, b)]
    assert (move(store, a, "up"), move(store, a, "front"), move(store, b, "down")) == (0, 0, 1)
    assert [store.status(one) for one in (a, b)] == before


def test_a_place_can_be_named(store):
    a, b, c = waiting(store, 3)
    assert move(store, a, 1) == 1
    assert store.queue() == [b, a, c]
    assert move(store, b, 99) == 2
    assert store.queue() == [a, c, b]


def test_a_run_queued_later_comes_after_one_moved_to_the_end(store):
    a, *_ = waiting(store, 3)
    move(store, a, 99)
    new = made_run(store, epochs=0, state="queued")
    assert store.queue()[-2:] == [a, new]


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
        assert move(store, run_id, where) == queue.index(run_id)
        assert store.queue() == queue


def test_only_its_place_changes(store):
    _, b, _ = waiting(store, 3)
    before = store.status(b)
    move(store, b, "front")
    assert replace(store.status(b), queued_at=before.queued_at) == before


@pytest.mark.parametrize("state", ["stopped", "finished", "failed", "interrupted"])
def test_what_does_not_wait_is_left_alone(store, state):
    waiting(store, 2)
    run_id = made_run(store, state=state)
    before = store.status(run_id)
    with pytest.raises(StoreError, match=f"is {state}; only a waiting run"):
        move(store, run_id, "front")
    assert store.status(run_id) == before


def test_a_run_that_began_between_the_look_and_the_write_is_left_alone(store, monkeypatch):
    a, b = waiting(store, 2)
    began = replace(store.status(b), state="running")
    look = queue_order._time_at

    def begin_meanwhile(*arguments):
        store.write_status(b, began)
        return look(*arguments)

    monkeypatch.setattr(queue_order, "_time_at", begin_meanwhile)
    with pytest.raises(StoreError, match="is running by now"):
        move(store, b, "front")
    assert store.status_for_holder(b) == began
    assert store.queue() == [a]


def test_a_neighbour_that_began_meanwhile_is_left_alone(store, monkeypatch):
    a, b, c, d = waiting(store, 4, [5, 5, 5, 5])
    with store.hold(c):
        began = replace(store.status(c), state="running", queued_at=5.0)
        queue = [a, b, c, d]
        monkeypatch.setattr(store, "queue", lambda: queue)
        store.write_status(c, began)
        assert move(store, d, 2) == 2  # no room between b and c: those after move away
        assert store.status_for_holder(c) == began
    monkeypatch.undo()
    assert store.queue() == [a, b, d]


def test_no_time_is_below_zero_and_every_run_stays_whole(store):
    made = waiting(store, 3, [0, 0, 0])
    for run_id in (*made, *made):
        assert move(store, run_id, "front") == 0
    assert store.queue() == made[::-1]
    assert all(store.status(one).queued_at >= 0 for one in made)
    assert set(store.frame()["state"]) == {"queued"}


def test_a_run_in_other_hands_is_busy_and_stays(store):
    a, b = waiting(store, 2)
    with another_process_holds(store, b), pytest.raises(RunBusy, match="Another process is working"):
        move(store, b, "front")
    assert store.queue() == [a, b]


def test_one_window_waits_for_another_and_says_so_in_the_end(store, monkeypatch):
    a, b = waiting(store, 2)
    monkeypatch.setattr(queue_order, "PATIENCE", 0.05)
    with store.order_lock(), pytest.raises(RunBusy, match="Another window is changing the queue"):
        move(store, b, "front")
    assert store.queue() == [a, b]
    assert move(store, b, "front") == 0


def test_two_processes_at_once_corrupt_nothing(store):
    made = waiting(store, 5, [5, 5, 5, 5, 5])
    program = (
        "import random, sys\n"
        "from core.runs.queue_order import move\n"
        "from core.runs.store import RunStore\n"
        "store, chance = RunStore(sys.argv[1]), random.Random(int(sys.argv[2]))\n"
        "for _ in range(40):\n"
        "    move(store, chance.choice(sys.argv[3:]), chance.choice(['front', 'up', 'down']))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(store.root), str(seed), *made], cwd=PROJECT)
        for seed in range(2)
    ]
    assert [one.wait(120) for one in processes] == [0, 0]
    assert sorted(store.queue()) == sorted(made)
    assert all(store.status(one).state == "queued" for one in made)


def test_a_cancelled_run_is_stopped_and_goes_back_to_its_place(store):
    a, b, c = waiting(store, 3)
    place = queue_order.cancel(store, b)
    assert (place, store.status(b).state, store.queue()) == (1, "stopped", [a, c])
    assert queue_order.put_back(store, b, place) == 1
    assert store.queue() == [a, b, c]


def test_a_run_that_began_is_asked_to_stop_instead(store):
    (a,) = waiting(store, 1)
    with store.hold(a):
        store.write_status(a, replace(store.status(a), state="running"))
        assert queue_order.cancel(store, a) is None
        assert store.stop_request(a) == "keep"


def test_what_is_over_cannot_be_cancelled(store):
    with pytest.raises(StoreError, match="is finished; only a waiting or running one can be stopped"):
        queue_order.cancel(store, made_run(store))
