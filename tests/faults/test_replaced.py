"""Rename the folder of the runs under a process that trains in it, with and without a copy in its place.

No run is trained twice at once, and the process writes into no folder but the one whose lock it holds.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.base.errors import StoreError
from core.jobs.worker import Worker
from core.runs.folder import RunFolder
from core.runs.storage import Storage
from core.runs.store import RunStore
from tests.conftest import wait_for
from tests.faults.operations import tiny
from tests.programs import Program

WORKER = """
import sys, time
from core.jobs.worker import Worker
from core.runs.storage import Storage
from core.runs.store import RunStore
worker = Worker(RunStore(sys.argv[1]))
worker.start()
told = None
while True:
    if worker.trouble != told:
        told = worker.trouble
        print(told, flush=True)
    time.sleep(0.02)
"""
TRAINERS = {
    "a worker": lambda root: Program(root, code=WORKER),
    "the command line": lambda root: Program("resume", "latest", "--runs", root),
}


@pytest.fixture(params=TRAINERS)
def trainer(request: pytest.FixtureRequest, store: RunStore) -> Iterator[Program]:
    """A process that has begun to train a run of many epochs."""
    # An epoch takes so long that hardly ever one ends just while the folder is renamed.
    run_id = store.create(tiny("train.epochs=5000", "data.train_size=2100"))
    with TRAINERS[request.param](store.root) as process:
        wait_for(lambda: len(store.run(run_id).records()) >= 2)
        yield process


@pytest.fixture
def works_a_queue(request: pytest.FixtureRequest, trainer: Program) -> bool:
    """Whether the process is a worker, which goes on after a run."""
    return bool(request.node.callspec.params["trainer"] == "a worker")


def lets_go(trainer: Program) -> Callable[[], bool]:
    """Return a check whether the process has said what happened."""
    return lambda: "moved or replaced" in trainer.out + trainer.err


def files(run: RunFolder) -> dict[str, str]:
    """Return the digest of every file of a run, but for its lock and for files that are being written."""
    paths = [path for path in run.path.iterdir() if not path.name.startswith(".")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def test_a_copy_in_the_place_of_the_folder_is_trained_by_one_process(
    trainer: Program, works_a_queue: bool, store: RunStore, tmp_path: Path
) -> None:
    (run_id,) = store.ids()
    moved = store.root.rename(tmp_path / "moved")
    shutil.copytree(moved, store.root)
    wait_for(lets_go(trainer))
    kept, reached = files(RunStore(moved).run(run_id)), len(store.run(run_id).records())
    assert RunStore(moved).run(run_id).status().state == "interrupted"
    if works_a_queue:  # the worker works the queue of the new folder
        wait_for(lambda: store.run(run_id).stored_status().state == "interrupted")
    worker = Worker(store)
    worker.start()
    wait_for(lambda: store.run(run_id).stored_status().state == "interrupted")
    store.queue.enqueue(run_id)
    wait_for(lambda: len(store.run(run_id).records()) >= reached + 3)
    store.queue.request_stop(run_id)
    wait_for(lambda: store.run(run_id).status().state == "stopped")
    worker.stop()
    lines = (store.run(run_id).path / "metrics.jsonl").read_text().splitlines()
    epochs = [record.epoch for record in store.run(run_id).records()]
    assert epochs == list(range(1, len(lines) + 1))
    assert store.run(run_id).log().count("Training from epoch") == 2
    assert files(RunStore(moved).run(run_id)) == kept


def test_nothing_is_written_where_the_folder_was(
    trainer: Program, works_a_queue: bool, store: RunStore, tmp_path: Path
) -> None:
    (run_id,) = store.ids()
    moved = store.root.rename(tmp_path / "moved")
    wait_for(lets_go(trainer))
    assert not store.root.exists()
    assert RunStore(moved).run(run_id).status().state == "interrupted"
    if works_a_queue:  # the worker waits until the folder comes back
        wait_for(lambda: "does not exist" in trainer.out)
        assert not store.root.exists()
        moved.rename(store.root)
        wait_for(lambda: store.run(run_id).stored_status().state == "interrupted")
        store.queue.enqueue(run_id)
        before = len(store.run(run_id).records())
        wait_for(lambda: len(store.run(run_id).records()) > before)
    else:
        assert trainer.wait() == 1


def test_a_run_that_was_replaced_alone_is_left_alone(trainer: Program, store: RunStore, tmp_path: Path) -> None:
    (run_id,) = store.ids()
    folder = store.run(run_id).path
    moved = folder.rename(tmp_path / run_id)
    shutil.copytree(moved, folder)
    kept = files(store.run(run_id))
    wait_for(lets_go(trainer))
    now = files(store.run(run_id))
    changed = {name for name in now | kept if now.get(name) != kept.get(name)}
    assert changed <= {"status.json", "log.txt", "progress.json", "stop"}, "marked interrupted at most"
    assert store.run(run_id).status().state == "interrupted"


def test_no_lock_makes_a_folder_that_was_moved_away(store: RunStore, tmp_path: Path) -> None:
    run_id = store.create(tiny())
    run = store.run(run_id)
    store.root.rename(tmp_path / "moved")
    settings = Storage(store)
    for act in (
        store.queue.lock,
        store.queue.ordering().__enter__,
        lambda: run.annotate(name="x"),
        run.hold,
        lambda: settings.change(empty_trash_after=1),
    ):
        with pytest.raises(StoreError):
            act()
    assert not store.root.exists()
