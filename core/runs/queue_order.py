"""The queue, changed by hand: the order of the waiting runs, and which still wait.

The queue is the folders in state ``queued`` by their ``queued_at``, so a run is moved by another time: one
between those of its new neighbours, written under the run's own lock. Nothing else is touched, a run that
began meanwhile least of all, and whatever this is cut short at, every run is still in the queue, once.
"""

import contextlib
import math
import time
from dataclasses import replace
from typing import Literal

from filelock import Timeout

from core.base.errors import RunBusy, StoreError
from core.runs.store import RunStore

#: Where to: before all others, or past one neighbour.
Where = Literal["front", "up", "down"]
#: Seconds to wait for another window that changes the order; it takes a few milliseconds.
PATIENCE = 5.0
#: Seconds by which a run is put before the first, and that are made between neighbours without room for a third.
GAP = 1e-3


def move(store: RunStore, run_id: str, where: Where | int) -> int:
    """Move a waiting run; returns its place in the queue, the next being 0.

    ``where`` may be a place too, counted among the others; beyond the end is the end. Raises StoreError for a
    run that does not wait (any more), RunBusy if another process has hold of it or of the order.
    """
    try:
        with store.order_lock().acquire(timeout=PATIENCE):
            return _move(store, run_id, where)
    except Timeout:
        raise RunBusy("Another window is changing the queue; try again in a moment.") from None


def cancel(store: RunStore, run_id: str) -> int | None:
    """Take a waiting run out of the queue: it is stopped then, and can be resumed. Returns the place it had, or
    ``None`` if it began meanwhile and stops within a batch. Raises StoreError for a run that does neither."""
    queue = store.queue()
    store.request_stop(run_id)
    return queue.index(run_id) if run_id in queue and store.status(run_id).state == "stopped" else None


def put_back(store: RunStore, run_id: str, place: int) -> int:
    """Undo :func:`cancel`: queue the run again where it was; returns its place. Raises StoreError or RunBusy."""
    store.enqueue(run_id)
    return move(store, run_id, place)


def _move(store: RunStore, run_id: str, where: Where | int) -> int:
    queue = store.queue()
    if run_id not in queue:
        raise StoreError(f"Run {run_id} is {store.status(run_id).state}; only a waiting run can be moved.")
    now, others = queue.index(run_id), [one for one in queue if one != run_id]
    wanted = {"front": 0, "up": now - 1, "down": now + 1}[where] if isinstance(where, str) else where
    place = min(max(wanted, 0), len(others))
    if place != now:
        _write_time(store, run_id, _time_at(store, others, place))
    return place


def _time_at(store: RunStore, others: list[str], place: int) -> float:
    """A time that sorts between the runs before ``place`` and those from it on."""
    if place == len(others):
        return max(time.time(), math.nextafter(_time_of(store, others[-1]), math.inf))
    after = _time_of(store, others[place])
    # No time is below zero.
    before = _time_of(store, others[place - 1]) if place else max(after - 2 * GAP, 0.0)
    if not before < (before + after) / 2 < after:
        # No room: those after it move away from it, the last one first, so that their order is kept throughout.
        for one in reversed(others[place:]):
            with contextlib.suppress(StoreError):  # it began or was stopped, and waits no more
                _write_time(store, one, _time_of(store, one) + GAP)
        after += GAP
    return (before + after) / 2


def _time_of(store: RunStore, run_id: str) -> float:
    return store.status_for_holder(run_id).queued_at or 0.0


def _write_time(store: RunStore, run_id: str, queued_at: float) -> None:
    with store.hold(run_id):
        status = store.status_for_holder(run_id)
        if status.state != "queued":
            raise StoreError(f"Run {run_id} is {status.state} by now; only a waiting run can be moved.")
        store.write_status(run_id, replace(status, queued_at=queued_at))
