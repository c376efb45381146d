"""What a study says: the findings of made-up studies, and how often studies of known truth are called real."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.paired import Truth
from core.config.run_config import SETTINGS
from core.config.sections import CLASSES
from core.published.points import points_of
from core.runs.predictions import Answers, Predictions
from core.stats.finding import HEADLINES
from core.study.findings import as_record, effects_table, findings_of
from tests.outcomes_made import outcomes, simulated

BATCHES = (32, 64, 128, 256, 512)
PAIR = points_of(("deer", "dog"), "data.train_size")
LEVEL = dict.fromkeys((6_000, 8_000, 10_000), (0.900, 0.902, 0.904))
STEEP = {6_000: (0.850, 0.852, 0.854), 8_000: (0.900, 0.902, 0.904), 10_000: (0.930, 0.932, 0.934)}


def only(*args, **more):
    (finding,) = findings_of(*args, **more)
    return finding


def verdict(finding):
    return finding.judgement.verdict


def details(finding):
    return " ".join(finding.details)


# --- calibration: tests/stats/test_joint.py has thousands of studies, here they pass through the table --------------

#: Seeds per value, deviation over seeds, test images.
DESIGNS = [(3, 0.002, 2_000), (3, 0.005, 10_000)]
#: Each with and without images that the values share.
SHARED = [(*DESIGNS[0], True), (*DESIGNS[1], False)]


def share_called_real(effects, seeds, sd, images, values=BATCHES, x="train.batch_size", **more):
    """Return the share of 200 studies."""
    verdicts = [
        verdict(only(simulated(number, effects, values, seeds=seeds, sd=sd, images=images, x=x, **more), x))
        for number in range(200)
    ]
    return verdicts.count("real") / len(verdicts)


@pytest.mark.parametrize(("seeds", "sd", "images", "shared"), SHARED)
def test_without_an_effect_at_most_one_study_in_twenty_is_called_real(seeds, sd, images, shared):
    assert share_called_real([0.0] * 5, seeds, sd, images, shared=shared) <= 0.055


@pytest.mark.parametrize(("seeds", "sd", "images"), DESIGNS)
def test_a_trend_of_four_sigma_is_called_real_nine_times_in_ten(seeds, sd, images):
    # The rise of a line from one end to the other is known to sd of a mean · 4/√10, for five values evenly apart.
    sigma = math.sqrt(sd**2 / seeds + 0.09 / images)
    effects = 4 * sigma * 4 / math.sqrt(10) * np.linspace(-0.5, 0.5, 5)
    assert share_called_real(effects, seeds, sd, images) >= 0.9


@pytest.mark.parametrize(("seeds", "sd", "images", "shared"), SHARED)
def test_ends_four_sigma_apart_are_called_real_nine_times_in_ten(seeds, sd, images, shared):
    # Here sigma is that of the difference of two values.
    sigma = math.sqrt(2 * (sd**2 / seeds + 0.09 / images))
    assert share_called_real(4 * sigma * np.linspace(0, 1, 5), seeds, sd, images, shared=shared) >= 0.9


@pytest.mark.parametrize(("seeds", "sd", "images"), DESIGNS)
def test_choices_without_an_effect_are_not_called_real_for_being_many(seeds, sd, images):
    choices = ("constant", "multi-step", "report", "cosine", "one-cycle")
    assert share_called_real([0.0] * 5, seeds, sd, images, choices, "train.schedule") <= 0.055


def test_looking_at_many_series_does_not_make_one_real():
    real = 0
    for number in range(200):
        series = [
            simulated(1_000 * at + number, [0.0] * 5, BATCHES, seeds=3, sd=0.003, images=10_000).assign(
                **{"train.optimizer": name}
            )
            for at, name in enumerate(("sgd", "adam", "adamw"))
        ]
        findings = findings_of(pd.concat(series), "train.batch_size", ("train.optimizer",))
        real += any(verdict(finding) == "real" for finding in findings)
    assert real <= 11


@pytest.mark.parametrize("effect", [0.0, 0.4])
def test_one_seed_a_value_is_never_called_real(effect):
    rising = effect * np.linspace(0, 1, 5)
    verdicts = {
        verdict(only(simulated(number, rising - 0.4, BATCHES, seeds=1, sd=0.003, images=10_000), "train.batch_size"))
        for number in range(100)
    }
    assert verdicts <= {"not shown", "for these seeds"}
    assert ("for these seeds" in verdicts) or effect == 0.0


@pytest.mark.parametrize("metric", ["objective", "loss"])
def test_a_loss_is_never_called_real_for_its_images_are_not_counted(metric):
    finding = only(outcomes(STEEP), "data.train_size", metric=metric)
    assert verdict(finding) == "on these images"
    name = {"objective": "the objective", "loss": "the lowest cross-entropy"}[metric]
    assert finding.headline.startswith(f"On these validation images, {name} ")
    assert "seeds only" in finding.summary and "not counted" in details(finding)


# --- the numbers behind the words -----------------------------------------------------------------


def test_the_interval_counts_seeds_and_images():
    judgement = only(outcomes(STEEP, images=2_000), "data.train_size").judgement
    variance = 2 * 0.002**2 / 3 + sum(p * (1 - p) / 2_000 for p in (0.852, 0.932))
    assert judgement.difference == pytest.approx(0.08)
    assert judgement.interval == pytest.approx(stats.norm.interval(0.95, 0.08, math.sqrt(variance)), rel=0.01)
    assert judgement.verdict == "real"


def test_with_endless_images_the_interval_is_students_with_the_pooled_deviation():
    interval = only(outcomes(STEEP, images=10**9), "data.train_size").judgement.interval
    assert interval == pytest.approx(stats.t.interval(0.95, 6, 0.08, 0.002 * math.sqrt(2 / 3)), rel=1e-3)


def test_a_hump_is_told_by_its_top():
    finding = only(outcomes({10: (0.80, 0.80), 20: (0.90, 0.901), 30: (0.80, 0.801)}, "train.epochs"), "train.epochs")
    assert finding.headline == "Accuracy depends on epochs: best at 20."
    assert verdict(finding) == "real"


# --- the words ------------------------------------------------------------------------------------


def test_an_effect_is_told_with_its_ends_and_n():
    finding = only(outcomes(STEEP), "data.train_size")
    assert finding.headline.startswith("Accuracy rises with ")
    assert finding.summary.startswith("Accuracy rises by 8.00 points from 6,000 to 10,000 images (95 % interval ")
    assert "6,000: 85.20 ± 0.20 % (3 seeds); 10,000: 93.20 ± 0.20 % (3 seeds)" in details(finding)
    assert finding.advice == ""


def test_no_effect_is_told_as_not_shown():
    finding = only(outcomes(LEVEL), "data.train_size")
    assert (verdict(finding), finding.headline) == ("not shown", HEADLINES["not shown"])
    assert "does not change" in finding.summary


def test_one_seed_a_value_is_worth_two_more_and_what_they_take():
    finding = only(outcomes({6_000: (0.884,), 9_000: (0.9135,), 10_000: (0.9115,)}), "data.train_size")
    assert "probably rises" in finding.headline
    assert "by 2.75 points" in finding.summary and "test images only" in finding.summary
    assert finding.advice.endswith("add two seeds to each (6 runs).")  # how long they take, the plan says


def test_what_chose_the_best_epoch_and_different_images_are_pointed_out():
    chosen = outcomes({10: (0.8, 0.81), 20: (0.9, 0.91)}, "train.epochs", selected_on="test")
    text = details(only(chosen, "train.epochs"))
    assert "chosen on the test images" in text and "lucky" in text and "not its shape" in text
    mixed = details(only(pd.concat([chosen, outcomes({30: (0.9, 0.91)}, "train.epochs", images=500)]), "train.epochs"))
    assert "held-out images and test images" in mixed
    assert "tested on different images" in mixed


def test_each_series_is_told_by_its_name():
    table = pd.concat([outcomes(STEEP).assign(**{"train.optimizer": name}) for name in ("adam", "sgd")])
    findings = findings_of(table, "data.train_size", ("train.optimizer",))
    assert [finding.label for finding in findings] == ["Optimizer sgd", "Optimizer adam"]
    assert "Each of the 2 series" in details(findings[0])
    assert all(finding.headline.startswith("Accuracy rises with") for finding in findings)


def test_each_varied_setting_has_a_row_in_the_table_of_effects():
    table = pd.concat([outcomes(STEEP).assign(**{"train.optimizer": name}) for name in ("adam", "sgd")])
    table["run_id"] = [f"{number}" for number in range(len(table))]
    effects = effects_table(table, ["data.train_size", "train.optimizer"])
    accuracy = effects[effects["measure"] == "accuracy (points)"]
    assert accuracy["setting"].value_counts().to_dict() == {"Training set size": 2, "Optimizer": len(STEEP)}
    assert accuracy["others"].tolist()[:2] == ["Optimizer sgd", "Optimizer adam"]
    first = accuracy.iloc[0]
    assert first["from"] < first["effect"] < first["to"] and first["verdict"] == "real"
    assert effects_table(table.head(0), ["data.train_size"]).empty


def test_equal_losses_have_an_effect_of_zero_not_of_a_rounding_error():
    table = outcomes({1_000: [0.9, 0.9], 2_000: [0.9, 0.9], 4_000: [0.9, 0.9]})
    effects = effects_table(table, ["data.train_size"]).set_index("measure")
    row = next(row for name, row in effects.iterrows() if "objective" in str(name))
    assert [f"{row[column]:g}" for column in ("effect", "from", "to")] == ["0", "0", "0"]


@pytest.mark.parametrize("path", [path for path, setting in SETTINGS.items() if setting.kind in ("int", "float")])
@pytest.mark.parametrize("seeds", [(0.9,), (0.90, 0.92)])
def test_the_verdict_has_at_most_fifteen_words_and_forty_with_the_effect(path, seeds):
    for accuracies in ({1: (0.5,) * len(seeds), 2: seeds, 3: seeds}, {1: seeds, 2: seeds}):
        for metric in ("accuracy", "objective"):
            finding = only(outcomes(accuracies, path), path, metric=metric)
            assert len(finding.headline.split()) <= 15
            assert len(f"{finding.headline} {finding.summary}".split()) <= 40


def test_nothing_and_one_value_have_nothing_to_compare():
    assert findings_of(outcomes(STEEP).head(0), "data.train_size") == []
    finding = only(outcomes({6_000: (0.9, 0.91)}), "data.train_size")
    assert (finding.judgement, finding.headline) == (None, "Only one value so far.")
    assert "6,000: 90.50 ± 0.71 % (2 seeds)." in finding.summary


def test_runs_without_an_accuracy_are_left_out():
    table = outcomes(STEEP)
    table.loc[0, "accuracy"] = math.nan
    table.loc[1, "accuracy"] = None
    assert len(only(table, "data.train_size").groups[0].results) == 1


def test_runs_that_came_out_the_same_break_nothing():
    for metric in ("accuracy", "objective"):
        finding = only(outcomes(dict.fromkeys((6_000, 8_000, 10_000), (1.0, 1.0))), "data.train_size", metric=metric)
        assert verdict(finding) == "not shown"
        assert "does not change" in finding.summary


KEYS = {"series", "metric", "verdict", "p", "low", "high", "difference", "interval", "ahead", "counted", "paired"}
KEYS |= {"agreement", "sentences"}


def test_a_record_is_strict_json():
    for metric in ("accuracy", "objective"):
        for table in (outcomes(STEEP), outcomes({6_000: (0.9,)})):
            finding = only(table, "data.train_size", metric=metric, published=PAIR)
            record = json.loads(json.dumps(as_record(finding), allow_nan=False))
            assert record.keys() == KEYS | {"headline"}
            assert (record["metric"], record["sentences"]) == (metric, finding.sentences)
    record = as_record(only(outcomes(STEEP), "data.train_size"))
    assert (record["low"], record["high"], record["verdict"]) == ("6,000", "10,000", "real")
    assert record["interval"][0] < record["difference"] < record["interval"][1]


# --- the report -----------------------------------------------------------------------------------


def test_a_study_of_fewer_epochs_says_so_in_its_first_line():
    points = points_of(CLASSES, "data.train_size")
    table = {30_000: (0.85, 0.86), 50_000: (0.90, 0.91)}
    for accuracies in (table, {50_000: (0.9, 0.91)}):
        scaled = only(outcomes(accuracies), "data.train_size", published=points, scaled=0.1)
        assert scaled.summary.startswith("Trained for 10 % of the report’s epochs: ")
        whole = only(outcomes(accuracies), "data.train_size", published=points)
        assert "epochs" not in whole.summary


def test_the_agreement_is_among_the_details():
    finding = only(outcomes(STEEP), "data.train_size", published=PAIR)
    assert finding.agreement.kind == "not compared"
    assert finding.agreement.sentence in finding.details


# --- images and draws -----------------------------------------------------------------------------


def test_a_study_whose_runs_kept_their_predictions_is_judged_image_by_image():
    truth = Truth((3, 3, 3), (0.90, 0.91, 0.92), images=2_000)
    groups = dict(zip((32, 64, 128), truth.study(np.random.default_rng(3)), strict=True))
    table = outcomes({value: runs.mean(1).tolist() for value, runs in groups.items()}, "train.batch_size")
    kept = {f"{value}-{seed}": kept_of(right) for value, runs in groups.items() for seed, right in enumerate(runs)}
    paired, plain = only(table, "train.batch_size", read=lambda run_ids: kept), only(table, "train.batch_size")
    assert paired.judgement.paired and not plain.judgement.paired
    assert paired.judgement.difference == pytest.approx(plain.judgement.difference)
    assert np.ptp(paired.judgement.interval) < np.ptp(plain.judgement.interval) / 1.5
    assert np.ptp(paired.judgement.trend.interval) < np.ptp(plain.judgement.trend.interval) / 1.5
    record = as_record(paired)
    assert (record["paired"], record["counted"]) == (True, "seeds and images") and 0.5 < record["ahead"] <= 1
    losses = only(table, "train.batch_size", metric="loss", read=lambda run_ids: kept)
    assert not losses.judgement.paired


def test_runs_of_different_tasks_are_not_compared_image_by_image():
    table = outcomes({"deer,dog": (0.9, 0.91), "cat,dog": (0.8, 0.81)}, "data.classes")
    right = np.arange(2_000) < 1_800
    kept = {run_id: kept_of(right, tuple(run_id.split("-")[0].split(","))) for run_id in table["run_id"]}
    assert not only(table, "data.classes", read=lambda run_ids: kept).judgement.paired


def kept_of(right, classes=CLASSES):
    """Predictions for as many test images, right or wrong."""
    zeros, numbers = np.zeros(len(right), np.int64), np.arange(50_000, 50_000 + len(right))
    logits = np.zeros((len(right), len(classes)), np.float32)
    answers = Answers("test", 7, numbers, zeros, logits, np.where(right, 0, 1))
    return Predictions(classes, 7, 10, False, (answers,))


def test_a_study_of_the_training_size_says_whether_the_draw_of_its_images_counts():
    assert "draw of training images is not counted" in details(only(outcomes(STEEP), "data.train_size"))
    drawn = outcomes(STEEP)
    drawn["split_seed"] = drawn["train.seed"]
    assert "includes the draw" in details(only(drawn, "data.train_size"))
    batches = only(outcomes({32: (0.9, 0.91), 64: (0.9, 0.92)}, "train.batch_size"), "train.batch_size")
    assert "draw" not in details(batches)
