"""Damage every file of a real run in turn: the check names it, the repair mends it, and the run still resumes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.base.errors import RunBusy, StoreError
from core.jobs.repair import repair
from core.jobs.runner import run
from core.runs.check import check_run
from core.runs.store import RunStore
from tests.faults.killed import ended, forked
from tests.faults.steps import die_at, watched
from tests.made import made_run, tiny_config

CONFIG = (
    "data.train_size=160",
    "data.validation_size=40",
    "data.test_size=40",
    "model.width=4",
    "train.epochs=4",
    "train.batch_size=60",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A store with three runs of one configuration: finished, stopped after three of four epochs, another seed."""
    store = RunStore(tmp_path_factory.mktemp("trained") / "runs")
    finished, stopped = (store.create(tiny_config(*CONFIG), name=name, tags=("a",)) for name in ("finished", "stopped"))
    other = store.create(tiny_config(*CONFIG, "train.seed=7", "train.lr=0.03"), name="other")
    run(store, finished)
    run(store, stopped, on_epoch=lambda record: record.epoch == 3 and store.queue.request_stop(stopped))
    run(store, other)
    return store


@pytest.fixture
def copied(trained: RunStore, tmp_path: Path) -> RunStore:
    shutil.copytree(trained.root, tmp_path / "runs")
    return RunStore(tmp_path / "runs")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = b"\x00\x01damage"
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def foreign(path: Path) -> None:
    """Replace a file by that of another run, which is finished and so has no previous.pt."""
    store = RunStore(path.parents[1])
    name = "last.pt" if path.name == "previous.pt" else path.name
    content = (store.root / store.find("other") / name).read_bytes()
    if path.name == "log.txt":  # two short runs may log the same within a second
        content += b"2026-11-27 09:00:00  Stopped on request.\n"
    path.write_bytes(content)


DAMAGES: tuple[Callable[[Path], None], ...] = (flip, scramble, truncate, foreign, Path.unlink)
FILES = (
    "config.json",
    "meta.json",
    "status.json",
    "metrics.jsonl",
    "best.safetensors",
    "last.pt",
    "previous.pt",
    "result.json",
    "predictions.safetensors",
    "log.txt",
    "checksums.txt",
)


def damages(name: str, damage: Callable[[Path], None]) -> bool:
    """Whether that can be done to a file, and is damage: a deleted record is made again."""
    return not (name == "checksums.txt" and damage is Path.unlink)


def repairable(folder: Path, name: str) -> bool:
    """Everything is, but for the state of a finished run, which has none before it."""
    return name != "last.pt" or (folder / "previous.pt").exists()


CASES = [(name, damage) for name in FILES for damage in DAMAGES if damages(name, damage)]


def damaged(store: RunStore, label: str, name: str, damage: Callable[[Path], None]) -> str:
    """Damage a file and return the run; skip a file that this run does not have."""
    run_id = store.find(label)
    path = store.root / run_id / name
    if not path.exists():
        pytest.skip(f"a {label} run has no {name}")
    damage(path)
    return run_id


@pytest.mark.parametrize("label", ["finished", "stopped"])
@pytest.mark.parametrize(("name", "damage"), CASES)
def test_every_file_damaged_in_turn(copied, trained, label, name, damage):
    run_id = damaged(copied, label, name, damage)
    before = copied.root / run_id / name
    content = before.read_bytes() if before.exists() else None
    assert name in [problem.file for problem in check_run(copied.run(run_id)).problems]

    result = repair(copied, run_id)
    if not repairable(copied.root / run_id, name):
        assert [problem.file for problem in result.unsolved] == [name]
        assert "cannot be repaired" in result.unsolved[0].advice
        return
    assert result.problems and result.unsolved == []
    assert check_run(RunStore(copied.root).run(run_id)).problems == []
    kept = [path.read_bytes() for path in (copied.root / run_id).glob("*.damaged")]
    assert content is None or content in kept or name in ("log.txt", "checksums.txt")
    assert copied.summary(run_id).state == label
    environment = copied.run(run_id).meta().environment
    assert (environment["device"], environment["precision"], environment["threads"]) == ("cpu", "fp32", 1)
    if label == "stopped":
        copied.queue.enqueue(run_id)
        assert run(copied, run_id).state == "finished"
        assert_same_weights(copied, run_id, trained, trained.find("finished"))


def assert_same_weights(ours: RunStore, first: str, theirs: RunStore, second: str) -> None:
    best = [load_file(store.run(run_id).best_weights()) for store, run_id in ((ours, first), (theirs, second))]
    last = [
        torch.load(store.root / run_id / "last.pt", weights_only=True)["model"]
        for store, run_id in ((ours, first), (theirs, second))
    ]
    for mine, yours in (best, last):
        assert mine.keys() == yours.keys() and all(torch.equal(mine[name], yours[name]) for name in mine)


@pytest.mark.parametrize("name", ["config.json", "meta.json", "status.json", "result.json"])
def test_one_changed_byte_of_a_small_file_is_restored_exactly(copied, name):
    run_id = copied.find("finished")
    path = copied.root / run_id / name
    whole = path.read_bytes()
    flip(path)
    assert repair(copied, run_id).unsolved == []
    assert path.read_bytes() == whole


def test_a_run_at_work_and_a_reference_run_are_left_alone(copied):
    run_id = copied.find("finished")
    flip(copied.root / run_id / "log.txt")
    with copied.run(run_id).hold(), pytest.raises(RunBusy):
        repair(copied, run_id)
    copied.run(run_id).checksums.write_json("meta.json", {"reference": True})
    with pytest.raises(StoreError, match="reference"):
        repair(copied, run_id)


def test_a_repair_that_is_killed_at_any_step_loses_nothing_and_is_completed(tmp_path):
    """The damaged content stays, in its place or set aside, and a second repair succeeds."""
    code = number = -1
    for number in range(1, 200, 3):
        store = RunStore(tmp_path / str(number) / "runs")
        run_id = made_run(store)
        path = store.root / run_id / "status.json"
        scramble(path)
        damaged_content = path.read_bytes()

        def work(store: RunStore = store, run_id: str = run_id, number: int = number) -> None:
            with watched(store.root, die_at(number), tears=True):
                repair(store, run_id)

        code = ended(forked(work))
        assert damaged_content in [file.read_bytes() for file in path.parent.iterdir()], f"step {number}"
        assert repair(store, run_id).unsolved == [], f"step {number}"
        assert check_run(store.run(run_id)).problems == [], f"step {number}"
        if code == 0:
            break
    assert code == 0 and number > 6


@pytest.mark.parametrize(
    "names",
    [
        ("config.json", "status.json", "meta.json", "metrics.jsonl"),
        ("last.pt", "best.safetensors", "log.txt"),
        ("checksums.txt", "metrics.jsonl"),
        ("checksums.txt", "last.pt", "best.safetensors"),
        ("previous.pt", "best.safetensors", "status.json", "metrics.jsonl"),
    ],
    ids=" ".join,
)
def test_several_files_damaged_at_once(copied, trained, names):
    run_id = copied.find("stopped")
    for name in names:
        scramble(copied.root / run_id / name)
    assert repair(copied, run_id).unsolved == []
    assert check_run(RunStore(copied.root).run(run_id)).problems == []
    copied.queue.enqueue(run_id)
    assert run(copied, run_id).state == "finished"
    assert_same_weights(copied, run_id, trained, trained.find("finished"))
