"""The leaderboard: published numbers as printed, ours with how they were selected, each in its place."""

from pathlib import Path

import pandas as pd
import pytest

from core.config.run_config import RunConfig
from core.figures.leaderboard import MOST_OURS, dots, standings_text
from core.runs.table import labels
from core.stats.intervals import wilson
from core.views import leaderboard
from core.views.leaderboard import HELD_OUT, ON_TEST, OURS, REPORT, standings, untested
from tests.made import made_record, made_run

HELD = RunConfig().replace({"data.test_size": 2_000, "data.validation_size": 500, "train.epochs": 4})
TEST = HELD.replace({"data.validation": "test"})


def table(store):
    frame = store.frame()
    return standings(frame, labels(frame))


def measured(store, accuracy, **about):
    run_id = made_run(store, config=about.pop("config", HELD), **about)
    store.write_result(run_id, {"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


def test_the_published_results_are_the_typed_ones_best_first(store):
    found = table(store)
    typed = pd.read_csv(Path(__file__).parents[1] / "fixtures" / "tables.csv")
    published = found[found["source"].isin([leaderboard.TABLE_1, leaderboard.TABLE_2])]
    assert sorted(zip(published["name"], published["accuracy"], strict=True)) == sorted(
        zip(typed["method"], typed["accuracy_percent"], strict=True)
    )
    assert found["accuracy"].is_monotonic_decreasing
    assert found["paper"].notna().sum() == typed["note"].fillna("").str.startswith("arXiv:").sum()
    assert set(published["chosen_on"]) == {"not told"}


def test_the_two_wrong_references_are_put_right_and_noted(store):
    found = table(store)
    wrong = found[found["note"].str.contains("which is wrong")]
    assert dict(zip(wrong["by"], wrong["note"], strict=True)) == {
        "Lee, Gallagher & Tu 2015": "the report prints “Karpathy 2011”, which is wrong",
        "Liao & Carneiro 2015": "the report prints “Courbariaux et al. 2015”, which is wrong",
    }


def test_the_reports_own_results_are_among_them(store):
    found = table(store)
    own = found[found["source"] == REPORT]
    assert dict(zip(own["name"], own["accuracy"], strict=True)) == {
        "ResNet-20, batch 32": 91.7, "ResNet-20, batch 128": 91.37
    }  # fmt: skip
    assert set(own["chosen_on"]) == {ON_TEST}
    assert set(own["images"]) == {10_000}


def test_ours_stand_with_how_they_were_selected(store):
    honest = measured(store, 0.9255, name="honest")
    on_test = made_run(store, config=TEST, name="as the report")
    found = table(store).set_index("run")
    assert found.loc[honest, "accuracy"] == pytest.approx(92.55)
    assert found.loc[honest, ["name", "source", "chosen_on", "images"]].tolist() == ["honest", OURS, HELD_OUT, 2_000]
    assert found.loc[honest, "low"] == pytest.approx(100 * wilson(0.9255, 2_000).low)
    assert found.loc[on_test, "accuracy"] == pytest.approx(100 * made_record(4)["val_accuracy"])
    assert found.loc[on_test, "chosen_on"] == ON_TEST
    places = table(store)["run"].tolist()
    assert places.index(honest) < places.index(on_test)
    above = table(store)["accuracy"].iloc[places.index(honest) - 1]
    assert above >= 92.55 >= table(store)["accuracy"].iloc[places.index(honest) + 1]


def test_other_tasks_damaged_and_untested_runs_are_not_listed(store):
    measured(store, 0.97, config=HELD.replace({"data.classes": ("deer", "dog"), "data.train_size": 4_500}))
    (store.root / measured(store, 0.9) / "config.json").write_text("{")
    made_run(store, config=HELD, state="stopped")
    made_run(store, epochs=0, state="queued", config=HELD)
    assert not (table(store)["source"] == OURS).any()
    assert untested(store.frame()) == 1


@pytest.mark.parametrize(
    ("state", "words"), [("stopped", "stopped before its end"), ("queued", "waiting to go on, best so far")]
)
def test_a_run_that_did_not_end_says_so(store, state, words):
    run_id = made_run(store, config=TEST, state=state, epochs=2)
    note = table(store).set_index("run").loc[run_id, "note"]
    assert note == f"ResNet-20, 2 epochs of 50,000 images; {words}"


def test_a_store_without_runs_has_the_published_thirty(store):
    found = table(store)
    assert len(found) == 30
    assert found["run"].isna().all()
    assert untested(store.frame()) == 0


# --- the chart ------------------------------------------------------------------------------------


def test_dots_stand_in_the_tables_order_with_their_symbols(store):
    measured(store, 0.93, name="<b>ours")
    made_run(store, config=TEST, name="on test")
    found = table(store)
    figure = dots(found)
    by_symbol = {trace.marker.symbol: trace for trace in figure.data}
    assert set(by_symbol) == {"circle", "diamond-open", "star", "star-open"}
    for trace in figure.data:
        assert list(trace.x) == pytest.approx([found["accuracy"][at] for at in trace.y])
    assert sorted(at for trace in figure.data for at in trace.y) == list(range(len(found)))
    (place,) = by_symbol["star"].y
    assert figure.layout.yaxis.ticktext[place] == "&lt;b&gt;ours"
    assert "held-out images, tested once" in by_symbol["star"].customdata[0]
    assert by_symbol["star"].error_x.array[0] == pytest.approx(100 * (wilson(0.93, 2_000).high - 0.93))
    assert all(one == 0.0 for one in by_symbol["circle"].error_x.array)
    assert any("(a person)" in text for text in figure.layout.yaxis.ticktext)


def test_of_many_runs_the_best_are_drawn(store):
    for at in range(MOST_OURS + 3):
        measured(store, 0.80 + at / 1_000)
    (stars,) = (trace for trace in dots(table(store)).data if trace.marker.symbol == "star")
    assert len(stars.x) == MOST_OURS
    assert min(stars.x) == pytest.approx(80.3)


def test_the_chart_in_words(store):
    assert standings_text(table(store)).startswith("30 results on ten classes. First: Fractional max-pooling, 96.53 %.")
    measured(store, 0.97, name="mine")
    assert "Best of this machine: mine, 97.00 %, number 1." in standings_text(table(store))
