"""The app as a whole: its pages open, with no run and with many, and Home shows what the run files say."""

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import core.worker
from core.data import cifar10
from core.errors import StoreError
from core.presets import PRESETS
from tests.made import made_record, made_run

APP = Path(__file__).parents[2] / "app.py"
PAGES = ("home", "new_run", "live", "compare", "studies", "leaderboard", "dataset", "classify")


@pytest.fixture
def app(store, monkeypatch):
    """The app on the test's own runs, with a worker that takes none."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setattr(core.worker, "ensure_worker", lambda root=None: None)
    monkeypatch.setattr(cifar10, "available", lambda folder=None: True)
    return AppTest.from_file(str(APP), default_timeout=20)


def words(app) -> str:
    """What the page says in texts, captions and links."""
    shown = [*app.markdown, *app.caption, *app.info, *app.error, *app.warning]
    return "\n".join([*(one.value for one in shown), *(one.proto.label for one in app.get("page_link"))])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_without_a_run(app, page):
    app.run().switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert app.title


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_runs_in_every_state(app, store, page):
    for state in ("finished", "failed", "interrupted", "stopped"):
        made_run(store, state=state, name=state)
    made_run(store, epochs=0, state="queued")
    (store.root / made_run(store) / "config.json").write_text("{")
    app.run().switch_page(f"pages/{page}.py").run()
    assert not app.exception


def test_a_runs_folder_that_cannot_be_used_is_a_sentence(app, store, monkeypatch):
    def refuse(root=None):
        raise StoreError("runs could not be written: the disk is full.")

    monkeypatch.setattr(core.worker, "ensure_worker", refuse)
    app.run()
    assert not app.exception
    assert app.error[0].value == "runs could not be written: the disk is full."


def test_what_a_page_says_as_it_leaves_is_said_once_on_the_next(app):
    app.session_state["done"] = "Started"
    assert app.run().toast[0].value == "Started"
    assert not app.run().toast


def test_home_offers_a_newcomer_the_next_step(app, store):
    app.run()
    assert not app.button(key="quick").disabled
    assert app.button(key="home-classify").disabled
    app.button(key="quick").click().run()
    (run_id,) = store.ids()
    assert store.config(run_id) == PRESETS["quick"].config
    assert app.query_params["run"] == run_id


def test_home_without_the_pictures_lets_nothing_start(app, monkeypatch):
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    app.run()
    assert app.button(key="quick").disabled
    assert not app.button(key="home-data").disabled


def test_home_shows_the_best_accuracy_of_the_run_files(app, store):
    run_id = made_run(store, name="the one")
    app.run()
    assert "the one" in words(app)
    assert f"{100 * made_record(4)['val_accuracy']:.2f} % on held-out images" in words(app)
    store.append_record(run_id, made_record(5) | {"val_accuracy": 0.9876})
    app.run()
    assert "98.76 % on held-out images" in words(app)
    store.write_result(run_id, {"best": {"accuracy": 0.8765, "loss": 0.4}})
    app.run()
    assert "87.65 % on test images" in words(app)


def test_home_says_when_the_best_epoch_was_chosen_on_the_test_images(app, store):
    config = PRESETS["report"].config
    made_run(store, config=config)
    app.run()
    assert f"{100 * made_record(4)['val_accuracy']:.2f} % on test images" in words(app)


def test_home_shows_the_queue_in_its_order(app, store):
    first, second = (made_run(store, epochs=0, state="queued", name=name) for name in ("later", "sooner"))
    store.write_status(first, replace(store.status(first), queued_at=20.0))
    store.write_status(second, replace(store.status(second), queued_at=10.0))
    app.run()
    said = words(app)
    assert said.index("sooner") < said.index("later")
    assert "number 2 in the queue" in said


def test_home_shows_how_far_a_run_is(app, store):
    run_id = made_run(store, epochs=1, state="running")
    progress = {"epoch": 2, "epochs": 4, "batch": 30, "batches": 120}
    store.write_progress(run_id, progress)
    with store.hold(run_id):
        app.run()
        (bar,) = app.get("progress")
        assert bar.value == round(100 * 1.25 / 4)
        assert bar.text == "Epoch 2 of 4, batch 30 of 120"
