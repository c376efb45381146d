"""Leaderboard: published results and ours in one list; the invitation without a run."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config.run_config import RunConfig
from core.figures.leaderboard import MOST_OURS
from tests.made import made_run
from tests.pages.shown import charts, texts

PAGE = Path(__file__).parents[2] / "pages" / "leaderboard.py"
HELD = RunConfig().replace({"data.validation_size": 500, "train.epochs": 4})


@pytest.fixture
def app(store, monkeypatch):
    """The page on the test's own runs, not yet opened."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    return AppTest.from_file(str(PAGE), default_timeout=20)


def opened(app):
    app.run()
    assert not app.exception
    return app


def measured(store, accuracy, **about):
    run_id = made_run(store, config=HELD.replace(about.pop("settings", {})), **about)
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


def test_without_a_run_the_published_results_are_listed(app):
    opened(app)
    assert app.info and [button.key for button in app.button] == ["new-run"]
    table = app.dataframe[0].value
    assert len(table) == 30
    assert table["place"].tolist() == list(range(1, 31))
    assert table["name"].iloc[0] == "Fractional max-pooling"
    assert table["paper"].iloc[0] == "https://arxiv.org/abs/1412.6071"
    assert charts(app)["leaderboard"]["alt"].startswith("30 results")


def test_a_run_is_listed_with_a_link_and_the_images_that_chose_its_epoch(app, store):
    run_id = measured(store, 0.93, name="mine")
    opened(app)
    assert not app.button
    row = app.dataframe[0].value.set_index("name").loc["mine"]
    assert row["accuracy"] == pytest.approx(93.0)
    assert "held-out" in row["chosen_on"]
    assert row["run"] == f"run?run={run_id}"
    assert row["place"] == 13
    assert "star" in [trace["marker"]["symbol"] for trace in charts(app)["leaderboard"]["figure"]["data"]]


def test_untested_runs_are_counted(app, store):
    made_run(store, config=HELD, state="stopped")
    assert "1 run is not listed" in texts(opened(app))
    made_run(store, config=HELD, state="running")
    assert "2 runs are not listed" in texts(opened(app))


def test_runs_that_are_not_in_the_chart_are_in_the_table(app, store):
    for at in range(MOST_OURS + 1):
        measured(store, 0.8 + at / 1_000, settings={"train.lr": 0.1 + at / 100})
    assert f"{MOST_OURS} of {MOST_OURS + 1} results" in texts(opened(app))
    assert len(app.dataframe[0].value) == 30 + MOST_OURS + 1


def test_the_table_can_be_exported(app):
    (button,) = opened(app).get("download_button")
    assert "CSV" in button.proto.label


def test_seeds_are_one_row_that_opens_compare(app, store):
    ids = [measured(store, 0.91 + seed / 100, settings={"train.seed": seed}) for seed in range(3)]
    opened(app)
    rows = app.dataframe[0].value
    (row,) = rows[rows["source"] == "ours"].to_dict("records")
    assert (row["n"], row["run"]) == (3, f"compare?runs={','.join(ids)}")
    assert (row["accuracy"], row["sd"]) == (pytest.approx(92.0), pytest.approx(1.0))


def test_a_small_test_set_is_listed_apart_without_a_rank(app, store):
    measured(store, 0.97, name="lucky", settings={"data.test_size": 2_000})
    opened(app)
    ranked, others = (frame.value for frame in app.dataframe)
    assert "lucky" not in ranked["name"].tolist() and others["name"].tolist() == ["lucky"]
    assert "Not ranked" in texts(app) and not app.info
