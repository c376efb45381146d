"""Several runs at once: their share of the cores, whether one more has room, and how long all of them take."""

from dataclasses import replace

import pytest

from core.cost import machine, together
from core.cost.estimate import estimate, queue_text, time_left, total
from core.cost.network import PROGRAM_BYTES, memory_bytes
from core.cost.speed import gain
from core.cost.together import Job, abreast, better_later, chosen, cores_each, fixed_threads, obstacle, total_seconds
from core.runs.storage import Storage
from core.study import progress
from core.study.study import Axis, Study
from tests.cost.made import MACHINE, QUICK, timed_run
from tests.made import made_run


def run_of(store, *settings, environment=None, epoch=0):
    run_id = store.create(QUICK.set_from_text(list(settings)), environment=environment or {})
    run = store.summary(run_id)
    return replace(run, status=replace(run.status, epoch=epoch))


def may_begin(run, *beside, threads=1, waiting=1, at_once=None):
    """Whether a run may begin with so many threads beside runs that have one thread each."""
    return obstacle(run, threads, [(other, fixed_threads(other) or 1) for other in beside], waiting, at_once) is None


def test_the_cores_are_shared_and_everyone_gets_one(monkeypatch):
    assert [cores_each(number) for number in (1, 2, 3)] == [2, 1, 1]
    assert [cores_each(None, number) for number in (1, 2, 3)] == [2, 1, 1]
    monkeypatch.setattr(together, "core_count", lambda: 16)
    # Alone, two of three, and as many as train at once without a choice.
    assert [cores_each(None, abreast([QUICK], None, runs)) for runs in (1, 3, 8, 100)] == [16, 5, 2, 2]
    assert cores_each(4, 1) == 4, "a number that someone chose is a share, however few runs wait"


def test_threads_are_those_recorded_or_set(store):
    assert fixed_threads(run_of(store)) is None
    assert fixed_threads(run_of(store, "train.threads=5")) == 5
    assert fixed_threads(run_of(store, "train.threads=5", environment={"threads": 2})) == 2


def test_on_a_cpu_runs_have_a_core_for_each_thread(store):
    half, whole = run_of(store), run_of(store, environment={"threads": 2})
    assert may_begin(whole, threads=2), "a run alone may always begin"
    assert may_begin(half, half)
    assert not may_begin(half, half, half) and not may_begin(whole, half, threads=2) and not may_begin(half, whole)


def test_on_a_gpu_threads_do_not_count(store, monkeypatch):
    monkeypatch.setattr(together, "has_gpu", lambda: True)
    run = run_of(store, "train.threads=2")
    assert may_begin(run, run, run, run, threads=2)
    assert may_begin(run_of(store, "train.device=cpu"), run), "it uses the processor, the other the GPU"


@pytest.mark.parametrize(
    ("done", "waiting", "begins"),
    [
        (0, 1, True),  # both have everything left
        (2, 1, True),  # 3 of 5 epochs left
        (3, 1, False),  # 2 of 5 epochs left: it has both cores soon
        (3, 2, True),  # another one takes the second core then
    ],
)
def test_the_last_run_waits_for_all_cores_if_they_are_free_soon(store, done, waiting, begins):
    other = run_of(store, epoch=done)
    assert may_begin(run_of(store), other, waiting=waiting) == begins
    assert may_begin(run_of(store, environment={"threads": 1}), other, waiting=waiting), "it keeps its threads"
    assert may_begin(run_of(store), other, waiting=waiting, at_once=2), "someone has chosen two at once"
    assert may_begin(run_of(store, "train.epochs=3"), other, waiting=waiting), (
        "a short run does not wait for a long one"
    )


def test_more_than_two_cores_are_not_left_unused_at_the_end(monkeypatch):
    monkeypatch.setattr(together, "core_count", lambda: 8)
    assert better_later(1.0, 1, [0.1] * 7, waiting=1, at_once=8)
    assert better_later(1.0, 1, [0.1] * 7, waiting=4, at_once=8)
    assert not better_later(1.0, 1, [0.1] * 6 + [0.9], waiting=1, at_once=8)
    assert not better_later(1.0, 1, [0.1] * 7, waiting=5, at_once=8), "they would have one core each then, too"


@pytest.mark.parametrize("runs_that_fit", [1, 2])
def test_the_free_memory_has_to_hold_the_run(store, monkeypatch, runs_that_fit):
    run = run_of(store)
    needed = memory_bytes(run.config) - PROGRAM_BYTES
    monkeypatch.setattr(together, "free_memory_of", lambda device: needed if runs_that_fit == 2 else needed - 1)
    assert may_begin(run, run) == (runs_that_fit == 2)


def test_runs_that_have_just_begun_count_with_the_memory_they_will_take(store, monkeypatch):
    run = run_of(store)
    whole = int((2 * memory_bytes(run.config) - PROGRAM_BYTES) / machine.TIGHT) + 2
    for limit, fits in ((whole, True), (whole - 10, False)):
        monkeypatch.setattr(together, "memory_limit", lambda device, limit=limit: limit)
        assert may_begin(run, run) == fits
        assert abreast([QUICK, QUICK], None) == 1 + fits, "and alone it gets all cores"


def test_where_the_system_does_not_tell_its_memory_runs_begin(store, monkeypatch):
    monkeypatch.setattr(together, "free_memory_of", lambda device: None)
    monkeypatch.setattr(together, "memory_limit", lambda device: None)
    run = run_of(store)
    assert may_begin(run, run) and abreast([QUICK, QUICK], None) == 2


@pytest.mark.parametrize(
    ("seconds", "at_once", "begun", "total"),
    [
        ([], 1, [], 0.0),
        ([3.0, 4.0], 1, [], 7.0),
        ([3.0, 4.0, 5.0], 2, [], 8.0),  # the third begins when the first has ended
        ([3.0], 2, [10.0], 10.0),
        ([3.0], 2, [10.0, 1.0], 10.0),
        ([3.0], 1, [10.0, 1.0], 13.0),  # two have begun before someone chose one at a time
    ],
)
def test_the_time_of_a_queue_with_a_chosen_number_of_runs_at_once(seconds, at_once, begun, total):
    waiting, training = ([Job(time, 1, fixed=True) for time in times] for times in (seconds, begun))
    assert total_seconds(waiting, at_once, at_once, training) == total


@pytest.mark.parametrize(
    ("runs", "begun", "with_one", "with_two"),
    [
        (1, [], 0, 1),
        (2, [], 1, 0),
        (3, [], 1, 1),  # the last has all cores
        (4, [], 2, 0),
        (1, [(0.2, 1)], 0.2, 1),
        (1, [(0.9, 1)], 1, 0),
        (1, [(0.9, 2)], 0.9, 1),  # the first has all cores, and keeps them
    ],
)
def test_the_time_of_a_queue_is_that_of_the_rules_by_which_runs_begin(runs, begun, with_one, with_two):
    """In times that a run needs with one and with two threads."""
    training = [Job(seconds, threads) for seconds, threads in begun]
    expected = with_one + with_two * gain(1) / gain(2)
    assert total_seconds([Job(1.0, 1)] * runs, 2, None, training) == pytest.approx(expected)


def test_as_many_train_at_once_as_the_cores_allow(monkeypatch):
    assert [abreast([QUICK] * 8, number) for number in (1, 2, 8, None)] == [1, 2, 2, 2]
    assert abreast([QUICK], None) == abreast([QUICK], 2) == 1, "there is only one"
    two_threads = QUICK.replace({"train.threads": 2})
    assert abreast([QUICK, two_threads], 2) == abreast([QUICK, two_threads], None) == 1
    monkeypatch.setattr(together, "has_gpu", lambda: True)
    assert abreast([QUICK] * 20, 16) == 16 and abreast([QUICK] * 20, None) == 8


def test_two_at_once_are_expected_to_gain_what_was_measured_elsewhere(store):
    timed_run(store)
    Storage(store).change(runs_at_once=1)
    after_each_other, whole = estimate(QUICK, store, 4), estimate(QUICK, store)
    Storage(store).change(runs_at_once=None)
    assert estimate(QUICK, store) == whole, "alone it has all cores"
    shared = estimate(QUICK, store, 4)
    assert shared.at_once == 2 and "2 at once" in shared.text() and "2 threads" in shared.source and not shared.measured
    both = after_each_other.turns * after_each_other.seconds, shared.turns * shared.seconds
    assert both[0] / both[1] == pytest.approx(1.14, abs=0.02)
    assert total([QUICK] * 4, store).seconds == pytest.approx(both[1])
    assert total([QUICK] * 3, store).seconds == pytest.approx(both[1] / 2 + whole.seconds, rel=0.02)


def test_runs_with_as_many_threads_say_how_fast_two_at_once_are(store):
    timed_run(store)
    alone = estimate(QUICK, store).seconds
    timed_run(store, speed=300.0, environment=MACHINE | {"threads": 1})
    assert estimate(QUICK, store).seconds == pytest.approx(alone), "not how fast one is"
    shared = estimate(QUICK, store, 2)
    assert shared.measured and shared.seconds == pytest.approx(alone * 5 / 3, rel=0.1)


def test_a_run_with_one_thread_says_how_fast_one_alone_is(store):
    timed_run(store, speed=300.0, environment=MACHINE | {"threads": 1})
    shared, alone = estimate(QUICK, store, 2), estimate(QUICK, store)
    assert shared.measured and not alone.measured and "1 thread" in alone.source
    assert shared.seconds / alone.seconds == pytest.approx(gain(2), rel=0.05)


def test_what_is_left_of_runs_that_train_and_wait(store):
    timed_run(store)
    made_run(store, epochs=1, state="running", config=QUICK)
    waiting = [run_of(store), run_of(store)]
    whole, share = estimate(QUICK, store).seconds, 1 - 1 / QUICK.train.epochs
    training = [replace(waiting[0], status=replace(waiting[0].status, state="running", epoch=1))]
    begun = [replace(training[0], meta=replace(training[0].meta, environment=MACHINE))]
    Storage(store).change(runs_at_once=1)
    assert time_left(store, begun, waiting) == pytest.approx((share + 2) * whole)
    assert "One run" in queue_text(store, begun, waiting)
    Storage(store).change(runs_at_once=2)
    half = estimate(QUICK, store).seconds
    assert half > 1.7 * whole, "a share, also alone"
    assert time_left(store, training, waiting) == pytest.approx((share + 1) * half)
    assert "2 runs" in queue_text(store, training, waiting)
    Storage(store).change(runs_at_once=None)
    assert time_left(store, begun, waiting) == pytest.approx(share * whole + half, rel=0.01)


def test_without_a_measurement_the_time_of_the_queue_is_not_known(store):
    run = run_of(store)
    assert time_left(store, [], [run]) is None and "until" not in queue_text(store, [], [run])
    assert total([QUICK], store).seconds is None


def test_the_preview_of_a_study_counts_runs_at_once(store):
    timed_run(store)
    study = Study("x", QUICK, (Axis("train.lr", (0.05, 0.1)),), (0, 1))
    cells = progress.statuses("", study, store.summaries())
    assert chosen(store) is None
    left = progress.preview(cells, store)
    expected = estimate(QUICK, store, left.runs)
    assert left.runs == 3 and left.at_once == 2
    assert left.seconds == pytest.approx(expected.turns * expected.seconds)
    assert left.low < left.seconds < left.high
