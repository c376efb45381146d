"""RunFolder: a run that another computer trains, whose lock cannot be seen here."""

import time
from dataclasses import replace

import pytest

from core.base.errors import RunBusy
from core.runs.folder import this_host
from core.runs.store import RunStore
from tests.made import made_run


def trained_by(store: RunStore, host: str, age: float, state: str = "running") -> str:
    """Return a run that says a process on ``host`` trains it, last heard of ``age`` seconds ago."""
    run_id = made_run(store, epochs=2, state=state)
    status = store.run(run_id).stored_status()
    store.run(run_id).write_status(replace(status, host=host, pid=4711, heartbeat=time.time() - age))
    return run_id


@pytest.mark.parametrize(
    ("host", "age", "state"),
    [
        ("elsewhere", 8, "running"),
        ("elsewhere", 600, "interrupted"),
        ("elsewhere", -86_400, "interrupted"),  # the clock is wrong here or there
        (this_host(), 8, "interrupted"),
    ],
)
def test_a_run_that_another_computer_was_heard_to_train_is_running(
    store: RunStore, host: str, age: float, state: str
) -> None:
    run_id = trained_by(store, host, age)
    assert store.run(run_id).status().state == state
    assert store.summary(run_id).state == state
    before = (store.run(run_id).path / "status.json").read_bytes()
    assert store.queue.mark_interrupted() == ([run_id] if state == "interrupted" else [])
    assert ((store.run(run_id).path / "status.json").read_bytes() == before) == (state == "running")


def test_a_run_on_another_computer_is_left_to_it_until_it_is_taken_over(store: RunStore) -> None:
    run_id = trained_by(store, "elsewhere", 8)
    for act in (store.queue.enqueue, store.trash.put):
        with pytest.raises(RunBusy, match=r"elsewhere, last heard of \d+ s ago"):
            act(run_id)
    assert store.run(run_id).stored_status().host == "elsewhere"
    store.queue.enqueue(run_id, take_over=True)
    status = store.run(run_id).stored_status()
    assert (status.state, status.host, status.pid) == ("queued", None, None)


def test_a_run_on_another_computer_can_be_asked_to_stop(store: RunStore) -> None:
    run_id = trained_by(store, "elsewhere", 8)
    store.queue.request_stop(run_id)
    assert store.run(run_id).status().state == "stopping"
