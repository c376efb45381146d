"""Recorder: what it writes into a run's folder while the run trains."""

import inspect
import math
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from core.base.errors import FolderReplaced, StoreError
from core.jobs import recorder
from core.jobs.recorder import Recorder
from core.jobs.runner import run
from core.records import BatchRecord, Moment
from core.runs.folder import RunFolder
from core.runs.store import RunStore
from tests.made import made_run, tiny_config


def test_a_run_that_a_wrong_clock_started_in_the_future_ends_after_its_start(store: RunStore) -> None:
    run_id = made_run(store, state="stopped")
    store.run(run_id).write_status(replace(store.run(run_id).stored_status(), started_at=time.time() + 1e9))
    recorder = Recorder(store.run(run_id))
    recorder.start()
    assert recorder.status.started_at is not None and recorder.status.started_at <= time.time()
    recorder.status = replace(recorder.status, started_at=time.time() + 1e9)  # the clock was put right while it trained
    recorder.end("finished")
    status = store.run(run_id).stored_status()
    assert 0 <= (status.finished_at or 0) - (status.started_at or math.inf) < 60


# --- within an epoch ------------------------------------------------------------------------------


@pytest.fixture
def eager(monkeypatch):
    """Keep a moment for every batch."""
    monkeypatch.setattr(recorder, "MOMENT_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "PROGRESS_SECONDS", 0.0)


def epoch_of(losses: list[float], epoch: int = 1) -> list[BatchRecord]:
    """The records of an epoch whose batches have these losses and the accuracies 0.1, 0.2, …"""
    records, accuracies = [], [0.1 * (at + 1) for at in range(len(losses))]
    for batch in range(1, len(losses) + 1):
        means = sum(losses[:batch]) / batch, sum(accuracies[:batch]) / batch
        records.append(BatchRecord(epoch, 3, batch, len(losses), *means, 0.1, 100.0, 10.0))
    return records


def test_an_epoch_has_points_of_its_own(store, eager):
    writer = Recorder(store.run(made_run(store, 0, "running")))
    for record in epoch_of([3.0, 2.0, 1.0, 0.5]):
        writer.batch(record)
    moments = writer._held.progress().moments
    assert [moment.position for moment in moments] == [0.5, 0.75, 1.0]
    assert [moment.loss for moment in moments] == pytest.approx([2.5, 1.0, 0.5])
    assert [moment.accuracy for moment in moments] == pytest.approx([0.15, 0.3, 0.4])


def test_only_this_epoch_and_the_one_before_are_kept(store, eager):
    writer = Recorder(store.run(made_run(store, 0, "running")))
    for epoch in (1, 2, 3):
        for record in epoch_of([3.0, 2.0, 1.0], epoch):
            writer.batch(record)
    positions = [moment.position for moment in writer._held.progress().moments]
    assert min(positions) > 1 and max(positions) == 3


def test_a_long_epoch_has_at_most_200_points_from_its_beginning_to_its_end():
    moments = recorder._Moments()
    for second, record in enumerate(epoch_of([1.0] * 3_000)):
        moments.add(replace(record, accuracy=0.5), float(second))
    positions = [moment.position for moment in moments.kept]
    assert 50 <= len(positions) <= 200
    assert positions[0] < 0.05 and positions[-1] > 0.95
    gaps = [after - before for before, after in pairwise(positions)]
    assert max(gaps) < 2.1 * min(gaps)
    assert {moment.loss for moment in moments.kept} == {1.0}


def test_a_real_run_has_points_within_its_first_epoch(store, eager):
    run_id = store.create(tiny_config())
    seen = []
    run(store, run_id, on_batch=lambda record: seen.append(store.run(run_id).progress()))
    first = [progress for progress in seen if progress.epoch == 1][-1]
    assert len(first.moments) == first.batches - 1
    assert all(0 < moment.position <= 1 and moment.loss > 0 for moment in first.moments)


@pytest.mark.parametrize("moments", ["text", [[1]], [[1, 2, 3]], [[-1, 2, 0.5]], [None]])
def test_a_damaged_moment_is_an_error_and_a_diverged_one_is_not(store, moments):
    run = store.run(made_run(store, 0, "running"))
    record = BatchRecord(1, 3, 5, 10, 1.0, 0.5, 0.1, 100.0, 10.0, (Moment(0.5, math.nan, 0.5),))
    run.write_progress(record)
    assert math.isnan(run.progress().moments[0].loss)
    run.write_progress(replace(record, moments=moments))
    with pytest.raises(StoreError, match="moments"):
        run.progress()


@pytest.mark.parametrize("method", ["write_progress", "append_log"])
def test_a_report_that_cannot_be_written_does_not_fail_the_training(store, monkeypatch, method):
    refused = []

    def refuse(self, *arguments):
        refused.append(method)
        raise StoreError("The disk is full.")

    monkeypatch.setattr(RunFolder, method, refuse)
    run_id = store.create(tiny_config("train.epochs=2"))
    assert run(store, run_id).state == "finished"
    assert len(store.run(run_id).records()) == 2
    assert refused


def test_a_heartbeat_that_cannot_be_written_does_not_fail_the_training(store, monkeypatch):
    run_id = store.create(tiny_config("train.epochs=2"))
    write, refused = RunFolder.write_status, []

    def refuse_heartbeats(self, status):
        if status.state == "running" and "batch" in [frame.function for frame in inspect.stack()]:
            refused.append(status)
            raise StoreError("The disk is full.")
        write(self, status)

    monkeypatch.setattr(recorder, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(RunFolder, "write_status", refuse_heartbeats)
    assert run(store, run_id).state == "finished"
    assert refused


@pytest.mark.parametrize("mark", [{"host": "elsewhere"}, {"pid": 1}, {"host": None, "pid": None, "state": "queued"}])
def test_a_run_that_another_program_has_taken_over_is_left_to_it(store, mark):
    """As on a shared folder whose locks other computers do not see."""
    run_id = store.create(tiny_config("train.epochs=4"))
    folder, files = store.run(run_id), {}

    def take_over(record):
        if record.epoch == 2:
            folder.write_status(replace(folder.stored_status(), **mark))
            files.update({path.name: path.read_bytes() for path in folder.path.iterdir()})

    with pytest.raises(FolderReplaced, match="taken it over"):
        run(store, run_id, on_epoch=take_over)
    changed = {path.name for path in folder.path.iterdir() if files.get(path.name) != path.read_bytes()}
    assert changed <= {"progress.json"}
    assert [record.epoch for record in folder.records()] == [1, 2]


def test_a_run_that_was_marked_interrupted_too_early_goes_on(store):
    run_id = store.create(tiny_config("train.epochs=2"))
    folder = store.run(run_id)
    run(store, run_id, on_epoch=lambda _: folder.write_status(replace(folder.stored_status(), state="interrupted")))
    assert folder.status().state == "finished"
