"""Compare: the selected runs are drawn, listed and acted on; links, empty and damaged states."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.base.errors import Outcome, StoreError
from core.config.run_config import SETTINGS, RunConfig
from core.jobs import predict
from core.runs.predictions import Answers, Predictions, predictions_bytes
from core.runs.storage import Storage, StorageSettings
from core.runs.store import RunStore
from core.views import exports
from pages.parts.actions import key_for
from pages.parts.compare.table import COLUMNS, PICKED
from tests.made import change_file, made_record, made_run
from tests.pages.shown import action, charts, texts

PAGE = Path(__file__).parents[2] / "pages" / "compare.py"
BASE = RunConfig().replace(
    {"data.train_size": 4_500, "data.validation_size": 500, "data.test_size": 2_000, "train.epochs": 4}
)

#: Names that a table, Markdown or Plotly could take for their own.
NAMES = [("setting", 0.1), ("setting", 0.2), ("<b>$x$ *star* [link](x) :red[y]", 0.3), ("label", 0.4)]


@pytest.fixture
def app(store, monkeypatch):
    """The page on the test's own runs, not yet opened."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    return window()


def window():
    """The page in a new window, with the popovers for name, tags and note open."""
    app = AppTest.from_file(str(PAGE), default_timeout=20)
    for box in ("name_box", "tags_box", "note_box"):
        app.session_state[box] = True
    return app


def opened(app, *picked, **params):
    """The page after a link to ``picked`` was opened."""
    if picked:
        app.query_params["runs"] = ",".join(picked)
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def pressed(app, key):
    """The page after that button was pressed."""
    action(app, key).click().run()
    assert not app.exception
    return app


def table(app):
    """The table of all runs."""
    return app.dataframe[0].value


def trained(store, accuracy, name, **settings):
    run_id = made_run(store, name=name, config=BASE.replace(settings))
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


@pytest.fixture
def seeds(store):
    """Two experiments of three seeds each: low and high."""
    return [
        trained(store, accuracy + seed / 1_000, f"{name} (seed {seed})", **{"train.lr": lr, "train.seed": seed})
        for name, accuracy, lr in (("low", 0.80, 0.1), ("high", 0.90, 0.2))
        for seed in range(3)
    ]


def test_without_a_run_the_next_step_is_offered(app):
    opened(app)
    assert "No runs yet" in texts(app)
    assert [button.key for button in app.button] == ["new-run"]


def test_without_a_selection_every_run_is_in_the_table(app, store):
    run_id = made_run(store, name="the one", tags=("t",))
    opened(app)
    row = table(app).iloc[0]
    assert (row["run"], row["state"], row["open"]) == ("the one", "finished", f"run?run={run_id}")
    assert row["best"] == pytest.approx(100 * made_record(4).val_accuracy)
    assert len(row["curve"]) == 4
    assert "Select runs" in texts(app)
    store.run(run_id).append_record(made_record(5, val_accuracy=0.9876))
    app.run()
    assert table(app).iloc[0]["best"] == pytest.approx(98.76)


def test_every_state_is_shown_and_the_error_of_a_damaged_run(app, store):
    for state in ("queued", "stopped", "finished", "failed", "interrupted"):
        made_run(store, state=state, epochs=0 if state == "queued" else 2)
    broken = made_run(store)
    (store.root / broken / "config.json").write_text("{")
    opened(app, *store.ids())
    assert sorted(table(app)["state"]) == ["damaged", "failed", "finished", "interrupted", "queued", "stopped"]
    assert f"config.json of run {broken} is damaged" in texts(app)


def test_search_order_and_columns_come_from_the_address(app, store):
    made_run(store, name="second", epochs=2, note="wanted")
    made_run(store, name="first", epochs=4, tags=("wanted",))
    made_run(store, name="other")
    opened(app, q="wanted", sort="Name", columns=["State", "Learning rate"])
    assert table(app)["run"].tolist() == ["first", "second"]
    assert {"state", "train.lr"} <= set(table(app).columns)
    assert "curve" not in table(app).columns
    app.text_input(key="q").set_value("no such run").run()
    assert table(app).empty
    assert "No run matches" in texts(app)


def test_pinned_runs_come_first(app, store):
    made_run(store, name="old")
    made_run(store, name="new")
    store.run(store.find("old")).annotate(pinned=True)
    assert table(opened(app))["run"].tolist() == ["old", "new"]


def test_runs_of_one_experiment_are_a_mean_with_a_band_and_single_traces(app, seeds):
    opened(app, *seeds)
    uids = [trace["uid"] for trace in charts(app)["compare-accuracy"]["figure"]["data"]]
    assert f"{seeds[0]} mean" in uids
    assert f"{seeds[3]} high" in uids
    assert sum(uid.endswith("single") for uid in uids) == 2
    app.selectbox(key="group").set_value("").run()
    uids = [trace["uid"] for trace in charts(app)["compare-accuracy"]["figure"]["data"]]
    assert {f"{run_id} val" for run_id in seeds} <= set(uids)


def test_the_horizontal_axis_of_a_link_is_taken(app, seeds):
    opened(app, *seeds, x="Images seen")
    assert charts(app)["compare-loss"]["figure"]["layout"]["xaxis"]["title"]["text"] == "Images seen"


def test_what_changed_in_a_run_is_drawn_at_the_next_refresh(app, store):
    one, two = (trained(store, 0.8, name, **{"train.lr": lr}) for name, lr in (("one", 0.1), ("two", 0.2)))

    def drawn():
        traces = {trace["uid"]: trace for trace in charts(app)["compare-accuracy"]["figure"]["data"]}
        return [traces[f"{run_id} val"] for run_id in (one, two)]

    opened(app, one, two)
    first, other = drawn()
    assert len(first["y"]) == 4
    store.run(one).append_record(made_record(5, val_accuracy=0.7654))
    app.run()
    assert drawn()[0]["y"] == [*first["y"], pytest.approx(76.54)]
    assert drawn()[1] == other
    store.run(two).annotate(name="another name")
    app.run()
    assert "another name" in drawn()[1]["name"]
    app.button_group(key="x").set_value("step").run()
    assert drawn()[1]["x"] != other["x"]


def test_best_and_last_accuracy_have_their_epochs_and_the_images_that_chose(app, store):
    run_id = made_run(store, config=BASE)
    store.run(run_id).append_record(made_record(5, val_accuracy=0.1234))
    store.run(run_id).write_status(replace(store.run(run_id).status(), epoch=5))
    row = opened(app, run_id, view="Results").dataframe[1].value.iloc[0]
    assert row["best"] == pytest.approx(100 * made_record(4).val_accuracy)
    assert (row["best_epoch"], row["last_epoch"], row["selected_on"]) == (4, 5, "held-out images")
    assert row["last"] == pytest.approx(12.34)


def test_only_the_settings_that_differ_are_listed(app, store):
    ids = [made_run(store, name="sgd", config=BASE), made_run(store, name="lr", config=BASE.replace({"train.lr": 0.7}))]
    differing = opened(app, *ids, view="Settings").dataframe[1].value
    assert differing["setting"].tolist() == ["Learning rate"]
    assert differing[ids].iloc[0].tolist() == ["0.1", "0.7"]
    opened(app, ids[0])
    assert "second run" in texts(app)


def test_curves_are_grouped_by_a_setting(app, seeds):
    opened(app, *seeds, group="Learning rate")
    names = [trace.get("name", "") for trace in charts(app)["compare-accuracy"]["figure"]["data"]]
    assert {"learning rate 0.1 · 3 runs", "learning rate 0.2 · 3 runs"} <= set(names)
    rows = opened(app, view="Results").dataframe[2].value
    assert rows["n"].tolist() == [3, 3]


def test_the_tables_of_means_and_settings_are_files_too(app, seeds):
    def downloads(view):
        return {button.label for button in opened(app, *seeds, view=view).get("download_button")}

    shown = {view: downloads(view) for view in ("Curves", "Results", "Settings")}
    assert shown["Results"] - shown["Curves"] == {"Export means (CSV)"}
    assert shown["Settings"] - shown["Curves"] == {"Export settings (CSV)"}


def test_an_earlier_link_that_groups_nothing_still_groups_nothing(app, seeds):
    opened(app, *seeds, seeds="false")
    uids = {trace["uid"] for trace in charts(app)["compare-accuracy"]["figure"]["data"]}
    assert {f"{run_id} val" for run_id in seeds} <= uids


def test_accuracy_is_drawn_against_a_setting_with_means_and_single_runs(app, seeds):
    opened(app, *seeds, view="Settings")
    drawn = {trace["uid"]: trace for trace in charts(app)["compare-setting"]["figure"]["data"]}
    assert drawn["all mean"]["x"] == [0.1, 0.2]
    assert drawn["all mean"]["y"] == pytest.approx([80.1, 90.1])
    assert len(drawn["all runs"]["x"]) == 6


def test_only_the_open_tab_is_computed(app, seeds):
    assert set(charts(opened(app, *seeds))) == {"compare-accuracy", "compare-loss"}
    assert set(charts(opened(app, view="Is the gap real?"))) == {"compare-gap"}


def test_a_closed_popover_holds_no_form(app, seeds):
    opened(app, seeds[0])
    assert [field.label for field in app.text_area] == ["Note"]
    app.session_state["note_box"] = False
    assert not opened(app).text_area


def test_the_sparklines_have_no_fixed_scale(app, store):
    made_run(store)
    config = json.loads(opened(app).dataframe[0].proto.columns)
    assert "y_min" not in config["curve"]["type_config"] and "y_max" not in config["curve"]["type_config"]


def test_long_names_are_cut_where_they_are_alike(app, store):
    name = "a very long name of a sweep over learning rates with the preset fast, rate {} and nothing else that differs"
    for rate in (0.1, 0.2):
        made_run(store, name=name.format(rate))
    names = opened(app).dataframe[0].value["run"].tolist()
    assert all("…" in name and len(name) < 100 for name in names)
    assert "0.1" in names[1] and "0.2" in names[0]


def test_the_gap_of_two_groups_is_judged_by_seeds_and_images(app, seeds):
    opened(app, *seeds, view="Is the gap real?")
    text = texts(app)
    assert "**“high · 3 seeds” is more accurate.**" in text
    assert "10.00 points ahead" in text and "counting seeds and test images" in text
    assert "90.10 ± 0.10 % (3 seeds); on 2,000 test images" in text
    assert len(charts(app)["compare-gap"]["figure"]["data"]) == 4


def test_the_gap_of_single_runs_says_what_it_does_not_count(app, seeds):
    opened(app, seeds[0], seeds[3], view="Is the gap real?")
    assert "cannot rule out seed-to-seed variation" in texts(app)


def test_missing_seeds_are_queued_in_one_click(app, store):
    ids = [trained(store, 0.8, "slow", **{"train.lr": 0.1}), trained(store, 0.82, "fast", **{"train.lr": 0.2})]
    app.session_state[f"plan {key_for('compare', *ids)}"] = True
    opened(app, *ids, view="Is the gap real?")
    assert "4 more runs" in texts(app)
    pressed(app, "queue_plan")
    queued = [store.summary(run_id) for run_id in store.queue.ids()]
    assert {(run.config.train.lr, run.config.train.seed) for run in queued} == {
        (rate, seed) for rate in (0.1, 0.2) for seed in (1, 2)
    }
    assert {run.name for run in queued} == {f"{name}, seed {seed}" for name in ("slow", "fast") for seed in (1, 2)}


def test_missing_predictions_are_computed_in_one_click(app, store, seeds, monkeypatch):
    computed = []
    monkeypatch.setattr(RunStore, "without_predictions", lambda store, run_ids: [seeds[0]] if not computed else [])
    monkeypatch.setattr(predict, "predict_all", lambda store, run_ids: computed.append(run_ids) or Outcome([], ["No."]))
    pressed(opened(app, *seeds, view="Is the gap real?"), "predict")
    assert computed == [[seeds[0]]]
    assert "predict" not in [(button.key or "").split()[0] for button in app.button if button.key]
    assert [error.value for error in app.error] == ["No."]


def test_a_clear_difference_needs_no_plan(app, seeds):
    opened(app, *seeds, view="Is the gap real?")
    assert "Plan more seeds" not in [box.label for box in app.expander]


def test_runs_that_kept_their_predictions_are_compared_image_by_image(app, store):
    ids = []
    for name, rate, right in (("slow", 0.1, 1_800), ("fast", 0.2, 1_830)):
        ids.append(trained(store, right / 2_000, name, **{"train.lr": rate}))
        config = store.run(ids[-1]).config()
        labels = np.zeros(2_000, np.int64)
        predicted = (np.arange(2_000) >= right).astype(np.int64)
        answers = Answers("test", 4, np.arange(50_000, 52_000), labels, np.zeros((2_000, 10), np.float32), predicted)
        kept = Predictions(config.data.classes, 4, 4, False, (answers,))
        store.run(ids[-1]).write_predictions(predictions_bytes(kept, config))
    opened(app, *ids, view="Is the gap real?")
    assert "1.50 points ahead" in texts(app) and "image by image" in texts(app)
    assert "probably more accurate" in texts(app)


def test_of_several_the_two_of_the_link_are_compared(app, store):
    ids = [trained(store, 0.8 + lr / 10, f"rate {lr}", **{"train.lr": lr}) for lr in (0.1, 0.2, 0.3)]
    opened(app, *ids, a=ids[0], b=ids[1], view="Is the gap real?")
    assert "“rate 0.2” is 1.00 points ahead of “rate 0.1”" in texts(app)
    app.selectbox(key="b").set_value(ids[2]).run()
    assert "“rate 0.3” is 2.00 points ahead of “rate 0.1”" in texts(app)
    app.query_params["view"] = "Parallel coordinates"
    axes = charts(opened(app))["compare-parallel"]["figure"]["data"][0]["dimensions"]
    assert [axis["label"] for axis in axes] == ["Learning rate", "Test accuracy (%)"]


def test_the_link_holds_every_value_of_a_filter(app, store):
    a, *_ = (made_run(store, tags=(tag,)) for tag in "abc")
    opened(app, a, tag=["a", "b"])
    assert "2 of 3 runs" in texts(app)
    view = parse_qs(urlsplit(app.code[0].value).query)
    assert (view["tag"], view["runs"]) == (["a", "b"], [a])


def test_a_link_may_name_each_run_by_itself(app, store):
    a, b = made_run(store), made_run(store)
    opened(app, runs=[a, b])
    assert app.session_state[PICKED] == [a, b]


def test_hostile_links_are_errors(app, store):
    run_id = made_run(store)
    opened(app, "../../etc/passwd", run_id, x="<script>", sort="x", smoothing="\x00", a="../x", columns="no.setting")
    said = texts(app)
    for part in ("../../etc/passwd", "x=“<script>”", "sort=“x”", "smoothing=“?”"):
        assert part in said
    assert "1 run selected" in said


def test_more_runs_than_can_be_drawn(app, store):
    ids = [made_run(store, epochs=1, config=BASE.replace({"train.lr": 0.1 + at / 100})) for at in range(26)]
    opened(app, *ids)
    assert "first 24 of 26" in texts(app)
    opened(app, view="Parallel coordinates")
    assert len(charts(app)["compare-parallel"]["figure"]["data"][0]["dimensions"][0]["values"]) == 26


# --- actions --------------------------------------------------------------------------------------


def test_trash_and_undo_right_there(app, store):
    ids = [made_run(store) for _ in range(3)]
    pressed(opened(app, *ids[:2]), "trash")
    assert store.ids() == [ids[2]]
    assert "2 runs moved to the trash" in texts(app)
    pressed(app, "undo")
    assert len(store.ids()) == 3
    assert "2 runs selected" in texts(app)


def test_trashing_every_run_can_be_undone(app, store):
    run_id = made_run(store)
    pressed(opened(app, run_id), "trash")
    assert "No runs yet" in texts(app)
    pressed(app, "undo")
    assert store.ids() == [run_id]


def test_the_whole_page_is_drawn_anew_when_its_fragment_finds_no_run(app, store, monkeypatch):
    """A button in a fragment draws that alone, which AppTest does not do: here it is drawn a second time by hand."""
    run_id = made_run(store)

    def drawn_twice(body):
        def drawn(fresh):
            body(fresh)
            store.trash.put(run_id)
            body(fresh)

        return drawn

    monkeypatch.setattr(st, "fragment", drawn_twice)
    opened(app)
    assert "No runs yet" in texts(app)
    assert "Trash (1 run)" in [expander.label for expander in app.expander]


def test_a_running_run_is_not_trashed_for_a_reason(app, store):
    idle, busy = made_run(store), made_run(store, state="running")
    with store.run(busy).hold():
        pressed(opened(app, idle, busy), "trash")
        assert store.ids() == [busy]
        assert busy in app.error[0].value and "running" in app.error[0].value


def test_a_run_is_restored_from_the_trash(app, store):
    made_run(store)
    gone = made_run(store, name="gone")
    store.trash.put(gone)
    opened(app)
    assert "Trash (1 run)" in [expander.label for expander in app.expander]
    app.session_state["trash_box"] = True
    app.run()
    app.multiselect(key="restore").set_value([gone])
    pressed(app, "save_restore")
    assert gone in store.ids()


def test_emptying_the_trash_says_what_it_frees_and_asks_first(app, store):
    kept, gone = made_run(store), made_run(store)
    store.run(gone).write_file("last.pt", b"x" * 2_000_000)
    store.trash.put(gone)
    app.session_state["trash_box"] = True
    opened(app)
    assert "permanently" in texts(app) and "2.0 MB" in texts(app)
    assert store.trash.ids() == [gone], "nothing is deleted before the person confirms it"
    pressed(app, "empty_trash")
    assert store.trash.ids() == [] and store.ids() == [kept]
    assert "2.0 MB" in app.toast[0].value


def test_a_reference_run_is_not_trashed_for_a_reason(app, store):
    own, reference = made_run(store), made_run(store)
    change_file(store, reference, "meta.json", reference=True)
    pressed(opened(app, own, reference), "trash")
    assert store.ids() == [reference] and store.trash.ids() == [own]
    assert reference in app.error[0].value and "reference" in app.error[0].value


def test_imported_runs_are_selected(app, store, tmp_path):
    elsewhere = RunStore(tmp_path / "elsewhere")
    here, there = made_run(store, name="here"), made_run(elsewhere, name="there")
    app.session_state["import_box"] = True
    opened(app)
    app.file_uploader(key="import_files").upload("runs.zip", exports.runs_zip(elsewhere, [there]), "application/zip")
    app.file_uploader(key="import_files").upload("bad.zip", b"no zip", "application/zip")
    pressed(app, "import_runs")
    assert store.ids() in ([here, there], [there, here])
    assert "**1 run selected**" in texts(app) and app.query_params["runs"] in (there, [there])
    assert "bad.zip" in texts(app)


def test_pin_and_unpin_many(app, store):
    ids = [made_run(store) for _ in range(2)]
    pressed(opened(app, *ids), "pin")
    assert all(store.run(run_id).meta().pinned for run_id in ids)
    pressed(app, "pin")
    assert not any(store.run(run_id).meta().pinned for run_id in ids)


def test_tags_and_notes_of_many_and_the_name_of_one(app, store):
    ids = [made_run(store, tags=("old",)) for _ in range(2)]
    opened(app, *ids)
    app.multiselect(key="tags_remove").set_value(["old"])
    pressed(app, "save_tags")
    app.text_area[0].set_value("seen")
    pressed(app, "save_note")
    assert {(store.run(run_id).meta().tags, store.run(run_id).meta().note) for run_id in ids} == {((), "seen")}
    opened(app, ids[0])
    app.text_input(key=f"rename {ids[0]}").set_value("  new name ")
    pressed(app, "save_name")
    assert store.run(ids[0]).meta().name == "new name"
    assert "new name" in table(app)["run"].tolist()


@pytest.fixture
def conflict(app, store, request):
    """A run whose note this window changes after another window changed it; the page, and the run."""
    run_id = made_run(store, note="first")
    opened(app, run_id)
    other = window()
    opened(other, run_id)
    other.text_area[0].set_value("theirs")
    pressed(other, "save_note")
    app.text_area[0].set_value("mine")
    pressed(app, "save_note")
    assert store.run(run_id).meta().note == "theirs"
    assert app.text_area[0].value == "mine"
    assert {"theirs", "mine"} <= {code.value for code in app.code}
    return app, store.run(run_id)


def test_a_note_that_another_window_changed_is_kept_on_request(conflict):
    app, run = conflict
    pressed(app, "discard_mine")
    assert (run.meta().note, app.text_area[0].value) == ("theirs", "theirs")
    app.text_area[0].set_value("mine after all")
    pressed(app, "save_note")
    assert run.meta().note == "mine after all"
    assert not [button for button in app.button if (button.key or "").startswith("save_anyway")]


def test_a_note_that_another_window_changed_is_replaced_on_request(conflict):
    app, run = conflict
    run.annotate(note="theirs again")
    pressed(app, "save_anyway")
    assert run.meta().note == "theirs again", "this text was not shown yet"
    pressed(app, "save_anyway")
    assert run.meta().note == "mine"
    app.text_area[0].set_value("and more")
    pressed(app, "save_note")
    assert run.meta().note == "and more"


def test_a_name_that_another_window_changed_is_not_overwritten(app, store):
    run_id = made_run(store, name="first")
    opened(app, run_id)
    store.run(run_id).annotate(name="theirs")
    app.text_input(key=f"rename {run_id}").set_value("mine")
    pressed(app, "save_name")
    assert store.run(run_id).meta().name == "theirs"
    pressed(app, "save_anyway")
    assert store.run(run_id).meta().name == "mine"


def test_a_note_of_many_is_saved_where_it_did_not_change(app, store):
    first, second = (made_run(store, note="same") for _ in range(2))
    opened(app, first, second)
    store.run(first).annotate(note="theirs")
    app.text_area[0].set_value("mine")
    pressed(app, "save_note")
    assert [store.run(run_id).meta().note for run_id in (first, second)] == ["theirs", "mine"]
    pressed(app, "save_anyway")
    assert [store.run(run_id).meta().note for run_id in (first, second)] == ["mine", "mine"]


def test_other_seeds_are_added_in_one_click(app, seeds):
    pressed(opened(app, seeds[0]), "add_seeds")
    assert "3 runs selected" in texts(app)
    assert set(app.query_params["runs"].split(",")) == set(seeds[:3])


def test_the_selection_is_kept_when_new_runs_begin(app, store):
    picked = made_run(store, name="picked")
    opened(app, picked)
    before = app.dataframe[0].proto.id  # rows are other runs now
    made_run(store, name="newer")
    app.run()
    assert table(app)["run"].tolist() == ["newer", "picked"]
    assert app.dataframe[0].proto.id != before
    assert "1 run selected" in texts(app)


def test_the_page_writes_nothing_into_the_runs(app, store, seeds):
    def files():  # .cache holds what can be made again
        found = [path for path in store.root.rglob("*") if path.is_file() and store.cache_folder not in path.parents]
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    opened(app, *seeds)
    assert len(before) > len(seeds) and files() == before


def test_no_two_columns_share_a_heading():
    # A link names them by their headings.
    headings = [heading for heading, _ in COLUMNS.values()] + [setting.label for setting in SETTINGS.values()]
    assert len(set(headings)) == len(headings)


def test_hostile_names_do_no_harm(app, store):
    ids = [made_run(store, name=name, config=BASE.replace({"train.lr": lr})) for name, lr in NAMES]
    opened(app, *ids)
    assert table(app)["run"].tolist()[:2] == ["label", "<b>$x$ *star* [link](x) :red[y]"]
    legend = [trace.get("name", "") for trace in charts(app)["compare-accuracy"]["figure"]["data"]]
    assert any("&lt;b&gt;" in name for name in legend)


def test_a_run_deleted_while_the_page_is_made_is_an_error(app, store, monkeypatch):
    ids = [made_run(store), made_run(store)]
    whole = RunStore.metrics

    def gone(self, run_id):
        if run_id == ids[0] and self.root == store.root:
            raise StoreError(f"There is no run {run_id}.")
        return whole(self, run_id)

    monkeypatch.setattr(RunStore, "metrics", gone)
    opened(app, *ids)
    assert f"There is no run {ids[0]}." in texts(app)


def test_storage_shows_sizes_and_saves_the_settings(app, store):
    made_run(store)
    app.session_state["storage_box"] = True
    opened(app)
    assert "free on the disk" in texts(app)
    app.selectbox(key="storage_trash None").set_value(30)
    pressed(app, "save_storage")
    assert Storage(store).settings() == StorageSettings(30, None)
    Storage(store).change(delete_states_after=12)
    app.run()
    assert app.selectbox(key="storage_states 12").value == 12 and app.selectbox(key="storage_trash 30").value == 30


def test_damaged_storage_settings_are_named_and_can_be_saved_again(app, store):
    made_run(store)
    (store.root / ".settings.json").write_text("{")
    app.session_state["storage_box"] = True
    opened(app)
    assert ".settings.json" in texts(app)
    pressed(app, "save_storage")
    assert Storage(store).settings() == StorageSettings()


def test_all_files_are_checked_and_repaired(app, store):
    run_id = made_run(store)
    app.session_state["storage_box"] = True
    pressed(opened(app), "check_files")
    assert "1 run, 4 files checked, all as recorded" in texts(app)
    path = store.root / run_id / "status.json"
    path.write_bytes(path.read_bytes().replace(b"finished", b"finishes", 1))
    pressed(app, "check_files")
    assert "status.json" in texts(app) and run_id in texts(app) and app.error
    pressed(app, "repair_files")
    assert "Repaired" in texts(app) and "1 repaired" in texts(app)
    assert store.run(run_id).status().state == "finished"


@pytest.mark.parametrize(("count", "offered"), [(1, True), (2, True), (3, False)])
def test_the_answers_of_one_or_two_runs_can_be_inspected(app, seeds, count, offered):
    opened(app, *seeds[:count])
    assert ("Inspect answers" in [button.label for button in app.button]) is offered


def test_a_run_without_an_epoch_cannot_be_inspected(app, store):
    opened(app, made_run(store, epochs=0, state="stopped"))
    assert "Inspect answers" not in [button.label for button in app.button]
