"""Calibration: worked examples by hand, the interval by simulation, and a temperature that is found again."""

import math

import numpy as np
import pytest

from core.inspect.calibration import (
    BINS,
    at_temperature,
    brier,
    calibration,
    ece_interval,
    fitted_temperature,
    nll,
    reliability,
)
from core.runs.predictions import Answers


def answers_of(probabilities: list[list[float]], labels: list[int]) -> Answers:
    logits = np.log(np.array(probabilities)).astype(np.float32)
    return Answers("test", 1, np.arange(len(labels)), np.array(labels), logits, logits.argmax(1))


#: Four answers in three bins: 0.52 (wrong), 0.72 (right) and 0.72 (wrong), 0.9 (right).
BY_HAND = answers_of([[0.52, 0.48], [0.28, 0.72], [0.72, 0.28], [0.1, 0.9]], [1, 1, 1, 1])


def test_a_worked_example():
    found = calibration(BY_HAND)
    assert (found.accuracy, found.confidence) == (0.5, pytest.approx((0.52 + 0.72 + 0.72 + 0.9) / 4))
    # Bins of width 1/15: 0.52 is alone, the two of 0.72 have accuracy ½, 0.9 is alone and right.
    assert found.ece == pytest.approx((1 * 0.52 + 2 * (0.72 - 0.5) + 1 * (1 - 0.9)) / 4, abs=1e-6)
    assert found.nll == pytest.approx(-(math.log(0.48) + math.log(0.72) + math.log(0.28) + math.log(0.9)) / 4)
    assert found.brier == pytest.approx(2 * (0.52**2 + 0.28**2 + 0.72**2 + 0.1**2) / 4, abs=1e-6)
    assert found.excess == pytest.approx(0.215)


def test_the_bins_of_the_worked_example():
    diagram = reliability(BY_HAND)
    assert diagram.counts.sum() == 4 and {at: int(diagram.counts[at]) for at in (7, 10, 13)} == {7: 1, 10: 2, 13: 1}
    assert diagram.accuracy[[7, 10, 13]] == pytest.approx([0, 0.5, 1])
    assert diagram.confidence[[7, 10, 13]] == pytest.approx([0.52, 0.72, 0.9])
    assert np.isnan(diagram.accuracy[0]) and len(diagram.counts) == BINS


def drawn(n: int, temperature: float, seed: int) -> tuple[Answers, np.ndarray]:
    """Answers whose true probabilities are those at ``temperature``; and the true probability of each answer."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 4, (n, 10)).astype(np.float32)
    answers = Answers("test", 1, np.arange(n), np.zeros(n, np.int64), logits, logits.argmax(1))
    truth = at_temperature(answers, temperature).probabilities
    labels = (truth.cumsum(1) > draw.random((n, 1))).argmax(1)
    return Answers("test", 1, answers.images, labels, logits, answers.predicted), truth.max(1)


@pytest.mark.parametrize("temperature", [1.0, 1.3])
def test_torchmetrics_finds_the_same_error(temperature):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    answers, _ = drawn(3_000, temperature, 0)
    probabilities, labels = torch.from_numpy(answers.probabilities), torch.from_numpy(answers.labels)
    theirs = multiclass_calibration_error(probabilities, labels, 10, n_bins=BINS)
    assert calibration(answers).ece == pytest.approx(float(theirs), abs=1e-6)


def test_the_likelihood_is_torchs_cross_entropy():
    import torch

    answers, _ = drawn(300, 1.0, 0)
    theirs = torch.nn.functional.cross_entropy(torch.from_numpy(answers.logits), torch.from_numpy(answers.labels))
    assert nll(answers) == pytest.approx(float(theirs), rel=1e-5)


def test_a_confidence_of_one_is_in_the_last_bin():
    answers = answers_of([[1.0, 1e-30], [1.0, 1e-30]], [0, 1])
    assert reliability(answers).counts[-1] == 2
    assert calibration(answers).ece == pytest.approx(0.5)


@pytest.mark.parametrize("temperature", [1.0, 1.2])
def test_the_interval_holds_the_true_error(temperature):
    many, chances = drawn(200_000, temperature, 1)
    bins = np.minimum((many.confidence * BINS).astype(int), BINS - 1)
    true = np.abs(np.bincount(bins, many.confidence - chances, BINS)).sum() / len(many)
    intervals = [ece_interval(drawn(2_000, temperature, seed)[0], resamples=200) for seed in range(100, 160)]
    share = np.mean([interval.holds(true) for interval in intervals])
    assert 0.85 <= share  # 95 % of 60, less four standard deviations
    assert np.mean([interval.high - interval.low for interval in intervals]) < 0.05


def test_a_temperature_is_found_again_and_improves_other_images():
    validation, _ = drawn(20_000, 1.5, 2)
    test, _ = drawn(20_000, 1.5, 3)
    temperature = fitted_temperature(validation)
    assert temperature == pytest.approx(1.5, abs=0.05)
    cooled = at_temperature(test, temperature)
    assert nll(cooled) < nll(test) and brier(cooled) < brier(test)
    assert calibration(cooled).ece < 0.02 < 0.05 < calibration(test).ece
    assert (cooled.predicted == test.predicted).all() and cooled.accuracy == test.accuracy


def test_without_mistakes_no_temperature_is_best():
    with pytest.raises(ValueError, match="temperature"):
        fitted_temperature(answers_of([[0.9, 0.1], [0.2, 0.8]], [0, 1]))
