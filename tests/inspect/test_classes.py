"""Scores of each class: a worked example, and intervals that hold the truth as often as they say."""

import numpy as np
import pytest

from core.inspect.classes import SCORES, class_scores, f1_interval, top_two, with_units
from core.runs.predictions import Answers


def answers_of(labels: list[int], predicted: list[int], k: int = 3) -> Answers:
    logits = np.zeros((len(labels), k), np.float32)
    logits[np.arange(len(labels)), predicted] = 1
    return Answers("test", 1, np.arange(len(labels)), np.array(labels), logits, np.array(predicted))


def test_a_worked_example():
    table = class_scores(answers_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 1]), ("a", "b", "c"))
    assert table["class"].tolist() == ["a", "b", "c"]
    assert table["images"].tolist() == [3, 2, 1] and table["answers"].tolist() == [3, 3, 0]
    assert table["recall"].tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert table["precision"].tolist() == pytest.approx([2 / 3, 1 / 3, np.nan], nan_ok=True)
    assert table["f1"].tolist() == pytest.approx([4 / 6, 2 / 5, 0])
    assert list(with_units(table))[2:5] == ["answers", "recall (0-1)", "recall_low (0-1)"]
    for score in SCORES:
        inside = table[[f"{score}_low", score, f"{score}_high"]].dropna()
        assert (inside.diff(axis=1).iloc[:, 1:] >= -1e-12).all(axis=None)


def test_ends_of_an_f1_interval():
    assert f1_interval(10, 0).high == 1 and f1_interval(0, 10).low == 0
    low, high = f1_interval(50, 50)
    assert low < 2 * 0.5 / 1.5 < high


@pytest.mark.parametrize("fixed", [True, False])
def test_the_f1_interval_holds_the_truth(fixed):
    """With numbers of images per class that are fixed, as in CIFAR-10's test set, and with random ones."""
    draw, chance = np.random.default_rng(0), np.array([0.85, 0.1, 0.05])  # of being called class 0, by true class
    recall, images = chance[0], 600 / 3
    truth = 2 * recall * images / (images + images * chance.sum())
    held = 0
    for _ in range(2_000):
        sizes = np.full(3, 200) if fixed else draw.multinomial(600, [1 / 3] * 3)
        called = draw.binomial(sizes, chance)
        wrong = (sizes[0] - called[0]) + called[1] + called[2]
        held += f1_interval(int(called[0]), int(wrong)).holds(truth)
    assert 0.93 <= held / 2_000 <= 0.97


def test_top_two_counts_the_second_choice():
    logits = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1], [2, 2, 1]], np.float32)
    answers = Answers("test", 1, np.arange(4), np.array([0, 1, 2, 0]), logits, np.array([0, 0, 0, 1]))
    assert top_two(answers) == 0.75  # the last is called 1 before rounding; 0 is the second choice
