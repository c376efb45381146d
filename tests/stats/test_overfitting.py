"""Where overfitting begins: courses whose lowest point and rise are known."""

import math

import pandas as pd
import pytest

from core.stats.overfitting import WINDOW, onset, onset_text


def epochs(losses):
    return pd.DataFrame({"epoch": range(1, len(losses) + 1), "val_loss": losses})


def valley(lowest_at, last, length=60):
    """Falls from 2 to 0.5 at an epoch, then rises in a line to ``last``."""
    fall = [2 - 1.5 * epoch / lowest_at for epoch in range(1, lowest_at + 1)]
    left = length - lowest_at
    return epochs(fall + [0.5 + (last - 0.5) * epoch / left for epoch in range(1, left + 1)])


def test_the_onset_is_the_lowest_of_the_running_median():
    found = onset(valley(20, 0.9))
    assert abs(found.epoch - 20) <= 1  # the two flanks have other slopes
    table = valley(20, 0.9)["val_loss"]
    assert found.lowest == pytest.approx(table.rolling(5).median().min())
    assert found.last == pytest.approx(table.iloc[-5:].median())
    assert f"from about epoch {found.epoch} on" in onset_text(valley(20, 0.9))


@pytest.mark.parametrize(("end", "seen"), [(1.049, False), (1.051, True)])
def test_a_run_that_ends_less_than_five_percent_above_shows_none(end, seen):
    table = epochs([2.0] * 10 + [1.0] * 10 + [end] * 10)
    assert (onset(table) is not None) == seen
    assert ("No overfitting" in onset_text(table)) != seen
    assert ("5.1 % above" in onset_text(table)) == seen


def test_a_rise_that_came_back_is_none():
    table = epochs([2.0] * 5 + [1.0] * 10 + [1.8] * 20 + [1.01] * 5)
    assert onset(table) is None
    assert "1.0 % above it" in onset_text(table)


def test_one_lucky_and_one_unlucky_epoch_decide_nothing():
    losses = [1.0] * 30
    losses[12], losses[-1] = 0.2, 3.0
    assert onset(epochs(losses)) is None


def test_a_loss_that_only_falls_is_lowest_at_the_end():
    falling = epochs([1 / epoch for epoch in range(1, 30)])
    assert onset(falling) is None
    assert "lowest at the end" in onset_text(falling)


@pytest.mark.parametrize("length", range(WINDOW + 1))
def test_short_runs_cannot_tell(length):
    rising = epochs([0.1 * epoch for epoch in range(1, length + 1)])
    assert onset(rising) is None
    assert "Too short" in onset_text(rising)


def test_six_epochs_are_enough_for_a_steep_rise():
    assert onset(epochs([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])).epoch == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_epochs_without_a_loss_are_left_out(bad):
    table = valley(20, 0.9)
    table.loc[[3, 19, 40, 59], "val_loss"] = bad
    found = onset(table)
    assert abs(found.epoch - 20) <= 2
    assert math.isfinite(found.last)
    assert onset(epochs([bad] * 40)) is None
    assert "Too short" in onset_text(epochs([bad] * 40))


def test_a_loss_of_zero_divides_nothing():
    table = epochs([0.0] * 10 + [1.0] * 10)
    assert onset(table).lowest == 0.0
    assert "ends above it, at 1.0000" in onset_text(table)
    assert onset(epochs([0.0] * 20)) is None


def test_a_table_without_an_epoch():
    assert onset(epochs([])) is None
