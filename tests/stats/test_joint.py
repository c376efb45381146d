"""The joint test: against scipy where it has the same test, against simulation where it has not."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.stats.joint import Sample

result = st.floats(0.5, 0.99)


def different(results):
    """Return whether the means differ; for equal means scipy rounds its F below zero and returns NaN."""
    return np.ptp([np.mean(values) for values in results]) > 1e-9


groups = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(result, min_size=n, max_size=n), min_size=3, max_size=6))
varying = groups.filter(lambda results: min(np.std(values) for values in results) > 1e-3 and different(results))
five = st.lists(result, min_size=5, max_size=9).filter(lambda values: np.std(values) > 1e-3)

#: The p-values are integrated numerically.
NEAR = 1e-6


# --- without images, without seeds ----------------------------------------------------------------


@given(results=varying)
def test_without_images_any_difference_is_the_analysis_of_variance(results):
    assert Sample.of(results).any_difference() == pytest.approx(stats.f_oneway(*results).pvalue, abs=NEAR)


@given(results=varying)
def test_without_images_a_difference_of_two_groups_is_students(results):
    estimate, theirs = Sample.of(results[:2]).difference(1, 0), stats.ttest_ind(results[0], results[1])
    assert estimate.value == pytest.approx(np.mean(results[0]) - np.mean(results[1]))
    assert estimate.p == pytest.approx(theirs.pvalue, abs=NEAR)
    assert estimate.interval() == pytest.approx(theirs.confidence_interval(), abs=1e-4 * np.ptp(estimate.interval()))


@given(first=five, second=five)
def test_with_five_seeds_each_group_has_its_own_deviation_as_in_welchs_test(first, second):
    estimate, theirs = Sample.of([first, second]).difference(1, 0), stats.ttest_ind(first, second, equal_var=False)
    assert estimate.freedom == pytest.approx(theirs.df)
    assert estimate.p == pytest.approx(theirs.pvalue, abs=NEAR)
    assert estimate.interval() == pytest.approx(theirs.confidence_interval(), abs=1e-4 * np.ptp(estimate.interval()))


@given(results=st.lists(five, min_size=3, max_size=6).filter(different))
def test_with_five_seeds_any_difference_is_still_the_analysis_of_variance(results):
    assert Sample.of(results).any_difference() == pytest.approx(stats.f_oneway(*results).pvalue, abs=NEAR)


@given(results=varying)
def test_the_slope_is_that_of_least_squares(results):
    x = np.arange(len(results), dtype=float)
    assert Sample.of(results).slope(x).value == pytest.approx(stats.linregress(x, np.mean(results, 1)).slope)


def test_groups_of_more_seeds_pull_the_slope_and_have_the_smaller_error():
    results = [[0.80, 0.82], [0.81, 0.83, 0.85, 0.87], [0.9, 0.94]]
    x, weights, sample = np.array([0.0, 1.0, 2.0]), np.array([2.0, 4.0, 2.0]), Sample.of(results)
    assert sample.slope(x).value == pytest.approx(np.polyfit(x, sample.means, 1, w=np.sqrt(weights))[0])
    assert sample.seed_variance()[1] == pytest.approx(sample.seed_variance()[0] / 2)


def test_without_a_second_seed_the_images_alone_count_as_a_normal_error():
    sample = Sample.of([[0.9], [0.8]], [2_000, 10_000])
    variance = sample.image_variance()
    assert sample.freedom == 0
    assert variance == pytest.approx([0.9 * 0.1 / 2_000, 0.8 * 0.2 / 10_000], rel=0.01)
    interval = sample.difference(1, 0).interval()
    assert interval == pytest.approx(stats.norm.interval(0.95, 0.1, math.sqrt(variance.sum())), abs=1e-6)
    three = Sample.of([[0.9], [0.88], [0.91]], [2_000] * 3)
    weights = 1 / three.image_variance()
    q = (weights * (three.means - np.average(three.means, weights=weights)) ** 2).sum()
    assert three.any_difference() == pytest.approx(stats.chi2.sf(q, 2), abs=NEAR)


# --- both errors ----------------------------------------------------------------------------------


def test_only_the_seed_variance_shrinks_with_runs_and_one_seed_borrows_the_deviation():
    sample = Sample.of([[0.90, 0.91, 0.92], [0.95]], [2_000, 2_000])
    assert sample.seed_variance() == pytest.approx([0.01**2 / 3, 0.01**2])
    assert sample.freedom == 2
    both = sample.difference(0, 1)
    assert both.seeds + both.images == pytest.approx(sample.seed_variance().sum() + sample.image_variance().sum())


def test_an_accuracy_of_one_is_not_certain():
    assert Sample.of([[1.0]], [100]).image_variance()[0] > 0


def test_runs_that_do_not_vary_leave_only_the_images():
    images = [2_000, 2_000]
    equal, single = Sample.of([[0.9, 0.9], [0.95, 0.95]], images), Sample.of([[0.9], [0.95]], images)
    assert equal.difference(0, 1).p == pytest.approx(single.difference(0, 1).p, abs=1e-9)
    assert Sample.of([[0.9, 0.9], [0.95, 0.95]]).any_difference() == pytest.approx(0.0)
    for sample in (Sample.of([[0.9, 0.9], [0.9, 0.9]]), Sample.of([[0.9] * 5, [0.9] * 5])):
        assert sample.any_difference() == pytest.approx(1.0)
        assert sample.difference(0, 1).p == pytest.approx(1.0)


def test_two_test_sets_of_different_size_count_each_with_its_own():
    small, large = (Sample.of([[0.9], [0.92]], [size, 10_000]).difference(0, 1).interval() for size in (500, 10_000))
    assert np.ptp(small) > np.ptp(large)
    assert small.holds(0) and not large.holds(0)


@pytest.mark.parametrize(("n", "images"), [(2, 2_000), (3, 10_000), (5, 500)])
def test_the_interval_holds_every_value_that_the_test_does_not_reject(n, images):
    results = np.random.default_rng(n).normal(0.9, 0.01, (2, n)).tolist()
    estimate = Sample.of(results, [images, images]).difference(0, 1)
    for end in estimate.interval():
        assert replace(estimate, value=estimate.value - end).p == pytest.approx(0.05)


# --- many studies whose truth is known ------------------------------------------------------------


def studies(counts, ratio, shared, repeats, effect=0.0, images=10_000):
    """Return a sample of many studies of groups with these ``counts`` of seeds.

    The variance of a mean by the first group's seeds is ``ratio`` times that by the images; ``effect`` are true
    differences. On ``shared`` images the sampling error is the same for all groups.
    """
    rng = np.random.default_rng([*counts, round(10 * ratio), shared])
    by_images, k = 0.9 * 0.1 / images, len(counts)
    shift = rng.normal(0, math.sqrt(by_images), (repeats, 1 if shared else k))
    runs = [
        (0.9 + shift[:, [0 if shared else at]] + rng.normal(0, math.sqrt(ratio * by_images * counts[0]), (repeats, n)))
        for at, n in enumerate(counts)
    ]
    means = np.stack([group.mean(1) for group in runs], -1) + effect
    variances = np.stack([group.var(1, ddof=1) if group.shape[1] > 1 else 0 * group[:, 0] for group in runs], -1)
    return Sample(means, variances, np.array(counts), np.full(k, images))


@pytest.mark.parametrize("shared", [False, True], ids=["independent images", "shared images"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("k", [2, 5])
def test_without_an_effect_at_most_one_study_in_twenty_is_called_real(k, seeds, shared):
    for ratio in (0.5, 8):
        sample = studies([seeds] * k, ratio, shared, repeats=5_000)
        real = [(sample.p_value(places) < 0.05).mean() for places in (None, np.arange(float(k)))]
        assert max(real) <= 0.055, f"seed variance {ratio} times that of the images"


@pytest.mark.parametrize("counts", [(1, 3), (2, 5), (1, 1, 2), (1, 2, 3, 4)])
def test_groups_of_different_numbers_of_seeds_are_not_called_real_too_often(counts):
    sample = studies(counts, ratio=2, shared=False, repeats=5_000)
    assert (sample.p_value() < 0.05).mean() <= 0.055


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_an_interval_of_ninety_five_percent_holds_the_truth_so_often(seeds):
    sample = studies([seeds] * 2, ratio=1, shared=False, repeats=400, effect=np.array([0.0, 0.01]))
    held = [
        Sample(mean, variance, sample.counts, sample.images).difference(0, 1).interval().holds(0.01)
        for mean, variance in zip(sample.means, sample.variances, strict=True)
    ]
    assert 0.93 <= np.mean(held) <= 1


@pytest.mark.parametrize("ratio", [0.5, 8])
def test_a_difference_of_five_standard_errors_is_called_real_nine_times_in_ten(ratio):
    standard_error = math.sqrt(2 * (1 + ratio) * 0.09 / 10_000)
    sample = studies([3, 3], ratio, shared=False, repeats=10_000, effect=np.array([0, 5 * standard_error]))
    assert (sample.p_value() < 0.05).mean() >= 0.9


def test_many_studies_at_once_have_the_p_values_of_each_alone():
    sample, x = studies([2, 3, 3], 1, shared=False, repeats=5), np.arange(3.0)
    alone = [
        Sample(mean, variance, sample.counts, sample.images).p_value(x)
        for mean, variance in zip(sample.means, sample.variances, strict=True)
    ]
    assert sample.p_value(x) == pytest.approx(np.array(alone))
