"""The report's claims: each has computed evidence, and what was read off its curves leads to the same points."""

import pytest

from core.config.run_config import SETTINGS
from core.published.claims import claims, nearest_batch, readings
from core.published.points import TASKS, points_in, points_of


def test_every_figure_is_claimed_and_every_claim_says_where_it_is():
    where = " ".join(claim.where for claim in claims())
    for figure in (3, 4, 5, 6, 7, 8, 9):
        assert f"Figure {figure}" in where
    for claim in claims():
        assert claim.text.endswith(".") and claim.task in TASKS
        assert claim.evidence or claim.own == "none"
        assert all(sentence.endswith(".") for sentence in claim.evidence)


def test_a_claim_about_an_effect_names_a_setting_that_the_report_varied():
    effects = [claim for claim in claims() if claim.about == "effect"]
    assert len(effects) == 4
    for claim in effects:
        assert claim.path in SETTINGS and claim.direction
        assert points_of(TASKS[claim.task], claim.path)


def test_the_curve_of_figure_8_ends_where_batch_size_512_does():
    read = readings(8)
    assert nearest_batch(*read.values()).value == 512
    for value, distance in ((512, 0.001), (32, 0.1)):
        point = next(point for point in points_in(7) if point.value == value)
        apart = abs(point.best_accuracy - read["validation accuracy of the last epoch"])
        apart += abs(point.loss - read["validation loss of the last epoch"])
        assert (apart < distance) == (value == 512)


def test_the_printed_loss_is_that_of_the_last_epoch_of_figure_6_and_not_its_lowest():
    read, printed = readings(6), points_in(5)[-1].loss
    assert printed == pytest.approx(read["validation loss of the last epoch"], abs=0.0006)
    assert printed - read["lowest validation loss"] > 0.04


def test_what_was_read_off_a_curve_is_said_to_be_read():
    for figure in (4, 6, 8):
        assert readings(figure)
    read = [
        sentence
        for claim in claims()
        for sentence in claim.evidence
        if "read off the printed curve" in sentence.lower()
    ]
    assert len(read) == 3
    assert not readings(3)


def test_the_pair_and_the_figures_with_a_wrong_label_or_decline_are_against_the_claim():
    against = {claim.where for claim in claims() if claim.own == "against"}
    assert {where.split(",")[0] for where in against} == {
        "Figure 3",
        "section 6",
        "Figure 8",
        "Figure 9",
        "section 5.2",
    }


def test_the_numbers_in_the_sentences_are_those_of_the_figures():
    text = " ".join(sentence for claim in claims() for sentence in claim.evidence)
    for number in ("1.06", "1,937.044", "91.02 ± 0.31", "0.66 points", "2.43 points", "0.33 points", "from 40,000"):
        assert number in text
