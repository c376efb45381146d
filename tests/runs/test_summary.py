"""The accuracy that stands for a run: the same number under the same name everywhere."""

import pytest
from streamlit.testing.v1 import AppTest

from core.base.paths import PROJECT
from core.base.text import percent
from core.cli.main import main
from core.config.run_config import RunConfig
from core.images.tray import labels as tray_labels
from core.runs.store import RunStore
from core.runs.summary import common_accuracy, labels
from core.study.outcomes import cell_table
from core.study.progress import statuses
from core.study.study import Axis, Study
from core.views import home, leaderboard
from core.views import run as run_views
from core.views.compare import runs_table
from tests.made import made_record, made_run

BASE = RunConfig().replace(
    {"data.train_size": 4_500, "data.validation_size": 500, "train.epochs": 4, "train.batch_size": 32}
)
TESTED = 0.5432


def headline(store: RunStore, run_id: str):
    return store.summary(run_id).headline


def test_a_test_accuracy_comes_first_once_it_exists(store):
    run_id = made_run(store, config=BASE)
    validated = made_record(4).val_accuracy
    first = headline(store, run_id)
    assert (first.kind, first.share, first.images, first.epoch) == ("validation", validated, 500, 4)
    store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": TESTED}})
    first, second = store.summary(run_id).accuracies
    assert (first.kind, first.share, first.images, first.chose_epoch) == ("test", TESTED, 10_000, False)
    assert (second.kind, second.share, second.chose_epoch) == ("validation", validated, True)
    assert first.text() == "54.32 % test accuracy (95 % interval 53.3–55.3 %)"


def test_an_accuracy_on_test_images_is_called_so_even_if_they_chose_the_epoch(store):
    first = headline(store, made_run(store, config=BASE.replace({"data.validation": "test"})))
    assert (first.kind, first.images, first.chose_epoch) == ("test", 10_000, True)
    assert headline(store, made_run(store, 0, "queued")) is None


def test_the_interval_counts_the_images(store):
    low, high = headline(store, made_run(store, config=BASE)).interval
    assert high - low == pytest.approx(2 * 1.96 * (0.6057 * 0.3943 / 500) ** 0.5, rel=0.02)


def test_runs_are_compared_by_an_accuracy_that_all_have(store):
    tested, untested = made_run(store, config=BASE), made_run(store, config=BASE)
    store.run(tested).write_result({"best": {"epoch": 4, "accuracy": TESTED}})
    assert common_accuracy([store.summary(tested)]) == ("Test accuracy", {tested: TESTED})
    name, values = common_accuracy(store.summaries())
    assert name == "Validation accuracy" and values[tested] == values[untested] == made_record(4).val_accuracy


def test_one_run_has_one_number_and_one_name_on_every_page(store, capsys, monkeypatch):
    study = Study("widths", BASE, (Axis("model.width", (16,)),))
    run_id = made_run(store, config=study.cells()[0].config, name="mine")
    store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": TESTED, "loss": 1.0, "images": 10_000}})
    run, number = store.summary(run_id), percent(TESTED)
    assert home.accuracy_text(run).startswith(f"{number} test accuracy")
    (own,) = [best.honest for best in home.report_comparisons([run]) if best.honest]
    assert own.accuracy == TESTED
    figure = run_views.key_figures(run_views.read_view(store, run_id, "mine"))[0]
    assert (figure.label.split(",")[0], figure.value) == ("Test accuracy", number)
    assert runs_table([run], labels([run]), ["test"])["test"].tolist() == [100 * TESTED]
    (ours,) = [row for row in leaderboard.standings([run], labels([run])) if row.run == run_id]
    assert ours.accuracy == 100 * TESTED
    assert cell_table(study, statuses("", study, [run]))["accuracy"].tolist() == [TESTED]
    assert f"{number} test accuracy" in tray_labels({run_id: run})[run_id]
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    assert main(["show", run_id]) == 0
    assert f"Test accuracy: {number} (95 % interval 53.3–55.3 %" in capsys.readouterr().out


def test_no_page_calls_a_number_just_best_accuracy(store, monkeypatch):
    made_run(store, config=BASE)
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    for path in (*PROJECT.glob("pages/**/*.py"), *PROJECT.glob("core/**/*.py")):
        assert '"Best accuracy' not in path.read_text(), path
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=20).switch_page("pages/run.py").run()
    assert [metric.label.split(",")[0] for metric in app.metric][:2] == [
        "Validation accuracy",
        "Last validation accuracy",
    ]
