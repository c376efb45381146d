"""Effects among groups of runs: against scipy where it has them, against simulation where it has not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.stats.effects import (
    any_difference,
    difference,
    noise_by_images,
    noise_by_seeds,
    noise_of,
    pooled_deviation,
    slope,
)
from core.stats.intervals import spread

run = st.floats(0.5, 0.99)
groups = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(run, min_size=n, max_size=n), min_size=3, max_size=6))
telling = groups.filter(lambda cells: min(np.std(cell) for cell in cells) > 1e-3)


def means(cells):
    return np.array([spread(cell).mean for cell in cells])


def by_seeds(cells):
    return noise_by_seeds([spread(cell) for cell in cells])


@given(cells=telling)
def test_without_images_any_difference_is_the_analysis_of_variance(cells):
    assert any_difference(means(cells), by_seeds(cells)) == pytest.approx(stats.f_oneway(*cells).pvalue, abs=1e-9)


@given(cells=telling)
def test_without_images_a_difference_of_two_cells_is_students(cells):
    found = difference(means(cells[:2]), by_seeds(cells[:2]), 1, 0)
    theirs = stats.ttest_ind(cells[0], cells[1])
    assert found.value == pytest.approx(np.mean(cells[0]) - np.mean(cells[1]))
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-9)
    assert found.interval() == pytest.approx(theirs.confidence_interval(), abs=1e-9)


@given(first=st.lists(run, min_size=5, max_size=9), second=st.lists(run, min_size=5, max_size=9))
def test_with_five_seeds_each_cell_speaks_for_itself_as_in_welchs_test(first, second):
    if min(np.std(first), np.std(second)) < 1e-3:
        return
    theirs = stats.ttest_ind(first, second, equal_var=False)
    found = difference(means([first, second]), by_seeds([first, second]), 1, 0)
    assert found.interval() == pytest.approx(theirs.confidence_interval(), abs=1e-9)
    assert found.freedom == pytest.approx(theirs.df)


@given(cells=st.lists(st.lists(run, min_size=5, max_size=8), min_size=3, max_size=6))
def test_with_five_seeds_any_difference_is_still_the_analysis_of_variance(cells):
    if min(np.std(cell) for cell in cells) < 1e-3:
        return
    theirs = stats.f_oneway(*cells).pvalue
    assert any_difference(means(cells), by_seeds(cells)) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("images", [10**9, 10_000])
def test_without_an_effect_ten_cells_of_five_seeds_rarely_look_different(images):
    draw, rounds, different, rising = np.random.default_rng(2), 2_000, 0, 0
    for _ in range(rounds):
        shift = draw.normal(0, math.sqrt(0.09 / images), 10)
        cells = [spread((0.9 + one + draw.normal(0, 0.005, 5)).tolist()) for one in shift]
        noise, values = noise_of(cells, [images] * 10), np.array([cell.mean for cell in cells])
        different += any_difference(values, noise) < 0.05
        rising += slope(np.arange(10.0), values, noise).p < 0.05
    # Three standard errors above one in twenty.
    assert max(different, rising) / rounds < 0.05 + 3 * math.sqrt(0.05 * 0.95 / rounds)


@given(cells=telling)
def test_the_slope_is_that_of_least_squares(cells):
    x = np.arange(len(cells), dtype=float)
    assert slope(x, means(cells), by_seeds(cells)).value == pytest.approx(stats.linregress(x, means(cells)).slope)


def test_cells_of_more_seeds_pull_the_slope_and_have_the_smaller_error():
    x, cells = np.array([0.0, 1.0, 2.0]), [[0.80, 0.82], [0.81, 0.83, 0.85, 0.87], [0.9, 0.94]]
    noise = by_seeds(cells)
    weights = np.array([2.0, 4.0, 2.0])
    assert slope(x, means(cells), noise).value == pytest.approx(np.polyfit(x, means(cells), 1, w=np.sqrt(weights))[0])
    assert noise.variance[1] == pytest.approx(noise.variance[0] / 2)


def test_images_alone_are_the_known_variance_of_a_share():
    noise = noise_by_images([spread([0.9]), spread([0.8])], [2_000, 10_000])
    assert noise.variance == pytest.approx([0.9 * 0.1 / 2_000, 0.8 * 0.2 / 10_000], rel=0.01)
    found = difference(np.array([0.9, 0.8]), noise, 1, 0)
    assert found.freedom == math.inf
    assert found.interval() == pytest.approx(stats.norm.interval(0.95, 0.1, math.sqrt(noise.variance.sum())), abs=1e-6)


def test_a_share_of_one_is_not_certain():
    assert noise_by_images([spread([1.0])], [100]).variance[0] > 0


def test_both_causes_add_and_only_the_seeds_shrink_with_runs():
    cells = [spread([0.90, 0.91, 0.92])] * 2
    noise = noise_of(cells, [2_000, 2_000])
    assert noise.variance == pytest.approx(noise_by_seeds(cells).seeds + noise_by_images(cells, [2_000] * 2).images)
    assert noise.seeds[0] == pytest.approx(0.01**2 / 3)


def test_one_seed_borrows_the_deviation_of_the_others_and_none_is_unknown():
    cells = [spread([0.90, 0.91]), spread([0.95])]
    assert pooled_deviation(cells) == pytest.approx((np.std([0.90, 0.91], ddof=1), 1))
    assert noise_by_seeds(cells).seeds[1] == pytest.approx(np.var([0.90, 0.91], ddof=1))
    assert noise_of([spread([0.9]), spread([0.8])], [100, 100]) is None


def test_runs_that_do_not_vary_leave_the_images_alone_to_doubt():
    cells, images = [spread([0.9, 0.9]), spread([0.95, 0.95])], [2_000, 2_000]
    assert difference(np.array([0.9, 0.95]), noise_of(cells, images), 0, 1) == difference(
        np.array([0.9, 0.95]), noise_by_images(cells, images), 0, 1
    )
    assert any_difference(np.array([0.9, 0.95]), noise_by_seeds(cells)) == 0.0
    assert any_difference(np.array([0.9, 0.9]), noise_by_seeds(cells)) == 1.0
    assert difference(np.array([0.9, 0.9]), noise_by_seeds(cells), 0, 1).p == 1.0


@pytest.mark.parametrize(("seeds", "sd", "images"), [(3, 0.005, 2_000), (3, 0.002, 10_000), (6, 0.005, 10_000)])
def test_an_interval_of_ninety_five_percent_holds_the_truth_so_often(seeds, sd, images):
    draw = np.random.default_rng(1)
    held, rounds, truth = 0, 1_000, 0.01
    for _ in range(rounds):
        shift = np.array([0.0, truth]) + draw.normal(0, math.sqrt(0.09 / images), 2)
        cells = [spread((0.9 + one + draw.normal(0, sd, seeds)).tolist()) for one in shift]
        values = np.array([cell.mean for cell in cells])
        held += difference(values, noise_of(cells, [images] * 2), 0, 1).interval().holds(truth)
    assert held / rounds == pytest.approx(0.95, abs=0.02)
