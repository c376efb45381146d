"""Refuse writes and break code while a run trains: the run must fail with the cause and keep its last good state."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.base import paths
from core.base.errors import StoreError
from core.jobs.recorder import Recorder
from core.jobs.runner import run
from core.jobs.worker import Worker
from core.runs.store import RunStore
from core.training.step import TrainingStep
from tests.conftest import wait_for
from tests.faults.app import assert_names
from tests.faults.operations import tiny
from tests.faults.steps import Step, fail_at, watched
from tests.faults.test_killed import Undisturbed
from tests.made import made_run

#: Error codes with which the system can refuse a write, and a key word of the message for each.
REFUSALS = {
    errno.ENOSPC: "full",
    errno.EIO: "Input/output error",
    errno.EACCES: "permi",  # permission, permitted
    errno.EROFS: "permi",
    errno.EDQUOT: "full",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the same run trained without any fault."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed") / "runs")


def content(store: RunStore, run_id: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.run(run_id).path.iterdir() if path.name != ".lock"}


def refused(store: RunStore, number: int, code: int, lasting: bool) -> tuple[str, bool]:
    """Train a run whose step ``number`` is refused with ``code``; return its id and whether that step was reached."""
    run_id = store.create(tiny())
    with watched(store.root, fail_at(number, code, lasting=lasting)) as watch:
        try:
            status = run(store, run_id)
        except StoreError as error:  # before training began or after it ended
            assert_names(error)
            return run_id, True
    if status.state == "failed":
        assert status.error and any(word in status.error for word in (REFUSALS[code], "lock")), status.error
        assert_names(status.error)
        if not lasting:
            assert store.run(run_id).status() == status
            assert "Traceback" in store.run(run_id).log() and status.error in store.run(run_id).log()
    return run_id, len(watch.steps) >= number


FIRSTS = [1, *(pytest.param(first, marks=pytest.mark.slow) for first in (2, 3, 4))]


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("first", FIRSTS)
def test_a_refusal_at_any_step_ends_the_run_and_keeps_its_last_state(
    first: int, lasting: bool, store: RunStore, undisturbed: Undisturbed, record_property: Callable[[str, object], None]
) -> None:
    """All parameters together cover every step of training; the error codes take turns."""
    other = made_run(store)
    before, refusals = content(store, other), 0
    for number in range(first, 1_000, 4):
        code = list(REFUSALS)[number // 4 % len(REFUSALS)]
        run_id, struck = refused(store, number, code, lasting)
        where = f"step {number}, {errno.errorcode[code]}"
        assert content(store, other) == before, where
        status = store.run(run_id).status()
        assert status.state in ("queued", "failed", "interrupted", "finished"), where
        epochs = [record.epoch for record in store.run(run_id).records()]
        assert epochs == [1, 2][: len(epochs)], where
        if status.state in ("failed", "interrupted"):
            store.queue.enqueue(run_id)
        if status.state != "finished":
            assert run(store, run_id).state == "finished", where
        undisturbed.assert_reached(store, run_id, where)
        if not struck:
            break
        refusals += 1
    assert refusals > 10
    record_property("faults injected", refusals)


# --- the worker goes on ---------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["folder gone", "permission lost"])
def test_the_worker_takes_the_next_run(store: RunStore, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """Whatever happens to the first run's folder, during training or before it begins."""
    bad, good = store.create(tiny()), store.create(tiny())
    folder = store.root / bad

    def act(step: Step) -> None:
        if Path(step.path).is_relative_to(folder):
            raise PermissionError(errno.EACCES, "Permission denied")

    def epoch(self: Any, *arguments: Any) -> None:
        if self._run.id == bad:
            shutil.rmtree(folder)
        real(self, *arguments)

    real = Recorder.epoch
    if trouble == "folder gone":
        monkeypatch.setattr(Recorder, "epoch", epoch)
    worker = Worker(store)
    with watched(store.root, act if trouble == "permission lost" else lambda step: None):
        worker.start()
        wait_for(lambda: store.run(good).status().state == "finished")
        worker.stop()
    if trouble == "permission lost":
        assert store.run(bad).status().state == "queued", "it can be trained once the folder is writable again"
        assert run(store, bad).state == "finished"
    else:
        assert store.ids() == [good]


def test_running_out_of_memory_is_explained(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The allocator really refuses; nothing is simulated."""
    run_id = store.create(tiny())
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "_step", lambda *_: torch.empty(2**52))
        status = run(store, run_id)
    assert status.state == "failed" and "Traceback" in store.run(run_id).log()
    assert_names(status.error, "memory", "batch")
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "finished"


# --- a run's folder can be handed on --------------------------------------------------------------


def test_a_runs_folder_holds_no_home_folder_and_no_secret(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """This holds however the run ends, since people share run folders."""
    home = tmp_path / "home" / "ada"
    monkeypatch.setenv("RESNET_LAB_DATA", str(paths.data_folder()))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SERVICE_TOKEN", "hush-4711")
    finished = store.create(tiny())
    assert run(store, finished).state == "finished"
    failed = store.create(tiny())

    def lost(*_: object) -> None:
        (home / "secret.txt").read_text()

    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "_step", lost)
        status = run(store, failed)
    without_data = store.create(tiny())
    monkeypatch.setenv("RESNET_LAB_DATA", str(home / "data"))
    assert run(store, without_data).state == "failed"
    assert status.error and "~/secret.txt" in status.error
    log = store.run(failed).log()
    assert "Traceback" in log and 'File "core/jobs/runner.py"' in log
    private = [str(home), "hush-4711", str(paths.PROJECT), str(Path.home()), str(Path(torch.__file__).parents[2])]
    for run_id in (finished, failed, without_data):
        for name, data in content(store, run_id).items():
            assert [text for text in private if text.encode() in data] == [], name
