"""Intervals: against scipy where it has them, against the papers' own tables where it has not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.stats.intervals import newcombe, next_run, spread, welch, wilson

#: Newcombe 1998, table II: the eight examples and the limits of method 10, in the paper's four places.
NEWCOMBE_TABLE = [
    ((56, 70), (48, 80), (0.0524, 0.3339)),
    ((9, 10), (3, 10), (0.1705, 0.8090)),
    ((6, 7), (2, 7), (0.0582, 0.8062)),
    ((5, 56), (0, 29), (-0.0381, 0.1926)),
    ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ((0, 10), (0, 10), (-0.2775, 0.2775)),
    ((10, 10), (0, 20), (0.6791, 1.0)),
    ((10, 10), (0, 10), (0.6075, 1.0)),
]

values = st.lists(st.floats(0.1, 0.9), min_size=2, max_size=8).filter(lambda one: max(one) - min(one) > 1e-3)


@given(n=st.integers(1, 20_000), share=st.floats(0, 1), level=st.sampled_from((0.8, 0.95, 0.99)))
def test_wilson_is_scipys(n, share, level):
    right = round(share * n)
    theirs = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    ours = wilson(right / n, n, level)
    assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, abs=1e-9)
    assert 0 <= ours.low <= right / n <= ours.high <= 1


@pytest.mark.parametrize(("first", "second", "limits"), NEWCOMBE_TABLE)
def test_newcombe_is_the_papers_table(first, second, limits):
    found = newcombe(first[0] / first[1], first[1], second[0] / second[1], second[1])
    assert found == pytest.approx(limits, abs=6e-5)


@given(share=st.floats(0, 1), other=st.floats(0, 1), n=st.integers(1, 10_000), m=st.integers(1, 10_000))
def test_newcombe_turns_round_with_its_sides_and_holds_what_was_seen(share, other, n, m):
    there, back = newcombe(share, n, other, m), newcombe(other, m, share, n)
    assert there.low == pytest.approx(-back.high)
    assert there.low <= share - other <= there.high


@given(first=values, second=values, level=st.sampled_from((0.9, 0.95)))
def test_welch_is_scipys(first, second, level):
    theirs = stats.ttest_ind(first, second, equal_var=False).confidence_interval(level)
    ours = welch(first, second, level)
    assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, abs=1e-9)


def test_welch_needs_two_values_a_side_and_takes_values_that_do_not_vary():
    with pytest.raises(ValueError, match="two values"):
        welch([0.9], [0.8, 0.81])
    assert welch([0.9, 0.9], [0.8, 0.8]) == pytest.approx((0.1, 0.1))


@given(seen=values)
def test_the_next_run_is_expected_where_students_t_puts_it(seen):
    n = len(seen)
    scale = stats.tstd(seen) * math.sqrt(1 + 1 / n)
    theirs = stats.t.interval(0.95, n - 1, loc=sum(seen) / n, scale=scale)
    assert next_run(seen) == pytest.approx(theirs, abs=1e-9)


def test_a_single_value_has_no_deviation():
    assert spread([0.5]).sd is None
    assert spread([0.1, 0.3]).sd == pytest.approx(math.sqrt(0.02))
    with pytest.raises(ValueError, match="no values"):
        spread([])
    with pytest.raises(ValueError, match="two values"):
        next_run([0.5])
