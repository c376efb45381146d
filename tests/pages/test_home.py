"""Home in each state: it shows what is in the run files, and its buttons change them."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

import core.jobs.worker
from core.config.presets import PRESETS
from core.cost import together
from core.data import cifar10
from core.jobs.ray_process import ClusterReport, write_report
from core.published.arithmetic import note
from core.published.points import TASKS
from core.runs.storage import Storage
from tests.faults.app import errors_on
from tests.made import idle_worker, made_progress, made_record, made_run
from tests.pages.shown import charts, links, texts

REPORT = PRESETS["report"].config


def toast(app) -> str:
    (one,) = app.toast
    return one.value


def waiting(store, *names) -> list[str]:
    """Waiting runs a second apart, the next first."""
    made = [made_run(store, epochs=0, state="queued", name=name) for name in names]
    for at, run_id in enumerate(made):
        store.run(run_id).write_status(replace(store.run(run_id).status(), queued_at=float(at)))
    return made


# --- empty ----------------------------------------------------------------------------------------


def test_empty_offers_a_newcomer_the_next_step(app, store):
    app.run()
    assert not app.button(key="quick").disabled
    assert app.button(key="home-classify").disabled
    assert not app.subheader
    app.button(key="quick").click().run()
    (run_id,) = store.ids()
    assert store.run(run_id).config() == PRESETS["quick"].config
    assert app.query_params["run"] == run_id


def test_without_the_images_nothing_can_start(app, monkeypatch):
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    app.run()
    assert app.button(key="quick").disabled
    assert not app.button(key="home-data").disabled


def test_the_first_steps_are_gone_when_a_run_is_finished(app, store):
    run_id = made_run(store, state="stopped")
    app.run()
    assert "quick" in [button.key for button in app.button]
    assert not app.button(key="home-classify").disabled
    store.run(run_id).write_status(replace(store.run(run_id).status(), state="finished"))
    app.run()
    assert "quick" not in [button.key for button in app.button]


# --- queued ---------------------------------------------------------------------------------------


def order(app) -> list[str]:
    """The waiting runs as the page lists them."""
    return [name for name in links(app) if name in ("one", "two", "three")]


def test_three_waiting_runs_stand_in_the_queues_order(app, store):
    waiting(store, "one", "two", "three")
    app.run()
    assert order(app) == ["one", "two", "three"]
    assert "Position 3" in texts(app)
    assert "Queue (3)" in texts(app)


def test_unnamed_seeds_in_the_queue_have_distinct_names(app, store):
    for seed in (4, 5):
        made_run(store, epochs=0, state="queued", config=REPORT.replace({"train.seed": seed}))
    app.run()
    assert {name.rpartition(" ")[2] for name in links(app) if "seed" in name} == {"4", "5"}


@pytest.mark.parametrize(
    ("button", "name", "now", "position"),
    [
        ("front", "three", ["three", "one", "two"], "next"),
        ("up", "three", ["one", "three", "two"], "position 2"),
        ("down", "one", ["two", "one", "three"], "position 2"),
    ],
)
def test_a_click_moves_a_queued_run(app, store, button, name, now, position):
    ids = dict(zip(("one", "two", "three"), waiting(store, "one", "two", "three"), strict=True))
    app.run()
    app.button(key=f"{button} {ids[name]}").click().run()
    assert order(app) == now
    assert store.queue.ids() == [ids[name] for name in now]
    assert name in toast(app) and position in toast(app)


def test_at_the_ends_of_the_queue_the_buttons_are_off(app, store):
    first, second = waiting(store, "one", "two")
    app.run()
    states = {key: app.button(key=f"{key} {run}").disabled for key in ("front", "up", "down") for run in [first]}
    assert states == {"front": True, "up": True, "down": False}
    assert app.button(key=f"down {second}").disabled


def test_a_cancelled_run_is_stopped_and_comes_back_to_its_place(app, store):
    ids = waiting(store, "one", "two", "three")
    app.run()
    app.button(key=f"cancel {ids[1]}").click().run()
    assert "two" in toast(app) and "removed" in toast(app)
    assert store.run(ids[1]).status().state == "stopped"
    assert store.queue.ids() == [ids[0], ids[2]]
    app.button(key=f"back {ids[1]}").click().run()
    assert "position 2" in toast(app)
    assert store.queue.ids() == ids
    assert f"back {ids[1]}" not in [button.key for button in app.button]


def test_the_only_run_can_be_cancelled_and_put_back(app, store):
    (run_id,) = waiting(store, "one")
    app.run()
    app.button(key=f"cancel {run_id}").click().run()
    assert not app.exception
    app.button(key=f"back {run_id}").click().run()
    assert store.queue.ids() == [run_id]


@pytest.mark.parametrize("button", ["back", "dismiss"])
def test_the_second_click_of_a_double_click_does_nothing(app, store, button):
    (run_id,) = waiting(store, "one")
    app.run()
    app.button(key=f"cancel {run_id}").click().run()
    app.button(key=f"{button} {run_id}").click()
    app.session_state["home_cancelled"].pop(run_id)  # the first click
    app.run()
    assert not app.exception and errors_on(app) == ""
    assert store.run(run_id).status().state == "stopped"


def test_a_run_resumed_elsewhere_is_no_longer_offered_back(app, store):
    run_id, _ = waiting(store, "one", "two")
    app.run()
    app.button(key=f"cancel {run_id}").click().run()
    store.queue.enqueue(run_id)
    app.run()
    assert f"back {run_id}" not in [button.key for button in app.button]


def test_a_run_that_began_meanwhile_is_not_moved_and_the_page_says_why(app, store):
    first, second = waiting(store, "one", "two")
    app.run()
    with store.run(second).hold():
        store.run(second).write_status(replace(store.run(second).status(), state="running"))
        app.button(key=f"up {second}").click().run()
        assert "only a waiting run can be moved" in texts(app)
    assert store.queue.ids() == [first]


def test_a_long_queue_is_leafed_through(app, store):
    ids = waiting(store, *(f"run {at}" for at in range(20)))
    app.run()
    assert [name for name in links(app) if name.startswith("run ")] == [f"run {at}" for at in range(8)]
    app.session_state["queue_page"] = 3
    app.run()
    assert [name for name in links(app) if name.startswith("run ")] == [f"run {at}" for at in range(16, 20)]
    for run_id in ids[5:]:
        store.queue.request_stop(run_id)
    app.run()
    assert not app.exception
    assert [name for name in links(app) if name in ("run 0", "run 4")] == ["run 0", "run 4"]


# --- running --------------------------------------------------------------------------------------


def test_a_running_run_shows_how_far_it_is_and_its_curve(app, store):
    run_id = made_run(store, epochs=2, state="running", name="at work")
    store.run(run_id).write_status(replace(store.run(run_id).stored_status(), epochs=4))
    store.run(run_id).write_progress(made_progress(2, 4, 30, 120))
    with store.run(run_id).hold():
        app.run()
        (bar,) = app.get("progress")
        assert "Epoch 2 of 4 · batch 30 of 120" in bar.text
        assert "3 min left" in bar.text
        (chart,) = charts(app).values()
    assert "at work" in chart["alt"]
    assert chart["figure"]["data"][0]["y"] == pytest.approx([100 * made_record(at).val_accuracy for at in (1, 2)])


def test_a_run_that_gets_ready_is_shown_without_a_point(app, store):
    run_id = made_run(store, epochs=0, state="running")
    with store.run(run_id).hold():
        app.run()
        assert "Getting ready" in app.get("progress")[0].text
        assert not app.exception


def test_a_damaged_run_at_work_does_not_hide_the_others(app, store):
    run_id = made_run(store, state="running", name="sound")
    bad = made_run(store, state="running", name="bad")
    with store.run(run_id).hold(), store.run(bad).hold():
        (store.root / bad / "config.json").write_text("{")
        app.run()
        assert "sound" in texts(app)


# --- what came out --------------------------------------------------------------------------------


def test_a_finished_run_shows_the_accuracy_of_its_files(app, store):
    run_id = made_run(store, name="the one")
    app.run()
    assert "the one" in texts(app)
    assert f"{100 * made_record(4).val_accuracy:.2f} % validation accuracy" in texts(app)
    store.run(run_id).append_record(made_record(5, val_accuracy=0.9876))
    app.run()
    assert "98.76 % validation accuracy" in texts(app)
    store.run(run_id).write_result({"best": {"accuracy": 0.8765, "loss": 0.4}})
    app.run()
    assert "87.65 % test accuracy" in texts(app)


def test_the_page_says_when_the_best_epoch_was_chosen_on_the_test_images(app, store):
    made_run(store, config=REPORT)
    app.run()
    assert f"{100 * made_record(4).val_accuracy:.2f} % test accuracy" in texts(app)


def test_a_failed_run_says_why(app, store):
    made_run(store, state="failed", name="unlucky")
    app.run()
    assert "unlucky" in texts(app)
    assert "failed] · The loss became infinite in epoch 3" in texts(app)


def test_a_run_without_its_process_is_interrupted(app, store):
    run_id = made_run(store, state="running", name="cut short")  # nobody holds its lock
    app.run()
    assert "interrupted] · " in texts(app)
    assert store.run(run_id).status().state == "interrupted"
    assert not app.get("progress")


# --- compared with the report ----------------------------------------------------------------------------


def test_the_reports_results_are_compared_with_our_best_on_the_same_classes(app, store):
    made_run(store, epochs=4, config=REPORT, name="like it")
    app.run()
    assert [metric.value for metric in app.metric] == ["91.37 %", f"{100 * made_record(4).val_accuracy:.2f} %"]
    assert "chosen on test images" in app.metric[1].label
    assert "10,000 test images" in texts(app)
    assert "No run on these classes yet" in texts(app)  # of the pair


def test_the_pair_shows_our_own_result_and_no_comparison(app, store):
    made_run(store, epochs=4, config=REPORT.replace({"data.classes": TASKS["deer-dog"], "data.train_size": 10_000}))
    app.run()
    ours = app.metric[-1]
    assert (ours.value, ours.delta) == (f"{100 * made_record(4, 2).val_accuracy:.2f} %", "")
    assert note(3) in texts(app)
    assert "96.85" not in texts(app) and " above" not in texts(app)


def test_the_reports_recipe_is_a_click_away_where_there_is_nothing_to_compare(app, store):
    made_run(store, epochs=4, config=REPORT)
    app.run()
    app.button(key="recipe-deer-dog").click().run()
    assert app.title[0].value == "New run"
    app.button(key="start").click().run()
    assert store.run(store.ids()[0]).config() == REPORT.replace(
        {"data.classes": TASKS["deer-dog"], "data.train_size": 10_000}
    )


# --- many -----------------------------------------------------------------------------------------


def test_a_thousand_runs_are_shown_without_reading_them_one_by_one(app, store, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)
    template = store.root / made_run(store, epochs=3)
    for at in range(999):
        folder = store.root / f"20250101-000000-{''.join('23456789ab'[int(digit)] for digit in f'{at:04}')}"
        folder.mkdir()
        for path in template.glob("*.json*"):
            (folder / path.name).write_bytes(path.read_bytes())
    store.frame()  # the rows are kept from here on
    monkeypatch.undo()
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", idle_worker)
    app.run()
    assert not app.exception
    assert len(links(app)) < 20

    read = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or original(path))
    app.run()
    assert not [path for path in read if path.parent.parent == store.root and path.parent.name.startswith("20")]


# --- several runs at once -------------------------------------------------------------------------


def test_the_number_of_runs_at_once_is_chosen_and_shown_with_the_queue(app, store, monkeypatch):
    monkeypatch.setattr(together, "core_count", lambda: 4)
    monkeypatch.setattr(together, "has_gpu", lambda: False)
    made_run(store)
    waiting(store, "first", "second")
    app.run()
    assert app.number_input(key="at_once None").value is None
    assert "Up to 2 runs train at once." in texts(app) and "Automatic" in texts(app)
    app.number_input(key="at_once None").set_value(1).run()
    assert Storage(store).settings().runs_at_once == 1
    app.run()
    assert app.number_input(key="at_once 1").value == 1
    assert "One run trains at a time." in texts(app)
    app.number_input(key="at_once 1").set_value(None).run()
    assert Storage(store).settings().runs_at_once is None


def test_home_says_why_the_next_run_does_not_start(app, store, monkeypatch):
    worker = idle_worker()
    worker.waiting = "The next run needs about 3 GB of memory, and 1 GB is free."
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", lambda root=None: worker)
    waiting(store, "first")
    app.run()
    assert worker.waiting in texts(app)
    worker.waiting = None
    app.run()
    assert "of memory, and" not in texts(app)


# --- where runs train -----------------------------------------------------------------------------


def test_the_person_chooses_a_cluster_and_learns_what_it_has_and_who_can_use_it(app, store):
    made_run(store)
    app.run()
    assert app.button(key="save_place").disabled
    app.segmented_control(key="where").set_value("Ray cluster").run()
    app.text_input(key="cluster_address").set_value("10.0.0.1:6379").run()
    app.button(key="save_place").click().run()
    assert Storage(store).settings().cluster == "10.0.0.1:6379"
    report = ClusterReport("10.0.0.1:6379", at=time.time(), nodes=3, cpus=24, runs=2, dashboard="http://10.0.0.1:8265")
    write_report(store, report)
    app.run()
    shown = texts(app)
    assert "3 nodes" in shown and "24 CPUs" in shown and "no token" in shown
    write_report(store, replace(report, nodes=0, trouble="There is no Ray cluster."))
    app.run()
    assert ["There is no Ray cluster."] == [error.value for error in app.error]
    waiting(store, "next")
    write_report(store, replace(report, waiting="All nodes of the cluster are taken."))
    app.run()
    assert "All nodes of the cluster are taken." in texts(app) and not app.error
    app.segmented_control(key="where").set_value("This computer").run()
    app.button(key="save_place").click().run()
    assert Storage(store).settings().cluster is None and not app.error


def test_an_address_that_is_none_is_not_saved(app, store):
    made_run(store)
    app.run()
    app.segmented_control(key="where").set_value("Ray cluster").run()
    app.text_input(key="cluster_address").set_value("my laptop").run()
    app.button(key="save_place").click().run()
    assert len(app.error) == 1 and Storage(store).settings().cluster is None
