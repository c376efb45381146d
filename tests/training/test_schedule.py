"""Learning rates at the epochs the papers name, and the decisions made from a history."""

import itertools
import math
from dataclasses import replace

import pytest

from core.config.presets import PRESETS
from core.config.sections import TrainConfig
from core.training.schedule import learning_rate, stops_early

STEPS = 10


def rates(config, objectives=()):
    """The rate of each epoch's first step, epochs counted from 1."""
    return {
        epoch: learning_rate(config, (epoch - 1) * STEPS, STEPS, objectives) for epoch in range(1, config.epochs + 1)
    }


def test_the_reports_rate_first_falls_in_the_82nd_epoch():
    by_epoch = rates(PRESETS["report"].config.train)
    assert by_epoch[81] == 1e-3
    assert by_epoch[82] == pytest.approx(1e-4)
    assert by_epoch[121] == pytest.approx(1e-4)
    assert by_epoch[122] == pytest.approx(1e-5)
    assert by_epoch[162] == pytest.approx(1e-6)
    assert by_epoch[181] == pytest.approx(1e-6)
    assert by_epoch[182] == by_epoch[200] == pytest.approx(0.5e-6)


def test_he_2016_falls_twice_by_ten():
    by_epoch = rates(PRESETS["he2016"].config.train)
    assert [by_epoch[one] for one in (1, 91, 92, 136, 137, 182)] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_one_cycle_goes_straight_up_and_straight_down():
    config = TrainConfig(epochs=10, lr=0.4, schedule="one-cycle", warmup_epochs=2.0)
    up = [learning_rate(config, step, STEPS) for step in range(20)]
    down = [learning_rate(config, step, STEPS) for step in range(20, 100)]
    assert up == sorted(up) and 0 < up[0] < 0.03
    assert down[0] == 0.4
    assert [a - b for a, b in itertools.pairwise(down)] == pytest.approx([0.4 / 80] * 79)
    assert down[-1] == pytest.approx(0.4 / 80)


def test_cosine_is_half_way_down_in_the_middle():
    config = TrainConfig(epochs=10, lr=0.2, schedule="cosine")
    assert learning_rate(config, 0, STEPS) == pytest.approx(0.2)
    assert learning_rate(config, 50, STEPS) == pytest.approx(0.1)
    assert learning_rate(config, 99, STEPS) == pytest.approx(0.1 * (1 - math.cos(math.pi * 0.01)))


def test_constant_stays_after_its_warm_up():
    config = TrainConfig(epochs=10, lr=0.2, schedule="constant", warmup_epochs=1.0)
    assert learning_rate(config, 4, STEPS) == pytest.approx(0.2 * 5 / 11)
    assert {learning_rate(config, step, STEPS) for step in range(10, 100)} == {0.2}


def test_plateau_falls_when_patience_is_over_and_stops_at_its_floor():
    config = TrainConfig(lr=1.0, schedule="plateau", plateau_factor=0.1, plateau_patience=2, min_lr=0.05)

    def rate(*objectives):
        return learning_rate(config, 0, STEPS, objectives)

    assert rate() == rate(2.0) == rate(2.0, 1.0, 1.5) == 1.0
    assert rate(2.0, 1.0, 1.5, 1.0) == pytest.approx(0.1)
    assert rate(2.0, 1.0, 1.5, 1.0, 0.9, 1.0) == pytest.approx(0.1)
    assert rate(2.0, 1.0, 1.5, 1.0, 0.9, 1.0, 1.0) == 0.05


def test_a_plateau_does_not_raise_a_learning_rate_below_its_floor():
    config = TrainConfig(lr=1e-4, schedule="plateau", plateau_patience=2, min_lr=0.05)
    assert learning_rate(config, 0, STEPS, [1.0] * 9) == 1e-4


@pytest.mark.parametrize(
    ("monitor", "losses", "accuracies", "stops"),
    [
        ("off", [1, 2, 3, 4], [0.5, 0.4, 0.3, 0.2], False),
        ("loss", [1, 2, 3], [0.1, 0.2, 0.3], True),
        ("loss", [3, 2, 2.5], [0.1, 0.2, 0.3], False),
        ("accuracy", [1, 2, 3], [0.1, 0.2, 0.3], False),
        ("accuracy", [1, 1, 1], [0.3, 0.3, 0.2], True),
        ("loss", [], [], False),
    ],
)
def test_stopping_early(monitor, losses, accuracies, stops):
    config = TrainConfig(early_stopping=monitor, patience=2)
    assert stops_early(config, losses, accuracies) is stops


def test_small_improvements_do_not_count():
    config = TrainConfig(early_stopping="loss", patience=2, min_delta=0.1)
    assert stops_early(config, [1.0, 0.95, 0.91], [0, 0, 0])
    assert not stops_early(replace(config, min_delta=0.01), [1.0, 0.95, 0.91], [0, 0, 0])
