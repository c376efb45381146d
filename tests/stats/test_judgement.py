"""What is claimed of groups of runs: verdicts, the two ends, trends, and how many seeds would be needed."""

from dataclasses import replace

import numpy as np
import pytest

from core.stats.intervals import wilson
from core.stats.judgement import MOST_SEEDS, POWER, Group, image_by_image, judge
from core.stats.paired import Correctness

#: Six accuracies on 10,000 test images, as a study of the batch size and as two contenders of Compare.
SIX = {"64": (0.9150, 0.9165, 0.9160), "128": (0.9060, 0.9075, 0.9070)}


def made(results, images=10_000):
    return [
        Group(name=name, results=values, images=images)
        for name, values in (results.items() if isinstance(results, dict) else zip("abcdefgh", results, strict=False))
    ]


def test_a_study_of_two_values_and_a_gap_have_one_judgement():
    study, gap = judge(made(SIX), numbers=(64, 128)), judge(made(SIX))
    assert (study.verdict, study.p) == (gap.verdict, pytest.approx(gap.p))
    assert study.p == pytest.approx(0.029, abs=0.001)
    assert study.verdict == "real"
    assert study.difference == pytest.approx(-gap.difference) == pytest.approx(-0.009)
    assert (study.interval.low, study.interval.high) == pytest.approx((-gap.interval.high, -gap.interval.low))


@pytest.mark.parametrize(
    ("results", "images", "verdict", "counted"),
    [
        (((0.850, 0.852, 0.848), (0.900, 0.902, 0.905)), 2_000, "real", "seeds and images"),
        (((0.8990, 0.8991, 0.8992), (0.9010, 0.9011, 0.9012)), 2_000, "on these images", "seeds and images"),
        (((0.70,), (0.91,)), 2_000, "for these seeds", "images"),
        (((0.90,), (0.91,)), 2_000, "not shown", "images"),
        (((0.80, 0.90), (0.86, 0.861)), 2_000, "not shown", "seeds and images"),
        (((0.85, 0.86, 0.84), (0.95,)), 2_000, "real", "seeds and images"),
        (((0.85, 0.86, 0.84), (0.852,)), 2_000, "not shown", "seeds and images"),
    ],
)
def test_the_verdict_says_which_chance_is_ruled_out(results, images, verdict, counted):
    judgement = judge(made(results, images))
    assert (judgement.verdict, judgement.counted) == (verdict, counted)
    clear = not judgement.interval.holds(0)
    assert clear == (verdict in ("real", "for these seeds"))
    assert clear == (judgement.p < 0.05)


def test_losses_count_the_seeds_alone_and_without_them_nothing():
    judgement = judge(made(((0.50, 0.51), (0.70, 0.71))), lower_is_better=True, count_images=False)
    assert (judgement.verdict, judgement.counted) == ("on these images", "seeds")
    assert (judgement.low, judgement.high) == (1, 0)
    single = judge(made(((0.50,), (0.70,))), lower_is_better=True, count_images=False)
    assert (single.verdict, single.p, single.interval, single.trend) == ("not shown", None, None, None)


def test_the_worst_and_the_best_of_many_pay_for_being_picked():
    results = ((0.92, 0.922), (0.90, 0.902), (0.91, 0.912))
    three, two = judge(made(results)), judge(made(results[:2]))
    assert (three.low, three.high) == (1, 0)
    assert np.ptp(three.interval) > np.ptp(two.interval)


def test_numbers_have_their_ends_and_a_trend_per_doubling_or_over_the_range():
    falling = judge(made(((0.90, 0.91), (0.89, 0.90), (0.88, 0.89))), numbers=(32, 64, 128))
    assert (falling.low, falling.high) == (0, 2)
    assert falling.trend.rise == pytest.approx(-0.01, rel=1e-3) and falling.trend.per_doubling
    rising = judge(made(((0.90, 0.91), (0.91, 0.92), (0.92, 0.93))), numbers=(0, 8, 16))
    assert rising.trend.rise == pytest.approx(0.02, rel=1e-3) and not rising.trend.per_doubling
    assert judge(made(SIX), numbers=(64, 128)).trend is None


def test_several_comparisons_make_each_stricter():
    once, often = judge(made(SIX)), judge(made(SIX), comparisons=5)
    assert often.p == pytest.approx(5 * once.p)
    assert (once.verdict, often.verdict) == ("real", "on these images")


def test_as_many_seeds_as_needed_find_the_difference_four_times_in_five():
    results = ((0.900, 0.910, 0.905), (0.912, 0.922, 0.917))
    judgement = judge(made(results))
    needed, variances = judgement.seeds_needed, judgement.variances
    assert variances.seeds == pytest.approx(0.005**2) and variances.groups == 2
    assert 3 < needed <= MOST_SEEDS
    assert variances.power(judgement.difference, needed) >= POWER > variances.power(judgement.difference, needed - 1)
    assert judge(made(((0.9, 0.901), (0.9001, 0.9011)))).seeds_needed is None
    assert judge(made(((0.9,), (0.91,)))).seeds_needed is None


def test_a_stricter_test_needs_more_seeds():
    results = ((0.900, 0.910, 0.905), (0.915, 0.925, 0.920))
    assert judge(made(results), comparisons=4).seeds_needed > judge(made(results)).seeds_needed


def test_the_probability_of_being_ahead_is_that_of_the_interval():
    for results in (((0.85, 0.852), (0.90, 0.902)), ((0.90, 0.91), (0.905, 0.907)), ((0.9,), (0.9,))):
        judgement = judge(made(results, 2_000))
        assert judgement.ahead == pytest.approx(1 - judgement.p / 2)
        assert (judgement.ahead > 0.975) == (not judgement.interval.holds(0))
    three = judge(made(((0.90, 0.905), (0.91, 0.915), (0.92, 0.925))))
    assert (three.ahead > 0.975) == (not three.interval.holds(0))
    assert judge(made(((0.5,), (0.7,))), count_images=False).ahead is None


# --- image by image -------------------------------------------------------------------------------


def on_images(*groups, images=None):
    """Groups of runs that are right (1) or wrong (0) on images, given by number."""
    made_groups = []
    for name, runs in zip("abcdefgh", groups, strict=False):
        correct = np.array(runs, bool)
        numbers = np.arange(correct.shape[1]) if images is None else images[name]
        answers = Correctness(numbers, correct)
        results = answers.accuracies
        made_groups.append(Group(name=name, results=results, images=correct.shape[1], correct=answers))
    return made_groups


def test_runs_on_the_same_images_are_judged_by_the_images_on_which_they_differ():
    first, second = np.zeros((2, 1, 2_000))
    first[0, :1800] = 1
    second[0, :1830] = 1  # right wherever the first is, and on 30 images more
    paired = judge(on_images(first, second))
    assert paired.paired and paired.counted == "images"
    assert paired.verdict == "for these seeds" and paired.ahead > 0.999
    unknown = judge(made(((0.9,), (0.915,)), 2_000))
    assert unknown.difference == pytest.approx(paired.difference)
    assert not unknown.paired and unknown.verdict == "not shown"


def test_groups_are_compared_on_the_images_that_all_share():
    rng = np.random.default_rng(0)
    runs = rng.random((2, 3, 2_000)) < 0.9
    numbers = {"a": np.arange(2_000), "b": np.arange(1_000, 3_000)}
    first, second = groups = on_images(*runs, images=numbers)
    shared = image_by_image(groups)
    assert shared is not None and [group.images for group in shared] == [1_000, 1_000]
    assert shared[0].results == pytest.approx(runs[0][:, 1_000:].mean(1))
    assert shared[1].results == pytest.approx(runs[1][:, :1_000].mean(1))
    assert judge(shared).paired and not judge(groups).paired
    far = replace(second, correct=replace(second.correct, images=numbers["b"] + 900))
    assert image_by_image([first, far]) is None  # 100 images are too few
    unknown = replace(second, correct=None)
    assert image_by_image([first, unknown]) is None


def test_losses_are_never_compared_image_by_image():
    groups = on_images(np.ones((2, 50)), np.zeros((2, 50)))
    judgement = judge(groups, lower_is_better=True, count_images=False)
    assert not judgement.paired and judgement.counted == "seeds"


def test_a_group_has_an_interval_for_the_choice_of_its_images():
    group = Group(name="a", results=(0.9, 0.92), images=500)
    assert group.image_interval == wilson(0.91, 500)
    assert Group(name="a", results=(1.2,), images=500).image_interval.high == 1
