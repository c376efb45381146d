"""Several runs at once: their share of the cores, whether one more has room, and how long all of them take."""

from dataclasses import replace

import pytest

from core.cost import machine, together
from core.cost.estimate import estimate, queue_seconds, queue_text, time_left
from core.cost.network import PROGRAM_BYTES, memory_bytes
from core.cost.together import abreast, cores_each, obstacle, slots, threads_of, total_seconds
from core.runs.storage import RUNS_AT_ONCE, Storage
from core.study import progress
from core.study.study import Axis, Study
from tests.cost.made import MACHINE, QUICK, timed_run
from tests.made import made_run

GB = 10**9


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Two cores and plenty of memory, without a GPU, whatever this machine has."""
    monkeypatch.setattr(together, "core_count", lambda: 2)
    monkeypatch.setattr(together, "has_gpu", lambda: False)
    monkeypatch.setattr(together, "memory_limit", lambda device: 100 * GB)
    monkeypatch.setattr(together, "free_memory_of", lambda device: 90 * GB)


def run_of(store, *settings, environment=None):
    run_id = store.create(QUICK.set_from_text(list(settings)), environment=environment or {})
    return store.summary(run_id)


def test_the_cores_are_shared_and_everyone_gets_one():
    assert [cores_each(number) for number in (1, 2, 3)] == [2, 1, 1]


def test_a_run_that_has_begun_keeps_its_threads(store):
    assert threads_of(run_of(store), 2) == 1
    assert threads_of(run_of(store, "train.threads=5"), 2) == 5
    assert threads_of(run_of(store, environment={"threads": 2}), 2) == 2


def test_on_a_cpu_runs_have_a_core_for_each_thread(store):
    half, whole = run_of(store), run_of(store, "train.threads=2")
    assert obstacle(whole, [], 2) is None, "a run alone may always begin"
    assert obstacle(half, [half], 2) is None
    assert obstacle(half, [half, half], 3) and obstacle(whole, [half], 2) and obstacle(half, [whole], 2)


def test_on_a_gpu_threads_do_not_count(store, monkeypatch):
    monkeypatch.setattr(together, "has_gpu", lambda: True)
    run = run_of(store, "train.threads=2")
    assert obstacle(run, [run, run, run], 4) is None
    assert obstacle(run_of(store, "train.device=cpu"), [run], 4) is None, "it uses the processor, the other the GPU"


@pytest.mark.parametrize("runs_that_fit", [1, 2])
def test_the_free_memory_has_to_hold_the_run(store, monkeypatch, runs_that_fit):
    run = run_of(store)
    needed = memory_bytes(run.config) - PROGRAM_BYTES
    monkeypatch.setattr(together, "free_memory_of", lambda device: needed if runs_that_fit == 2 else needed - 1)
    assert (obstacle(run, [run], 2) is None) == (runs_that_fit == 2)


def test_runs_that_have_just_begun_count_with_the_memory_they_will_take(store, monkeypatch):
    run = run_of(store)
    whole = int((2 * memory_bytes(run.config) - PROGRAM_BYTES) / machine.TIGHT) + 2
    for limit, fits in ((whole, True), (whole - 10, False)):
        monkeypatch.setattr(together, "memory_limit", lambda device, limit=limit: limit)
        assert (obstacle(run, [run], 2) is None) == fits


def test_where_the_system_does_not_tell_its_memory_runs_begin(store, monkeypatch):
    monkeypatch.setattr(together, "free_memory_of", lambda device: None)
    monkeypatch.setattr(together, "memory_limit", lambda device: None)
    run = run_of(store)
    assert obstacle(run, [run], 2) is None


@pytest.mark.parametrize(
    ("seconds", "at_once", "begun", "total"),
    [
        ([], 1, [], 0.0),
        ([3.0, 4.0], 1, [], 7.0),
        ([3.0, 4.0, 5.0], 2, [], 8.0),  # the third begins when the first has ended
        ([3.0], 2, [10.0], 10.0),
        ([3.0], 2, [10.0, 1.0], 10.0),
        ([3.0], 1, [10.0, 1.0], 13.0),  # two have begun before someone chose one at a time
        ([1.0], 4, [2.0], 2.0),
    ],
)
def test_the_time_of_a_queue(seconds, at_once, begun, total):
    assert total_seconds(seconds, at_once, begun) == total


def test_as_many_train_at_once_as_the_cores_allow(monkeypatch):
    assert abreast([QUICK], 1) == 1 and abreast([QUICK], 2) == 2 and abreast([QUICK], 8) == 2
    assert abreast([QUICK, QUICK.replace({"train.threads": 2})], 2) == 1
    monkeypatch.setattr(together, "has_gpu", lambda: True)
    assert abreast([QUICK], 8) == 8


def test_the_number_of_runs_at_once_is_kept_with_the_settings(store):
    assert slots(store) == RUNS_AT_ONCE
    Storage(store).change(runs_at_once=2)
    assert slots(store) == 2


def test_two_at_once_are_expected_to_gain_nothing_before_it_was_measured(store):
    timed_run(store)
    alone = estimate(QUICK, store).seconds
    Storage(store).change(runs_at_once=2)
    shared = estimate(QUICK, store)
    assert shared.at_once == 2 and shared.seconds == pytest.approx(2 * alone, rel=0.1)
    assert "2 at once" in shared.text(4) and "2 at once" not in shared.text()
    assert not shared.measured and "2 threads" in shared.source
    assert queue_seconds([QUICK] * 4, store) == pytest.approx(2 * shared.seconds)
    assert queue_seconds([QUICK] * 3, store) == pytest.approx(2 * shared.seconds)


def test_runs_with_the_same_share_of_the_machine_say_how_fast_two_at_once_are(store):
    timed_run(store)
    alone = estimate(QUICK, store).seconds
    timed_run(store, speed=300.0, environment=MACHINE | {"threads": 1})
    assert estimate(QUICK, store).seconds == pytest.approx(alone), "not how fast one is"
    Storage(store).change(runs_at_once=2)
    shared = estimate(QUICK, store)
    assert shared.measured and shared.seconds == pytest.approx(alone * 5 / 3, rel=0.1)


def test_what_is_left_of_runs_that_train_and_wait(store):
    timed_run(store)
    made_run(store, epochs=1, state="running", config=QUICK)
    waiting = [run_of(store), run_of(store)]
    whole = estimate(QUICK, store).seconds
    training = [replace(waiting[0], status=replace(waiting[0].status, state="running", epoch=1))]
    share = 1 - 1 / QUICK.train.epochs
    assert time_left(store, training, waiting) == pytest.approx((share + 2) * whole)
    assert "One run" in queue_text(store, training, waiting)
    Storage(store).change(runs_at_once=2)
    whole = estimate(QUICK, store).seconds
    assert time_left(store, training, waiting) == pytest.approx((share + 1) * whole)
    assert "2 runs" in queue_text(store, training, waiting)


def test_without_a_measurement_the_time_of_the_queue_is_not_known(store):
    run = run_of(store)
    assert time_left(store, [], [run]) is None and "until" not in queue_text(store, [], [run])


def test_the_preview_of_a_study_counts_runs_at_once(store):
    timed_run(store)
    study = Study("x", QUICK, (Axis("train.lr", (0.05, 0.1)),), (0, 1))
    cells = progress.statuses("", study, store.summaries())
    Storage(store).change(runs_at_once=2)
    left = progress.preview(cells, store)
    assert left.at_once == 2 and left.seconds == pytest.approx(2 * estimate(QUICK, store).seconds)
