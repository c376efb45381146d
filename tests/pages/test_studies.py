"""Studies: created in the browser, started, paused, grown, moved to the trash; the figures are those of the files."""

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.config.draft import Draft
from core.config.presets import PRESETS
from core.data import cifar10
from core.study.form import usual_values
from core.study.presets import published_study
from core.study.store import StudyStore
from core.study.study import Axis, Study
from pages.parts.actions import key_for
from pages.parts.studies.form import DRAFT, WAYS
from tests.made import made_run, tiny_config
from tests.pages.conftest import APP
from tests.pages.shown import action, texts


@pytest.fixture
def studies(store):
    return StudyStore(store)


@pytest.fixture
def study_id(studies):
    """Four cells of a small study, nothing trained."""
    return studies.create(Study("rates", tiny_config(), (Axis("train.lr", (0.1, 0.2)),), (0, 1)))


def shown(app, query: str = ""):
    """The page, opened by its address."""
    app.query_params.update(dict(part.split("=") for part in query.split("&") if part))
    return app.switch_page("pages/studies.py").run()


def keys(app) -> set[str]:
    """The names of the buttons, without what they act on."""
    return {(button.key or "").partition(" ")[0] for button in app.button}


# --- creating -------------------------------------------------------------------------------------


def test_without_a_study_the_page_explains_one_and_offers_the_reports(app):
    shown(app)
    assert not app.exception
    assert "A study" in texts(app)
    assert len(app.radio(key="study_figure").options) == 4


def test_a_study_of_the_report_is_created_in_a_click(app, studies):
    shown(app)
    app.radio(key="study_figure").set_value(7).run()
    app.text_input(key="study_seeds").set_value("0-2").run()
    app.button(key="define_report").click().run()
    assert not app.exception
    (study,) = studies.all()[0].values()
    expected = published_study(7, scale=0.1, seeds=(0, 1, 2))
    assert (study.base, study.axes, study.seeds, study.figure) == (expected.base, expected.axes, expected.seeds, 7)
    assert "15 to do" in app.get("progress")[0].proto.text


def test_a_time_asks_for_a_measurement_first(app):
    shown(app)
    app.selectbox(key="study_size").set_value("About one hour").run()
    assert "not been measured" in texts(app)
    assert app.button(key="define_report").disabled
    assert app.button(key="measure_report")


def values_key(path, base=PRESETS["quick"]):
    """The field with the values of a varied setting."""
    return f"study_values_{path}_{base.title}_{usual_values(path, base.config)}"


def test_nothing_is_created_while_fields_have_problems(app, studies):
    shown(app)
    app.text_input(key=values_key("train.lr")).set_value("0.1, fast").run()
    app.text_input(key="study_own_seeds").set_value("x").run()
    assert "“fast” is not a number" in texts(app)
    assert "is not a seed" in texts(app)
    assert app.button(key="define_own").disabled
    assert studies.ids() == []


def test_ones_own_study_of_two_knobs(app, studies):
    shown(app)
    app.text_input(key="study_name").set_value("mine").run()
    app.multiselect(key="study_paths").set_value(["train.lr", "train.batch_size"]).run()
    app.text_input(key=values_key("train.batch_size")).set_value("16, 32").run()
    app.button(key="define_own").click().run()
    (study,) = studies.all()[0].values()
    assert study.base == PRESETS["quick"].config
    assert study.axes == (Axis("train.lr", (0.05, 0.1, 0.2)), Axis("train.batch_size", (16, 32)))
    assert study.seeds == (0, 1, 2)
    app.button(key="new_study").click().run()
    assert app.text_input(key="study_name").value == ""


def test_another_base_has_other_usual_values(app):
    shown(app)
    for rate in (0.1, 0.4):
        app.session_state["new_run"] = Draft(config=PRESETS["quick"].config.replace({"train.lr": rate}))
        app.run().selectbox(key="study_base").set_value(DRAFT).run()
        (field,) = [widget for widget in app.text_input if widget.key.startswith(f"study_values_train.lr_{DRAFT}")]
        assert str(rate) in field.value.split(", ")
    assert field.value == usual_values("train.lr", PRESETS["quick"].config.replace({"train.lr": 0.4}))


def test_the_fields_survive_a_refresh(app, store):
    shown(app)
    assert "form" not in app.query_params, "nothing is filled in yet"
    app.session_state["study_way"] = WAYS[1]
    app.multiselect(key="study_paths").set_value(["train.batch_size"]).run()
    typed = {"study_name": "mine é", "study_own_seeds": "0-4", values_key("train.batch_size"): "16, many"}
    for key, text in typed.items():
        app.text_input(key=key).set_value(text)
    app.radio(key="study_figure").set_value(7).run()
    address = f"study=new&form={app.query_params['form']}"
    fresh = shown(AppTest.from_file(str(APP), default_timeout=60), address)
    assert {key: fresh.text_input(key=key).value for key in typed} == typed
    assert fresh.multiselect(key="study_paths").value == ["train.batch_size"]
    assert fresh.radio(key="study_figure").value == 7
    assert fresh.get("tab_container")[0].proto.tab_container.default_tab_index == 1
    fresh.text_input(key="study_name").set_value("another tab").run()
    again = shown(AppTest.from_file(str(APP), default_timeout=60), address)
    assert again.text_input(key="study_name").value == "mine é", "a tab writes into a copy of its own"


def test_a_kept_form_whose_base_is_gone_opens_with_another_base(app, store):
    shown(app)
    app.switch_page("pages/new_run.py").run()
    shown(app)
    app.selectbox(key="study_base").set_value(DRAFT).run()
    address = f"study=new&form={app.query_params['form']}"
    fresh = shown(AppTest.from_file(str(APP), default_timeout=60), address)
    assert fresh.selectbox(key="study_base").value in {preset.title for preset in PRESETS.values()}


def test_the_fields_survive_a_visit_to_another_page(app):
    typed = {
        "study_name": "mine",
        "study_own_seeds": "0-4",
        "study_seeds": "0-2",
        values_key("train.batch_size"): "16, 32",
    }
    shown(app)
    app.session_state["study_way"] = WAYS[1]
    app.radio(key="study_figure").set_value(7)
    app.multiselect(key="study_paths").set_value(["train.lr", "train.batch_size"]).run()
    for key, text in typed.items():
        app.text_input(key=key).set_value(text)
    app.run()
    app.switch_page("pages/new_run.py").run()
    app.switch_page("pages/studies.py").run()
    assert not app.exception
    assert {key: app.text_input(key=key).value for key in typed} == typed
    assert app.multiselect(key="study_paths").value == ["train.lr", "train.batch_size"]
    assert app.radio(key="study_figure").value == 7
    assert app.get("tab_container")[0].proto.tab_container.default_tab_index == 1


# --- a study and its runs -------------------------------------------------------------------------


def test_start_queues_runs_and_pause_removes_them(app, store, study_id):
    shown(app)
    action(app, "start").click().run()
    assert len(store.queue.ids()) == 4
    assert "4 queued" in app.get("progress")[0].proto.text
    action(app, "pause").click().run()
    assert store.queue.ids() == []
    assert {store.run(run_id).status().state for run_id in store.ids()} == {"stopped"}
    action(app, "start").click().run()
    assert len(store.queue.ids()) == 4
    assert not app.exception


def test_without_the_pictures_they_are_offered_and_no_run_can_start(app, store, studies, study_id, monkeypatch):
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    shown(app)
    assert app.button(key="get-data")
    assert action(app, "start").disabled
    made_run(store, 4, "failed", studies.get(study_id).cells()[0].config, study=study_id)
    app.run()
    assert action(app, "start").disabled and action(app, "retry").disabled


def test_only_a_studys_own_runs_are_paused_or_stopped(app, store, study_id):
    shown(app)
    action(app, "start").click().run()
    assert "pause" in keys(app)
    action(app, "copy").click().run()
    assert "4 queued" in app.get("progress")[0].proto.text
    assert not {"pause", "stop"} & keys(app)
    run_id = store.queue.ids()[0]
    with store.run(run_id).hold():
        store.run(run_id).write_status(replace(store.run(run_id).stored_status(), state="running"))
        app.run()
        assert "1 running, 3 queued" in app.get("progress")[0].proto.text
        assert not {"pause", "stop"} & keys(app)
        app.selectbox(key="study_shown").set_value(study_id).run()
        assert {"pause", "stop"} <= keys(app)


def test_every_state_has_its_row_and_its_buttons(app, store, studies, study_id):
    cells = studies.get(study_id).cells()
    for cell, state in zip(cells, ("finished", "failed", "interrupted"), strict=False):
        run_id = made_run(store, 4, state, cell.config, study=study_id)
    shown(app)
    assert not app.exception
    table = app.dataframe[0].value
    assert table["state"].tolist() == ["finished", "failed", "interrupted", "to do"]
    assert table["error"].dropna().tolist() == ["The loss became infinite in epoch 3; try a smaller learning rate."]
    assert table["run"][2] == f"run?run={run_id}"
    assert {"start", "retry", "compare"} <= keys(app)
    action(app, "retry").click().run()
    assert len(store.queue.ids()) == 1


def test_the_results_are_those_of_the_files(app, store, studies, study_id):
    cell = studies.get(study_id).cells()[1]
    run_id = made_run(store, 4, "finished", cell.config, study=study_id)
    store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": 0.625, "loss": 1.0}, "last": {}})
    shown(app)
    table = app.dataframe[0].value
    assert table["accuracy"][1] == 62.5
    assert table["objective"][1] == min(record.val_objective for record in store.run(run_id).records())


def growing(app, study_id):
    """The fields for more values and for more seeds."""
    return [app.text_input(key=f"grow_study {study_id} {what}") for what in ("train.lr", "seeds")]


def add(app, study_id, values, seeds):
    """The page after these were typed and added; what the fields hold then."""
    for field, text in zip(growing(app, study_id), (values, seeds), strict=True):
        field.set_value(text)
    action(app, "add").click().run()
    assert not app.exception
    return [field.value for field in growing(app, study_id)]


def test_values_and_seeds_are_added(app, studies, study_id):
    shown(app)
    assert add(app, study_id, "0.05", "2") == ["", ""]
    study = studies.get(study_id)
    assert (study.axes[0].values, study.seeds) == ((0.05, 0.1, 0.2), (0, 1, 2))


def test_values_that_were_not_added_survive_another_page_and_a_refresh(app, study_id):
    shown(app)
    growing(app, study_id)[0].set_value("0.0").run()
    app.switch_page("pages/home.py").run()
    app.query_params["study"] = study_id
    app.switch_page("pages/studies.py").run()
    assert growing(app, study_id)[0].value == "0.0"
    fresh = shown(AppTest.from_file(str(APP), default_timeout=20), f"study={study_id}&more={app.query_params['more']}")
    assert growing(fresh, study_id)[0].value == "0.0"
    assert growing(fresh, study_id)[1].value == ""


def finished(store, studies, study_id, accuracies):
    """Finish the first cells of the study with these test accuracies."""
    for cell, accuracy in zip(studies.get(study_id).cells(), accuracies, strict=False):
        run_id = made_run(store, 4, "finished", cell.config, study=study_id)
        store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": accuracy, "loss": 1.0}})


def test_more_seeds_are_planned_added_and_queued_in_one_click(app, store, studies, study_id):
    finished(store, studies, study_id, (0.80, 0.82, 0.81, 0.835))
    app.session_state[f"plan {key_for('study', study_id, '')}"] = True
    shown(app)
    points = next(field for field in app.number_input if field.key.startswith("plan_points"))
    assert points.value == pytest.approx(2.2)
    points.set_value(12.0).run()
    assert "To see 12.00 points with 80 % power you need" in texts(app)
    action(app, "queue_plan").click().run()
    assert not app.exception
    assert len(studies.get(study_id).seeds) > 2
    assert len(store.queue.ids()) == 2 * (len(studies.get(study_id).seeds) - 2)


def test_training_images_can_be_drawn_anew_for_each_seed(app, studies):
    app.session_state["study_way"] = WAYS[1]
    shown(app)
    assert not app.checkbox
    app.multiselect(key="study_paths").set_value(["data.train_size"]).run()
    app.text_input(key="study_name").set_value("sizes").run()
    app.checkbox(key="study_redraw").check().run()
    assert "official split and all of its test images" in texts(app)
    app.checkbox(key="study_redraw").uncheck().run()
    app.selectbox(key="study_base").set_value(PRESETS["fast"].title).run()
    app.checkbox(key="study_redraw").check().run()
    assert not app.exception
    app.button(key="define_own").click().run()
    (study,) = studies.all()[0].values()
    assert study.redraw and "own draw of training images" in texts(app)


def test_values_that_cannot_be_added_stay_in_their_fields(app, studies, study_id):
    study = studies.get(study_id)
    shown(app)
    assert add(app, study_id, "99", "2-4") == ["99", "2-4"]
    app.run()
    assert any("out of range" in error.value for error in app.error)
    app.switch_page("pages/home.py").run()
    app.switch_page("pages/studies.py").run()
    assert [field.value for field in growing(app, study_id)] == ["99", "2-4"]
    assert studies.get(study_id) == study
    assert add(app, study_id, "0.3", "2-4") == ["", ""]
    assert studies.get(study_id).seeds == (0, 1, 2, 3, 4)
    assert not app.error


def test_the_trash_can_be_undone(app, studies, study_id):
    shown(app)
    action(app, "trash").click().run()
    assert studies.ids() == []
    action(app, "undo").click().run()
    assert studies.ids() == [study_id]
    assert not app.exception


def test_a_study_is_restored_from_the_trash_in_another_session(app, studies, study_id):
    other = studies.create(replace(studies.get(study_id), name="other"))
    for one in (study_id, other):
        studies.trash.put(one)
    app.session_state["trash_box"] = True
    shown(app)
    assert "Trash (2 studies)" in [expander.label for expander in app.expander]
    assert {"rates", "other"} <= {element.value for element in app.markdown}
    app.button(key=f"restore {study_id}").click().run()
    assert not app.exception
    assert (studies.ids(), studies.trash.ids()) == ([study_id], [other])
    assert app.subheader[0].value == "rates"
    assert "Trash (1 study)" in [expander.label for expander in app.expander]


def test_a_study_that_came_with_the_program_is_copied_to_change_it(app, studies, study_id):
    path = studies.root / f"{study_id}.json"
    stored = json.loads(path.read_text())
    del stored["check"]  # as a person who changes the file is told
    path.write_text(json.dumps({**stored, "reference": True}))
    shown(app)
    assert not {"trash", "add"} & keys(app)
    action(app, "copy").click().run()
    assert len(studies.ids()) == 2
    assert "trash" in keys(app)


def test_a_link_opens_exactly_its_study(app, studies, study_id):
    studies.create(Study("newer", tiny_config(), (Axis("train.lr", (0.1,)),)))
    shown(app, f"study={study_id}")
    assert app.subheader[0].value == "rates"


def test_of_two_studies_alike_in_name_and_state_the_chosen_one_stays(app, studies, study_id):
    twin = studies.create(studies.get(study_id))
    for one in (study_id, twin):
        shown(app, f"study={one}")
        app.run()  # with what the browser has chosen, which it knows by its words
        assert app.selectbox(key="study_shown").value == one
        assert app.query_params["study"] in (one, [one])


@pytest.mark.parametrize("bad", ["../../etc/passwd", "20260101-000000-abcd", "x" * 3000, "<img src=x>"])
def test_a_bad_link_is_an_error_and_another_study_shown(app, study_id, bad):
    app.query_params["study"] = bad
    app.switch_page("pages/studies.py").run()
    assert not app.exception
    assert "no study" in app.error[0].value
    assert app.subheader[0].value == "rates"


def test_a_damaged_study_is_an_error_and_does_not_hide_others(app, studies, study_id):
    (studies.root / "20260101-000000-abcd.json").write_text("{")
    shown(app)
    assert "Study 20260101-000000-abcd cannot be used" in app.error[0].value
    assert app.subheader[0].value == "rates"


@pytest.mark.parametrize("link", ["20991231-000000-abcd", "abcd", "latest"])
def test_a_link_to_a_damaged_study_shows_another(app, studies, study_id, link):
    (studies.root / "20991231-000000-abcd.json").write_text("{")
    shown(app, f"study={link}")
    assert not app.exception
    assert ["Study 20991231-000000-abcd cannot be used" in element.value for element in app.error] == [True]
    assert app.subheader[0].value == "rates"


def test_a_name_is_shown_as_it_is(app, studies):
    studies.create(Study("<b>**x** $y$", tiny_config(), (Axis("train.lr", (0.1,)),), note="[a](b)"))
    shown(app)
    assert app.subheader[0].value == r"\<b\>\*\*x\*\* \$y\$"
    assert r"\[a\](b)" in [text.value for text in app.markdown]


def test_a_finished_study_shows_its_figures_and_what_they_say(app, store, studies):
    study = published_study(3, scale=0.1, seeds=(0, 1))
    study_id = studies.create(study)
    for at, cell in enumerate(study.cells()):
        made_run(store, 6 + at % 3, "finished", cell.config, study=study_id)
    shown(app)
    assert not app.exception
    assert len(app.get("bidi_component")) == 2
    text = texts(app)
    assert "from 6,000 to 10,000 images" in text
    assert "Base settings: report · classes deer, dog" in text
    effects = app.dataframe[0].value
    assert effects["measure"].tolist() == ["accuracy (points)", "the objective (nats)"]
    assert effects["n"].tolist() == [10, 10]
    assert "with the report" in text or "the report:" in text
    assert any("figures" in button.label for button in app.get("download_button"))


def test_a_study_of_two_knobs_asks_along_which(app, store, studies):
    axes = Axis("train.lr", (0.1, 0.2)), Axis("train.momentum", (0.8, 0.9))
    study = Study("two", tiny_config("data.validation=test"), axes)
    study_id = studies.create(study)
    for cell in study.cells():
        made_run(store, 4, "finished", cell.config, study=study_id)
    shown(app)
    assert not app.exception
    assert "from 0.1 to 0.2" in texts(app)
    app.segmented_control(key="study_x").set_value("train.momentum").run()
    assert "from 0.8 to 0.9" in texts(app)


def test_another_study_is_chosen_while_one_of_two_knobs_is_looked_at(app, store, studies):
    """What was chosen for the first, its axis and its run, means nothing in the second."""
    ids = []
    for pair in (
        (("train.lr", (0.1, 0.2)), ("train.momentum", (0.8, 0.9))),
        (("train.batch_size", (32, 64)), ("augment.flip", ("none", "random"))),
    ):
        study = Study(pair[0][0], tiny_config("data.validation=test"), tuple(Axis(*axis) for axis in pair))
        ids.append(studies.create(study))
        for cell in study.cells():
            made_run(store, 4, "finished", cell.config, study=ids[-1])
    app.session_state["study_four"] = True
    shown(app, f"study={ids[0]}")
    app.segmented_control(key="study_x").set_value("train.momentum").run()
    app.selectbox(key="study_shown").set_value(ids[1]).run()
    assert not app.exception
    assert app.segmented_control(key="study_x").value == "train.batch_size"
    assert "from 32 to 64" in texts(app)


def test_a_study_that_came_with_the_program_can_be_gone_on_with(app, store, studies, study_id):
    path = studies.root / f"{study_id}.json"
    stored = json.loads(path.read_text())
    del stored["check"]  # as a person who changes the file is told
    path.write_text(json.dumps({**stored, "reference": True}))
    made_run(store, 4, "finished", studies.get(study_id).cells()[0].config)
    shown(app)
    action(app, "start").click().run()
    assert len(store.queue.ids()) == 3
    assert {store.run(run_id).meta().study for run_id in store.queue.ids()} == {study_id}


def test_two_windows_add_to_one_study(app, studies, study_id):
    shown(app)
    other = AppTest.from_file(str(APP), default_timeout=60)
    shown(other)
    add(other, study_id, "0.05", "2")
    add(app, study_id, "0.3", "3")
    study = studies.get(study_id)
    assert study.axes[0].values == (0.05, 0.1, 0.2, 0.3)
    assert study.seeds == (0, 1, 2, 3)


def test_a_setting_varied_in_vain_is_noted_before_the_study_is_created(app):
    shown(app)
    app.text_input(key="study_name").set_value("mine").run()
    app.multiselect(key="study_paths").set_value(["train.patience"]).run()
    assert "needs" in texts(app), "a setting that is not in effect is still an error"
    app.selectbox(key="study_base").set_value(PRESETS["he2016"].title).run()
    app.multiselect(key="study_paths").set_value(["train.epochs"]).run()
    app.text_input(key=values_key("train.epochs", PRESETS["he2016"])).set_value("50, 60").run()
    assert "never falls in a run of 50 epochs" in texts(app)
    assert not app.button(key="define_own").disabled


def test_a_study_that_needs_more_memory_than_there_is_has_to_be_confirmed_twice(app, store, studies):
    shown(app)
    app.selectbox(key="study_base").set_value(PRESETS["he2016"].title).run()
    app.text_input(key="study_name").set_value("huge").run()
    app.multiselect(key="study_paths").set_value(["model.width", "model.depth", "train.batch_size"]).run()
    for path, value in (("model.width", "128"), ("model.depth", "110"), ("train.batch_size", "4000")):
        app.text_input(key=values_key(path, PRESETS["he2016"])).set_value(value).run()
    assert "GB of memory" in app.warning[0].value
    assert app.button(key="define_own").disabled
    app.checkbox[0].check().run()
    app.button(key="define_own").click().run()
    (study_id,) = studies.ids()
    assert app.button(key=f"start {study_id}").disabled
    app.checkbox[0].check().run()
    assert not app.button(key=f"start {study_id}").disabled
