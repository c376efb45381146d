"""Is the gap real? What is concluded from made-up runs whose accuracies are known."""

import numpy as np
import pytest

from core.compare.contenders import group_runs
from core.compare.gap import NotComparable, gap
from core.config.run_config import RunConfig
from core.runs.predictions import Answers, Predictions
from core.runs.summary import labels
from core.stats.finding import HEADLINES
from core.stats.joint import Sample
from core.study.findings import findings_of
from tests.made import made_run
from tests.outcomes_made import outcomes

HELD_OUT = RunConfig().replace({"data.test_size": 2_000, "data.validation_size": 500})


def trained(store, accuracy, config=HELD_OUT, name="", **about):
    """A finished run with this test accuracy."""
    run_id = made_run(store, config=config, name=name, **about)
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


def compared(store, **more):
    runs = store.summaries()
    first, second = group_runs(runs, labels(runs))
    return gap(first, second, **more)


def seeds(store, accuracies, name, **settings):
    for seed, accuracy in enumerate(accuracies):
        values = {path.replace("__", "."): value for path, value in settings.items()}
        trained(store, accuracy, HELD_OUT.replace({**values, "train.seed": seed}), name)


def details(found):
    return " ".join(found.details)


def test_one_run_each_counts_the_images_and_says_what_it_leaves_out(store):
    trained(store, 0.90, name="low")
    trained(store, 0.91, HELD_OUT.replace({"train.lr": 0.2}), name="high")
    found = compared(store)
    assert (found.better.label, found.part, found.better.images) == ("high", "test", 2_000)
    assert found.judgement.difference == pytest.approx(0.01)
    assert (found.judgement.verdict, found.judgement.counted) == ("not shown", "images")
    assert found.headline == HEADLINES["not shown"]
    assert "“high” is 1.00 points ahead of “low”" in found.summary
    assert "One seed each" in found.advice


def test_a_wide_gap_of_single_runs_is_more_than_the_images_explain_but_not_more_than_that(store):
    trained(store, 0.70, name="low")
    trained(store, 0.91, HELD_OUT.replace({"train.lr": 0.2}), name="high")
    found = compared(store)
    assert found.judgement.verdict == "for these seeds"
    assert "probably" in found.headline


def test_seeds_on_both_sides_are_compared_by_their_means(store):
    low, high = (0.850, 0.852, 0.848), (0.900, 0.902, 0.905)
    seeds(store, low, "low")
    seeds(store, high, "high", train__lr=0.2)
    found = compared(store)
    assert sorted(found.better.results) == sorted(high)
    assert found.judgement.interval == pytest.approx(Sample.of([low, high], [2_000] * 2).difference(0, 1).interval())
    assert found.judgement.verdict == "real"
    assert "90.23 ± 0.25 % (3 seeds)" in details(found)


def test_the_six_accuracies_of_two_batch_sizes_have_one_verdict_in_compare_and_in_studies(store):
    """10,000 test images; judged "real" by one engine and "on these images" by another before."""
    six = {64: (0.9150, 0.9165, 0.9160), 128: (0.9060, 0.9075, 0.9070)}
    every = HELD_OUT.replace({"data.test_size": None})
    for batch_size, accuracies in six.items():
        for seed, accuracy in enumerate(accuracies):
            trained(store, accuracy, every.replace({"train.batch_size": batch_size, "train.seed": seed}))
    found = compared(store)
    table = outcomes(six, "train.batch_size", images=10_000)
    (study,) = findings_of(table, "train.batch_size")
    assert found.judgement.verdict == study.judgement.verdict == "real"
    assert found.judgement.p == pytest.approx(study.judgement.p)
    assert found.judgement.interval.low == pytest.approx(-study.judgement.interval.high)
    assert found.details[1] == study.details[1]  # the sentence about the test


def test_a_gap_within_the_seeds_is_not_shown(store):
    seeds(store, (0.80, 0.90), "wide")
    seeds(store, (0.86, 0.861), "narrow", train__lr=0.2)
    found = compared(store)
    assert found.judgement.verdict == "not shown"
    assert "Only 4 runs" in found.advice


def test_beyond_the_seeds_but_within_the_images_holds_on_these_images_only(store):
    seeds(store, (0.8990, 0.8991, 0.8992), "low")
    seeds(store, (0.9010, 0.9011, 0.9012), "high", train__lr=0.2)
    found = compared(store)
    assert found.judgement.verdict == "on these images"
    assert found.headline.startswith("On these test images")


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.852, "not shown"), (0.95, "real")])
def test_one_run_against_seeds_asks_whether_it_could_be_one_of_them(store, accuracy, verdict):
    seeds(store, (0.85, 0.86, 0.84), "many")
    trained(store, accuracy, HELD_OUT.replace({"train.lr": 0.2}), "single")
    found = compared(store)
    assert found.judgement.verdict == verdict
    assert "Add seeds to “single”" in found.advice


def test_different_tasks_are_refused_with_the_reason(store):
    trained(store, 0.9)
    trained(store, 0.95, HELD_OUT.replace({"data.classes": ("deer", "dog")}))
    with pytest.raises(NotComparable, match=r"different tasks: (2|10) classes"):
        compared(store)


def test_unfinished_runs_are_compared_on_their_held_out_images(store):
    made_run(store, config=HELD_OUT, state="stopped")
    made_run(store, config=HELD_OUT.replace({"train.lr": 0.2}), state="stopped", epochs=3)
    found = compared(store)
    assert (found.part, found.better.images) == ("validation", 500)
    assert "slightly optimistic" in details(found)
    assert "held-out validation images" in found.summary


def test_a_seed_that_still_trains_does_not_count_beside_finished_ones(store):
    on_test = HELD_OUT.replace({"data.validation": "test"})
    for seed, epochs in enumerate((4, 4, 1)):
        state = "finished" if epochs == 4 else "stopped"
        made_run(store, epochs, state, on_test.replace({"train.seed": seed}), name="many")
    made_run(store, config=on_test.replace({"train.lr": 0.2}), name="one")
    found = compared(store)
    assert {len(found.better.results), len(found.other.results)} == {2, 1}
    assert "Not counted: 1 of 3 runs of “many · 3 seeds”" in details(found)


def test_of_a_run_that_has_not_finished_it_is_said(store):
    on_test = HELD_OUT.replace({"data.validation": "test"})
    made_run(store, 2, "stopped", on_test, name="half")
    made_run(store, config=on_test.replace({"train.lr": 0.2}), name="whole")
    assert "“half” was stopped before its end" in details(compared(store))


@pytest.mark.parametrize(("state", "text"), [("failed", "failed"), ("interrupted", "was interrupted")])
def test_how_an_unfinished_run_ended_is_said(store, state, text):
    on_test = HELD_OUT.replace({"data.validation": "test"})
    made_run(store, 2, state, on_test, name="half")
    made_run(store, config=on_test.replace({"train.lr": 0.2}), name="whole")
    assert f"“half” {text}" in details(compared(store))
    assert "has not finished" not in details(compared(store))


def test_figures_of_different_kinds_are_refused(store):
    made_run(store, config=HELD_OUT, state="stopped")
    made_run(store, config=HELD_OUT.replace({"data.validation": "test"}))
    with pytest.raises(NotComparable, match="held-out images only"):
        compared(store)


def test_a_run_without_an_epoch_is_named(store):
    trained(store, 0.9)
    made_run(store, epochs=0, state="queued", name="waiting", config=HELD_OUT.replace({"train.lr": 0.2}))
    with pytest.raises(NotComparable, match="waiting has no finished epoch"):
        compared(store)


def test_a_choice_on_the_test_images_and_other_images_are_pointed_out(store):
    trained(store, 0.9, name="honest")
    made_run(
        store, config=HELD_OUT.replace({"data.validation": "test", "data.test_size": 1_000}), name="chosen on test"
    )
    text = details(compared(store))
    assert "Only “chosen on test” chose its best epoch on its test images" in text
    assert "measured on different images" in text


def test_many_looked_at_and_runs_left_out_are_pointed_out(store):
    seeds(store, (0.85, 0.86), "many")
    made_run(store, config=HELD_OUT.replace({"train.seed": 7}), state="running", name="many")
    trained(store, 0.9, HELD_OUT.replace({"train.lr": 0.2}))
    text = details(compared(store, looked_at=9))
    assert "two of 9" in text
    assert "Not counted: 1 of 3 runs of “many · 3 seeds”" in text
    assert "measured on the same images" in text


def test_another_precision_is_said(store):
    on_test = HELD_OUT.replace({"data.validation": "test"})
    for precision, rate in (("fp32", 0.1), ("bf16", 0.2)):
        run_id = made_run(store, config=on_test.replace({"train.lr": rate}), name=precision)
        store.run(run_id).write_environment({"device": "cpu", "precision": precision, "threads": 2})
    assert "“bf16” was computed in bf16, “fp32” in fp32" in details(compared(store))


# --- image by image -------------------------------------------------------------------------------


def answered(correct, images=None, classes=HELD_OUT.data.classes, part="test"):
    """Predictions that are right (1) or wrong (0) on these images."""
    right = np.asarray(correct, bool)
    numbers = np.arange(50_000, 50_000 + len(right)) if images is None else images
    labels = np.zeros(len(right), np.int64)
    answers = Answers(part, 4, numbers, labels, np.zeros((len(right), 10), np.float32), np.where(right, 0, 1))
    return Predictions(classes, 4, 4, False, (answers,))


def ahead_by(store, more, m=2_000):
    """Two finished runs, of which the second is right on ``more`` images more; returns their predictions by id."""
    first, second = (np.arange(m) < 1_800 + extra for extra in (0, more))
    low = trained(store, first.mean(), name="low")
    high = trained(store, second.mean(), HELD_OUT.replace({"train.lr": 0.2}), name="high")
    return {low: answered(first), high: answered(second)}


def reading(kept):
    return lambda run_ids: {run_id: kept[run_id] for run_id in run_ids if run_id in kept}


def test_runs_with_kept_predictions_are_compared_image_by_image(store):
    kept = ahead_by(store, 30)
    paired, by_accuracy = compared(store, read=reading(kept)), compared(store)
    assert paired.judgement.paired and not by_accuracy.judgement.paired
    assert paired.judgement.difference == pytest.approx(0.015) == pytest.approx(by_accuracy.judgement.difference)
    assert (paired.judgement.verdict, by_accuracy.judgement.verdict) == ("for these seeds", "not shown")
    assert np.ptp(paired.judgement.interval) < np.ptp(by_accuracy.judgement.interval) / 3
    assert "image by image" in details(paired) and "cautious" not in details(paired)
    assert "ahead with over 99.9 % probability" in paired.summary


def test_a_run_without_predictions_leaves_accuracies_and_says_what_would_help(store):
    kept = ahead_by(store, 30)
    kept.popitem()
    found = compared(store, read=reading(kept))
    assert not found.judgement.paired
    assert "1 run of 2 lacks kept predictions" in details(found)
    assert "resnet-lab predict --missing" in details(found)
    assert "no run has kept predictions" in details(compared(store))


def test_different_pooled_splits_are_compared_on_images_that_neither_trained_on(store):
    rng = np.random.default_rng(0)
    numbers = [np.sort(rng.permutation(4_000)[:2_000]) for _ in range(2)]
    pooled = HELD_OUT.replace({"data.split": "pooled", "data.test_size": 2_000})
    kept = {}
    for at, images in enumerate(numbers):
        right = rng.random(2_000) < 0.9
        config = pooled.replace({"data.split_seed": at, "train.lr": 0.1 * (1 + at)})
        kept[trained(store, right.mean(), config, str(at))] = answered(right, images)
    found = compared(store, read=reading(kept))
    shared = np.intersect1d(*numbers)
    assert found.judgement.paired and found.better.images == found.other.images == len(shared)
    assert f"the {len(shared):,} test images that all runs answered" in details(found)
    one = kept[found.better.run_ids[0]].answers()
    assert found.better.results == (pytest.approx(one.correct[np.isin(one.images, shared)].mean()),)
