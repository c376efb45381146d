"""Two networks on the same images: counts by hand, the exact test against scipy's, intervals by simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from core.inspect.pairs import AGREEMENTS, class_differences, mcnemar, pair, pair_table, paired_interval, verdict
from core.runs.predictions import Answers


def answers_of(images: list[int], labels: list[int], predicted: list[int]) -> Answers:
    logits = np.zeros((len(labels), 2), np.float32)
    logits[np.arange(len(labels)), predicted] = np.arange(len(labels)) + 1
    return Answers("test", 1, np.array(images), np.array(labels), logits, np.array(predicted))


FIRST = answers_of([1, 2, 3, 5, 8], [0, 0, 1, 1, 0], [0, 0, 1, 0, 1])
SECOND = answers_of([2, 3, 5, 8, 9], [0, 1, 1, 0, 0], [1, 1, 1, 1, 0])


def test_only_common_images_are_compared():
    both = pair(FIRST, SECOND)
    assert both is not None and both.first.images.tolist() == both.second.images.tolist() == [2, 3, 5, 8]
    assert both.counts == {"both": 1, "first": 1, "second": 1, "neither": 1}
    assert {name: both.first.images[both.places(name)].tolist() for name in AGREEMENTS} == {
        "both": [3],
        "first": [2],
        "second": [5],
        "neither": [8],
    }
    assert both.difference == 0 and both.p_value == 1
    table = pair_table(both, both.places("first"), ("cat", "dog"))
    assert table.iloc[0, [0, 1, 2, 4]].tolist() == [2, "cat", "cat", "dog"]
    assert pair(FIRST, answers_of([70], [0], [0])) is None


def test_the_largest_disagreement_comes_first():
    many = list(range(10))
    both = pair(answers_of(many, [0] * 10, [0] * 10), answers_of(many, [0] * 10, [1] * 10))
    assert both is not None
    gaps = both.first.probabilities[:, 0] - both.second.probabilities[:, 0]
    assert (np.diff(gaps[both.places("first")]) <= 0).all() and both.counts["first"] == 10


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 1), (1, 9), (40, 40), (210, 170)])
def test_the_exact_test_is_the_binomial_one(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected) == mcnemar(second, first)


def test_the_paired_interval_holds_the_true_difference():
    draw, n, true = np.random.default_rng(0), 1_000, 0.02
    counts = draw.multinomial(n, [0.06, 0.04, 0.9], 2_000)
    intervals = [paired_interval(int(first), int(second), n) for first, second, _ in counts]
    assert 0.93 <= np.mean([interval.holds(true) for interval in intervals]) <= 0.97


def test_classes_with_the_largest_difference_come_first():
    labels = [0] * 4 + [1] * 4
    first = answers_of(list(range(8)), labels, [0, 0, 0, 0, 1, 1, 1, 0])
    second = answers_of(list(range(8)), labels, [1, 1, 1, 0, 1, 1, 0, 1])
    both = pair(first, second)
    assert both is not None
    table = class_differences(both, ("cat", "dog", "horse"))
    assert table["class"].tolist() == ["cat", "dog"], "no image is a horse"
    assert table["difference"].tolist() == [0.75, 0]
    assert table[["only_first", "only_second"]].to_numpy().tolist() == [[3, 0], [1, 1]]
    assert table["p"].tolist() == [0.25, 1] and table["p_holm"].tolist() == [0.5, 1]
    assert ((table["low"] < table["difference"]) & (table["difference"] < table["high"])).all()


def test_the_verdict_names_the_better_only_if_the_test_does():
    many = list(range(40))
    right, wrong = answers_of(many, [0] * 40, [0] * 40), answers_of(many, [0] * 40, [1] * 20 + [0] * 20)
    for first, second in ((right, wrong), (wrong, right)):
        both = pair(first, second)
        assert both is not None
        claim, numbers = verdict(both, ("the A", "the B"))
        assert (
            "the A is right more often than the B" if first is right else "the B is right more often than the A"
        ) in claim
        assert ("+50.00 points" if first is right else "−50.00 points") in numbers and "p < 0.001" in numbers
    same = pair(right, right)
    assert same is not None and "No clear difference" in verdict(same, ("A", "B"))[0]
