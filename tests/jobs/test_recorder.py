"""Recorder: what it writes into a run's folder while the run trains."""

import math
import time
from dataclasses import replace

from core.jobs.recorder import Recorder
from core.runs.store import RunStore
from tests.made import made_run


def test_a_run_that_a_wrong_clock_started_in_the_future_ends_after_its_start(store: RunStore) -> None:
    run_id = made_run(store, state="stopped")
    store.run(run_id).write_status(replace(store.run(run_id).stored_status(), started_at=time.time() + 1e9))
    recorder = Recorder(store.run(run_id))
    recorder.start()
    assert recorder.status.started_at is not None and recorder.status.started_at <= time.time()
    recorder.status = replace(recorder.status, started_at=time.time() + 1e9)  # the clock was put right while it trained
    recorder.end("finished")
    status = store.run(run_id).stored_status()
    assert 0 <= (status.finished_at or 0) - (status.started_at or math.inf) < 60
