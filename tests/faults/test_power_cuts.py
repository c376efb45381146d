"""Cut the power at any moment: what was flushed is there, what was not may be lost, and every promise is kept.

The promises are those of test_killed. With the flushes of folders honoured, what was reported as done is done. Without,
the last moments may be lost, and of a run so much that it has no saved state: then it says so.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.config import run_config
from core.jobs.runner import run
from core.runs.store import RunStore
from tests.faults.killed import digests
from tests.faults.operations import OPERATIONS, tiny
from tests.faults.recording import Disk, Recording
from tests.faults.test_killed import Undisturbed, changed, litter, may_change, undisturbed, untimed
from tests.made import made_run

__all__ = ["undisturbed"]

BOTH = pytest.mark.parametrize("honoured", [True, False], ids=["flushed folders", "no flushed folders"])
#: Of the disks that a power cut may leave, the fast tests look at every so many.
STRIDE = 7


def on_disk(disk: Disk, folder: Path) -> RunStore:
    """Return the store that a power cut left, in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    disk.write(folder)
    return RunStore(folder / "runs")


@BOTH
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("every", [STRIDE, pytest.param(1, marks=pytest.mark.slow)])
def test_during_everything_that_is_done_to_a_store(
    name: str,
    honoured: bool,
    every: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """The operation happened or can be repeated; nothing else changes, and nothing half-done remains."""
    monkeypatch.setitem(run_config.MIGRATIONS, 0, dict)
    operation, store = OPERATIONS[name], RunStore(tmp_path / "before" / "runs")
    with operation.prepared(store) as subject:
        before, recording = digests(store), Recording(store.root.parent)
        with recording.running():
            operation.act(store, subject)
    cuts = 0
    for index, disk in enumerate(recording.disks(honoured=honoured)):
        over = disk.number == len(recording.steps)
        if index % every and not over:
            continue
        cuts += 1
        step = "the end" if over else recording.steps[disk.number]
        where, left = f"{name} before step {disk.number}, {step}: {disk.how}", on_disk(disk, tmp_path / "after")
        touched = changed(left, before)
        assert [path for path in touched if not may_change(name, subject, path)] == [], where
        assert "damaged" not in set(left.frame()["state"]), where
        for gone in left.trash.ids():
            RunStore(left.trash.folder).run(gone).stored_status()  # raises if it is damaged
        if not operation.done(left, subject):
            assert not (over and honoured), where
            operation.act(left, subject)
        assert operation.done(left, subject), where
        assert litter(left) == [], where
    assert cuts > 0
    record_property("power cuts", cuts)
    record_property("steps", len(recording.steps))


# --- training -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, str, dict[str, str]]:
    """Return the record of a whole run, its id, and the digests of all other files."""
    store = RunStore(tmp_path_factory.mktemp("training") / "runs")
    made_run(store, epochs=2, name="bystander")
    run_id = store.create(tiny())
    others = {path: digest for path, digest in digests(store).items() if run_id not in path}
    recording = Recording(store.root.parent)
    with recording.running():
        assert run(store, run_id, on_epoch=lambda record: recording.mark()).state == "finished"
    assert len(recording.marks) == 2
    return recording, run_id, others


def _resumed_from(disk: Disk) -> str:
    """Return a text that disks share from which a run resumes in the same way: only its log and progress differ."""
    left_out = ("log.txt", "progress.json", ".lock")
    return Disk(0, "", {path: data for path, data in disk.entries.items() if not path.endswith(left_out)}).key()


@BOTH
@pytest.mark.parametrize(("every", "resumed"), [(STRIDE, 3), pytest.param(1, 10_000, marks=pytest.mark.slow)])
def test_during_training(
    honoured: bool,
    every: int,
    resumed: int,
    tmp_path: Path,
    training: tuple[Recording, str, dict[str, str]],
    undisturbed: Undisturbed,
    record_property: Callable[[str, object], None],
) -> None:
    """At every moment the run is there with the epochs that it reported, and some are ``resumed``, evenly chosen.

    The fast tests look at every so many moments.
    """
    recording, run_id, others = training
    disks = list(recording.disks(honoured=honoured))[::every]
    for disk in disks:
        left, where = on_disk(disk, tmp_path / "after"), f"before step {disk.number}: {disk.how}"
        assert changed(left, others) == [], where
        assert "damaged" not in set(left.frame()["state"]), where
        status, records = left.run(run_id).status(), untimed(left, run_id)
        assert records == undisturbed.records[: len(records)], where
        assert status.state in ("queued", "interrupted", "finished"), where
        if honoured:
            reported = sum(mark <= disk.number for mark in recording.marks)
            assert len(records) >= reported, where
            assert status.state != "queued" or not reported, where
            assert status.state == "finished" or disk.number < len(recording.steps), where
    different = list({_resumed_from(disk): disk for disk in disks}.values())
    without = 0
    chosen = different[:: max(len(different) // resumed, 1)]
    for disk in chosen:
        left, where = on_disk(disk, tmp_path / "after"), f"before step {disk.number}: {disk.how}"
        left.queue.mark_interrupted()
        if left.run(run_id).status().state == "interrupted":
            left.queue.enqueue(run_id)
        if left.run(run_id).status().state != "finished":
            ended = run(left, run_id)
            if not honoured and "no saved state" in (ended.error or ""):
                without += 1  # it says so, and what was reported is still listed
                continue
            assert ended.state == "finished", where
        undisturbed.assert_reached(left, run_id, where)
    record_property("power cuts", len(disks))
    record_property("resumed", len(chosen) - without)
    record_property("without a state", without)
    record_property("steps", len(recording.steps))
