"""Kill the program at any instant: other runs stay untouched, and the killed run resumes to the same weights."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.base.paths import PROJECT
from core.config import run_config
from core.jobs.predict import predictions_of
from core.jobs.runner import run
from core.runs.check import check, check_run
from core.runs.predictions import PREDICTIONS, predictions_bytes
from core.runs.store import RunStore
from tests.faults.operations import CHANGES, OPERATIONS, tiny

#: Takes what is done, in which folder, and numbers.
Killed = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def killed() -> Iterator[Killed]:
    """A function that returns the reports of :mod:`tests.faults.killed`, one program for all tests, on each child."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command, pipe = [sys.executable, "-m", "tests.faults.killed"], subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdin=pipe, stdout=pipe, text=True) as program:
        assert program.stdin and program.stdout

        def ask(what: str, folder: Path, *numbers: int) -> list[dict[str, Any]]:
            print(json.dumps([what, str(folder), *numbers]), file=program.stdin, flush=True)
            return list(iter(lambda: json.loads(program.stdout.readline()), None))

        yield ask
        program.stdin.close()
    assert program.returncode == 0


def changed(store: RunStore, before: dict[str, str]) -> list[str]:
    """Return the files of ``before`` that are missing or different now."""
    now = {
        path: hashlib.sha256((store.root / path).read_bytes()).hexdigest()
        for path in before
        if (store.root / path).is_file()
    }
    return [path for path in before if now.get(path) != before[path]]


def litter(store: RunStore) -> list[Path]:
    """Return temporary files that remain after a cleanup, once they are too old to be in use."""
    for path in store.root.rglob("*"):
        os.utime(path, (1.0, 1.0), follow_symlinks=False)
    store.queue.mark_interrupted()
    hidden = [path for path in store.root.rglob(".*") if path.suffix == ".tmp" or path.name.startswith(".gone-")]
    return [*hidden, *store.cache_folder.glob("new-*")]


#: Of an operation the fast tests kill every third step, the slow tests those between; of training every tenth.
STRIDES = {"operation": 3, "training": 10}


def firsts(what: str) -> list[Any]:
    """Return the first steps with which every step has its turn; all but one are slow."""
    return [1, *(pytest.param(first, marks=pytest.mark.slow) for first in range(2, STRIDES[what] + 1))]


@pytest.mark.parametrize("first", firsts("operation"))
@pytest.mark.parametrize("name", OPERATIONS)
def test_at_every_step_of_everything_that_is_done_to_a_store(
    name: str,
    first: int,
    killed: Killed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """The operation happened or can be repeated; nothing else changes, and nothing half-done remains."""
    monkeypatch.setitem(run_config.MIGRATIONS, 0, dict)
    operation, kills = OPERATIONS[name], 0
    for child in killed(name, tmp_path, first, STRIDES["operation"]):
        kills += child["code"] != 0
        where, store, subject = f"{name}, {child['step']}", RunStore(child["root"]), child["subject"]
        touched = changed(store, child["before"])
        assert [path for path in touched if not may_change(name, subject, path)] == [], where
        assert "damaged" not in set(store.frame()["state"]), where
        for gone in store.trash.ids():
            RunStore(store.trash.folder).run(gone).stored_status()  # raises if it is damaged
        assert [item.problems for item in check(store) if item.problems] == [], where
        if not operation.done(store, subject):
            assert child["code"] != 0, where
            operation.act(store, subject)
        assert operation.done(store, subject), where
        assert litter(store) == [], where
    assert child["code"] == 0, "the last child reached the end"
    assert kills >= 1 or first > 1
    record_property("faults injected", kills)


def may_change(name: str, subject: Any, path: str) -> bool:
    ids = [subject] if isinstance(subject, str) else list(subject or [])
    return CHANGES.get(name, lambda path: any(run_id in path for run_id in ids))(path)


# --- training -------------------------------------------------------------------------------------


class Undisturbed:
    """The result of a run that was never disturbed, for comparison."""

    def __init__(self, folder: Path):
        store = RunStore(folder)
        run_id = store.create(tiny())
        assert run(store, run_id).state == "finished"
        self.records, self.result = untimed(store, run_id), store.run(run_id).result()
        self.predictions = store.run(run_id).checksums.read(PREDICTIONS)
        self.best, self.last = weights(store, run_id)

    def assert_reached(self, store: RunStore, run_id: str, where: str) -> None:
        """Check that the run has the same records, test result, weights and predictions, bit for bit.

        Where predictions were lost, those that are computed later are the same.
        """
        assert untimed(store, run_id) == self.records, where
        assert store.run(run_id).result() == self.result, where
        if (store.run(run_id).path / PREDICTIONS).exists():
            assert store.run(run_id).checksums.read(PREDICTIONS) == self.predictions, where
        else:
            later = predictions_bytes(replace(predictions_of(store, run_id), later=False), store.run(run_id).config())
            assert later == self.predictions, where
        for ours, theirs in zip(weights(store, run_id), (self.best, self.last), strict=True):
            assert ours.keys() == theirs.keys(), where
            assert all(torch.equal(ours[name], theirs[name]) for name in ours), where


def untimed(store: RunStore, run_id: str) -> list[dict[str, Any]]:
    """Return the records without the values that depend on a clock."""
    timed = ("seconds", "images_per_second")
    return [
        {name: value for name, value in asdict(record).items() if name not in timed}
        for record in store.run(run_id).records()
    ]


def weights(store: RunStore, run_id: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the best and the last weights."""
    state = store.run(run_id).last_state()
    assert state
    return load_file(store.run(run_id).best_weights()), torch.load(state, weights_only=True)["model"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the same run trained without any fault."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed") / "runs")


def assert_alone(children: list[dict[str, Any]]) -> None:
    """Check that no child touched another run of the store in which all trained, one after the other."""
    for child in children:
        assert changed(RunStore(child["root"]), child["before"]) == [], child["step"]


def assert_survived(child: dict[str, Any], undisturbed: Undisturbed, root: Path | None = None) -> None:
    """Check that the killed run is interrupted, keeps its finished epochs and resumes to the same end."""
    store, run_id, where = RunStore(root or child["root"]), child["subject"], child["step"]
    status, records = store.run(run_id).status(), untimed(store, run_id)
    assert status.state in ("queued", "interrupted", "stopped", "finished"), where
    assert records == undisturbed.records[: len(records)], where
    if root is None:
        assert len(records) >= child["epochs"] and status.state != "stopped", where
        assert status.state != "queued" or child["epochs"] == 0, where
    assert "damaged" not in set(store.frame()["state"]), where
    assert check_run(store.run(run_id)).problems == [], where
    if status.state == "interrupted":
        store.queue.mark_interrupted()
        marked = store.run(run_id).stored_status()
        assert (marked.state, marked.epoch) == ("interrupted", len(records)), where
    if status.state in ("interrupted", "stopped"):
        store.queue.enqueue(run_id)
    if status.state != "finished":
        assert run(store, run_id).state == "finished", where
    undisturbed.assert_reached(store, run_id, where)


@pytest.mark.parametrize("first", firsts("training"))
def test_at_the_steps_of_training(
    first: int, killed: Killed, tmp_path: Path, undisturbed: Undisturbed, record_property: Callable[[str, object], None]
) -> None:
    """All parameters together cover every step: before a file is opened, torn, flushed, renamed or removed."""
    children, kills = killed("steps", tmp_path, first, STRIDES["training"]), 0
    assert_alone(children)
    for child in children:
        kills += child["code"] != 0
        assert_survived(child, undisturbed)
    assert kills > 5
    record_property("faults injected", kills)


@pytest.mark.parametrize("times", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_at_random_moments_of_training(
    times: int, killed: Killed, tmp_path: Path, undisturbed: Undisturbed, record_property: Callable[[str, object], None]
) -> None:
    children, kills = killed("moments", tmp_path, times, times), 0
    assert_alone(children)
    for child in children:
        kills += child["code"] != 0
        assert_survived(child, undisturbed)
    assert kills == times
    record_property("faults injected", kills)


@pytest.mark.parametrize("times", [3, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["copies", "backups"])
def test_a_copy_of_the_folder_at_a_random_moment_resumes_like_the_run(
    what: str,
    times: int,
    killed: Killed,
    tmp_path: Path,
    undisturbed: Undisturbed,
    record_property: Callable[[str, object], None],
) -> None:
    """This is worse than a power failure: the copy holds its files as they were at different instants."""
    children = killed(what, tmp_path, times, times)
    assert_alone(children)
    children = children[1:]
    assert len(children) == times
    for index, child in enumerate(children):
        copy = tmp_path / "copies" / str(index) / "runs"
        # From a backup, runs that were killed before arrive stopped, without the files of the moment.
        others = {"status.json", "progress.json", "checksums.txt", ".meta.lock"} if what == "backups" else set()
        assert {Path(path).name for path in changed(RunStore(copy), child["before"])} <= others
        assert_survived(child, undisturbed, copy)
    record_property("faults injected", times)
