"""Leaderboard: published results and this machine's in one list; what an empty laboratory is told."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config.run_config import RunConfig
from core.figures.leaderboard import MOST_OURS
from tests.made import made_run

PAGE = Path(__file__).parents[2] / "pages" / "leaderboard.py"
HELD = RunConfig().replace({"data.test_size": 2_000, "data.validation_size": 500, "train.epochs": 4})


@pytest.fixture
def app(store, monkeypatch):
    """The page on the test's own runs, not yet opened."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    return AppTest.from_file(str(PAGE), default_timeout=20)


def opened(app):
    app.run()
    assert not app.exception
    return app


def words(app):
    return "\n".join(one.value for one in [*app.markdown, *app.caption, *app.info])


def chart(app):
    (one,) = app.get("bidi_component")
    return json.loads(one.proto.json)


def measured(store, accuracy, **about):
    run_id = made_run(store, config=HELD, **about)
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


def test_without_a_run_the_published_results_stand_and_it_says_what_to_do(app):
    opened(app)
    assert "No run of all ten classes here" in words(app)
    assert [one.label for one in app.button] == ["New run"]
    table = app.dataframe[0].value
    assert len(table) == 30
    assert table["place"].tolist() == list(range(1, 31))
    assert table["name"].iloc[0] == "Fractional max-pooling"
    assert table["paper"].iloc[0] == "https://arxiv.org/abs/1412.6071"
    assert chart(app)["alt"].startswith("30 results")


def test_a_run_stands_among_them_with_a_link_and_how_it_was_selected(app, store):
    run_id = measured(store, 0.93, name="mine")
    opened(app)
    assert not app.button
    row = app.dataframe[0].value.set_index("name").loc["mine"]
    assert row["accuracy"] == pytest.approx(93.0)
    assert row["chosen_on"] == "held-out images, tested once"
    assert row["run"] == f"run?run={run_id}"
    assert row["place"] == 13
    assert "star" in [trace["marker"]["symbol"] for trace in chart(app)["figure"]["data"]]


def test_runs_that_are_not_tested_yet_are_told(app, store):
    made_run(store, config=HELD, state="stopped")
    assert "One more run is not listed" in words(opened(app))
    made_run(store, config=HELD, state="running")
    assert "2 more runs are not listed" in words(opened(app))


def test_more_runs_than_the_chart_takes_are_all_in_the_table(app, store):
    for at in range(MOST_OURS + 1):
        measured(store, 0.8 + at / 1_000)
    assert f"The chart has the best {MOST_OURS} of this machine’s {MOST_OURS + 1} runs" in words(opened(app))
    assert len(app.dataframe[0].value) == 30 + MOST_OURS + 1


def test_the_table_can_be_taken_away(app):
    (button,) = opened(app).get("download_button")
    assert button.proto.label == "Leaderboard as CSV"
