"""What a study says: the words of made-up studies, and how often studies of known truth are told to have an effect."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.config.sections import CLASSES
from core.published.points import points_of
from core.stats.intervals import newcombe
from core.study.findings import as_record, findings, in_words
from tests.outcomes_made import outcomes, simulated

BATCHES = (32, 64, 128, 256, 512)
PAIR = points_of(("deer", "dog"), "data.train_size")
LEVEL, STEEP = dict.fromkeys((6_000, 8_000, 10_000), (0.900, 0.902, 0.904)), {
    6_000: (0.850, 0.852, 0.854), 8_000: (0.900, 0.902, 0.904), 10_000: (0.930, 0.932, 0.934)
}  # fmt: skip


def only(*args, **more):
    (found,) = findings(*args, **more)
    return found


def said(found):
    return " ".join([*found.sentences, *found.thin, *found.caveats])


# --- calibration ----------------------------------------------------------------------------------

#: Seeds a value, deviation over seeds, test images.
SETTINGS = [(3, 0.002, 2_000), (3, 0.005, 2_000), (3, 0.002, 10_000), (3, 0.005, 10_000)]


def share_called_real(effects, seeds, sd, images, values=BATCHES, x="train.batch_size", **more):
    """Of 200 studies."""
    told = [
        only(simulated(number, effects, values, seeds=seeds, sd=sd, images=images, x=x, **more), x).verdict
        for number in range(200)
    ]
    return sum(one == "real" for one in told) / len(told)


@pytest.mark.parametrize(("seeds", "sd", "images"), SETTINGS)
@pytest.mark.parametrize("shared", [False, True])
def test_without_an_effect_at_most_one_study_in_twenty_is_called_real(seeds, sd, images, shared):
    assert share_called_real([0.0] * 5, seeds, sd, images, shared=shared) <= 0.05


@pytest.mark.parametrize(("seeds", "sd", "images"), SETTINGS)
def test_a_trend_of_four_sigma_is_called_real_nine_times_in_ten(seeds, sd, images):
    # A line's rise from one end to the other is known to sd of a mean · 4/√10, for five values evenly apart.
    sigma = math.sqrt(sd**2 / seeds + 0.09 / images)
    effects = 4 * sigma * 4 / math.sqrt(10) * np.linspace(-0.5, 0.5, 5)
    assert share_called_real(effects, seeds, sd, images) >= 0.9


@pytest.mark.parametrize(("seeds", "sd", "images"), SETTINGS[::3])
@pytest.mark.parametrize("shared", [False, True])
def test_ends_four_sigma_apart_are_called_real_nine_times_in_ten(seeds, sd, images, shared):
    # Here sigma is that of the difference of two values.
    sigma = math.sqrt(2 * (sd**2 / seeds + 0.09 / images))
    assert share_called_real(4 * sigma * np.linspace(0, 1, 5), seeds, sd, images, shared=shared) >= 0.9


@pytest.mark.parametrize(("seeds", "sd", "images"), SETTINGS[::3])
def test_choices_without_an_effect_are_not_called_real_for_being_many(seeds, sd, images):
    choices = ("constant", "multi-step", "report", "cosine", "one-cycle")
    assert share_called_real([0.0] * 5, seeds, sd, images, choices, "train.schedule") <= 0.05


def test_looking_at_many_series_does_not_make_one_real():
    real = 0
    for number in range(200):
        parts = [
            simulated(1_000 * at + number, [0.0] * 5, BATCHES, seeds=3, sd=0.003, images=10_000).assign(
                **{"train.optimizer": name}
            )
            for at, name in enumerate(("sgd", "adam", "adamw"))
        ]
        found = findings(pd.concat(parts), "train.batch_size", ("train.optimizer",))
        real += any(one.verdict == "real" for one in found)
    assert real <= 10


@pytest.mark.parametrize("effect", [0.0, 0.4])
def test_one_seed_a_value_is_never_called_real(effect):
    rising = effect * np.linspace(0, 1, 5)
    told = {
        only(simulated(number, rising - 0.4, BATCHES, seeds=1, sd=0.003, images=10_000), "train.batch_size").verdict
        for number in range(100)
    }
    assert told <= {"not shown", "for these seeds"}
    assert ("for these seeds" in told) or effect == 0.0


@pytest.mark.parametrize("metric", ["objective", "loss"])
def test_a_loss_is_never_called_real_for_its_images_are_not_counted(metric):
    found = only(outcomes(STEEP), "data.train_size", metric=metric)
    assert found.verdict == "on these images"
    assert "images not" in said(found)


# --- the figures behind the words -----------------------------------------------------------------


def test_the_interval_counts_seeds_and_images():
    found = only(outcomes(STEEP, images=2_000), "data.train_size")
    variance = 2 * 0.002**2 / 3 + sum(p * (1 - p) / 2_000 for p in (0.852, 0.932))
    assert found.effect.difference == pytest.approx(0.08)
    assert found.effect.interval == pytest.approx(stats.norm.interval(0.95, 0.08, math.sqrt(variance)), rel=0.01)
    assert found.verdict == "real"


def test_with_endless_images_the_interval_is_students_with_the_pooled_deviation():
    found = only(outcomes(STEEP, images=10**9), "data.train_size")
    theirs = stats.t.interval(0.95, 6, 0.08, 0.002 * math.sqrt(2 / 3))
    assert found.effect.interval == pytest.approx(theirs, rel=1e-3)


def test_the_trend_of_a_number_is_told_per_doubling():
    found = only(
        outcomes({32: (0.90, 0.91), 64: (0.89, 0.90), 128: (0.88, 0.89)}, "train.batch_size"), "train.batch_size"
    )
    assert found.trend.rise == pytest.approx(-0.01, rel=1e-3)
    assert "falls by 1.00 percentage points per doubling" in said(found)


def test_a_number_that_can_be_zero_has_a_trend_over_its_range():
    found = only(outcomes({0: (0.90, 0.91), 8: (0.91, 0.92), 16: (0.92, 0.93)}, "augment.cutout"), "augment.cutout")
    assert found.trend.rise == pytest.approx(0.02, rel=1e-3)
    assert "over the whole range" in said(found)


def test_the_best_and_the_worst_choice_pay_for_being_picked():
    choices = {"sgd": (0.90, 0.902), "adam": (0.91, 0.912), "adamw": (0.92, 0.922)}
    found = only(outcomes(choices, "train.optimizer"), "train.optimizer")
    assert (found.effect.low.value, found.effect.high.value) == ("sgd", "adamw")
    two = only(outcomes({one: choices[one] for one in ("sgd", "adamw")}, "train.optimizer"), "train.optimizer")
    assert found.effect.interval.width > two.effect.interval.width
    assert "picked out of 3" in found.sentences[0]
    assert found.trend is None


def test_a_gap_that_only_the_images_cast_doubt_on_stands_on_these_images():
    found = only(outcomes({6_000: (0.900, 0.901), 10_000: (0.910, 0.911)}, images=500), "data.train_size")
    assert found.verdict == "on these images"
    assert "on these images the gap stands" in said(found)


# --- the words ------------------------------------------------------------------------------------


def test_an_effect_is_told_with_its_ends_and_n():
    text = said(only(outcomes(STEEP), "data.train_size"))
    assert "Training set size from 6,000 to 10,000 images: best accuracy rises by 8.00 percentage points" in text
    assert "from 85.20 ± 0.20 % (3 seeds) to 93.20 ± 0.20 % (3 seeds)" in text
    assert "The gap is real" in text


def test_no_effect_is_told_as_not_shown():
    found = only(outcomes(LEVEL), "data.train_size")
    assert found.verdict == "not shown"
    assert "does not change" in found.sentences[0]
    assert "chance could explain" in found.sentences[1]


def test_a_hump_is_told_by_its_top():
    found = only(outcomes({10: (0.80, 0.80), 20: (0.90, 0.901), 30: (0.80, 0.801)}, "train.epochs"), "train.epochs")
    assert "best at 20" in found.sentences[0]
    assert found.verdict == "real"
    assert "though not between the two ends" in found.sentences[1]


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ({6_000: (0.9,), 10_000: (0.95,)}, "one seed a value, so the luck of the seed is not known"),
        ({6_000: (0.9, 0.91), 8_000: (0.95,)}, "Thin evidence at 8,000: one seed"),
        ({6_000: (0.9, 0.91), 8_000: (0.95, 0.96)}, "4 runs in all know the luck of the seed badly"),
    ],
)
def test_thin_evidence_is_called_so(accuracies, words):
    assert any(words in one for one in only(outcomes(accuracies), "data.train_size").thin)


def test_enough_seeds_are_not_called_thin():
    assert only(outcomes(STEEP), "data.train_size").thin == []


def test_what_chose_the_best_epoch_and_different_images_are_pointed_out():
    chosen = outcomes({10: (0.8, 0.81), 20: (0.9, 0.91)}, "train.epochs", selected_on="test")
    assert "chosen on the test images" in said(only(chosen, "train.epochs"))
    assert "more tries" in said(only(chosen, "train.epochs"))
    mixed = pd.concat([chosen, outcomes({30: (0.9, 0.91)}, "train.epochs", images=500)])
    assert "others on" in said(only(mixed, "train.epochs"))
    assert "tested on different images" in said(only(mixed, "train.epochs"))


def test_each_series_is_told_by_its_name():
    table = pd.concat([outcomes(STEEP).assign(**{"train.optimizer": name}) for name in ("adam", "sgd")])
    found = findings(table, "data.train_size", ("train.optimizer",))
    assert [one.label for one in found] == ["Optimizer sgd", "Optimizer adam"]
    assert "2 series are looked at" in said(found[0])
    assert in_words(found).startswith("Optimizer sgd: Training set size from")


def test_nothing_and_one_value_have_nothing_to_compare():
    assert findings(outcomes(STEEP).head(0), "data.train_size") == []
    found = only(outcomes({6_000: (0.9, 0.91)}), "data.train_size")
    assert (found.verdict, found.effect, found.headline) == (None, None, "Nothing to compare yet")
    assert "One value only, training set size 6,000: 90.50 ± 0.71 % (2 seeds)." in said(found)


def test_runs_without_an_accuracy_are_left_out():
    table = outcomes(STEEP)
    table.loc[0, "accuracy"] = math.nan
    table.loc[1, "accuracy"] = None
    assert only(table, "data.train_size").cells[0].spread.n == 1


def test_runs_that_came_out_the_same_break_nothing():
    for metric in ("accuracy", "objective"):
        found = only(outcomes(dict.fromkeys((6_000, 8_000, 10_000), (1.0, 1.0))), "data.train_size", metric=metric)
        assert found.verdict == "not shown"
        assert "does not change" in found.sentences[0]


def test_a_record_is_strict_json():
    for metric in ("accuracy", "objective"):
        for table in (outcomes(STEEP), outcomes({6_000: (0.9,)})):
            record = as_record(only(table, "data.train_size", metric=metric, published=PAIR))
            assert json.loads(json.dumps(record, allow_nan=False))["metric"] == metric


# --- the report -----------------------------------------------------------------------------------


def agreed(accuracies, published=PAIR, x="data.train_size", scaled=1.0, metric="accuracy", **more):
    return only(outcomes(accuracies, x, **more), x, published=published, scaled=scaled, metric=metric).agreement


def around(points, by=1.0):
    """Accuracies with the report's effect ``by`` times as large, three seeds close together; a little lower."""
    first = points[0].best_accuracy
    effects = {one.value: by * (one.best_accuracy - first) for one in points}
    return {value: [first - 0.1 + effect + luck for luck in (-0.001, 0.0, 0.001)] for value, effect in effects.items()}


@pytest.mark.parametrize(
    ("by", "images", "kind"),
    [(1.0, 2_000, "size"), (3.0, 10_000, "direction"), (-2.0, 10_000, "disagrees"), (0.6, 500, "open")],
)
def test_agreement_is_of_direction_and_size(by, images, kind):
    found = agreed(around(PAIR, by), images=images)
    assert found.kind == kind
    assert found.theirs == pytest.approx(0.968522 - 0.945802667)
    assert found.ours == pytest.approx(by * found.theirs)


def test_a_flat_study_does_not_agree_with_a_steep_report():
    assert agreed(around(PAIR, 0.0), images=10**6).kind == "disagrees"


def test_what_the_luck_of_the_reports_single_runs_could_do_is_said():
    near = agreed(around(PAIR, 1.5), images=10_000)
    far = agreed(around(PAIR, 4.0), images=10_000)
    assert "the luck of its single runs" in near.sentence
    assert "the luck of its single runs" not in far.sentence


def test_scaling_down_is_a_reason_only_where_it_is_needed():
    assert "10 % of its epochs" in agreed(around(PAIR, 3.0), images=10_000, scaled=0.1).sentence
    assert "of its epochs" not in agreed(around(PAIR), scaled=0.1).sentence


def test_scaled_epochs_stand_for_the_reports():
    points = points_of(CLASSES, "train.epochs")
    shrunk = {round(value * 0.1): seeds for value, seeds in around(points).items()}
    found = agreed(shrunk, points, "train.epochs", 0.1, images=10_000)
    assert found.theirs == pytest.approx(0.9071 - 0.9056)
    assert "from 100 to 500" in found.sentence


def test_the_reports_loss_is_the_objective():
    found = agreed(around(PAIR), metric="objective")
    assert found.theirs == pytest.approx(0.44778106 - 0.621843543)
    assert agreed(around(PAIR), metric="loss") is None


def test_only_common_values_are_compared():
    found = agreed({7_000: (0.95, 0.951), 8_500: (0.96, 0.961), 10_000: (0.97, 0.971)})
    assert found.theirs == pytest.approx(0.968522 - 0.9547632)
    assert agreed({1: (0.9, 0.91), 2: (0.9, 0.91)}) is None


@pytest.mark.parametrize(("seeds", "kind"), [((0.968, 0.969), "size"), ((0.90, 0.91), "disagrees"), ((0.968,), "open")])
def test_with_one_value_in_common_the_levels_are_compared(seeds, kind):
    found = agreed({10_000: seeds})
    assert found.kind == kind
    assert "At 10,000 the report has 96.85 %" in found.sentence


def test_of_one_run_each_it_is_told_whether_the_images_explain_the_gap():
    far, near = (agreed({10_000: (share,)}).sentence for share in (0.947, 0.965))
    apart = newcombe(0.947, 2_000, 0.968522, 2_000)
    assert f"−2.15 percentage points from it (95 % interval of the choice of images −{-100 * apart.low:.2f} to" in far
    assert "which the images do not explain" in far
    assert "could explain" in near
    assert "one run of ours says nothing" in agreed({10_000: (0.3,)}, metric="objective").sentence


def test_how_far_the_levels_are_apart_is_told_beside_the_effect():
    shifted = {one.value: [one.best_accuracy - 0.06 + more for more in (0.0, 0.001, -0.001)] for one in PAIR}
    found = agreed(shifted)
    assert found.kind == "size"
    assert "Over these 5 values the report stands on average 6.00 percentage points above us." in found.sentence


def test_where_it_was_best_is_told_if_it_was_elsewhere():
    points = points_of(CLASSES, "train.epochs")
    table = around(points)
    table[400] = [0.95, 0.951, 0.952]
    assert "Its best was at 200, ours at 400." in agreed(table, points, "train.epochs").sentence
