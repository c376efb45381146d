"""What the report's printed numbers say about each other: every statement of the program, from figures.csv."""

from fractions import Fraction
from statistics import mean, stdev

import pytest

from core.published.arithmetic import correct_images, factors, is_whole, last_milestone, note, repeats
from core.published.points import FIGURES, POINTS, points_in, rows


def test_figure_3_is_figure_5_times_1_06_and_0_9_to_the_last_printed_digit():
    found = factors(3)
    assert (found.figure, found.accuracy, found.loss) == (5, 1.06, 0.9)
    assert len(points_in(3)) == len(points_in(5)) == 5
    for pair, ten in zip(points_in(3), points_in(5), strict=True):
        # Both numbers are rounded to nine decimals: at most half a unit each, the second one multiplied.
        assert abs(pair.best_accuracy - 1.06 * ten.best_accuracy) <= (1 + 1.06) * 0.5e-9
        assert abs(pair.loss - 0.9 * ten.loss) <= (1 + 0.9) * 0.5e-9
    assert found.accuracy_error <= (1 + 1.06) * 0.5e-9 and found.loss_error <= (1 + 0.9) * 0.5e-9


def test_no_other_figure_is_a_multiple_of_one():
    assert {figure for figure in FIGURES if factors(figure)} == {3}
    ratios = [nine.best_accuracy / seven.best_accuracy for nine, seven in zip(points_in(9), points_in(7), strict=True)]
    assert stdev(ratios) > 1e-3


def test_no_accuracy_of_the_pair_is_a_whole_number_of_test_images_and_every_other_is():
    assert {point.figure for point in POINTS if not is_whole(point)} == {3}
    assert not any(is_whole(point) for point in points_in(3))
    distances = [abs(correct_images(point) - round(correct_images(point))) for point in points_in(3)]
    # A printed digit is worth 6e-6 images or less.
    assert min(distances) > 0.04


def test_whole_numbers_are_checked_with_the_printed_digits_themselves():
    for row in rows("figures.csv"):
        images = Fraction(row["best_accuracy"]) * int(row["test_images"])
        rounding = Fraction(1, 2 * 10**9) * int(row["test_images"])
        assert (abs(images - round(images)) <= rounding) == (row["figure"] != "3")


def test_figure_9_has_four_repeats_of_nearly_one_experiment():
    found = repeats()
    assert last_milestone() == 180
    assert found.epochs == (200, 300, 400, 500)
    assert round(100 * found.mean, 2) == 91.02 and round(100 * found.sd, 2) == 0.31
    assert found.sd == pytest.approx(stdev((0.9137, 0.9117, 0.9082, 0.9071)))
    assert len(found.losses) == 4 and mean(found.losses) == pytest.approx(0.510427, abs=1e-6)


def test_the_decline_of_figure_9_is_within_its_repeats():
    """From 200 to 500 epochs, 0.66 points: 1.5 standard deviations of a difference of two runs."""
    first, *_, last = points_in(9)[1:]
    assert abs(first.best_accuracy - last.best_accuracy) < 2 * 2**0.5 * repeats().sd


def test_a_figure_that_is_measured_needs_no_note():
    assert "Figure 5" in note(3) and "1.06" in note(3) and "0.9" in note(3)
    assert {note(figure) for figure in (5, 7, 9)} == {""}
