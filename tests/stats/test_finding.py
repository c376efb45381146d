"""Findings in words: the headline claims what the verdict allows, and numbers have units and signs."""

import pytest

from core.stats.finding import ACCURACY, HEADLINES, MEASURES, MOST_WORDS, Wording
from core.stats.intervals import Interval, spread
from core.stats.judgement import Group, judge


def wording(*results, names=("“a”", "“b”", "“c”"), images=10_000, metric="accuracy", **more):
    groups = [Group(name=name, results=values, images=images) for name, values in zip(names, results, strict=False)]
    numbers = [float(name.replace(",", "")) for name in names[: len(groups)]] if more.get("numbers") else None
    measure = MEASURES[metric]
    judgement = judge(
        groups, numbers=numbers, lower_is_better=measure.lower_is_better, count_images=metric == "accuracy"
    )
    return Wording(groups, judgement, measure, **more)


BATCHES = {"names": ("32", "64", "128"), "setting": "batch size", "unit": " images", "numbers": True}


@pytest.mark.parametrize(
    ("results", "more", "headline"),
    [
        (((0.85, 0.851), (0.90, 0.901)), {}, "“b” is more accurate."),
        (((0.85,), (0.90,)), {}, "“b” is probably more accurate."),
        (((0.85, 0.851), (0.90, 0.901), (0.95, 0.951)), BATCHES, "Accuracy rises with batch size."),
        (((0.95,), (0.90,), (0.85,)), BATCHES, "Accuracy probably falls with batch size."),
        (((0.80, 0.801), (0.90, 0.901), (0.80, 0.801)), BATCHES, "Accuracy depends on batch size: best at 64."),
        (((0.9, 0.901), (0.9, 0.901)), {}, HEADLINES["not shown"]),
        (((0.9,), (0.9,)), BATCHES, HEADLINES["not shown"]),
    ],
)
def test_the_headline_claims_what_the_verdict_allows(results, more, headline):
    assert wording(*results, **more).headline() == headline


def test_on_these_images_is_part_of_the_claim():
    small = wording((0.900, 0.901), (0.910, 0.911), images=500)
    assert small.headline().startswith("On these test images, ")
    loss = wording((0.5, 0.51), (0.7, 0.71), metric="loss", **BATCHES, images=500)
    assert loss.judgement.verdict == "on these images" and "rises" in loss.headline()


def test_choices_are_told_by_the_best():
    text = wording((0.90, 0.901), (0.92, 0.921), names=("sgd", "adamw"), setting="optimizer")
    assert text.headline() == "Accuracy depends on optimizer: best with adamw."
    assert text.summary().startswith("Accuracy is 2.00 points higher with adamw than with sgd (95 % interval ")
    loss = wording((0.90, 0.901), (0.92, 0.921), names=("sgd", "adamw"), setting="optimizer", metric="objective")
    assert "0.0200 nats lower with sgd than with adamw" in loss.summary()
    low, high = loss.summary().split("interval ")[1].split(",")[0].split(" to ")
    assert 0 < float(low) < 0.02 < float(high)


def test_a_long_name_leaves_the_verdict_alone():
    long = "“a run with a name of so many words that no headline has room for it”"
    names = ("“a”", long)
    assert wording((0.85, 0.851), (0.90, 0.901), names=names).headline() == HEADLINES["real"]
    assert all(len(text.split()) <= MOST_WORDS for text in HEADLINES.values())


@pytest.mark.parametrize(
    ("results", "counted"),
    [(((0.85, 0.851), (0.90, 0.901)), "seeds and test images"), (((0.85,), (0.90,)), "test images only")],
)
def test_the_summary_says_what_its_interval_counts(results, counted):
    summary = wording(*results).summary()
    assert summary.startswith("“b” is 5.00 points ahead of “a” (95 % interval ")
    assert summary.endswith(f"counting {counted}).")


def test_before_the_fold_are_at_most_forty_words():
    for results in (((0.85,), (0.90,)), ((0.90, 0.901), (0.901, 0.902)), ((0.85, 0.851, 0.852), (0.90, 0.901, 0.902))):
        for more in ({}, BATCHES):
            text = wording(*results, **more)
            words = f"{text.headline()} {text.summary()} {text.advice()[0]}".split()
            assert len(words) <= 50 and len(text.headline().split()) + len(text.summary().split()) <= 40


@pytest.mark.parametrize(
    ("results", "words", "seeds"),
    [
        (((0.9,), (0.95,)), "add two seeds to each", 2),
        (((0.9, 0.91), (0.95,)), "Add seeds to “b”", 0),
        (((0.9, 0.91), (0.95, 0.96)), "Only 4 runs", 1),
        (((0.85, 0.851, 0.852), (0.90, 0.901, 0.902)), "", 0),
        (((0.9, 0.901, 0.902), (0.9001, 0.9011, 0.9021)), "Even 50 seeds", 0),
    ],
)
def test_weak_evidence_gets_advice(results, words, seeds):
    advice, more = wording(*results).advice()
    assert words in advice and bool(advice) == bool(words)
    assert more == seeds


def test_the_seeds_that_would_make_a_difference_clear_are_counted():
    text = wording((0.900, 0.910, 0.905), (0.912, 0.922, 0.917))
    advice, more = text.advice()
    assert more == text.judgement.seeds_needed - 3
    assert advice.startswith(f"{text.judgement.seeds_needed} seeds each")


def test_the_details_have_means_the_test_and_the_trend():
    means, test, trend = wording((0.80, 0.801), (0.90, 0.901), (0.80, 0.801), **BATCHES).details()
    assert "32: 80.05 ± 0.07 % (2 seeds); 128: " in means and means.endswith(
        "64: 90.05 ± 0.07 % (2 seeds), the best; on 10,000 test images."
    )
    assert "all 3 values compared at once, p < 0.001" in test and "not between the two ends" in test
    assert "per doubling" in trend
    unknown = wording((0.5,), (0.6,), metric="loss").details()
    assert "variation is unknown" in unknown[1] and "images" not in unknown[0]


def test_numbers_are_written_with_unit_and_sign():
    assert ACCURACY.spread_text(spread([0.91, 0.92, 0.93])) == "92.00 ± 1.00 % (3 seeds)"
    assert ACCURACY.spread_text(spread([0.9168])) == "91.68 % (one run)"
    assert ACCURACY.signed_text(-0.0031) == "−0.31 points"
    assert ACCURACY.size_text(-0.0031) == "0.31 points"
    assert ACCURACY.interval_text(Interval(-0.0031, 0.012)) == "−0.31 to 1.20"
    assert ACCURACY.interval_text(Interval(-0.00001, 0.0)) == "0.00 to 0.00"
    assert MEASURES["objective"].spread_text(spread([0.5, 0.6])) == "0.5500 ± 0.0707 nats (2 seeds)"
