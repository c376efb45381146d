"""Agreement with the report: of studies whose truth is known, and how often chance is taken for disagreement."""

import numpy as np
import pytest

from benchmarks.agreement import simulated
from core.config.sections import CLASSES
from core.published.arithmetic import Repeats, repeats
from core.published.points import points_of
from core.study.agreement import compare
from core.study.outcomes import series_of
from tests.outcomes_made import outcomes

X = "data.train_size"
PAIR = points_of(("deer", "dog"), X)
TEN = points_of(CLASSES, X)
EPOCHS = points_of(CLASSES, "train.epochs")


def agreed(accuracies, published=TEN, x=X, scaled=1.0, metric="accuracy", images=10_000, chance=None):
    ((line),) = series_of(outcomes(accuracies, x, images), x, metric=metric)
    return compare(line.groups, x, metric, published, scaled, chance)


def around(points, by=1.0, deviations=(-0.001, 0.0, 0.001), shift=0.0):
    """Accuracies with the report's effect ``by`` times as large, three seeds close together."""
    first = points[0].best_accuracy
    effects = {point.value: by * (point.best_accuracy - first) for point in points}
    return {value: [first + effect + shift + each for each in deviations] for value, effect in effects.items()}


# --- chance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sd", [0.002, 0.005])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_the_same_truth_is_called_a_disagreement_in_at_most_one_study_of_twenty(seeds, sd):
    rng = np.random.default_rng([seeds, round(1e4 * sd)])
    kinds = [simulated(rng, seeds, sd=sd) for _ in range(200)]
    assert kinds.count("disagrees") / len(kinds) <= 0.05
    # A difference in size, with any verdict: 5 %, and two standard deviations of 200 studies.
    # benchmarks/agreement.py has thousands.
    assert (kinds.count("disagrees") + kinds.count("direction")) / len(kinds) <= 0.081
    assert set(kinds) == {"undecided"} if seeds == 1 else len(set(kinds)) > 1


def test_a_large_disagreement_is_found():
    rng = np.random.default_rng(0)
    kinds = [simulated(rng, 3, gap=-0.06, sd=0.003) for _ in range(50)]
    assert kinds.count("disagrees") >= 45


@pytest.mark.parametrize("metric", ["accuracy", "objective"])
def test_with_one_seed_nothing_is_decided(metric):
    for by in (-5.0, 0.0, 1.0, 5.0):
        found = agreed(around(TEN, by, (0.0,)), metric=metric)
        assert (found.kind, found.interval) == ("undecided", None)
        assert "with one run of ours" in found.sentence
    assert agreed({50_000: (0.5,)}, metric=metric).kind == "undecided"


def test_one_value_with_one_seed_is_enough_to_leave_it_undecided():
    table = around(TEN) | {50_000: [0.5]}
    assert agreed(table).kind == "undecided"


def test_the_interval_counts_the_reports_seeds_and_images():
    found = agreed(around(TEN), images=10_000)
    low, high = TEN[0], TEN[-1]
    ours = around(TEN)
    # 2 degrees of freedom of each of our five values and 3 of the report's repeats, pooled.
    pooled = (5 * 2 * 0.001**2 + 3 * repeats().sd ** 2) / 13
    by_seeds = pooled * (2 / 3 + 2)
    shares = [(np.mean(ours[point.value]), 10_000) for point in (low, high)]
    shares += [(point.best_accuracy, point.images) for point in (low, high)]
    by_images = sum(share * (1 - share) / images for share, images in shares)
    half = 1.96 * np.sqrt(by_seeds + by_images)
    assert found.interval == pytest.approx((-half, half), rel=0.05)


def test_our_own_deviation_alone_would_be_too_small():
    steady = agreed(around(TEN, 1.5), chance=Repeats((1, 2), (0.9, 0.9), (0.5, 0.5)))
    shaky = agreed(around(TEN, 1.5))
    assert shaky.interval.high - shaky.interval.low > steady.interval.high - steady.interval.low


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "images", "kind"),
    [(1.0, 10_000, "size"), (4.0, 10_000, "direction"), (-2.0, 10_000, "disagrees"), (0.3, 500, "undecided")],
)
def test_agreement_is_of_direction_and_size(by, images, kind):
    found = agreed(around(TEN, by, shift=-0.3), images=images)
    assert found.kind == kind
    assert found.theirs == pytest.approx(0.9137 - 0.892266667)
    assert found.ours == pytest.approx(by * found.theirs)
    assert found.interval.holds(found.ours - found.theirs)


def test_numbers_that_are_no_measurement_are_not_compared():
    for accuracies in (around(PAIR), {10_000: (0.5, 0.6)}, {10_000: (0.96,)}):
        for metric in ("accuracy", "objective"):
            found = agreed(accuracies, PAIR, metric=metric)
            assert found.kind == "not compared"
            assert found.ours is found.theirs is found.interval is None
            assert "1.06 times" in found.sentence and "0.9 times" in found.sentence
            assert "above" not in found.sentence and "below" not in found.sentence


def test_of_a_study_of_fewer_epochs_only_the_effect_is_compared():
    found = agreed(around(TEN, 4.0, shift=-0.3), scaled=0.1)
    assert found.kind == "direction"
    assert found.sentence.startswith("Trained for 10 % of the report’s epochs, so only effects are compared.")
    assert "average" not in found.sentence
    level = agreed({50_000: (0.9, 0.91)}, scaled=0.1)
    assert (level.kind, level.theirs) == ("not compared", None)


def test_scaled_epochs_stand_for_the_reports():
    shrunk = {round(value * 0.1): seeds for value, seeds in around(EPOCHS).items()}
    found = agreed(shrunk, EPOCHS, "train.epochs", 0.1)
    assert found.theirs == pytest.approx(0.9071 - 0.9056)
    assert "from 100 to 500" in found.sentence


def test_the_reports_loss_is_the_objective():
    found = agreed(around(TEN), metric="objective")
    assert found.theirs == pytest.approx(0.497534511 - 0.69093727)
    assert agreed(around(TEN), metric="loss") is None


def test_a_loss_never_disagrees_because_its_images_are_not_counted():
    for by in (4.0, -2.0):
        found = agreed(around(TEN, by), metric="objective")
        assert found.kind == "undecided" and not found.interval.holds(0.0)
        assert "sampling of the images may" in found.sentence
    assert agreed({50_000: (0.5, 0.51)}, metric="objective").kind == "undecided"


def test_only_common_values_are_compared():
    found = agreed({35_000: (0.90, 0.901), 42_000: (0.90, 0.901), 50_000: (0.91, 0.911)})
    assert found.theirs == pytest.approx(0.9137 - 0.90072)
    assert agreed({1: (0.9, 0.91), 2: (0.9, 0.91)}) is None


@pytest.mark.parametrize(
    ("seeds", "kind"), [((0.912, 0.914), "size"), ((0.85, 0.855, 0.86), "disagrees"), ((0.912,), "undecided")]
)
def test_with_one_value_in_common_the_levels_are_compared(seeds, kind):
    found = agreed({50_000: seeds})
    assert found.kind == kind
    assert "at 50,000 it has 91.37 %" in found.sentence
    assert (found.interval is None) == (kind == "undecided")


def test_how_far_the_levels_are_apart_is_told_beside_the_effect():
    found = agreed(around(TEN, shift=-0.06))
    assert found.kind == "size"
    assert "the report is on average 6.00 points above ours" in found.sentence


def test_where_it_was_best_is_told_if_it_was_elsewhere():
    table = around(EPOCHS) | {400: [0.95, 0.951, 0.952]}
    assert "best at 200, ours at 400" in agreed(table, EPOCHS, "train.epochs").sentence
