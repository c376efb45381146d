"""Estimates: the sum of what a run does, at a speed of this machine or not at all."""

from dataclasses import replace

import pytest

from core.cost.estimate import START_SECONDS, estimate, predictions_text, run_seconds
from core.cost.speed import remember
from core.runs.storage import Storage
from tests.cost.made import QUICK, made_speed, timed_run
from tests.made import made_record


def test_without_a_measurement_there_is_no_time(store):
    expected = estimate(QUICK, store)
    assert (expected.seconds, expected.measured, expected.range_text()) == (None, False, "")
    assert "not measured" in expected.text() and "MB of memory" in expected.text()


def test_a_run_of_the_same_network_gives_the_time_it_took(store):
    timed_run(store, speed=500.0, evaluation=2_000.0)
    expected = estimate(QUICK, store)
    # 5 epochs of 4,000 images at 500/s; 5 × 500 validation images and two tests of 2,000 at 2,000/s.
    assert expected.seconds == pytest.approx(START_SECONDS + 40 + 2_500 / 2_000 + 4_000 / 2_000)
    assert expected.low < expected.seconds < expected.high
    assert expected.measured
    assert expected.text().startswith("about 44 s (from 1 earlier run of this network), about ")


def test_of_several_runs_the_median_of_the_undisturbed_ones_counts(store):
    for speed in (500.0, 450.0, 100.0, 420.0):
        timed_run(store, speed=speed)
    expected = estimate(QUICK, store)
    assert "3 earlier runs" in expected.source and "without 1 slower one" in expected.source
    assert expected.seconds == pytest.approx(run_seconds(QUICK, replace(made_speed(QUICK, 450.0), evaluation=5_000.0)))
    assert expected.high < 100  # at 100 images a second the training alone takes 200 s


@pytest.mark.parametrize("first", ["run", "measurement"])
def test_a_run_under_load_does_not_make_estimates_pessimistic(store, first):
    """One of the two was starved by other programs, whichever is the newer."""
    if first == "measurement":
        remember(store, made_speed(QUICK, 500.0))
    timed_run(store, speed=30.0)
    if first == "run":
        starved = estimate(QUICK, store)
        assert starved.alone, "a single run may be wrong: the page offers to measure"
        remember(store, made_speed(QUICK, 500.0))
    expected = estimate(QUICK, store)
    assert expected.seconds == pytest.approx(run_seconds(QUICK, made_speed(QUICK, 500.0)))
    assert expected.source == "measured on this computer, without 1 slower one" and not expected.alone


def test_a_measurement_under_load_does_not_either(store):
    for speed in (500.0, 40.0):
        remember(store, made_speed(QUICK, speed))
    assert estimate(QUICK, store).seconds == pytest.approx(run_seconds(QUICK, made_speed(QUICK, 500.0)))


def test_an_estimate_that_is_scaled_prefers_undisturbed_speeds_too(store):
    for speed in (500.0, 40.0):
        timed_run(store, speed=speed)
    expected = estimate(QUICK.replace({"model.depth": 8}), store)
    assert not expected.measured and "without 1 slower one" in expected.source


def test_a_disturbed_epoch_does_not_count(store):
    run_id = timed_run(store, speed=500.0)
    before = estimate(QUICK, store).seconds
    store.run(run_id).append_record(made_record(5, images_per_second=5.0, seconds=9_000.0))
    assert estimate(QUICK, store).seconds == pytest.approx(before)


def test_another_network_is_scaled_by_its_work(store):
    timed_run(store, speed=500.0)
    expected = estimate(QUICK.replace({"model.depth": 56}), store)
    assert "20 layers, width 16, batch 32" in expected.source
    assert not expected.measured
    assert 2.5 < expected.seconds / estimate(QUICK, store).seconds < 3.2
    assert expected.high / expected.seconds > 1.3


def test_larger_batches_cost_an_image_less_but_not_nothing(store):
    timed_run(store, speed=500.0)
    small, large = QUICK.replace({"train.batch_size": 4}), QUICK.replace({"train.batch_size": 256})
    times = [estimate(config, store).seconds for config in (small, QUICK, large)]
    assert times[0] > times[1] > times[2] > 0.5 * times[1]


def test_a_damaged_run_is_skipped(store):
    (store.root / timed_run(store) / "meta.json").write_text("{")
    timed_run(store)
    assert "1 earlier run " in estimate(QUICK, store).source


def test_a_measurement_counts_before_other_networks_and_beside_runs(store):
    timed_run(store, QUICK.replace({"model.depth": 8}))
    remember(store, made_speed(QUICK, 450.0))
    assert estimate(QUICK, store).source == "measured on this computer"
    timed_run(store)
    assert estimate(QUICK, store).source == "from 1 earlier run and a measurement of this network"


def test_averaging_and_validating_on_the_test_set_cost_what_they_evaluate():
    speed = made_speed(QUICK, 500.0)
    plain = run_seconds(QUICK, speed)
    averaged = QUICK.replace({"train.averaging": "equal", "train.averaging_start": 4})
    # Two of five epochs are averaged; statistics come from the 4,000 training images.
    assert run_seconds(averaged, speed) - plain == pytest.approx(2 * 4_000 / 1_500)
    on_test = QUICK.replace({"data.validation": "test", "data.train_size": 4_000})
    # Five validations on 2,000 test images and none at the end, instead of five on 500 and two on 2,000.
    assert run_seconds(on_test, speed) - plain == pytest.approx((10_000 - 2_500 - 4_000) / 1_500)


def test_growing_crops_cost_their_area():
    speed = made_speed(QUICK, 500.0)
    growing = QUICK.replace({"augment.grow_from": 16, "augment.grow_until": 0.8, "train.epochs": 5})
    assert growing.crop_sizes() == [16, 20, 24, 28, 32]
    saved = sum(1 - (size / 32) ** 2 for size in (16, 20, 24, 28))
    assert run_seconds(QUICK, speed) - run_seconds(growing, speed) == pytest.approx(saved * 4_000 / 500)


def test_a_run_that_may_stop_early_takes_at_most_that(store):
    timed_run(store)
    assert estimate(QUICK.replace({"train.early_stopping": "loss"}), store).text().startswith("at most about ")


def test_several_runs_take_the_sum(store):
    timed_run(store)
    Storage(store).change(runs_at_once=1)
    expected = estimate(QUICK, store, 3)
    assert " for 3 runs " in expected.text() and expected.turns == pytest.approx(3)
    assert estimate(QUICK, store).text().split(" (")[0] != expected.text().split(" for")[0]


def test_predictions_take_one_evaluation_of_all_images(store):
    run_id = timed_run(store, evaluation=100.0)
    assert START_SECONDS == 1 and predictions_text(store, store.summary(run_id)) == (
        "evaluates 2,500 images: about 26 s"
    )
    unmeasured = timed_run(store, environment={})
    assert predictions_text(store, store.summary(unmeasured)) == "evaluates 2,500 images"
