"""Intervals against scipy, and the mean and deviation of a few values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.stats.intervals import Interval, holm, spread, wilson


@given(n=st.integers(1, 20_000), share=st.floats(0, 1), level=st.sampled_from((0.8, 0.95, 0.99)))
def test_wilson_is_scipys(n, share, level):
    right = round(share * n)
    theirs = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    ours = wilson(right / n, n, level)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= right / n <= ours.high <= 1


def test_a_single_value_has_no_deviation():
    assert spread([0.5]).sd is None
    assert spread([0.1, 0.3]).sd == pytest.approx(math.sqrt(0.02))
    with pytest.raises(ValueError, match="at least one value"):
        spread([])


def test_an_interval_holds_its_ends():
    assert Interval(1, 3).holds(3) and not Interval(1, 3).holds(3.1)


def test_holm_worked_example():
    assert holm([0.01, 0.04, 0.03, math.nan])[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(holm([0.01, math.nan])[1])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
