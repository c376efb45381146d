"""Slices: fifths of the images, accuracies on them, and differences at the same mix of classes."""

import math

import numpy as np
import pandas as pd
import pytest

from core.config.run_config import RunConfig
from core.data import cifar10
from core.inspect import slices
from core.inspect.slices import CUTS, FIFTHS, Slice, brightness_and_contrast, difference, fifths, measured
from core.runs.predictions import Answers


def made(labels: np.ndarray, correct: np.ndarray, k: int = 2) -> Answers:
    """Return answers that are ``correct`` or name the next class."""
    predicted = np.where(correct, labels, (labels + 1) % k)
    logits = np.eye(k, dtype=np.float32)[predicted]
    return Answers("test", 1, np.arange(len(labels)), labels, logits, predicted)


def test_luma_of_plain_colours_and_of_a_checkerboard():
    images = np.zeros((3, 3, 32, 32), np.uint8)
    images[0, 0] = 200  # red
    images[1] = 100  # grey
    images[2, :, ::2, ::2] = images[2, :, 1::2, 1::2] = 80
    brightness, contrast = brightness_and_contrast(images)
    assert brightness == pytest.approx([0.299 * 200, 100, 40], abs=1e-3)
    assert contrast == pytest.approx([0, 0, 40], abs=1e-3)


def test_fifths_are_equal_parts_in_rising_order():
    values = np.random.default_rng(0).permutation(100).astype(float)
    parts = fifths(values, FIFTHS["brightness"])
    assert [part.members.sum() for part in parts] == [20] * 5
    assert sum(part.members.astype(int) for part in parts) == pytest.approx(1)
    assert [part.range for part in parts] == [(20 * at, 20 * at + 19) for at in range(5)]


def test_equal_values_stay_in_one_fifth():
    parts = fifths(np.zeros(10), FIFTHS["contrast"])
    assert sorted(part.members.sum() for part in parts) == [0, 0, 0, 0, 10]
    assert len(measured(made(np.zeros(10, int), np.ones(10, bool)), parts)) == 1


def test_a_worked_example_of_the_difference_within_classes():
    # Class 0: 10 of 10 inside, 80 of 100 outside. Class 1: 30 of 60 inside, 5 of 10 outside.
    labels = np.repeat([0, 0, 1, 1], [10, 100, 60, 10])
    members = np.repeat([True, False, True, False], [10, 100, 60, 10])
    correct = np.concatenate([np.ones(10), np.arange(100) < 80, np.arange(60) < 30, np.arange(10) < 5]).astype(bool)
    gap = difference(made(labels, correct), members)
    weights = 10 * 100 / 110, 60 * 10 / 70
    assert gap.value == pytest.approx((0.2 * weights[0] + 0.0 * weights[1]) / sum(weights))
    # Of the test: excesses 10 − 10·90/110 and 30 − 60·35/70; variances n1 n0 m1 m0 / (n² (n − 1)).
    excess = 10 - 10 * 90 / 110
    variance = 10 * 100 * 90 * 20 / (110**2 * 109) + 60 * 10 * 35 * 35 / (70**2 * 69)
    assert gap.p == pytest.approx(math.erfc(math.sqrt(excess**2 / variance / 2)))  # χ² with one degree of freedom
    assert gap.interval.low < gap.value < gap.interval.high


def test_with_one_class_it_is_the_plain_difference():
    members = np.arange(200) < 50
    correct = np.where(members, np.arange(200) % 5 > 0, np.arange(200) % 10 > 0)
    gap = difference(made(np.zeros(200, int), correct), members)
    assert gap.value == pytest.approx(0.8 - 0.9)


def test_a_slice_of_hard_classes_is_not_different_by_itself():
    rng = np.random.default_rng(1)
    low, outside, values = 0, 0, []
    for _ in range(300):
        labels = rng.integers(0, 2, 1_000)
        members = rng.random(1_000) < np.where(labels == 0, 0.4, 0.05)  # mostly of class 0 …
        correct = rng.random(1_000) < np.where(labels == 0, 0.7, 0.95)  # … which is harder
        gap = difference(made(labels, correct), members)
        low, outside = low + (gap.p < 0.05), outside + (not gap.interval.holds(0.0))
        values.append(gap.value)
    assert abs(np.mean(values)) < 0.005
    assert 3 <= low <= 28 and 3 <= outside <= 28  # 15 expected; 3 and 28 are 3.3 deviations away


def test_extremes_have_a_difference_or_say_that_there_is_none():
    answers = made(np.zeros(10, int), np.ones(10, bool))
    everyone, half = np.ones(10, bool), np.arange(10) < 5
    assert np.isnan(difference(answers, everyone).value)
    gap = difference(answers, half)
    assert (gap.value, gap.p) == (0.0, 1.0)


def test_measured_has_counts_and_wilson_intervals():
    labels, correct = np.zeros(20, int), np.arange(20) < 15
    table = measured(made(labels, correct), [Slice("first", np.arange(20) < 10), Slice("second", np.arange(20) >= 10)])
    assert table["images"].tolist() == [10, 10] and table["correct"].tolist() == [10, 5]
    assert table["accuracy"].tolist() == [1.0, 0.5]
    assert table["low"][1] == pytest.approx(0.2366, abs=1e-4) and table["high"][1] == pytest.approx(0.7634, abs=1e-4)
    assert table["difference"].tolist() == pytest.approx([0.5, -0.5])


def test_all_cuts_of_real_images(monkeypatch):
    data, config = cifar10.load(), RunConfig()
    twin = pd.DataFrame({"first": [3, 7], "second": [50_001, 50_002], "distance": [0.1, 0.15], "mirrored": [0, 1]})
    monkeypatch.setattr("core.inspect.duplicates.pairs", lambda: twin)
    images = np.arange(50_000, 51_000)
    labels = data.labels[images]
    answers = Answers("test", 1, images, labels, np.eye(10, dtype=np.float32)[labels], labels)
    table = slices.slice_table(answers, config, data)
    assert set(table["cut"]) == set(CUTS) and len(table) == 12
    assert (table.groupby("cut")["images"].sum() == 1_000).all()
    assert table["images"][table["cut"] == "brightness"].between(190, 210).all()
    # Image 3 may be held out, and is then no training image: the config decides.
    assert table.loc[0, "images"] in (1, 2)
