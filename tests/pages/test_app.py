"""The app as a whole: its pages open, without runs and with many."""

import pytest

import core.jobs.worker
from core.base.errors import StoreError
from pages.parts.shared import show_failure
from tests.made import made_run

PAGES = (
    "home",
    "new_run",
    "run",
    "compare",
    "inspect",
    "studies",
    "search",
    "report",
    "leaderboard",
    "dataset",
    "classify",
)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_without_a_run(app, page):
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert app.title


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_runs_in_every_state(app, store, page):
    for state in ("finished", "failed", "interrupted", "stopped"):
        made_run(store, state=state, name=state)
    made_run(store, epochs=0, state="queued")
    (store.root / made_run(store) / "config.json").write_text("{")
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception


def test_an_unusable_runs_folder_is_an_error_box(app, store, monkeypatch):
    def refuse(root=None):
        raise StoreError("runs could not be written: the disk is full.")

    monkeypatch.setattr(core.jobs.worker, "ensure_worker", refuse)
    app.run()
    assert not app.exception
    assert app.error[0].value == "runs could not be written: the disk is full."


def test_the_reason_why_the_queue_is_stuck_is_above_every_page(app, store, monkeypatch):
    worker = core.jobs.worker.Worker(store)
    worker.trouble = "runs could not be written: the disk is full."
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", lambda root=None: worker)
    app.run()
    (error,) = app.error
    assert worker.trouble in error.value
    worker.trouble = None
    assert not app.run().error


def test_a_toast_for_the_next_page_appears_there_once(app):
    app.session_state["done"] = "Started"
    assert app.run().toast[0].value == "Started"
    assert not app.run().toast


def test_a_part_of_a_page_that_fails_every_second_is_logged_once(caplog):
    for number in range(5):
        try:
            raise RuntimeError(f"failed at {number}")
        except RuntimeError as error:
            assert show_failure(error)
    assert caplog.text.count("A page failed.") == 1
