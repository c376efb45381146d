"""Home: runs by what they do, the best of each task, and our best next to the report's results."""

from dataclasses import replace

import pytest

from core.config.presets import PRESETS
from core.published.arithmetic import note
from core.published.points import TASKS, main_result, points_of
from core.views import home
from core.views.home import Overview, best_by_task, report_comparisons
from tests.made import change_file, made_record, made_run

REPORT = PRESETS["report"].config
SIZE = "data.train_size"
HELD_OUT = PRESETS["he2016"].config
PAIR = REPORT.replace({"data.classes": ("deer", "dog"), "data.train_size": 10_000})


def ids(runs):
    return [run.id for run in runs]


def run_of(store, config, accuracy, test=None, state="finished", **about):
    """A run whose best validation accuracy is ``accuracy``, in epoch 2, and whose test accuracy is ``test``."""
    run_id = made_run(store, epochs=1, config=config, state=state, **about)
    store.run(run_id).append_record(made_record(2, len(config.data.classes), val_accuracy=accuracy))
    if test is not None:
        store.run(run_id).write_result({"best": {"epoch": 2, "accuracy": test, "loss": 0.4, "images": 10_000}})
    return run_id


def test_runs_are_training_waiting_in_the_queues_order_or_the_rest(store):
    by_state = {state: made_run(store, state=state) for state in ("finished", "failed", "stopped", "interrupted")}
    first, second = (made_run(store, epochs=0, state="queued") for _ in range(2))
    store.run(first).write_status(replace(store.run(first).status(), queued_at=9.0))
    store.run(second).write_status(replace(store.run(second).status(), queued_at=None))
    running = made_run(store, state="running")
    with store.run(running).hold():
        overview = Overview.of(store.runs())
    assert ids(overview.training) == [running]
    assert ids(overview.waiting) == store.queue.ids() == [second, first]
    assert sorted(ids(overview.rest)) == sorted(by_state.values())
    assert overview.busy
    assert not Overview.of(run for run in store.runs() if run.state == "failed").busy


def test_without_runs_nothing_is_listed(store):
    overview = Overview.of([])
    assert (overview.training, overview.waiting, overview.rest, overview.busy) == ([], [], [], False)
    assert home.is_newcomer([]) and not home.has_weights([])
    assert best_by_task([], 6) == []
    assert all(task.as_report is None and task.honest is None for task in report_comparisons([]))


def test_a_result_is_an_accuracy_or_what_went_wrong(store):
    made_run(store, state="failed")
    damaged = made_run(store, name="torn")
    (store.root / damaged / "config.json").write_text("{")
    made_run(store, epochs=0, state="stopped")
    stopped, torn, failed = (home.result_text(run) for run in store.runs())
    assert stopped == "no epoch finished"
    assert "config.json" in torn
    assert failed.startswith("The loss became infinite")


def test_the_best_runs_are_listed_for_each_task(store):
    pair = [run_of(store, PAIR, accuracy) for accuracy in (0.95, 0.97)]
    ten = [run_of(store, REPORT, accuracy) for accuracy in (0.90, 0.88, 0.91)]
    (first, of_ten), (second, of_pair) = best_by_task(store.runs(), 3)
    assert (first, second) == ("all ten", "deer, dog")
    assert ids(of_ten) == [ten[2], ten[0]]
    assert ids(of_pair) == [pair[1]]


def test_a_tested_run_is_listed_before_a_higher_validation_accuracy(store):
    tested = run_of(store, HELD_OUT, 0.92, test=0.90)
    validated = run_of(store, HELD_OUT, 0.95, state="stopped")
    ((_, runs),) = best_by_task(store.runs(), 6)
    assert ids(runs) == [tested, validated]
    assert home.accuracy_text(runs[0]).startswith("90.00 % test accuracy (95 % interval 89.4–90.6 %")
    assert home.accuracy_text(runs[1]).startswith("95.00 % validation accuracy (95 % interval")


def test_an_accuracy_on_few_test_images_does_not_stand_for_the_best_run(store):
    few = run_of(store, HELD_OUT.replace({"data.test_size": 200}), 0.92, test=0.99)
    assert report_comparisons(store.runs())[0].honest.run.id == few, "better than nothing"
    tested = run_of(store, HELD_OUT, 0.92, test=0.90)
    validated = run_of(store, HELD_OUT, 0.995, state="stopped")
    ((_, runs),) = best_by_task(store.runs(), 6)
    assert ids(runs) == [tested, few, validated]
    best = report_comparisons(store.runs())[0].honest
    assert (best.run.id, best.accuracy, best.of) == (tested, 0.90, 1)


def test_with_more_tasks_than_room_the_rarest_are_left_out(store):
    for classes in (("cat", "dog"), ("cat", "ship"), ("cat", "frog")):
        run_of(store, PAIR.replace({"data.classes": classes}), 0.9)
    assert [len(rows) for _, rows in best_by_task(store.runs(), 2)] == [1, 1]


def test_the_report_is_compared_with_the_same_classes_only(store):
    run_of(store, REPORT, 0.9200, name="ten")
    run_of(store, REPORT, 0.9000)
    run_of(store, PAIR.replace({"data.classes": ("cat", "dog")}), 0.999)
    ten, pair = report_comparisons(store.runs())
    assert ten.point == main_result(REPORT) and ten.note == ""
    assert (ten.as_report.run.name, ten.as_report.accuracy, ten.as_report.of) == ("ten", 0.92, 2)
    assert ten.as_report.ahead == pytest.approx(0.92 - 0.9137)
    assert ten.as_report.text() == "95 % interval 91.5–92.5 % · epoch 2 · 10,000 test images · best of 2 runs"
    assert home.points_text(ten.as_report.ahead) == "0.63 points above"
    assert ten.honest is None
    assert pair.as_report is pair.honest is None
    assert pair.empty_text().startswith("No run on these classes yet.")


def test_the_pair_shows_our_own_result_and_is_compared_with_nothing(store):
    run_of(store, PAIR, 0.95)
    _, pair = report_comparisons(store.runs())
    assert (pair.point, pair.as_report.accuracy, pair.as_report.ahead) == (None, 0.95, None)
    assert pair.note == note(3)
    assert pair.recipe.data.train_size == 10_000


def test_runs_are_compared_separately_by_what_chose_the_epoch(store):
    run_of(store, HELD_OUT, 0.95, test=0.90, name="honest")
    run_of(store, HELD_OUT, 0.99, name="not tested yet", state="stopped")
    run_of(store, REPORT, 0.91, name="as the report")
    ten, _ = report_comparisons(store.runs())
    assert (ten.honest.run.name, ten.honest.accuracy, ten.honest.of) == ("honest", 0.90, 1)
    assert ten.as_report.run.name == "as the report"
    assert home.points_text(ten.honest.ahead) == "1.37 points below"


def test_runs_without_a_test_accuracy_are_counted_and_explained(store):
    run_of(store, HELD_OUT, 0.95, state="stopped")
    ten, _ = report_comparisons(store.runs())
    assert ten.waiting == 1
    assert ten.empty_text().startswith("1 run on these classes has no accuracy on test images yet")


def test_a_running_run_counts_so_far(store):
    run_id = run_of(store, REPORT, 0.92, state="running")
    with store.run(run_id).hold():
        ten, _ = report_comparisons(store.runs())
    assert ten.as_report.text().endswith("so far")


def test_the_recipe_is_the_reports_own(store):
    for task in report_comparisons(store.runs()):
        assert task.recipe.problems() == {}
        assert task.recipe.data.classes == TASKS[task.task]
        assert task.recipe.data.train_size == max(point.value for point in points_of(TASKS[task.task], SIZE))
        assert not set(task.recipe.differences(REPORT)) - {"data.classes", "data.train_size"}


def test_a_difference_that_rounds_to_zero_is_level():
    assert home.points_text(0.000001) == home.points_text(-0.000001) == "level"


def test_reference_runs_do_not_count_as_the_persons_own(store):
    run_id = made_run(store)
    change_file(store, run_id, "meta.json", reference=True)
    assert home.is_newcomer(store.runs()) and home.own_runs(store.runs()) == []
    mine = made_run(store)
    assert not home.is_newcomer(store.runs())
    assert ids(home.own_runs(store.runs())) == [mine]
