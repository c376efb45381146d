"""The tables of Compare have the values of the runs' files."""

import math

import pandas as pd
import pytest

from core.compare.contenders import group_runs
from core.compare.settings import differing_settings_of_runs
from core.config.run_config import RunConfig
from core.runs.summary import labels
from core.views import compare as compare_views
from core.views.exports import as_csv
from tests.made import made_record, made_run

BASE = RunConfig().replace({"data.train_size": 4_500, "data.validation_size": 500, "train.epochs": 4})
BEST = 100 * made_record(4).val_accuracy


def runs_table(store, *columns):
    runs = store.runs()
    return compare_views.runs_table(runs, labels(runs), columns)


def test_the_table_of_runs_has_numbers_times_and_text(store):
    run_id = made_run(store, config=BASE, name="one", tags=("a", "b"))
    made_run(store, epochs=0, state="queued", config=BASE, name="two")
    columns = ("best", "best_epoch", "seconds", "created", "tags", "epochs_done", "selected_on", "note", "id")
    waiting, done = runs_table(store, *columns).to_dict("records")
    assert (done["run"], done["id"], done["tags"], done["epochs_done"]) == ("one", run_id, ["a", "b"], "4/4")
    assert (done["best"], done["best_epoch"]) == (pytest.approx(BEST), 4)
    assert done["seconds"] == pd.Timedelta(seconds=30)
    assert done["created"].year == pd.Timestamp.now().year
    assert done["selected_on"] == "held-out images"
    assert pd.isna(waiting["best"]) and pd.isna(waiting["seconds"]) and waiting["epochs_done"] == "0/4"
    assert "pinned" not in done


def test_a_damaged_run_has_a_row_with_its_error(store):
    (store.root / made_run(store) / "config.json").write_text("{")
    every = [*compare_views._CELLS, "train.lr", "train.optimizer"]
    (row,) = runs_table(store, *every).to_dict("records")
    assert row["state"] == "damaged" and "config.json" in row["error"]
    assert (row["curve"], row["tags"], row["note"]) == ([], [], "")
    assert pd.isna(row["best"]) and pd.isna(row["created"])


def test_pinned_runs_have_a_column_if_there_are_any(store):
    store.run(made_run(store)).annotate(pinned=True)
    assert runs_table(store)["pinned"].tolist() == [True]


def test_cells_of_a_setting_are_numbers_if_all_are(store):
    made_run(store, config=BASE.replace({"data.train_size": None, "train.momentum": 0.5}))
    made_run(store, config=BASE.replace({"train.optimizer": "adam"}))
    table = runs_table(store, "train.momentum", "data.train_size")
    assert table["train.momentum"].dropna().tolist() == [0.5]
    assert table["data.train_size"].tolist() == ["4,500", "all"]


def test_results_are_best_and_last_in_percent(store):
    run_id = made_run(store, config=BASE, name="one")
    store.run(run_id).append_record(made_record(5, val_accuracy=0.25))
    store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": 0.9, "loss": 0.4}})
    runs = store.summaries()
    (row,) = compare_views.results_table(runs, labels(runs)).to_dict("records")
    assert (row["label"], row["best_epoch"], row["last_epoch"]) == ("one", 4, 5)
    assert (row["best"], row["last"], row["test"]) == pytest.approx((BEST, 25.0, 90.0))


def test_results_over_seeds_count_the_finished_ones(store):
    on_test = BASE.replace({"data.validation": "test"})
    for seed, epochs in enumerate((4, 4, 1)):
        state = "finished" if epochs == 4 else "stopped"
        made_run(store, epochs, state, on_test.replace({"train.seed": seed}), name="many")
    made_run(store, config=on_test.replace({"train.lr": 0.2}), name="single")
    runs = store.summaries()
    (row,) = compare_views.seeds_table(group_runs(runs, labels(runs))).to_dict("records")
    assert (row["n"], row["label"]) == (2, "many · 3 seeds")
    assert row["last"] == row["test"] == f"{BEST:.2f} ± 0.00"
    assert row["best"] == "–", "no held-out images"


def test_without_a_test_accuracy_there_is_a_dash(store):
    for seed in range(3):
        made_run(store, config=BASE.replace({"train.seed": seed}))
    runs = store.summaries()
    for run in runs[:2]:
        store.run(run.id).write_result({"best": {"epoch": 4, "accuracy": 0.9, "loss": 0.4}})
    (before,) = compare_views.seeds_table(group_runs(runs, labels(runs))).to_dict("records")
    runs = store.summaries()
    (after,) = compare_views.seeds_table(group_runs(runs, labels(runs))).to_dict("records")
    assert before["test"] == "–"
    assert after["test"] == "90.00 ± 0.00 (n = 2)"


def test_without_several_seeds_the_table_is_empty(store):
    made_run(store)
    runs = store.summaries()
    assert compare_views.seeds_table(group_runs(runs, labels(runs))).empty


def test_means_in_numbers_are_those_of_the_table(store):
    for seed, accuracy in enumerate((0.9, 0.92, 0.91)):
        run_id = made_run(store, config=BASE.replace({"train.seed": seed}), name="many")
        if seed:
            store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": accuracy, "loss": 0.4}})
    runs = store.summaries()
    groups = group_runs(runs, labels(runs))
    (row,) = compare_views.seeds_numbers(groups).to_dict("records")
    assert (row["group"], row["runs"]) == ("many · 3 seeds", 3)
    assert (row["test_accuracy_mean"], row["test_accuracy_sd"]) == pytest.approx((0.915, 0.02**0.5 / 20))
    assert (row["test_runs"], row["val_runs"], row["last_val_runs"]) == (2, 3, 3)
    assert row["val_accuracy_mean"] == row["last_val_accuracy_mean"] == pytest.approx(BEST / 100)
    (shown,) = compare_views.seeds_table(groups).to_dict("records")
    assert shown["test"] == "91.50 ± 0.71 (n = 2)"
    head, line = as_csv(compare_views.seeds_numbers(groups)).splitlines()
    assert "test_accuracy_mean (0-1)" in head.split(",") and "0.915" in line
    assert compare_views.seeds_numbers([]).empty


def test_means_of_runs_on_test_images_have_no_validation_accuracy(store):
    for seed in (0, 1):
        made_run(store, config=BASE.replace({"train.seed": seed, "data.validation": "test"}))
    runs = store.summaries()
    (row,) = compare_views.seeds_numbers(group_runs(runs, labels(runs))).to_dict("records")
    assert row["val_runs"] == 0 and math.isnan(row["val_accuracy_mean"] or math.nan)


def test_settings_that_differ_have_a_row_for_each_run(store):
    ids = [made_run(store, config=BASE.replace({"train.lr": rate}), name=f"accuracy {rate}") for rate in (0.1, 0.2)]
    runs = [store.summary(run_id) for run_id in ids]
    differing = differing_settings_of_runs(runs)
    table = compare_views.differing_table(differing, runs, labels(runs))
    assert table["run"].tolist() == ids
    assert table["name"].tolist() == ["accuracy 0.1", "accuracy 0.2"]
    assert table["train.lr"].tolist() == ["0.1", "0.2"]
    assert list(table) == ["run", "name", "train.lr"]


def test_why_a_run_is_missing_in_the_chart_of_a_setting_is_said(store):
    configs = [BASE.replace({"train.optimizer": name}) for name in ("sgd", "adam")]
    untested = [made_run(store, config=config) for config in configs]
    assert compare_views.left_out_text(store.summaries(), "train.momentum").startswith(
        "No selected run has a test accuracy yet."
    )
    for run_id in untested:
        store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": 0.8, "loss": 0.4, "images": 10_000}})
    assert compare_views.left_out_text(store.summaries(), "train.lr") == ""
    assert (
        compare_views.left_out_text(store.summaries(), "train.momentum")
        == "Left out: 1 run in which this setting has no effect."
    )
    made_run(store, config=BASE)
    text = compare_views.left_out_text(store.summaries(), "train.momentum")
    assert text == "Left out: 1 run without a test accuracy, and 1 run in which this setting has no effect."
