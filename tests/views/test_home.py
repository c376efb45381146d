"""Home's words and numbers: runs apart by task and by what chose their epoch, the report's from its data."""

import json
from dataclasses import replace

import pytest

from core.config.presets import PRESETS
from core.published.points import POINTS, TASKS
from core.views import home as overview
from core.views.home import Overview, best_by_task, report_comparisons
from tests.made import made_record, made_run

REPORT = PRESETS["report"].config
HELD_OUT = PRESETS["he2016"].config
PAIR = REPORT.replace({"data.classes": ("deer", "dog"), "data.train_size": 10_000})


def run_of(store, config, accuracy, test=None, state="finished", **about):
    """A run whose best validation accuracy is ``accuracy``, in epoch 2, and whose test accuracy is ``test``."""
    run_id = made_run(store, epochs=1, config=config, state=state, **about)
    store.run(run_id).append_record(made_record(2, len(config.data.classes), val_accuracy=accuracy))
    if test is not None:
        store.run(run_id).write_result({"best": {"epoch": 2, "accuracy": test, "loss": 0.4, "images": 10_000}})
    return run_id


def test_every_run_is_in_one_part_and_the_queue_in_its_order(store):
    by_state = {state: made_run(store, state=state) for state in ("finished", "failed", "stopped", "interrupted")}
    first, second = (made_run(store, epochs=0, state="queued") for _ in range(2))
    store.run(first).write_status(replace(store.run(first).status(), queued_at=9.0))
    store.run(second).write_status(replace(store.run(second).status(), queued_at=None))
    at_work = made_run(store, state="running")
    with store.run(at_work).hold():
        found = Overview.of(store.frame())
    assert found.training["id"].tolist() == [at_work]
    assert found.waiting["id"].tolist() == store.queue.ids() == [second, first]
    assert sorted(found.rest["id"]) == sorted(by_state.values())
    assert found.busy
    assert not Overview.of(store.frame()[lambda table: table["state"] == "failed"]).busy


def test_no_run_is_no_trouble(store):
    frame = store.frame()
    found = Overview.of(frame)
    assert (len(found.training), len(found.waiting), len(found.rest), found.busy) == (0, 0, 0, False)
    assert overview.is_newcomer(frame) and not overview.has_weights(frame)
    assert best_by_task(frame, 6) == []
    assert all(one.as_report is None and one.honest is None for one in report_comparisons(frame))


def test_what_went_wrong_is_told_and_else_the_accuracy(store):
    made_run(store, state="failed")
    damaged = made_run(store, name="torn")
    (store.root / damaged / "config.json").write_text("{")
    made_run(store, epochs=0, state="stopped")
    stopped, torn, failed = (overview.result_text(row) for row in store.frame().to_dict("records"))
    assert stopped == "no epoch finished"
    assert "config.json" in torn
    assert failed.startswith("The loss became infinite")


def test_the_best_are_apart_by_classes(store):
    pair = [run_of(store, PAIR, accuracy) for accuracy in (0.95, 0.97)]
    ten = [run_of(store, REPORT, accuracy) for accuracy in (0.90, 0.88, 0.91)]
    (first, of_ten), (second, of_pair) = best_by_task(store.frame(), 3)
    assert (first, second) == ("all ten", "deer, dog")
    assert of_ten["id"].tolist() == [ten[2], ten[0]]
    assert of_pair["id"].tolist() == [pair[1]]


def test_more_tasks_than_room_leave_the_rarest_out(store):
    for classes in (("cat", "dog"), ("cat", "ship"), ("cat", "frog")):
        run_of(store, PAIR.replace({"data.classes": classes}), 0.9)
    assert [len(rows) for _, rows in best_by_task(store.frame(), 2)] == [1, 1]


def test_the_report_is_compared_with_the_same_classes_only(store):
    run_of(store, REPORT, 0.9200, name="ten")
    run_of(store, REPORT, 0.9000)
    run_of(store, PAIR.replace({"data.classes": ("cat", "dog")}), 0.999)
    ten, pair = report_comparisons(store.frame())
    assert (ten.point, pair.point) == tuple(
        next(one for one in POINTS if (one.task, one.varied, one.value) == wanted)
        for wanted in (("all-ten", "train_size", 50_000), ("deer-dog", "train_size", 10_000))
    )
    assert (ten.as_report.name, ten.as_report.accuracy, ten.as_report.of) == ("ten", 0.92, 2)
    assert ten.as_report.ahead == pytest.approx(0.92 - 0.9137)
    assert ten.as_report.text() == "epoch 2 · 10,000 test images · best of 2 runs"
    assert overview.points_text(ten.as_report.ahead) == "0.63 points above"
    assert ten.honest is None
    assert pair.as_report is pair.honest is None
    assert pair.empty_text().startswith("No run of these classes yet.")


def test_what_chose_the_epoch_is_kept_apart(store):
    run_of(store, HELD_OUT, 0.95, test=0.90, name="honest")
    run_of(store, HELD_OUT, 0.99, name="not tested yet", state="stopped")
    run_of(store, REPORT, 0.91, name="as the report")
    ten, _ = report_comparisons(store.frame())
    assert (ten.honest.name, ten.honest.accuracy, ten.honest.of) == ("honest", 0.90, 1)
    assert ten.as_report.name == "as the report"
    assert overview.points_text(ten.honest.ahead) == "1.37 points below"


def test_runs_without_a_test_accuracy_are_counted_and_explained(store):
    run_of(store, HELD_OUT, 0.95, state="stopped")
    ten, _ = report_comparisons(store.frame())
    assert ten.waiting == 1
    assert ten.empty_text().startswith("1 run of these classes has no accuracy on test images yet")


def test_a_run_at_work_counts_so_far(store):
    run_id = run_of(store, REPORT, 0.92, state="running")
    with store.run(run_id).hold():
        ten, _ = report_comparisons(store.frame())
    assert ten.as_report.text().endswith("so far")


def test_the_recipe_offered_is_the_reports_own(store):
    for one in report_comparisons(store.frame()):
        assert one.recipe.problems() == {}
        assert one.recipe.data.classes == TASKS[one.point.task]
        assert one.recipe.data.train_size == one.point.value
        assert not set(one.recipe.differences(REPORT)) - {"data.classes", "data.train_size"}


def test_level_is_said_where_nothing_can_be_seen():
    assert overview.points_text(0.000001) == overview.points_text(-0.000001) == "level"


def test_who_has_only_the_programs_own_runs_is_a_newcomer(store):
    run_id = made_run(store)
    path = store.run(run_id).path / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "reference": True}))
    assert overview.is_newcomer(store.frame()) and overview.own_runs(store.frame()).empty
    mine = made_run(store)
    assert not overview.is_newcomer(store.frame())
    assert overview.own_runs(store.frame())["id"].tolist() == [mine]
