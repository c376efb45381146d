"""Search: created in the browser, started, paused, confirmed, moved to the trash, with trials in every state."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.base.errors import DIVERGED
from core.search import driver
from core.search.store import SearchStore
from core.search.trials import trials_of
from pages.parts.actions import key_for
from tests.made import made_run
from tests.pages.conftest import APP
from tests.pages.shown import texts
from tests.search_made import driven, made_search, made_training, started


@pytest.fixture
def searches(store):
    return SearchStore(store)


def shown(app, **address: str):
    """The page, opened by its address."""
    app.query_params.update(address)
    return app.switch_page("pages/search.py").run()


def keys(app) -> set[str]:
    """The names of the buttons, without what they act on."""
    return {(button.key or "").partition(" ")[0] for button in app.button}


def test_without_a_search_the_form_creates_one(app, searches, store):
    made_run(store)
    shown(app)
    assert not app.exception
    assert app.button(key="define_search").disabled, "it has no name"
    assert not [text for text in app.markdown if ":material/error:" in text.value], "nothing was filled in wrongly"
    app.text_input(key="search_name").set_value("rates").run()
    app.number_input(key="search_trials").set_value(7).run()
    app.selectbox(key="search_pruner").select("asha").run()
    assert not app.exception
    app.button(key="define_search").click().run()
    assert not app.exception
    (search_id,) = searches.ids()
    search = searches.get(search_id).search
    assert (search.name, search.trials, search.pruner, search.sampler) == ("rates", 7, "asha", "tpe")
    assert [one.path for one in search.ranges] == ["train.lr", "train.weight_decay"]
    assert search.base.data.validation == "held-out"
    assert app.query_params["search"] in (search_id, [search_id])


def test_the_fields_survive_a_refresh(app):
    shown(app)
    assert "fields" not in app.query_params, "nothing is filled in yet"
    app.multiselect(key="search_paths").set_value(["train.batch_size"]).run()
    (field,) = [one for one in app.text_input if (one.key or "").startswith("search_values_train.batch_size")]
    field.set_value("16, 64")
    app.text_input(key="search_name").set_value("mine é")
    app.selectbox(key="search_pruner").select("asha")
    app.number_input(key="search_minutes").set_value(30).run()
    address = {"search": "new", "fields": app.query_params["fields"]}
    fresh = shown(AppTest.from_file(str(APP), default_timeout=60), **address)
    assert fresh.text_input(key="search_name").value == "mine é"
    assert fresh.text_input(key=field.key).value == "16, 64"
    assert fresh.selectbox(key="search_pruner").value == "asha"
    assert fresh.number_input(key="search_minutes").value == 30
    assert fresh.number_input(key="search_trials").value == 30
    fresh.switch_page("pages/home.py").run()
    fresh.query_params.clear()  # as the menu does
    fresh.switch_page("pages/search.py").run()
    assert fresh.query_params["fields"] == address["fields"], "a second refresh finds them too"


def test_the_number_of_trials_can_be_left_open(app, searches):
    shown(app)
    field = app.number_input(key="search_trials")
    assert field.value == 30 and not field.proto.HasField("default"), "a browser lets no one clear a default"
    field.set_value(None).run()
    app.text_input(key="search_name").set_value("rates").run()
    assert app.button(key="define_search").disabled, "there is no budget"
    app.number_input(key="search_minutes").set_value(5).run()
    app.button(key="define_search").click().run()
    assert not app.exception
    (search_id,) = searches.ids()
    search = searches.get(search_id).search
    assert (search.trials, search.minutes) == (None, 5.0)


def test_a_range_that_cannot_be_read_is_named_beside_the_button(app):
    shown(app)
    (field,) = [one for one in app.text_input if (one.key or "").startswith("search_values_train.lr")]
    field.set_value("high to low").run()
    assert "Learning rate" in texts(app) and app.button(key="define_search").disabled


def test_a_search_is_started_paused_and_continued(app, searches):
    search_id = searches.create(made_search())
    shown(app, search=search_id)
    app.button(key=key_for("start", search_id)).click().run()
    assert searches.get(search_id).control.going
    assert "pause" in keys(app) and "trash" not in keys(app)
    app.button(key=key_for("pause", search_id)).click().run()
    assert not searches.get(search_id).control.going
    assert not app.exception


def test_a_finished_search_shows_its_best_and_is_confirmed(app, searches, store):
    search_id = started(store, made_search(trials=11, pruner="median"))
    trials = driven(store, search_id)
    shown(app, search=search_id)
    assert not app.exception
    best = max(trial.value for trial in trials if trial.state == "finished")
    assert f"{100 * best:.2f} %" in [metric.value for metric in app.metric]
    assert "start" not in keys(app)
    for view in ("One setting", "Two settings", "Importance"):
        app.segmented_control(key="search_view").set_value(view).run()
        assert not app.exception, view
    app.button(key=key_for("confirm", search_id)).click().run()
    assert len(store.queue.ids()) == 12
    for run_id in store.queue.ids():
        made_training(store, run_id)
    app.run()
    assert not app.exception
    assert len(app.dataframe) == 2


def test_what_paused_a_search_is_shown(app, searches, store):
    search_id = searches.create(made_search())
    with searches.lock(search_id):
        searches.control(search_id, lambda control: replace(control, problem="The last 3 trials failed. No memory."))
    shown(app, search=search_id)
    assert any("No memory" in error.value for error in app.error)


def test_why_a_trial_failed_is_shown(app, searches, store):
    search_id = started(store, made_search())
    driver.Steps(store).take(search_id)
    (run_id,) = store.queue.ids()
    run = store.run(run_id)
    run.write_status(replace(run.stored_status(), state="failed", error=f"The loss became nan: {DIVERGED}."))
    shown(app, search=search_id)
    assert DIVERGED in texts(app) and not app.exception and not app.error
    assert trials_of(search_id, searches.get(search_id).search, store)[0].ended
    (info,) = app.info
    assert info.value.startswith("No trial has finished an epoch")


def test_a_search_goes_to_the_trash_and_back(app, searches):
    search_id = searches.create(made_search())
    shown(app, search=search_id)
    app.button(key=key_for("trash", search_id)).click().run()
    assert searches.ids() == []
    app.button(key=key_for("undo", search_id)).click().run()
    assert searches.ids() == [search_id]
    searches.trash.put(search_id)
    app.session_state["trash_box"] = True
    app.run()
    app.button(key=key_for("restore", search_id)).click().run()
    assert searches.ids() == [search_id]


def test_a_damaged_search_is_an_error_box(app, searches):
    search_id = searches.create(made_search())
    (searches.root / f"{search_id}.search.json").write_text("{")
    shown(app, search=search_id)
    assert not app.exception and app.error


def test_the_budget_can_grow(app, searches, store):
    search_id = started(store, made_search(trials=2))
    driven(store, search_id)
    shown(app, search=search_id)
    app.number_input(key=f"more_trials_{search_id}").set_value(3).run()
    app.button(key=key_for("budget", search_id)).click().run()
    assert not app.exception
    stored = searches.get(search_id)
    assert stored.control.going and stored.search.trials == 3
    assert len(trials_of(search_id, stored.search, store)) == 2
    driver.Steps(store).take(search_id)
