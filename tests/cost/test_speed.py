"""Speeds come from runs on this machine, or from measurements kept in the cache."""

import json
import threading
from dataclasses import asdict

import pytest

from core.cost import speed as speed_module
from core.cost.speed import EVALUATION_GAIN, probes, remember, run_speeds, undisturbed
from tests.cost.made import MACHINE, QUICK, made_speed, timed_run
from tests.made import made_record


def speeds(store, config=QUICK):
    return run_speeds(store, config, store.summaries())


def test_a_run_gives_the_speed_of_its_training_and_evaluation(store):
    timed_run(store, speed=500.0, evaluation=400.0)
    (speed,) = speeds(store)
    assert (speed.training, speed.evaluation) == (pytest.approx(500), pytest.approx(400))


def test_with_averaging_the_evaluation_is_not_timed(store):
    averaged = QUICK.replace({"train.averaging": "ema"})
    timed_run(store, averaged, speed=500.0, evaluation=400.0)
    assert speeds(store, averaged)[0].evaluation == EVALUATION_GAIN * 500


def test_growing_crops_count_as_whole_images(store):
    growing = QUICK.replace({"augment.grow_from": 16, "augment.grow_until": 1.0, "train.epochs": 4})
    timed_run(store, growing, speed=1_600.0)
    (speed,) = speeds(store, growing)
    assert speed.training == pytest.approx(1_600 * 28**2 / 32**2)  # the fastest of four epochs


def test_the_newest_runs_of_the_most_similar_network_count(store):
    for speed in (100.0, 200.0, 300.0, 400.0, 500.0, 600.0):
        timed_run(store, speed=speed)
    timed_run(store, QUICK.replace({"model.depth": 44}), speed=50.0)
    assert [speed.training for speed in speeds(store)] == [600.0, 500.0, 400.0, 300.0, 200.0]
    for _ in range(20):
        timed_run(store, speed=150.0)
    assert {speed.training for speed in speeds(store)} == {150.0}, "a machine that stays slower is learnt in time"
    assert [speed.depth for speed in speeds(store, QUICK.replace({"model.depth": 56}))] == [44]


@pytest.mark.parametrize(
    ("about", "config"),
    [
        ({"host": "another-computer"}, QUICK),
        ({"environment": MACHINE | {"precision": "bf16"}}, QUICK.replace({"train.precision": "fp32"})),
        ({"environment": MACHINE | {"device": "cuda"}}, QUICK.replace({"train.device": "cpu"})),
        ({}, QUICK.replace({"train.threads": 1})),
        ({"environment": {}}, QUICK),
        ({"epochs": 0}, QUICK),
    ],
)
def test_a_run_computed_elsewhere_or_otherwise_does_not_count(store, about, config):
    timed_run(store, **about)
    assert speeds(store, config) == []


def test_the_resolved_settings_count_like_auto(store):
    timed_run(store)
    assert speeds(store, QUICK.replace({"train.precision": "fp32", "train.threads": 2}))


def test_the_latest_measurements_of_a_network_are_kept(store):
    other = QUICK.replace({"model.width": 8})
    for config, speed in ((QUICK, 100.0), (other, 200.0), (QUICK, 300.0), (QUICK, 400.0), (QUICK, 50.0)):
        remember(store, made_speed(config, speed))
    assert [speed.training for speed in probes(store)] == [50.0, 400.0, 300.0, 200.0]


def test_the_fastest_tenth_of_the_epochs_counts(store):
    run_id = timed_run(store, speed=500.0, epochs=2)
    for epoch in range(3, 12):  # another program computes during most of the run
        store.run(run_id).append_record(made_record(epoch, images_per_second=90.0, seconds=1_000.0 * epoch))
    assert speeds(store)[0].training == pytest.approx(500)


def test_speeds_far_below_the_fastest_are_disturbed():
    assert undisturbed([made_speed(QUICK, speed) for speed in (500.0, 450.0, 100.0)]) == [
        made_speed(QUICK, 500.0),
        made_speed(QUICK, 450.0),
    ]
    assert undisturbed([]) == []


@pytest.mark.parametrize("content", ["{", "[1]", "[{}]", '{"a": 1}', json.dumps([{"asked": 1, "used": 2}])])
def test_a_damaged_file_of_measurements_counts_as_empty(store, content):
    store.cache_folder.mkdir(parents=True)
    (store.cache_folder / "speed.json").write_text(content)
    assert probes(store) == []
    remember(store, made_speed(QUICK))
    assert probes(store) == [made_speed(QUICK)]


def test_a_changed_digit_in_the_file_of_measurements_is_noticed(store):
    remember(store, made_speed(QUICK, 500.0))
    path = store.cache_folder / "speed.json"
    path.write_text(path.read_text().replace("500.0", "900.0"))
    assert probes(store) == []


def test_measurements_of_an_earlier_version_are_read(store):
    store.cache_folder.mkdir(parents=True)
    (store.cache_folder / "speed.json").write_text(json.dumps([asdict(made_speed(QUICK, 500.0))]))
    assert probes(store) == [made_speed(QUICK, 500.0)]
    remember(store, made_speed(QUICK, 510.0))
    assert [speed.training for speed in probes(store)] == [510.0, 500.0]


def test_measurements_of_two_windows_are_both_kept(store, monkeypatch):
    """The second window measures while the first has read the file and not yet written it."""
    read = speed_module.probes
    second = threading.Thread(target=lambda: remember(store, made_speed(QUICK.replace({"model.depth": 14}))))

    def meanwhile(store):
        monkeypatch.setattr(speed_module, "probes", read)
        kept = read(store)
        second.start()
        second.join(0.2)
        return kept

    monkeypatch.setattr(speed_module, "probes", meanwhile)
    remember(store, made_speed(QUICK))
    second.join()
    assert {speed.depth for speed in probes(store)} == {14, QUICK.model.depth}
