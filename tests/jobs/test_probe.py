"""A measurement trains for real, and is kept for estimates."""

import pytest

from core.base.errors import LabError
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost.estimate import estimate
from core.cost.network import step_work
from core.cost.speed import probes
from core.jobs import probe
from core.training import trainer as trainer_module
from core.training.step import TrainingStep
from tests.made import made_run

QUICK = PRESETS["quick"].config


def test_a_measurement_trains_and_is_remembered(store, monkeypatch):
    monkeypatch.setattr(probe, "MAX_STEPS", 4)
    config = RunConfig().set_from_text(
        ["model.depth=8", "model.width=4", "train.batch_size=16", "train.precision=fp32", "train.threads=1"]
    )
    speed = probe.measure(config, store)
    assert speed.training > 0
    assert speed.evaluation > 0
    assert speed.used == ("cpu", "fp32", 1)
    assert probes(store) == [speed]
    assert estimate(config, store).measured
    assert not store.ids()


def test_a_measurement_trains_on_whole_images(store, monkeypatch):
    """Estimates count smaller crops themselves."""
    sizes = []

    class Watched(TrainingStep):
        def batch(self, rows, side):
            sizes.append(side)
            return super().batch(rows, side)

    monkeypatch.setattr(trainer_module, "TrainingStep", Watched)
    monkeypatch.setattr(probe, "MAX_STEPS", 4)
    probe.measure(PRESETS["fast"].config.replace({"model.depth": 8, "model.width": 4, "train.batch_size": 8}), store)
    assert set(sizes) == {32}


def test_a_huge_step_is_measured_with_a_smaller_batch():
    huge = RunConfig().replace({"model.depth": 110, "model.width": 128, "train.batch_size": 8_192})
    batch = probe._affordable_batch(huge)
    assert 1 <= batch < 8_192
    assert step_work(huge, batch) < 2 * probe.MAX_WORK
    assert probe._affordable_batch(QUICK) == 32


def test_nothing_is_measured_during_a_run(store):
    run_id = made_run(store, state="running")
    with store.run(run_id).hold(), pytest.raises(LabError, match="A run is training"):
        probe.measure(QUICK, store)
