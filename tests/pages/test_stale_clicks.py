"""A click acts on what was shown when it was drawn. If that is gone meanwhile, the page says so and does nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.search.store import SearchStore
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.faults.app import errors_on
from tests.made import made_run, made_weights, tiny_config
from tests.pages.shown import texts
from tests.search_made import made_search

PAGES = {"run": "run", "compare": "runs", "studies": "study", "search": "search", "classify": "run", "inspect": "run"}
#: Buttons that act on nothing that is shown.
NEUTRAL = {"new-run", "create", "clear", "measure_study", "new_study", "new_search"}


def made(store, page: str, name: str) -> str:
    """Return the id of something to show on a page."""
    if page == "studies":
        study = Study(name, tiny_config(), (Axis("train.lr", (0.1, 0.2)),))
        return StudyStore(store).create(study)
    if page == "search":
        return SearchStore(store).create(replace(made_search("train.lr=0.1 to 1"), name=name))
    run_id = made_run(store, name=name)
    made_weights(store, run_id)
    return run_id


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts]
    return {str(path): path.read_bytes() for path in files if not path.name.endswith("lock")}


def opened(app, page: str, item_id: str):
    app.query_params.clear()
    app.query_params[PAGES[page]] = item_id
    app.session_state["classify.source"] = "test"
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def keys(app) -> set[str]:
    return {button.key for button in app.button if button.key} - NEUTRAL


@pytest.mark.parametrize("page", PAGES)
def test_no_button_for_one_subject_is_a_button_for_another(app, store, page):
    first, second = (made(store, page, name) for name in ("first", "second"))
    shown = [keys(opened(app, page, item_id)) for item_id in (first, second)]
    assert shown[0]
    assert shown[0] & shown[1] == set()


@pytest.mark.parametrize("page", PAGES)
def test_a_click_after_its_subject_is_gone_does_nothing_and_is_answered(app, store, page):
    other, shown = (made(store, page, name) for name in ("other", "shown"))
    trash = {"studies": StudyStore(store).trash, "search": SearchStore(store).trash}.get(page, store.trash)
    for key in keys(opened(app, page, shown)):
        opened(app, page, shown)
        trash.put(shown)  # in another window
        before = contents(store.root)
        app.button(key=key).click().run()
        assert not app.exception
        assert contents(store.root) == before, key
        assert "draft_from" not in app.session_state, key
        if page == "run":
            assert shown in texts(app) and "Moved to trash" in texts(app), key
        elif page != "compare":  # the selection is empty then
            assert shown in errors_on(app), key
            assert app.query_params[PAGES[page]] in (other, [other]), key
        trash.restore(shown)


def test_a_row_of_an_older_table_selects_the_run_that_stood_there(app, store):
    """A run that begins moves all rows down."""
    made_run(store)
    opened(app, "compare", "")
    stale = app.dataframe[0].proto.id
    made_run(store)
    app.run()
    assert app.dataframe[0].proto.id != stale


def test_only_the_runs_that_were_counted_are_deleted_for_good(app, store):
    counted, later = (made_run(store) for _ in range(2))
    store.trash.put(counted)
    app.session_state["trash_box"] = True
    opened(app, "compare", "")
    (button,) = [button for button in app.button if (button.key or "").startswith("empty_trash")]
    store.trash.put(later)  # in another window
    button.click().run()
    assert store.trash.ids() == [later]
