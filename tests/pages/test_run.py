"""The page Run in every state of a run: each number it shows is in the run's files."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

import core.jobs.extend
import core.jobs.worker
from core.base.errors import StoreError
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost import machine
from tests.made import idle_worker, made_progress, made_record, made_run
from tests.pages.shown import charts, texts

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def page(store, monkeypatch):
    """Opens the page on the test's own runs, with a worker that takes none."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", idle_worker)

    def open_page(**query: object) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=20).switch_page("pages/run.py")
        app.query_params.update(query)
        app.run()
        assert not app.exception
        return app

    return open_page


def curve(app: AppTest, chart: str, run_id: str, part: str = "val") -> list[float]:
    """The heights of a run's curve in a chart."""
    traces = {trace["uid"]: trace for trace in charts(app)[chart]["figure"]["data"]}
    return traces[f"{run_id} {part}"]["y"]


def numbers(app: AppTest) -> dict[str, str]:
    """The large numbers by their label."""
    return {metric.label: metric.value for metric in app.metric}


#: Buttons that every run has.
ALWAYS = {"copy", "save_name", "save_tags", "save_note", "pin"}


def buttons(app: AppTest) -> list[str]:
    """The keys of the buttons, without the id of the run that some carry."""
    return [button.key.split(" ")[0] for button in app.button]


def button(app: AppTest, name: str) -> Button:
    """The button whose key is ``name``, with or without the id of a run."""
    return next(button for button in app.button if button.key.split(" ")[0] == name)


def test_without_a_run_the_next_step_is_offered(page):
    app = page()
    assert "No runs yet" in app.info[0].value
    assert buttons(app) == ["new-run"]


def test_finished(page, store):
    run_id = made_run(store, 4, name="good one")
    store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": 0.4321, "images": 2_000}})
    app = page()
    assert numbers(app) == {
        "Test accuracy, epoch 4": "43.21 %",
        "Validation accuracy, epoch 4": "60.57 %",
        "Last validation accuracy, epoch 4": "60.57 %",
        "Lowest validation loss, epoch 4": f"{made_record(4).val_loss:.4f}",
    }
    assert curve(app, "accuracy", run_id) == [100 * made_record(epoch).val_accuracy for epoch in range(1, 5)]
    assert curve(app, "loss", run_id, "train") == [made_record(epoch).train_loss for epoch in range(1, 5)]
    assert "60.57 %" in charts(app)["accuracy"]["alt"]
    assert set(charts(app)) == {"accuracy", "loss"}, "a closed expander draws nothing"
    app.session_state["run_classes"] = app.session_state["run_speed"] = True
    app.run()
    assert set(charts(app)) == {"accuracy", "loss", "by-class", "learning-rate", "speed"}
    bars = charts(app)["by-class"]["figure"]["data"][0]
    assert bars["x"] == [100 * share for share in made_record(4).val_accuracy_by_class]
    assert {*ALWAYS, "longer", "classify", "inspect", "trash"} == set(buttons(app))


def test_the_health_of_a_training_is_behind_a_fold(page, store):
    run_id, other = made_run(store, 3, name="first"), made_run(store, 2, name="other")
    app = page(run=run_id, **{"with": other})
    app.session_state["run_health"] = True
    app.run()
    shown = charts(app)
    assert {"grad-norm", "update-ratio", "dead-relus"} <= shown.keys()
    assert curve(app, "grad-norm", run_id, "grad_norm") == [made_record(epoch).grad_norm for epoch in (1, 2, 3)]
    assert curve(app, "dead-relus", other, "dead_relus") == [100 * made_record(epoch).dead_relus for epoch in (1, 2)]
    # five stages of each run would be too many curves
    assert [trace["uid"].split()[0] for trace in shown["update-ratio"]["figure"]["data"]] == [run_id] * 5
    assert texts(app).count("**Normal:**") == 3


def test_the_health_of_an_old_run_is_said_to_be_unknown(page, store):
    run_id = made_run(store, 0, "stopped")
    store.run(run_id).append_record(made_record(1, grad_norm=None, update_ratio=[], dead_relus=None))
    app = page(run=run_id)
    app.session_state["run_health"] = True
    app.run()
    assert not {"grad-norm", "update-ratio", "dead-relus"} & charts(app).keys()
    assert "earlier version" in texts(app) and "**Normal:**" not in texts(app)


def test_another_epoch_in_the_file_is_another_number_and_point(page, store):
    run_id = made_run(store, 4)
    app = page()
    store.run(run_id).append_record(made_record(5, val_accuracy=0.7654))
    app.run()
    assert numbers(app)["Validation accuracy, epoch 5"] == "76.54 %"
    assert curve(app, "accuracy", run_id)[-1] == pytest.approx(76.54)


def test_running(page, store):
    run_id = made_run(store, 2, "running", RunConfig().replace({"train.epochs": 8}), name="at it")
    store.run(run_id).write_progress(made_progress())
    made_run(store)
    with store.run(run_id).hold():
        app = page()
        assert app.query_params["run"] == run_id  # before the newer one, which is not at work
        assert app.progress[0].value == 28, "of the run, as in the title of the tab"
        assert app.progress[0].text.startswith("Epoch 3 of 8 · batch 25 of 100 · loss 1.5000 · 2,134 images/s · 3 min")
        assert set(buttons(app)) == {*ALWAYS, "stop", "discard", "classify"}
        store.run(run_id).write_progress(made_progress(batch=50))
        assert app.run().progress[0].value == 31


@pytest.mark.parametrize(("key", "wish"), [("stop", "keep"), ("discard", "discard")])
def test_stopping(page, store, key, wish):
    run_id = made_run(store, 2, "running")
    with store.run(run_id).hold():
        app = page()
        button(app, key).click().run()
        assert store.run(run_id).stop_request() == wish
        assert len(app.toast) == 1
        assert "Stopping" in texts(app)
        assert button(app, key).disabled


def test_queued(page, store):
    run_id = made_run(store, 0, "queued")
    app = page()
    assert "next in the queue" in texts(app)
    assert numbers(app) == {}
    assert "No epoch is finished" in charts(app)["accuracy"]["figure"]["layout"]["annotations"][0]["text"]
    button(app, "stop").click().run()
    assert store.run(run_id).status().state == "stopped"
    assert "resume" in buttons(app)


def test_discarding_a_queued_run_offers_to_undo_it(page, store):
    made_run(store)
    waiting = made_run(store, 0, "queued", name="waiting")
    app = page(run=waiting)
    button(app, "discard").click().run()
    assert not app.exception and not app.error
    assert store.trash.ids() == [waiting]
    assert "Moved to trash" in texts(app) and "waiting" in texts(app)
    assert app.query_params["run"] == waiting, "no other run is shown in its place"
    assert numbers(app) == {} and buttons(app) == ["undo"]
    button(app, "undo").click().run()
    assert store.trash.ids() == [] and store.run(waiting).status().state == "stopped"
    assert app.query_params["run"] == waiting and "resume" in buttons(app)


def test_a_run_that_is_discarded_while_it_trains_ends_in_the_trash_without_an_error(page, store):
    run_id = made_run(store, 2, "running")
    with store.run(run_id).hold():
        app = page(run=run_id)
        button(app, "discard").click().run()
        store.run(run_id).write_status(replace(store.run(run_id).status(), state="stopped"))
        store.trash.put(run_id, held=True)
    app.run()
    assert not app.exception and not app.error
    assert "Moved to trash" in texts(app)


def test_a_finished_run_goes_to_the_trash_and_back(page, store):
    run_id, reference = made_run(store), made_run(store, reference=True)
    app = page(run=run_id)
    button(app, "trash").click().run()
    assert store.trash.ids() == [run_id] and not app.error
    button(app, "undo").click().run()
    assert store.trash.ids() == [] and numbers(app)
    app.selectbox(key="run").set_value(reference).run()
    assert button(app, "trash").disabled


def test_a_click_acts_on_the_run_it_was_drawn_for(page, store):
    """Another window trashed the run of the page; the click must not reach the next one."""
    other, shown = made_run(store, name="other"), made_run(store, name="shown")
    for name in ("copy", "classify", "inspect", "pin", "trash"):
        app = page(run=shown)
        store.trash.put(shown)
        button(app, name).click().run()
        assert not app.exception
        assert app.title[0].value == "Run" and "Moved to trash" in texts(app)
        assert store.trash.ids() == [shown] and not store.run(other).meta().pinned
        store.trash.restore(shown)


def test_a_note_that_was_not_saved_survives_another_page_and_a_refresh(page, store):
    run_id, other = made_run(store, note="stored"), made_run(store, note="other")
    app = page(run=run_id)
    key = f"note {run_id}"
    assert "Not saved" not in texts(app)
    app.text_area(key=key).set_value("half a tho").run()
    assert "Not saved" in texts(app)
    app.switch_page("pages/home.py").run()
    app.query_params["run"] = run_id
    assert app.switch_page("pages/run.py").run().text_area(key=key).value == "half a tho"
    app.selectbox(key="run").set_value(other).run()
    assert app.text_area(key=f"note {other}").value == "other"
    fresh = page(run=run_id, note=app.query_params["note"])
    assert fresh.text_area(key=key).value == "half a tho"
    store.run(run_id).annotate(note="theirs")
    button(fresh, "save_note").click().run()
    assert store.run(run_id).meta().note == "theirs", "the person has not seen it"
    button(fresh, "save_anyway").click().run()
    assert store.run(run_id).meta().note == "half a tho"
    fresh.run()
    assert "note" not in fresh.query_params


def test_a_name_and_tags_that_were_not_saved_survive_another_page_and_a_refresh(page, store):
    run_id = made_run(store, name="old", tags=("kept", "gone"))
    app = page(run=run_id)
    app.text_input(key=f"rename {run_id}").set_value("half a na").run()
    app.multiselect(key=f"tags {run_id}").set_value(["kept"]).run()
    app.switch_page("pages/home.py").run()
    app.query_params["run"] = run_id
    app.switch_page("pages/run.py").run()
    for again in (app, page(run=run_id, note=app.query_params["note"])):
        assert again.text_input(key=f"rename {run_id}").value == "half a na"
        assert again.multiselect(key=f"tags {run_id}").value == ["kept"]
        assert store.run(run_id).meta().name == "old"
    button(app, "save_name").click().run()
    button(app, "save_tags").click().run()
    assert (store.run(run_id).meta().name, store.run(run_id).meta().tags) == ("half a na", ("kept",))
    assert "note" not in app.run().query_params


def test_a_note_that_nobody_typed_into_shows_what_is_stored(page, store):
    run_id = made_run(store, note="first")
    app = page(run=run_id)
    store.run(run_id).annotate(note="second")
    assert app.run().text_area(key=f"note {run_id}").value == "second"
    assert "note" not in app.query_params


def test_name_tags_note_and_pin_are_changed_here(page, store):
    run_id = made_run(store, name="old", tags=("kept", "gone"))
    app = page(run=run_id)
    app.text_input(key=f"rename {run_id}").set_value("new name")
    button(app, "save_name").click().run()
    app.text_area(key=f"note {run_id}").set_value("seen *here*")
    button(app, "save_note").click().run()
    app.multiselect(key=f"tags {run_id}").set_value(["kept"])
    store.run(run_id).retag(["elsewhere"], [])
    button(app, "save_tags").click().run()
    button(app, "pin").click().run()
    meta = store.run(run_id).meta()
    assert (meta.name, meta.note, meta.pinned) == ("new name", "seen *here*", True)
    assert set(meta.tags) == {"kept", "elsewhere"}, "a tag of another window stays"
    assert "seen *here*" in texts(app)
    app.text_area(key=f"note {run_id}").set_value("one\n*two*")
    button(app, "save_note").click().run()
    assert "one  \n\\*two\\*" in [text.value for text in app.markdown], "the lines stay lines"
    assert "pinned" in texts(app)
    assert "new name" in app.selectbox(key="run").options[0]


def test_all_settings_are_shown_with_those_changed_from_the_preset(page, store):
    config = PRESETS["fast"].config.replace({"train.lr": 0.05})
    run_id = made_run(store, config=config)
    store.run(run_id).write_environment({"device": "cpu", "precision": "bf16", "threads": 2, "commit": "abc1234"})
    app = page(run=run_id)
    assert any(
        expander.label == "Settings (1 changed from preset High accuracy in minutes)" for expander in app.expander
    )
    app.session_state["run_settings"] = app.session_state["run_origin"] = True
    app.run()
    rows = [row for table in app.table for row in table.value.to_dict("records")]
    values = {row["Setting"]: row["Value"].replace("\\", "") for row in rows if "Setting" in row}
    assert values["Learning rate"].startswith("**0.05**") and "preset 0.2" in values["Learning rate"]
    assert (values["Batch size (images)"], values["Precision"]) == ("128", "auto (bf16)")
    facts = {row["Name"]: row["Value"] for row in rows if "Name" in row}
    assert facts["Run ID"] == run_id and facts["Commit of ResNet Lab"] == "abc1234"


def test_parent_and_child_lead_to_each_other(page, store):
    parent = made_run(store, name="first")
    child = made_run(store, name="second", parent=parent)
    for run_id, text in ((parent, "Continued by second"), (child, "Continues first")):
        app = page(run=run_id)
        app.session_state["run_origin"] = True
        assert text in [link.proto.label for link in app.run().get("page_link")]


@pytest.mark.parametrize(("state", "verb"), [("stopped", "Resume"), ("interrupted", "Resume"), ("failed", "Retry")])
def test_resuming(page, store, state, verb):
    run_id = made_run(store, 3, state)
    app = page()
    assert verb in button(app, "resume").label
    button(app, "resume").click().run()
    assert store.run(run_id).status().state == "queued"
    assert len(app.toast) == 1
    assert "stop" in buttons(app)


@pytest.mark.parametrize("state", ["stopped", "interrupted", "failed"])
def test_resuming_what_needs_more_memory_than_there_is_has_to_be_confirmed(page, store, state, monkeypatch):
    run_id = made_run(store, 3, state)
    monkeypatch.setattr(machine, "memory_limit", lambda device: 1_000_000)
    app = page()
    assert "memory" in app.warning[0].value and button(app, "resume").disabled
    app.checkbox[0].check().run()
    button(app, "resume").click().run()
    assert store.run(run_id).status().state == "queued"


def test_training_longer_what_needs_more_memory_than_there_is_has_to_be_confirmed(page, store, monkeypatch):
    extendable(store)
    monkeypatch.setattr(machine, "memory_limit", lambda device: 1_000_000)
    app = page()
    assert "memory" in app.warning[0].value and button(app, "extend").disabled
    app.checkbox[0].check().run()
    assert not button(app, "extend").disabled


def test_failed_shows_the_cause_and_the_log(page, store):
    run_id = made_run(store, 3, "failed")
    store.run(run_id).append_log("Loss became infinite at step 375.")
    app = page()
    assert [element.value for element in app.error] == [store.run(run_id).status().error]
    log = next(expander for expander in app.expander if expander.label == "Log")
    assert "Loss became infinite at step 375." in log.code[0].value
    assert log.proto.expanded


def test_a_long_name_is_shown_whole(page, store):
    names = [f"{'one of many experiments with a long name, ' * 2}{number}" for number in (1, 2)]
    first, _ = (made_run(store, 4 + at, name=name) for at, name in enumerate(names))
    app = page(run=first)
    assert app.markdown[0].value == f"**{names[0]}**"
    shown = [text for text in app.selectbox(key="run").options if "finished" in text]
    assert len(shown) == 2 and shown[0] != shown[1]
    assert all(len(text) <= len(f"{'x' * 40} · finished") for text in shown)


def test_a_run_whose_process_died_is_interrupted(page, store):
    made_run(store, 3, "running")
    app = page()
    assert "interrupted" in app.markdown[0].value
    assert app.error
    assert "resume" in buttons(app)


def extendable(store) -> str:
    """A finished run that can be continued."""
    config = RunConfig().replace({"train.epochs": 4, "train.schedule": "constant", "train.warmup_epochs": 0})
    run_id = made_run(store, 4, config=config, name="mine")
    store.run(run_id).write_file("last.pt", b"")
    return run_id


def test_extending_queues_a_longer_run_and_shows_it(page, store, monkeypatch):
    run_id = extendable(store)

    def longer(store, run_id, epochs):
        return made_run(store, 0, "queued", store.run(run_id).config().replace({"train.epochs": epochs}), parent=run_id)

    monkeypatch.setattr(core.jobs.extend, "extend", longer)
    app = page()
    app.number_input(key="more_epochs").set_value(6).run()
    button(app, "extend").click().run()
    child = app.query_params["run"]
    assert child != run_id
    assert store.run(child).config().train.epochs == 10


def test_a_late_rerun_with_the_old_address_does_not_lead_back_from_a_longer_run(page, store, monkeypatch):
    run_id = extendable(store)
    monkeypatch.setattr(core.jobs.extend, "extend", lambda *_: made_run(store, 0, "queued", parent=run_id))
    app = page()
    button(app, "extend").click().run()
    child = app.query_params["run"]
    assert child != run_id
    app.query_params["run"] = run_id  # the browser had asked for it before it knew the new address
    app.run()
    assert app.query_params["run"] == child
    app.run()
    app.query_params["run"] = run_id  # a link
    app.run()
    assert app.query_params["run"] == run_id


def test_the_parent_of_a_longer_run_can_be_chosen_at_once(page, store, monkeypatch):
    run_id = extendable(store)
    monkeypatch.setattr(core.jobs.extend, "extend", lambda *_: made_run(store, 0, "queued", parent=run_id))
    app = page()
    button(app, "extend").click().run()
    app.selectbox(key="run").set_value(run_id).run()
    assert app.query_params["run"] == run_id


def test_an_extension_that_is_refused_says_why(page, store, monkeypatch):
    def refuse(store, run_id, epochs):
        raise StoreError("The one-cycle schedule has brought the learning rate to zero.")

    monkeypatch.setattr(core.jobs.extend, "extend", refuse)
    extendable(store)
    app = page()
    button(app, "extend").click().run()
    assert [element.value for element in app.error] == ["The one-cycle schedule has brought the learning rate to zero."]


@pytest.mark.parametrize("schedule", ["one-cycle", "multi-step"])
def test_where_extending_is_impossible_a_form_is_filled_in(page, store, schedule):
    config = RunConfig().replace({"train.epochs": 4, "train.schedule": schedule, "train.milestones": (2, 3)})
    made_run(store, 4, config=config, name="mine")
    app = page()
    assert "extend" not in buttons(app) and "from the beginning" in texts(app)
    app.number_input(key="more_epochs").set_value(4).run()
    assert "8 epochs" in button(app, "longer").label
    button(app, "longer").click().run()
    assert app.title[0].value == "New run" and not app.error
    draft = app.session_state["new_run"]
    assert draft.config.train.epochs == 8
    if schedule == "multi-step":
        assert draft.config.train.milestones == (4, 6)


@pytest.mark.parametrize("looked_at", [{}, {"x": "Step", "log": "true"}])
def test_copying_the_settings_opens_the_form_whatever_the_address_holds(page, store, looked_at):
    made_run(store, 4, name="mine")
    app = page(**looked_at)
    button(app, "copy").click().run()
    assert not app.exception
    assert app.title[0].value == "New run"


def test_an_unknown_run_in_the_address_is_an_error(page, store):
    run_id = made_run(store)
    app = page(run="20200101-000000-abcd")
    assert "20200101-000000-abcd" in app.error[0].value
    assert app.query_params["run"] == run_id


def test_an_unknown_run_to_compare_with_is_an_error(page, store):
    run_id, other = made_run(store), made_run(store)
    app = page(run=run_id, **{"with": ["20200101-000000-abcd", other]})
    assert ["20200101-000000-abcd" in error.value for error in app.error] == [True]
    assert app.multiselect(key="with").value == [other]


def test_a_damaged_run_in_the_address_is_an_error(page, store):
    made_run(store)
    bad = made_run(store)
    (store.root / bad / "status.json").write_text("[]")
    assert "status.json" in page(run=bad).error[0].value


def test_several_runs_in_one_chart(page, store):
    first, second, third = (made_run(store, epochs, name=str(epochs)) for epochs in (3, 4, 5))
    app = page(run=first, **{"with": [third, "nonsense"]})
    assert len(curve(app, "accuracy", first)) == 3
    assert len(curve(app, "accuracy", third)) == 5
    assert numbers(app)["Last validation accuracy, epoch 3"]
    app.multiselect(key="with").set_value([second, third]).run()
    assert len(curve(app, "accuracy", second)) == 4
    assert app.query_params["with"] == [second, third]
    app.selectbox(key="run").set_value(second).run()
    assert app.query_params["run"] == second
    assert numbers(app)["Last validation accuracy, epoch 4"]
    assert not app.exception


def test_the_controls_change_the_curves(page, store):
    run_id = made_run(store, 6)
    app = page()
    app.get("segmented_control")[0].set_value("images").run()
    assert charts(app)["accuracy"]["figure"]["layout"]["xaxis"]["title"]["text"] == "Images seen"
    app.toggle(key="log").set_value(True).run()
    assert charts(app)["loss"]["figure"]["layout"]["yaxis"]["type"] == "log"
    app.toggle(key="chance").set_value(False).run()
    assert "shapes" not in charts(app)["accuracy"]["figure"]["layout"]
    app.selectbox(key="smoothing").set_value("exponential").run()
    measured, smooth = curve(app, "accuracy", run_id, "val measured"), curve(app, "accuracy", run_id)
    assert measured == [100 * made_record(epoch).val_accuracy for epoch in range(1, 7)]
    assert smooth[-1] < measured[-1]
    app.toggle(key="train").set_value(False).run()
    with pytest.raises(KeyError):
        curve(app, "accuracy", run_id, "train")
    assert not app.exception


def test_charts_are_redrawn_in_place(page, store):
    """The components keep their identity from tick to tick; a new one would lose the zoom."""
    run_id = made_run(store, 2, "running")
    with store.run(run_id).hold():
        app = page()
        before = [element.proto.id for element in app.get("bidi_component")]
        store.run(run_id).append_record(made_record(3))
        app.run()
        assert [element.proto.id for element in app.get("bidi_component")] == before
        assert len(curve(app, "accuracy", run_id)) == 3


def test_an_address_with_too_many_runs_shows_those_that_have_colours(page, store):
    runs = [made_run(store, 1) for _ in range(9)]
    app = page(run=runs[0], **{"with": [*runs[1:], runs[1]]})
    assert len(app.multiselect(key="with").value) == 6


def test_a_file_damaged_while_it_is_shown_is_an_error(page, store):
    run_id = made_run(store, 2, "running")
    with store.run(run_id).hold():
        app = page()
        (store.root / run_id / "progress.json").write_text("[")
        app.run()
        assert not app.exception
        assert "progress.json" in app.error[0].value


def test_a_name_is_never_taken_for_markup(page, store):
    first, second = made_run(store, name="*one* [a](b)"), made_run(store, name="two")
    app = page(run=first, **{"with": second})
    assert r"**\*one\* \[a\](b)**" in [element.value for element in app.markdown]


def test_a_run_on_another_computer_is_taken_over_on_request(page, store):
    run_id = made_run(store, epochs=2, state="running")
    status = store.run(run_id).stored_status()
    store.run(run_id).write_status(replace(status, host="elsewhere", pid=1, heartbeat=time.time()))
    app = page(run=run_id)
    assert "elsewhere" in texts(app) and "resume" not in buttons(app)
    button(app, "take_over").click().run()
    assert not app.exception
    assert store.run(run_id).status().state == "queued"
