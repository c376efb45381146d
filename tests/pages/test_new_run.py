"""New run: the form's settings are what is queued, and a problem stands next to its field."""

import pytest

from core.config.presets import PRESETS, command_line
from core.config.run_config import SETTINGS, RunConfig
from core.config.tricks import TRICKS
from core.data import cifar10
from core.published.points import TASKS
from pages.parts.shared import literal
from tests.made import made_run
from tests.pages.shown import field, links, texts


@pytest.fixture
def app(app):
    """The page in the app that is not yet opened."""
    return app.switch_page("pages/new_run.py").run()


def fields(app):
    """The settings that have a field now."""
    keys = [
        widget.key
        for kind in (app.text_input, app.selectbox, app.button_group, app.toggle)
        for widget in kind
        if widget.key
    ]
    return {key.split("#")[0] for key in keys if "#" in key} & set(SETTINGS)


def start(app):
    app.button(key="start").click().run()
    assert not app.exception


def test_the_untouched_form_starts_the_quick_preset(app, store):
    start(app)
    (run_id,) = store.ids()
    assert store.run(run_id).config() == PRESETS["quick"].config
    assert app.query_params["run"] == run_id


def test_a_tricks_card_is_the_help_of_its_setting(app):
    app.button(key="preset-fast").click().run()
    for trick in TRICKS:
        assert trick.what in field(app, trick.setting).help
    assert field(app, "train.epochs").help == SETTINGS["train.epochs"].help


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_one_click(app, store, name):
    if name != "quick":
        app.button(key=f"preset-{name}").click().run()
    start(app)
    assert store.run(store.ids()[0]).config() == PRESETS[name].config


def test_the_form_has_a_field_for_every_setting_in_effect_and_no_other(app):
    config = PRESETS["quick"].config
    assert fields(app) == {path for path in SETTINGS if config.in_effect(path)}
    field(app, "train.optimizer").set_value("adam").run()
    assert "train.adam_eps" in fields(app)
    assert "train.momentum" not in fields(app)


def test_what_is_chosen_is_what_is_queued(app, store):
    field(app, "train.epochs").set_value("1e1").run()
    field(app, "train.lr").set_value("1e-7").run()
    field(app, "train.schedule").set_value("multi-step").run()
    field(app, "train.milestones").set_value("3, 6").run()
    field(app, "train.nesterov").set_value(False).run()
    field(app, "data.train_size").set_value("all").run()
    field(app, "data.validation").set_value("test").run()
    app.text_input(key="name#0").set_value("mine").run()
    app.multiselect(key="tags#0").set_value(["a"]).run()
    app.text_area(key="note#0").set_value("why").run()
    start(app)
    (run_id,) = store.ids()
    assert store.run(run_id).config() == PRESETS["quick"].config.replace(
        {
            "train.epochs": 10,
            "train.lr": 1e-7,
            "train.schedule": "multi-step",
            "train.milestones": (3, 6),
            "train.nesterov": False,
            "data.train_size": None,
            "data.validation": "test",
        }
    )
    meta = store.run(run_id).meta()
    assert (meta.name, meta.tags, meta.note) == ("mine", ("a",), "why")


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("train.lr", "fast", "is not a number"),
        ("train.lr", "50", "50 is out of range"),
        ("train.batch_size", "5000", "is more than the 4,000 training images"),
        ("model.depth", "21", "is not 6n+2"),
        ("train.epochs", "", "is not a whole number"),
    ],
)
def test_nothing_starts_until_a_problem_is_gone(app, path, text, problem):
    before = field(app, path).value
    field(app, path).set_value(text).run()
    assert not app.exception
    # Next to the field, and above the button.
    assert sum(problem in text.value.replace("\\", "") for text in app.markdown) == 2
    assert app.button(key="start").disabled
    field(app, path).set_value(before).run()
    assert problem not in texts(app)
    assert not app.button(key="start").disabled


def test_changes_and_problems_in_a_closed_expander_are_named_in_its_label(app):
    def label():
        return app.expander(key="more-Training").label

    assert "●" not in label()
    field(app, "train.momentum").set_value("0.8").run()
    assert ":orange[● momentum]" in label()
    field(app, "train.momentum").set_value("2").run()
    assert ":red[● momentum]" in label()


def test_a_preset_clears_what_could_not_be_read(app):
    field(app, "train.lr").set_value("fast").run()
    app.button(key="preset-quick").click().run()
    assert field(app, "train.lr").value == "0.1"
    assert not app.button(key="start").disabled


@pytest.mark.parametrize("name", PRESETS)
def test_a_pair_is_one_click_and_can_start_from_every_preset(app, store, name):
    if name != "quick":
        app.button(key=f"preset-{name}").click().run()
    app.button(key="classes-deer-dog").click().run()
    start(app)
    config = store.run(store.ids()[0]).config()
    assert config.data.classes == TASKS["deer-dog"]
    assert config.problems() == {}


def test_one_class_is_refused(app):
    field(app, "data.classes").set_value(["cat"]).run()
    assert "at least two classes" in texts(app)
    assert app.button(key="start").disabled


def test_a_changed_setting_is_marked_with_the_presets_value(app):
    assert "● preset" not in texts(app)
    field(app, "train.epochs").set_value("7").run()
    assert "● preset: 5" in texts(app)
    assert "1" in app.button(key="undo-changes").label
    app.button(key="undo-changes").click().run()
    assert field(app, "train.epochs").value == "5"


def test_the_draft_survives_another_page(app):
    field(app, "train.epochs").set_value("7").run()
    field(app, "train.lr").set_value("fast").run()
    field(app, "train.batch_size").set_value("").run()
    app.text_input(key="name#0").set_value("mine").run()
    app.switch_page("pages/home.py").run()
    app.switch_page("pages/new_run.py").run()
    assert field(app, "train.epochs").value == "7"
    assert field(app, "train.lr").value == "fast"
    assert field(app, "train.batch_size").value == ""
    assert app.text_input(key="name#0").value == "mine"


def test_seeds_make_as_many_runs(app, store):
    app.text_input(key="name#0").set_value("mine").run()
    field(app, "train.seed").set_value("5").run()
    app.number_input(key="copies#0").set_value(3).run()
    assert "3" in app.button(key="start").label
    start(app)
    runs = list(reversed(store.ids()))
    assert [store.run(run_id).config().train.seed for run_id in runs] == [5, 6, 7]
    assert [store.run(run_id).meta().name for run_id in runs] == ["mine, seed 5", "mine, seed 6", "mine, seed 7"]
    assert app.query_params["run"] == runs[0]


@pytest.mark.parametrize("way", ["address", "session"])
def test_a_copy_fills_the_form_from_another_run(app, store, way):
    config = PRESETS["he2016"].config.replace({"train.lr": 0.05})
    run_id = made_run(store, config=config, name="old", tags=("a",))
    if way == "address":
        app.query_params["from"] = run_id
    else:
        app.session_state["draft_from"] = run_id
    app.run()
    assert field(app, "train.lr").value == "0.05"
    assert run_id in texts(app)
    assert "from" not in app.query_params
    field(app, "train.lr").set_value("0.06").run()
    start(app)
    new = store.ids()[0]
    assert store.run(new).config() == config.replace({"train.lr": 0.06})
    assert (store.run(new).meta().name, store.run(new).meta().tags) == ("old", ("a",))


def test_a_copy_of_an_unknown_run_is_an_error(app):
    app.query_params["from"] = "../../etc"
    app.run()
    assert not app.exception
    assert "../../etc" in app.error[0].value.replace("\\", "")


def test_the_set_sizes_and_the_command_follow_the_form(app):
    assert "**4,000**" in texts(app)
    field(app, "data.train_size").set_value("6500").run()
    assert "**6,000**" in texts(app)
    app.text_input(key="name#0").set_value("mine")
    app.multiselect(key="tags#0").set_value(["a"])
    app.text_area(key="note#0").set_value("why")
    app.number_input(key="copies#0").set_value(3).run()
    config = PRESETS["quick"].config.replace({"data.train_size": 6_500})
    assert app.code[0].value == command_line(config, name="mine", tags=["a"], note="why", seeds=3)


def test_a_run_with_the_same_settings_is_linked(app, store):
    made_run(store, config=PRESETS["quick"].config, name="twin")
    app.run()
    assert "twin" in links(app)
    field(app, "train.seed").set_value("1").run()
    assert "twin" not in links(app)


def test_without_the_images_they_are_offered_and_nothing_starts(app, monkeypatch):
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    app.run()
    assert app.button(key="start").disabled
    assert app.button(key="get-data")


def test_the_estimate_is_shown_before_the_start(app):
    app.run()
    assert any("timer" in text.value for text in app.markdown)


@pytest.mark.parametrize("path", SETTINGS)
def test_every_value_reads_back_from_its_field(path):
    value = RunConfig()[path]
    assert SETTINGS[path].parse(SETTINGS[path].show(value)) == value


def test_markdown_in_a_name_is_shown_as_it_is():
    assert literal("a*b_[c]") == r"a\*b\_\[c\]"


@pytest.mark.parametrize(
    ("path", "text", "value", "echo"),
    [
        ("data.train_size", "10,000", 10_000, "= 10,000 images"),
        ("data.train_size", "4 500", 4_500, "= 4,500 images"),
        ("train.lr", "0,05", 0.05, "= 0.05"),
    ],
)
def test_a_number_is_read_as_people_type_it_and_repeated(app, store, path, text, value, echo):
    field(app, path).set_value(text).run()
    assert echo in texts(app)
    start(app)
    assert store.run(store.ids()[0]).config()[path] == value


def test_all_problems_stand_in_the_form_at_once(app):
    field(app, "train.epochs").set_value("many")
    field(app, "model.depth").set_value("21").run()
    assert "“many”" in texts(app) and "6n+2" in texts(app)


def test_a_schedule_that_cannot_take_effect_is_a_note_and_no_error(app):
    app.button(key="preset-he2016").click().run()
    assert "never falls" not in texts(app)
    field(app, "train.epochs").set_value("60").run()
    assert "never falls in a run of 60 epochs" in texts(app)
    assert not app.button(key="start").disabled


def test_a_run_that_needs_more_memory_than_there_is_has_to_be_confirmed(app, store):
    app.button(key="preset-he2016").click().run()
    field(app, "model.width").set_value("128")
    field(app, "model.depth").set_value("110")
    field(app, "train.batch_size").set_value("4,000").run()
    assert "GB of memory" in app.warning[0].value
    assert app.button(key="start").disabled
    app.checkbox[0].check().run()
    assert not app.button(key="start").disabled
    assert app.code[0].value.endswith("--yes")
    field(app, "train.batch_size").set_value("5,000").run()
    assert app.button(key="start").disabled, "another size is confirmed again"
    field(app, "train.batch_size").set_value("128")
    field(app, "model.width").set_value("16").run()
    assert not app.warning and not app.button(key="start").disabled


def test_a_card_says_what_to_expect_and_a_setting_can_be_varied_from_here(app, store):
    run_id = made_run(store, config=PRESETS["fast"].config)
    store.run(run_id).write_result({"best": {"accuracy": 0.9164, "loss": 0.3, "epoch": 4}})
    app.run()
    assert "91.6 %" in texts(app)
    labels = [button.label for button in app.button if (button.key or "").startswith("preset-")]
    assert len(set(labels)) == len(PRESETS), "each has a name of its own"
    app.selectbox(key="vary").set_value("model.depth").run()
    app.button(key="vary-study").click().run()
    assert app.session_state["study_paths"] == ["model.depth"]
    assert app.selectbox(key="study_base").value == "Current settings of New run"
