"""Learning curves that go on: the forecast knows where a curve ends, and how sure it is."""

import numpy as np
import pytest

from core.search.extrapolate import FAMILIES, LEAST_EPOCHS, forecast

EPOCHS = np.arange(1, 101)


@pytest.mark.parametrize("limit", [0.6, 0.8, 0.95])
def test_a_curve_that_saturates_is_forecast_where_it_ends(limit):
    curve = limit - (limit - 0.1) * np.exp(-EPOCHS / 8)
    found = forecast(curve[:40], 100)
    assert found.mean == pytest.approx(curve[-1], abs=0.01)
    assert found.above(limit - 0.05) > 0.95
    assert found.above(limit + 0.05) < 0.01


def test_the_weights_add_up_and_the_right_family_weighs_most():
    curve = 0.8 - 0.6 * EPOCHS**-0.7
    found = forecast(curve[:30], 100)
    assert found.weights.sum() == pytest.approx(1)
    assert len(found.means) == len(FAMILIES)
    assert found.mean == pytest.approx(curve[-1], abs=0.02)


def test_fewer_epochs_leave_more_doubt():
    rng = np.random.default_rng(0)
    curve = 0.85 - 0.7 * np.exp(-EPOCHS / 15) + rng.normal(0, 0.01, len(EPOCHS))
    early, late = (forecast(curve[:number], 100) for number in (8, 60))
    target = curve[-10:].mean() + 0.03
    assert early.above(target) > late.above(target)


def test_the_probability_means_what_it_says():
    """Of noisy curves, few end above a level that is called improbable."""
    rng, above, improbable = np.random.default_rng(1), 0, 0
    for _ in range(40):
        limit, pace = rng.uniform(0.5, 0.95), rng.uniform(4, 12)
        curve = limit - (limit - 0.1) * np.exp(-EPOCHS[:40] / pace) + rng.normal(0, 0.01, 40)
        found, target = forecast(curve[:16], 40), limit + rng.uniform(-0.03, 0.06)
        if found.above(target) < 0.05:
            improbable += 1
            above += curve[-5:].mean() > target
    assert improbable >= 5
    assert above <= 0.2 * improbable


def test_too_few_epochs_have_no_forecast_and_a_flat_curve_has_one():
    assert forecast([0.1] * (LEAST_EPOCHS - 1), 10) is None
    assert forecast([0.1] * 10, 20).above(0.3) < 0.05
