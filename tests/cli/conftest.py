"""Fixtures that run a command in this process and that replace training."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.data import cifar10
from core.jobs import runner
from core.records import BatchRecord
from core.runs.folder import Status
from core.runs.store import RunStore
from tests.made import made_record

_TINY = (
    "model.depth=8 model.width=4 data.train_size=128 data.validation_size=64 data.test_size=60 train.epochs=2 "
    "train.batch_size=32 train.schedule=constant train.warmup_epochs=0 train.precision=fp32 train.threads=1 "
    "train.device=cpu"
)
#: Options for a configuration that trains in a second.
TINY = ["--preset", "quick", *(word for setting in _TINY.split() for word in ("--set", setting))]


@dataclass
class Result:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """stdout as strict JSON: NaN and Infinity are refused."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


Cli = Callable[..., Result]


@pytest.fixture
def cli(store: RunStore, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs a command on the test's store."""

    def run(*words: object, on: RunStore = store) -> Result:
        capsys.readouterr()
        code = main([*map(str, words), "--runs", str(on.root)])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A store with one run that the command line really trained, for two epochs."""
    store = RunStore(tmp_path_factory.mktemp("trained") / "runs")
    about = ["--name", "tiny", "--tag", "a", "--tag", "b", "--note", "why"]
    assert main(["train", *TINY, *about, "--runs", str(store.root)]) == 0
    return store


@pytest.fixture
def trained(trained_once: RunStore, tmp_path: Path) -> RunStore:
    """A copy of the store with the trained run, to change."""
    shutil.copytree(trained_once.root, tmp_path / "copy")
    return RunStore(tmp_path / "copy")


class FakeTraining:
    """In place of training: one epoch, then the state ``end``. ``during`` is called while the run is running."""

    def __init__(self) -> None:
        self.end: dict[str, Any] = {"state": "finished"}
        self.during: Callable[[], object] = lambda: None
        self.trained: list[str] = []

    def run_held(self, store: RunStore, run_id: str, *, on_batch: Any, on_epoch: Any) -> Status:
        assert store.run(run_id).held(), "an app could have taken the run from the queue"
        return self._train(store, run_id, on_batch, on_epoch)

    def run(self, store: RunStore, run_id: str, *, on_batch: Any, on_epoch: Any) -> Status:
        return self._train(store, run_id, on_batch, on_epoch)

    def _train(self, store: RunStore, run_id: str, on_batch: Any, on_epoch: Any) -> Status:
        self.trained.append(run_id)
        run = store.run(run_id)
        run.write_status(replace(run.stored_status(), state="running"))
        self.during()
        on_batch(BatchRecord(1, 5, 1, 125, 2.3, 0.1, 0.1, 500.0, 30.0))
        on_epoch(made_record(1))
        results = {"epoch": 1, "best_epoch": 1, "best_val_accuracy": 0.4 + 0.1 * len(self.trained)}
        state = {"state": "stopped"} if run.stop_request() else {}
        run.write_status(replace(run.stored_status(), **{**results, **self.end, **state}))
        return run.stored_status()


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> FakeTraining:
    """Replace training by a :class:`FakeTraining`, and CIFAR-10 by nothing."""
    fake = FakeTraining()
    monkeypatch.setattr(runner, "run_held", fake.run_held)
    monkeypatch.setattr(runner, "run", fake.run)
    monkeypatch.setattr(cifar10, "require", lambda folder=None: None)
    return fake
