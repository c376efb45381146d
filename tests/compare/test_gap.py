"""Is the gap real? What is concluded from made-up runs whose accuracies are known."""

import pytest

from core.compare.contenders import contenders
from core.compare.gap import NotComparable, gap
from core.config.run_config import RunConfig
from core.runs.summary import labels
from core.stats.intervals import newcombe, welch
from tests.made import made_run

HELD_OUT = RunConfig().replace({"data.test_size": 2_000, "data.validation_size": 500})


def trained(store, accuracy, config=HELD_OUT, name="", **about):
    """A finished run with this test accuracy."""
    run_id = made_run(store, config=config, name=name, **about)
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


def compared(store, **more):
    runs = store.summaries()
    first, second = contenders(runs, labels(runs))
    return gap(first, second, **more)


def seeds(store, accuracies, name, **settings):
    for seed, accuracy in enumerate(accuracies):
        values = {path.replace("__", "."): value for path, value in settings.items()}
        trained(store, accuracy, HELD_OUT.replace({**values, "train.seed": seed}), name)


def said(found):
    return " ".join([*found.sentences, *found.caveats])


def test_one_run_each_counts_the_images_and_says_what_it_leaves_out(store):
    trained(store, 0.90, name="low")
    trained(store, 0.91, HELD_OUT.replace({"train.lr": 0.2}), name="high")
    found = compared(store)
    assert (found.better.label, found.part) == ("high", "test")
    assert found.difference == pytest.approx(0.01)
    assert found.by_images == newcombe(0.91, 2_000, 0.90, 2_000)
    assert found.by_seeds is None
    assert found.verdict == "not shown"
    assert "One run each: the interval counts only the 2,000 test images, not the luck of the seed." in said(found)


def test_a_wide_gap_of_single_runs_is_more_than_the_images_explain_but_not_more_than_that(store):
    trained(store, 0.70)
    trained(store, 0.91, HELD_OUT.replace({"train.lr": 0.2}))
    assert compared(store).verdict == "for these seeds"


def test_seeds_on_both_sides_are_compared_by_their_means(store):
    low, high = (0.850, 0.852, 0.848), (0.900, 0.902, 0.905)
    seeds(store, low, "low")
    seeds(store, high, "high", train__lr=0.2)
    found = compared(store)
    assert found.by_seeds == pytest.approx(welch(high[::-1], low[::-1]))
    assert found.better.over_seeds.n == 3
    assert found.verdict == "real"
    assert "90.23 ± 0.25 % (3 seeds)" in said(found)


def test_a_gap_within_the_seeds_is_not_shown(store):
    seeds(store, (0.80, 0.90), "wide")
    seeds(store, (0.86, 0.861), "narrow", train__lr=0.2)
    found = compared(store)
    assert found.verdict == "not shown"
    assert "The luck of the seed alone could explain it" in said(found)
    assert "Two seeds on a side say little" in said(found)


def test_beyond_the_seeds_but_within_the_images_holds_on_these_images_only(store):
    seeds(store, (0.8990, 0.8991, 0.8992), "low")
    seeds(store, (0.9010, 0.9011, 0.9012), "high", train__lr=0.2)
    assert compared(store).verdict == "on these images"


@pytest.mark.parametrize(("accuracy", "place"), [(0.852, "inside"), (0.95, "outside")])
def test_one_run_against_seeds_asks_whether_it_could_be_one_of_them(store, accuracy, place):
    seeds(store, (0.85, 0.86, 0.84), "many")
    trained(store, accuracy, HELD_OUT.replace({"train.lr": 0.2}), "one")
    found = compared(store)
    assert found.by_seeds is None
    assert f"it lies {place}" in said(found)


def test_different_tasks_are_refused_with_the_reason(store):
    trained(store, 0.9)
    trained(store, 0.95, HELD_OUT.replace({"data.classes": ("deer", "dog")}))
    with pytest.raises(NotComparable, match=r"one tells (2|10) classes apart"):
        compared(store)


def test_unfinished_runs_are_compared_on_their_held_out_images(store):
    made_run(store, config=HELD_OUT, state="stopped")
    made_run(store, config=HELD_OUT.replace({"train.lr": 0.2}), state="stopped", epochs=3)
    found = compared(store)
    assert (found.part, found.better.images) == ("validation", 500)
    assert "chosen on these very images" in said(found)


def test_a_seed_that_still_trains_does_not_count_beside_finished_ones(store):
    on_test = HELD_OUT.replace({"data.validation": "test"})
    for seed, epochs in enumerate((4, 4, 1)):
        state = "finished" if epochs == 4 else "stopped"
        made_run(store, epochs, state, on_test.replace({"train.seed": seed}), name="many")
    made_run(store, config=on_test.replace({"train.lr": 0.2}), name="one")
    found = compared(store)
    assert {found.better.over_seeds.n, found.other.over_seeds.n} == {2, 1}
    assert "Of “many · 3 seeds” 1 of 3 runs have not finished" in said(found)


def test_of_a_run_that_has_not_finished_it_is_said(store):
    on_test = HELD_OUT.replace({"data.validation": "test"})
    made_run(store, 2, "stopped", on_test, name="half")
    made_run(store, config=on_test.replace({"train.lr": 0.2}), name="whole")
    assert "“half” has not finished: what counts is the best epoch so far." in said(compared(store))


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
    text = said(compared(store))
    assert "best epoch of “chosen on test” was chosen on its test images" in text
    assert "measured on different images" in text


def test_many_looked_at_and_runs_left_out_are_pointed_out(store):
    seeds(store, (0.85, 0.86), "many")
    made_run(store, config=HELD_OUT.replace({"train.seed": 7}), state="running", name="many")
    trained(store, 0.9, HELD_OUT.replace({"train.lr": 0.2}))
    text = said(compared(store, looked_at=9))
    assert "You look at 9 here" in text
    assert "1 of 3 runs have not finished, or have no accuracy on test images, and are left out" in text
