"""Estimates: counted costs equal the real network's, and speeds come from this machine or not at all."""

import json
from dataclasses import replace

import pytest
import torch

from core.base.errors import LabError
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost import estimate as estimates
from core.cost import network
from core.cost import speed as speeds
from core.cost.estimate import START_SECONDS, estimate
from core.cost.speed import EVALUATION_GAIN, Speed
from core.jobs import probe
from core.model import layer_table, resnet
from core.runs.folder import this_host
from tests.made import made_record, made_run

HERE = {"device": "cpu", "precision": "fp32", "threads": 2}
QUICK = PRESETS["quick"].config


def ran(store, config=QUICK, speed=500.0, epochs=4, environment=HERE, host=None, evaluation=5_000.0):
    """A finished run of ``config`` whose every epoch was trained at ``speed``."""
    run_id = made_run(store, epochs=0, config=config)
    sizes, seconds = config.data.sizes(), 0.0
    for epoch in range(1, epochs + 1):
        seconds += sizes.train / speed + sizes.validation / evaluation
        size = len(config.data.classes), sizes.train, config.train.batch_size
        store.run(run_id).append_record(made_record(epoch, *size, images_per_second=speed, seconds=seconds))
    store.run(run_id).write_environment(environment)
    store.run(run_id).write_status(replace(store.run(run_id).stored_status(), host=host or this_host(), epoch=epochs))
    return run_id


def speed_of(config, training=500.0, source="probe"):
    used = ("cpu", "fp32", 2)
    return Speed(this_host(), speeds.how(config), used, *speeds.shape(config), training, 3 * training, source)


# --- cost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shortcut", ["A", "B", "report"])
@pytest.mark.parametrize(("depth", "width"), [(20, 16), (8, 8), (32, 24)])
def test_the_counted_cost_is_that_of_the_real_network(depth, width, shortcut):
    config = RunConfig().replace(
        {"model.depth": depth, "model.width": width, "model.shortcut": shortcut, "data.classes": ("cat", "dog", "ship")}
    )
    table, cost = layer_table(config), network.network_cost(config)
    assert cost.macs == table["macs"].sum()
    assert cost.parameters == table["parameters"].sum()
    outputs = []
    model = resnet(depth, 3, width, shortcut).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _, __, output: outputs.append(output[0].numel()))
    model(torch.zeros(1, 3, 32, 32))
    assert (cost.activations, cost.widest) == (sum(outputs), max(outputs))
    assert cost.blocked >= cost.activations
    assert (cost.blocked == cost.activations) == (width % 16 == 0)


def test_memory_covers_what_the_formula_names():
    base = QUICK
    images = sum((base.data.sizes().train, base.data.sizes().validation, base.data.sizes().test))
    memory = network.memory_bytes(base)
    assert memory > 3_072 * images
    parameters = network.network_cost(base).parameters
    assert network.memory_bytes(base.replace({"train.optimizer": "adam"})) - memory == 4 * parameters
    assert network.memory_bytes(base.replace({"train.averaging": "ema"})) - memory == 4 * parameters
    assert network.memory_bytes(base.replace({"train.batch_size": 1_024})) > 2 * memory
    # All of CIFAR-10 is held as bytes, and its mean taken from a copy, whatever the batch.
    narrow = RunConfig().replace({"train.batch_size": 1, "model.width": 2})
    held = 60_000 * 3_072 + 12 * network.network_cost(narrow).parameters
    assert network.memory_bytes(narrow) == network.PROGRAM_BYTES + held + 45_000 * 3_072


# --- where speeds come from -------------------------------------------------------------------------


def test_without_a_measurement_no_time_is_told(store):
    found = estimate(QUICK, store)
    assert found.seconds is None
    assert not found.measured
    assert found.in_words().startswith("no measurement on this machine yet; about ")
    assert found.span_in_words() == ""


def test_a_like_run_gives_the_time_it_took(store):
    ran(store, speed=500.0, evaluation=2_000.0)
    found = estimate(QUICK, store)
    # 5 epochs of 4,000 pictures at 500/s; 5 × 500 validations and two tests of 2,000 at 2,000/s.
    assert found.seconds == pytest.approx(START_SECONDS + 40 + 2_500 / 2_000 + 4_000 / 2_000)
    assert found.low < found.seconds < found.high
    assert found.measured
    assert found.source == "from 1 earlier run like it"
    assert found.in_words().startswith("about 44 s (from 1 earlier run like it), about ")


def test_the_median_of_like_runs_counts_and_their_spread_is_told(store):
    for speed in (500.0, 100.0, 400.0):
        ran(store, speed=speed)
    found = estimate(QUICK, store)
    assert found.source == "from 3 earlier runs like it"
    assert found.seconds == pytest.approx(
        estimates.run_seconds(QUICK, replace(speed_of(QUICK, 400.0), evaluation=5_000.0))
    )
    assert found.high > 200  # at 100 pictures a second the training alone takes that long


def test_a_disturbed_epoch_does_not_count(store):
    run_id = ran(store, speed=500.0)
    before = estimate(QUICK, store).seconds
    store.run(run_id).append_record(made_record(5, images_per_second=5.0, seconds=9_000.0))
    assert estimate(QUICK, store).seconds == pytest.approx(before)


@pytest.mark.parametrize(
    ("about", "config"),
    [
        ({"host": "another-computer"}, QUICK),
        ({"environment": HERE | {"precision": "bf16"}}, QUICK.replace({"train.precision": "fp32"})),
        ({"environment": HERE | {"device": "cuda"}}, QUICK.replace({"train.device": "cpu"})),
        ({}, QUICK.replace({"train.threads": 1})),
        ({"environment": {}}, QUICK),
    ],
)
def test_a_run_computed_elsewhere_or_otherwise_tells_nothing(store, about, config):
    ran(store, **about)
    assert estimate(config, store).seconds is None


def test_asking_for_what_auto_came_to_is_the_same_speed(store):
    ran(store)
    assert estimate(QUICK.replace({"train.precision": "fp32", "train.threads": 2}), store).measured


def test_another_network_is_scaled_by_its_work(store):
    ran(store, speed=500.0)
    deeper = QUICK.replace({"model.depth": 56})
    found = estimate(deeper, store)
    assert found.source == "scaled from a run of 20 layers, width 16, batch 32"
    assert not found.measured
    assert 2.5 < found.seconds / estimate(QUICK, store).seconds < 3.2
    assert found.high / found.seconds > 1.3


def test_eight_channels_cost_more_than_half_of_sixteen():
    half = QUICK.replace({"model.width": 8})
    assert network.network_cost(half).activations * 2 == network.network_cost(QUICK).activations
    assert network.step_work(half) > 0.5 * network.step_work(QUICK)


def test_what_a_layer_costs_is_not_shared_by_threads():
    one, four = (QUICK.replace({"train.threads": threads}) for threads in (1, 4))
    deep_one, deep_four = (one_of.replace({"model.depth": 110}) for one_of in (one, four))
    assert network.step_work(four) > network.step_work(one)
    assert network.step_work(deep_four, 1) / network.step_work(four, 100) > network.step_work(
        deep_one, 1
    ) / network.step_work(one, 100)


def test_larger_batches_cost_a_picture_less_but_not_nothing(store):
    ran(store, speed=500.0)
    small, large = QUICK.replace({"train.batch_size": 4}), QUICK.replace({"train.batch_size": 256})
    times = [estimate(one, store).seconds for one in (small, QUICK, large)]
    assert times[0] > times[1] > times[2] > 0.5 * times[1]


def test_the_most_alike_of_other_runs_is_scaled(store):
    ran(store, speed=500.0)
    ran(store, QUICK.replace({"model.depth": 44}), speed=123.0)
    assert "44 layers" in estimate(QUICK.replace({"model.depth": 56}), store).source


def test_a_damaged_run_is_passed_over(store):
    (store.root / ran(store) / "meta.json").write_text("{")
    ran(store)
    assert estimate(QUICK, store).source == "from 1 earlier run like it"


def test_an_evaluation_takes_as_many_pictures_at_once_as_the_memory_formula_says():
    from core.training.evaluation import BATCH

    assert BATCH == network.EVALUATION_BATCH


def test_a_runs_evaluations_are_timed_too(store):
    slow, fast = (speeds._of_run(store, ran(store, evaluation=speed)) for speed in (400.0, 4_000.0))
    assert slow.evaluation == pytest.approx(400, rel=1e-6)
    assert fast.evaluation == pytest.approx(4_000, rel=1e-6)
    averaged = speeds._of_run(
        store, ran(store, QUICK.replace({"train.averaging": "ema"}), speed=500.0, evaluation=400.0)
    )
    assert averaged.evaluation == EVALUATION_GAIN * 500


# --- probes -----------------------------------------------------------------------------------------


def test_a_probe_counts_where_no_like_run_is(store):
    speeds.remember(store, speed_of(QUICK, 250.0))
    assert estimate(QUICK, store).source == "measured on this machine"
    ran(store)
    assert estimate(QUICK, store).source == "from 1 earlier run like it"


def test_a_newer_probe_replaces_the_older_of_the_same_network(store):
    other = QUICK.replace({"model.width": 8})
    for config, speed in ((QUICK, 100.0), (other, 200.0), (QUICK, 300.0)):
        speeds.remember(store, speed_of(config, speed))
    assert [one.training for one in speeds.probes(store)] == [300.0, 200.0]


@pytest.mark.parametrize("content", ["{", "[1]", "[{}]", '{"a": 1}', json.dumps([{"asked": 1, "used": 2}])])
def test_a_damaged_file_of_probes_is_as_none(store, content):
    store.cache_folder.mkdir(parents=True)
    (store.cache_folder / "speed.json").write_text(content)
    assert estimate(QUICK, store).seconds is None
    speeds.remember(store, speed_of(QUICK))
    assert estimate(QUICK, store).measured


def test_a_probe_trains_and_is_remembered(store, monkeypatch):
    monkeypatch.setattr(probe, "MOST_STEPS", 4)
    config = RunConfig().set_from_text(
        ["model.depth=8", "model.width=4", "train.batch_size=16", "train.precision=fp32", "train.threads=1"]
    )
    speed = probe.measure(config, store)
    assert speed.training > 0
    assert speed.evaluation > 0
    assert speed.used == ("cpu", "fp32", 1)
    assert speeds.probes(store) == [speed]
    assert estimate(config, store).measured
    assert not store.ids()


def test_a_probe_trains_on_whole_pictures_for_the_estimate_counts_smaller_ones(store, monkeypatch):
    seen = []

    class Seen(probe.Trainer):
        def _step(self, rows, draws, side):
            seen.append(side)
            return super()._step(rows, draws, side)

    monkeypatch.setattr(probe, "Trainer", Seen)
    monkeypatch.setattr(probe, "MOST_STEPS", 4)
    probe.measure(PRESETS["fast"].config.replace({"model.depth": 8, "model.width": 4, "train.batch_size": 8}), store)
    assert set(seen) == {32}


def test_a_probe_of_a_huge_step_takes_fewer_pictures():
    huge = RunConfig().replace({"model.depth": 110, "model.width": 128, "train.batch_size": 8_192})
    batch = probe._affordable_batch(huge)
    assert 1 <= batch < 8_192
    assert network.step_work(huge, batch) < 2 * probe.MOST_WORK
    assert probe._affordable_batch(QUICK) == 32


def test_nothing_is_measured_beside_a_run(store):
    run_id = made_run(store, state="running")
    with store.run(run_id).hold(), pytest.raises(LabError, match="when it is done"):
        probe.measure(QUICK, store)


# --- the sum, and its words -------------------------------------------------------------------------


def test_averaging_and_validating_on_the_test_part_cost_what_they_evaluate():
    speed = speed_of(QUICK, 500.0)
    plain = estimates.run_seconds(QUICK, speed)
    averaged = QUICK.replace({"train.averaging": "equal", "train.averaging_start": 4})
    # Two of five epochs are averaged; statistics come from the 4,000 training pictures.
    assert estimates.run_seconds(averaged, speed) - plain == pytest.approx(2 * 4_000 / 1_500)
    on_test = QUICK.replace({"data.validation": "test", "data.train_size": 4_000})
    # Five validations on 2,000 test pictures, and none at the end, for five on 500 and two on 2,000.
    assert estimates.run_seconds(on_test, speed) - plain == pytest.approx((10_000 - 2_500 - 4_000) / 1_500)


def test_growing_windows_cost_their_area(store):
    speed = speed_of(QUICK, 500.0)
    whole = estimates.run_seconds(QUICK, speed)
    growing = QUICK.replace({"augment.grow_from": 16, "augment.grow_until": 0.8, "train.epochs": 5})
    assert growing.crop_sizes() == [16, 20, 24, 28, 32]
    saved = sum(1 - (side / 32) ** 2 for side in (16, 20, 24, 28))
    assert whole - estimates.run_seconds(growing, speed) == pytest.approx(saved * 4_000 / 500)


def test_a_run_of_growing_windows_tells_the_speed_of_whole_pictures(store):
    growing = QUICK.replace({"augment.grow_from": 16, "augment.grow_until": 1.0, "train.epochs": 4})
    ran(store, growing, speed=1_600.0)
    (speed,) = speeds.of_runs(store, growing, store.frame())
    assert speed.training == pytest.approx(1_600 * (20**2 + 24**2) / 2 / 32**2)  # the median of four epochs


def test_a_run_that_may_stop_early_takes_at_most_that(store):
    ran(store)
    assert estimate(QUICK.replace({"train.early_stopping": "loss"}), store).in_words().startswith("at most about ")


def test_several_runs_take_their_time_each(store):
    ran(store)
    found = estimate(QUICK, store)
    assert " for 3 runs " in found.in_words(3)
    assert found.in_words(1).split(" (")[0] != found.in_words(3).split(" for")[0]


@pytest.mark.parametrize(
    ("size", "words"), [(4.3e6, "4 MB"), (43.4e6, "43 MB"), (417e6, "420 MB"), (999.8e6, "1.0 GB"), (2.34e9, "2.3 GB")]
)
def test_memory_is_told_to_two_figures(size, words):
    assert network.memory_in_words(size) == words
