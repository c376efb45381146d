"""The leaderboard: published results as printed, and our runs with how their epoch was chosen."""

import dataclasses

import pytest

from core.config.run_config import RunConfig
from core.published.tables import RESULTS
from core.runs.summary import labels
from core.stats.intervals import wilson
from core.views.leaderboard import (
    HELD_OUT,
    NOT_REPORTED,
    ON_TEST,
    OURS,
    REPORT,
    TABLE_1,
    TABLE_2,
    standings,
    standings_table,
    unranked,
    untested,
)
from tests.made import made_record, made_run

HELD = RunConfig().replace({"data.validation_size": 500, "train.epochs": 4})
TEST = HELD.replace({"data.validation": "test"})


def results(store):
    runs = store.summaries()
    return standings(runs, labels(runs))


def result_of(store, run_id):
    return next(result for result in results(store) if result.run == run_id)


def measured(store, accuracy, **about):
    run_id = made_run(store, config=about.pop("config", HELD), **about)
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


def test_the_published_results_are_those_of_the_tables_best_first(store):
    found = results(store)
    published = [result for result in found if result.source in (TABLE_1, TABLE_2)]
    assert sorted((result.name, result.accuracy) for result in published) == sorted(
        (printed.method, printed.accuracy) for printed in RESULTS
    )
    accuracies = [result.accuracy for result in found]
    assert accuracies == sorted(accuracies, reverse=True)
    assert sum(result.paper is not None for result in found) == sum(bool(printed.link) for printed in RESULTS) == 17
    assert {result.chosen_on for result in published} == {NOT_REPORTED}


def test_the_two_wrong_references_are_corrected_with_a_note(store):
    wrong = {result.by: result.note for result in results(store) if "wrong" in result.note}
    assert wrong.keys() == {"Lee, Gallagher & Tu 2015", "Liao & Carneiro 2015"}
    assert "“Karpathy 2011”" in wrong["Lee, Gallagher & Tu 2015"]


def test_the_reports_own_results_are_among_them(store):
    own = [result for result in results(store) if result.source == REPORT]
    assert {result.name: result.accuracy for result in own} == {
        "ResNet-20, batch 32": 91.7,
        "ResNet-20, batch 128": 91.37,
    }
    assert {(result.chosen_on, result.images) for result in own} == {(ON_TEST, 10_000)}


def test_our_runs_say_how_their_epoch_was_chosen(store):
    honest = measured(store, 0.9255, name="honest")
    on_test = made_run(store, config=TEST, name="as the report")
    found = result_of(store, honest)
    assert found.accuracy == pytest.approx(92.55)
    assert (found.name, found.source, found.chosen_on, found.images) == ("honest", OURS, HELD_OUT, 10_000)
    assert found.interval.low == pytest.approx(100 * wilson(0.9255, 10_000).low)
    assert result_of(store, on_test).accuracy == pytest.approx(100 * made_record(4).val_accuracy)
    assert result_of(store, on_test).chosen_on == ON_TEST


def test_other_tasks_damaged_and_untested_runs_are_not_listed(store):
    measured(store, 0.97, config=HELD.replace({"data.classes": ("deer", "dog"), "data.train_size": 4_500}))
    (store.root / measured(store, 0.9) / "config.json").write_text("{")
    made_run(store, config=HELD, state="stopped")
    made_run(store, epochs=0, state="queued", config=HELD)
    assert not any(result.source == OURS for result in results(store))
    assert untested(store.summaries()) == 1


@pytest.mark.parametrize(("state", "text"), [("stopped", "stopped before its end"), ("queued", "best so far")])
def test_a_run_that_did_not_finish_has_a_note(store, state, text):
    run_id = made_run(store, config=TEST, state=state, epochs=2)
    note = result_of(store, run_id).note
    assert note.startswith("ResNet-20, 2 epochs of 50,000 images; ")
    assert note.endswith(text)


def test_without_runs_there_are_the_thirty_published_results(store):
    found = results(store)
    assert len(found) == 30
    assert not any(result.run for result in found)
    assert untested(store.summaries()) == 0


def test_the_table_has_the_results_and_their_intervals(store):
    run_id = measured(store, 0.93)
    table = standings_table(results(store))
    assert set(table.columns) == {field.name for field in dataclasses.fields(results(store)[0])} | {"low", "high"}
    row = table.set_index("run").loc[run_id]
    assert row["low"] == pytest.approx(100 * wilson(0.93, 10_000).low)
    assert table["images"].isna().sum() == 28


def test_seeds_are_one_result_with_mean_and_deviation(store):
    accuracies = (0.90, 0.91, 0.92)
    ids = [
        measured(store, accuracy, config=HELD.replace({"train.seed": seed})) for seed, accuracy in enumerate(accuracies)
    ]
    (ours,) = [result for result in results(store) if result.source == OURS]
    assert (ours.n, ours.accuracy, ours.sd) == (3, pytest.approx(91.0), pytest.approx(1.0))
    assert ours.run == ",".join(ids) and ours.name.endswith("3 seeds")


def test_results_on_few_images_are_not_ranked(store):
    few = measured(store, 0.99, config=HELD.replace({"data.test_size": 2_000}))
    full = measured(store, 0.90)
    runs = store.summaries()
    assert [result.run for result in results(store) if result.source == OURS] == [full]
    assert [result.run for result in unranked(runs, labels(runs))] == [few]
