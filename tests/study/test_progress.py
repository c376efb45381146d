"""How far a study is and what can be done with it, on made-up runs; and one that is really killed in the middle."""

import os
import signal
from dataclasses import replace

import pandas as pd
import pytest
import torch

from core.base.errors import StoreError
from core.cli.main import main
from core.config.run_config import RunConfig
from core.jobs.worker import Worker
from core.runs.folder import Status
from core.runs.storage import Storage
from core.runs.store import RunStore
from core.study import outcomes as outcomes_study
from core.study import progress as progress_study
from core.study.outcomes import outcome_table
from core.study.progress import CellStatus, preview, statuses
from core.study.store import StudyStore
from core.study.study import Axis, Study, axis
from core.training.environment import resolve
from tests.conftest import wait_for
from tests.made import made_run, many_times, tiny_config
from tests.programs import Program

RATES = (0.1, 0.2)


@pytest.fixture
def study() -> Study:
    return Study("rates", tiny_config(), (Axis("train.lr", RATES),), (0, 1))


@pytest.fixture
def study_id(store, study) -> str:
    return StudyStore(store).create(study)


def states(store, study_id) -> list[str]:
    study = StudyStore(store).get(study_id)
    return [cell.state for cell in statuses(study_id, study, store.summaries())]


def cell_run(store, study_id, at: int, state: str = "finished", **more) -> str:
    """A made-up run of the study's cell number ``at``."""
    cell = StudyStore(store).get(study_id).cells()[at]
    return made_run(store, 4, state, cell.config, study=study_id, **more)


def measured_here(store, run_id: str) -> None:
    """Make a made-up run one that was trained on this machine, so that its speed counts."""
    store.run(run_id).write_environment({"device": "cpu", "precision": "fp32", "threads": 1})
    store.run(run_id).write_status(replace(store.run(run_id).status(), host=os.uname().nodename))


@pytest.mark.parametrize("error", [StoreError("no room"), RecursionError("deep"), MemoryError(), OSError(5, "EIO")])
def test_a_cell_that_cannot_be_queued_hides_no_other(store, study_id, monkeypatch, error):
    create = store.create

    def failing(config, **about):
        if (config.train.lr, config.train.seed) == (0.1, 1):
            raise error
        return create(config, **about)

    monkeypatch.setattr(store, "create", failing)
    outcome = progress_study.start(store, study_id)
    assert len(outcome.done) == 3 == len(store.ids())
    assert len(outcome.problems) == 1


def test_new_cells_take_the_precision_that_auto_chose_before(store, study):
    study = replace(study, base=study.base.replace({"train.precision": "auto"}))
    study_id = StudyStore(store).create(study)
    foreign = made_run(store, 4, "finished", study.cells()[0].config)  # belongs to nobody, and serves as a cell
    store.run(foreign).write_environment({"device": "cpu", "precision": "bf16", "threads": 2})
    outcome = progress_study.start(store, study_id)
    assert len(outcome.done) == 3
    assert {store.run(run_id).meta().environment["precision"] for run_id in outcome.done} == {"bf16"}


# --- how cells stand ------------------------------------------------------------------------------


def test_without_runs_all_is_missing(store, study_id):
    assert states(store, study_id) == ["missing"] * 4


def test_a_cell_is_as_far_as_its_best_run(store, study_id):
    cell_run(store, study_id, 0, "failed")
    cell_run(store, study_id, 0, "finished")
    cell_run(store, study_id, 0, "stopped")
    cell_run(store, study_id, 2, "failed")
    assert states(store, study_id) == ["finished", "missing", "failed", "missing"]
    text = progress_study.counts_text(statuses(study_id, StudyStore(store).get(study_id), store.summaries()))
    assert text == "1 finished, 1 failed, 2 to do"


def test_a_finished_run_of_anybody_serves_and_a_stopped_one_of_another_does_not(store, study_id, study):
    cells = study.cells()
    made_run(store, 4, "finished", cells[0].config)
    made_run(store, 2, "stopped", cells[1].config)
    store.create(cells[2].config)
    assert states(store, study_id) == ["finished", "missing", "queued", "missing"]


def test_device_and_precision_make_no_other_cell_but_a_setting_does(store, study_id, study):
    config = study.cells()[0].config
    made_run(store, 4, "finished", config.replace({"train.precision": "auto", "train.threads": 2}))
    assert states(store, study_id)[0] == "finished"
    made_run(store, 4, "finished", study.cells()[1].config.replace({"train.momentum": 0.8}))
    assert states(store, study_id)[1] == "missing"


def test_studies_of_one_name_are_distinct_names_in_a_list(store, study_id, study):
    twin = StudyStore(store).create(study)
    other = StudyStore(store).create(replace(study, name="other"))
    assert progress_study.labels(StudyStore(store).all()[0], store.summaries()) == {
        study_id: f"rates ({study_id[-4:]}) · 4 to do",
        twin: f"rates ({twin[-4:]}) · 4 to do",
        other: "other · 4 to do",
    }


# --- start, pause, stop, retry --------------------------------------------------------------------


def test_start_queues_what_is_missing_in_the_order_of_the_cells(store, study_id, study):
    finished = cell_run(store, study_id, 1)
    outcome = progress_study.start(store, study_id)
    assert len(outcome.done) == 3
    assert outcome.problems == []
    assert store.queue.ids() == outcome.done
    assert [store.run(run_id).config() for run_id in outcome.done] == [study.cells()[at].config for at in (0, 2, 3)]
    assert store.run(outcome.done[0]).meta().study == study_id
    assert store.run(outcome.done[0]).meta().name == "rates: learning rate 0.1, seed 0"
    assert progress_study.start(store, study_id).done == []
    assert finished in store.ids()


def test_pause_takes_the_waiting_out_of_the_queue_and_start_goes_on_with_the_same_runs(store, study_id, study):
    others = store.create(study.cells()[0].config.replace({"train.momentum": 0.5}))
    begun = progress_study.start(store, study_id).done
    assert sorted(progress_study.pause(store, study_id).done) == sorted(begun)
    assert store.queue.ids() == [others]
    assert states(store, study_id) == ["stopped"] * 4
    assert progress_study.start(store, study_id).done == begun


def test_a_run_of_another_that_serves_as_a_cell_is_not_paused(store, study_id, study):
    others = store.create(study.cells()[0].config)
    assert progress_study.own_states(study_id, store.summaries()) == set()
    progress_study.start(store, study_id)
    progress_study.pause(store, study_id)
    assert store.queue.ids() == [others]
    assert progress_study.own_states(study_id, store.summaries()) == {"stopped"}


def test_only_failed_cells_are_retried(store, study_id):
    failed, stopped = cell_run(store, study_id, 0, "failed"), cell_run(store, study_id, 1, "stopped")
    assert progress_study.start(store, study_id).done[0] == stopped
    assert progress_study.retry(store, study_id).done == [failed]
    assert states(store, study_id)[0] == "queued"


def test_values_and_seeds_added_later_leave_the_finished_cells(store, study_id):
    for at in range(4):
        cell_run(store, study_id, at)
    studies = StudyStore(store)
    studies.update(study_id, lambda study: study.extended({"train.lr": [0.05]}, [2]))
    assert states(store, study_id).count("finished") == 4
    assert states(store, study_id).count("missing") == 5


def test_an_unknown_study_is_an_error(store):
    with pytest.raises(StoreError, match="There is no study"):
        progress_study.start(store, "20260101-000000-abcd")


def test_a_cell_that_fails_does_not_stop_the_others_and_is_retried(store):
    """Through the real queue; the first cell's configuration is damaged before it is taken."""
    broken = Study("x", tiny_config("train.epochs=1", "train.warmup_epochs=0"), (Axis("train.lr", (0.05, 0.1)),))
    study_id = StudyStore(store).create(broken)
    first, second = progress_study.start(store, study_id).done
    sound = (store.run(first).path / "config.json").read_text()
    (store.run(first).path / "config.json").write_text(sound.replace('"depth": 8', '"depth": 9'))
    worker = Worker(store)
    worker.start()
    wait_for(lambda: store.run(second).status().state == "finished")
    assert store.run(first).status().state == "failed"
    (store.run(first).path / "config.json").write_text(sound)
    assert progress_study.retry(store, study_id).done == [first]
    wait_for(lambda: states(store, study_id) == ["finished", "finished"])
    worker.stop()


#: The command line, killed with SIGKILL after the sixth epoch that it trains.
KILLED = """
import itertools, os, signal, sys
from core.cli.main import main
from core.jobs.recorder import Recorder
epochs, real = itertools.count(1), Recorder.epoch
def epoch(self, *arguments):
    real(self, *arguments)
    if next(epochs) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
Recorder.epoch = epoch
main(sys.argv[1:])
"""


def test_killed_in_the_middle_and_run_again_a_study_ends_as_if_undisturbed(tmp_path):
    """The command line is killed in its second cell; the same command then finishes the study."""
    study = Study("killed", tiny_config(), (Axis("train.lr", RATES),))
    stores = [RunStore(tmp_path / name) for name in ("killed", "straight")]
    ids = [StudyStore(store).create(study) for store in stores]
    commands = [
        ["study", "run", study_id, "--runs", str(store.root)] for study_id, store in zip(ids, stores, strict=True)
    ]
    assert Program(*commands[0], code=KILLED).wait() == -signal.SIGKILL
    assert states(stores[0], ids[0]) == ["finished", "interrupted"]
    assert [main(command) for command in commands] == [0, 0]
    assert states(stores[0], ids[0]) == ["finished"] * 2
    tables = [
        outcome_table(study, statuses(one, study, store.summaries())) for one, store in zip(ids, stores, strict=True)
    ]
    columns = ["train.lr", "train.seed", "accuracy", "objective", "loss", "best_epoch", "epoch"]
    pd.testing.assert_frame_equal(*(table[columns] for table in tables))
    weights = [
        [torch.load(store.run(run_id).path / "last.pt", weights_only=True)["model"] for run_id in table["run_id"]]
        for store, table in zip(stores, tables, strict=True)
    ]
    for ours, theirs in zip(*weights, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


# --- before it runs, and what came out ------------------------------------------------------------


def test_the_preview_counts_what_is_left(store, study_id, study):
    Storage(store).change(runs_at_once=1)
    assert preview(statuses(study_id, study, store.summaries()), store).seconds is None
    measured_here(store, cell_run(store, study_id, 0))
    found = statuses(study_id, study, store.summaries())
    left = preview(found, store)
    assert (left.cells, left.runs) == (4, 3)
    assert left.low < left.seconds < left.high
    whole = preview([CellStatus(status.cell, "missing", None) for status in found], store)
    assert whole.seconds == pytest.approx(left.seconds * 4 / 3)
    assert whole.bytes == pytest.approx(left.bytes * 4 / 3)
    half = [CellStatus(found[1].cell, "stopped", replace(found[0].run, status=Status(epoch=2))), *found[2:]]
    assert preview(half, store).seconds == pytest.approx(left.seconds * 2.5 / 3)


def test_a_preview_reads_what_was_measured_once_for_all_cells(store, study, study_id, monkeypatch):
    measured_here(store, cell_run(store, study_id, 0))
    found, read = statuses(study_id, study, store.summaries()), []

    def counted(name):
        real = getattr(store, name)
        return lambda *args: read.append(name) or real(*args)

    for name in ("summaries", "run", "frame", "metrics"):
        monkeypatch.setattr(store, name, counted(name))
    assert preview(found, store).seconds is not None
    assert read.count("summaries") == 1 and read.count("run") == 1  # the only measured run


@pytest.mark.parametrize("settings", [("train.optimizer=adam", "data.classes=deer,dog"), ("train.averaging=ema",)])
def test_the_disk_space_of_a_run_is_about_right(store, settings):
    from core.jobs.runner import run

    small = ("data.train_size=140", "train.epochs=2", "train.averaging_start=1")
    base = tiny_config("model.depth=20", "model.width=16", *small, *settings)
    cell = Study("x", base, (Axis("train.lr", (0.001,)),)).cells()[0]
    run_id = store.create(cell.config)
    assert run(store, run_id).state == "finished"
    held = sum(path.stat().st_size for path in store.run(run_id).path.iterdir())
    assert progress_study.disk_bytes(cell) == pytest.approx(held, rel=0.1)


def test_outcomes_are_those_of_the_runs(store, study_id, study):
    run_id = cell_run(store, study_id, 1)
    store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": 0.5, "loss": 1.5}, "last": {}})
    table = outcome_table(study, statuses(study_id, study, store.summaries()))
    assert table.columns.tolist() == ["train.lr", *outcomes_study.OUTCOMES]
    row, records = table.iloc[0], store.run(run_id).records()
    assert (row["train.lr"], row["train.seed"], row["run_id"]) == (0.2, 0, run_id)
    assert row["accuracy"] == 0.5
    assert row["images"] == 200
    assert row["objective"] == min(record.val_objective for record in records)
    assert row["loss"] == min(record.val_loss for record in records)
    assert (row["selected_on"], row["best_epoch"], row["epoch"], row["seconds"]) == ("held-out", 4, 4, 30.0)


def test_where_the_test_set_chose_its_best_accuracy_counts(store):
    study = Study("x", tiny_config("data.validation=test"), (Axis("train.lr", (0.1,)),))
    study_id = StudyStore(store).create(study)
    run_id = cell_run(store, study_id, 0)
    table = outcome_table(study, statuses(study_id, study, store.summaries()))
    assert table["accuracy"].tolist() == [store.run(run_id).status().best_val_accuracy]
    assert table["selected_on"].tolist() == ["test"]


def test_unfinished_cells_have_no_outcome(store, study_id, study):
    for at, state in enumerate(("running", "failed", "stopped")):
        cell_run(store, study_id, at, state)
    assert outcome_table(study, statuses(study_id, study, store.summaries())).empty


def test_a_made_run_is_ordinary(store, study_id, study):
    run_id = progress_study.start(store, study_id).done[0]
    config = store.run(run_id).config()
    assert resolve(config).threads == 1
    assert RunConfig.from_dict(config.to_dict()) == study.cells()[0].config


def test_values_that_are_not_numbers_are_text_in_the_table(store):
    base = tiny_config("train.schedule=multi-step", "train.milestones=2,3")
    axes = Axis("train.milestones", ((2, 3), (3,))), Axis("train.nesterov", (False, True))
    study = Study("x", base, axes)
    study_id = StudyStore(store).create(study)
    run_id = cell_run(store, study_id, 0)
    store.run(run_id).write_result({"best": {"epoch": 4, "accuracy": 0.5, "loss": 1.5}, "last": {}})
    row = outcome_table(study, statuses(study_id, study, store.summaries())).iloc[0]
    assert (row["train.milestones"], row["train.nesterov"]) == ("2,3", False)


def test_two_windows_that_start_a_study_make_each_run_once(store):
    study_id = StudyStore(store).create(Study("rates", tiny_config(), (axis("train.lr", [0.1, 0.2]),), tuple(range(5))))
    program = (
        "import sys\n"
        "from core.runs.store import RunStore\n"
        "from core.study.progress import start\n"
        "start(RunStore(sys.argv[1]), sys.argv[2])\n"
    )
    many_times(program, 2, store.root, study_id)
    assert len(store.ids()) == len({run.signature for run in store.summaries()}) == 10
