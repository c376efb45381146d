"""The commands train, resume and extend."""

import io
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import StoreError
from core.cli.train import Display
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost import machine
from core.data import cifar10
from core.jobs import runner
from core.records import BatchRecord
from core.runs import store as store_module
from core.runs.folder import Status
from core.runs.store import RunStore
from tests.cli.conftest import TINY, Cli, FakeTraining
from tests.conftest import wait_for
from tests.made import made_record, made_run, tiny_config
from tests.programs import Program

QUICK = ["train", "--preset", "quick"]


def test_train_makes_a_complete_run(trained_once: RunStore) -> None:
    (run_id,) = trained_once.ids()
    run = trained_once.run(run_id)
    assert run.config() == PRESETS["quick"].config.set_from_text(TINY[3::2])
    assert (run.meta().name, run.meta().tags, run.meta().note) == ("tiny", ("a", "b"), "why")
    assert run.status().state == "finished" and not run.held()
    assert [record.epoch for record in run.records()] == [1, 2]
    assert run.best_weights() and run.last_state()
    assert run.result()["best"]["images"] == 60


def test_train_reports_epochs_on_stderr_and_results_on_stdout(cli: Cli, store: RunStore) -> None:
    result = cli("train", *TINY, "--json")
    (outcome,) = result.data["runs"]
    assert result.code == 0 and [outcome["id"]] == store.ids()
    run = store.run(outcome["id"])
    best = max(run.records(), key=lambda record: record.val_accuracy)
    assert outcome == {
        "id": run.id,
        "state": "finished",
        "epoch": 2,
        "epochs": 2,
        "best_epoch": best.epoch,
        "best_val_accuracy": best.val_accuracy,
        "error": None,
        "seed": 0,
        "selected_on": "held-out",
        "test_accuracy": run.result()["best"]["accuracy"],
    }
    lines = [line for line in result.err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"], "without a terminal: a line per epoch and no bar"
    assert f"val loss {run.records()[1].val_loss:.4f}" in lines[1]


def test_train_from_a_runs_config_repeats_its_numbers(cli: Cli, store: RunStore, trained: RunStore) -> None:
    (original,) = trained.ids()
    result = cli("train", "--config", trained.root / original / "config.json", "--json")
    names = ("epoch", "step", "lr", "train_loss", "val_loss", "val_accuracy_by_class")

    def numbers(runs: RunStore, run_id: str) -> list[list[Any]]:
        return [[getattr(record, name) for name in names] for record in runs.run(run_id).records()]

    assert numbers(store, result.data["runs"][0]["id"]) == numbers(trained, original)


def test_seeds_are_trained_one_after_the_other(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    result = cli(*QUICK, "--set", "train.seed=5", "--seeds", "3", "--name", "n")
    assert result.code == 0
    assert training.trained == store.ids()[::-1]
    runs = [store.run(run_id) for run_id in training.trained]
    assert [run.config().train.seed for run in runs] == [5, 6, 7]
    assert [run.meta().name for run in runs] == ["n, seed 5", "n, seed 6", "n, seed 7"]
    assert "60.00 ± 10.00 %" in result.out.splitlines()[-1]


@pytest.mark.parametrize("error", [StoreError("no room"), RecursionError("deep"), MemoryError(), OSError(5, "EIO")])
@pytest.mark.parametrize("option", [[], ["--queue"]])
def test_a_run_that_cannot_be_made_hides_no_other(
    cli: Cli,
    store: RunStore,
    training: FakeTraining,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    option: list[str],
) -> None:
    write = store_module.write_new_run

    def failing(folder: Path, config: RunConfig, *more: Any) -> None:
        if config.train.seed == 6:
            raise error
        write(folder, config, *more)

    monkeypatch.setattr(store_module, "write_new_run", failing)
    result = cli(*QUICK, "--set", "train.seed=5", "--seeds", "3", "--json", *option)
    assert result.code == 1 and len(result.err.splitlines()[-1]) > 5
    assert [run["seed"] for run in result.data["runs"]] == [5, 7]
    assert len(store.ids()) == 2


def test_queue_leaves_runs_to_the_app(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    result = cli(*QUICK, "--queue", "--seeds", "2", "--json")
    assert result.code == 0 and training.trained == []
    assert [run["id"] for run in result.data["runs"]] == store.queue.ids()
    assert [run["seed"] for run in result.data["runs"]] == [0, 1]


def test_a_failed_run_is_an_error_with_its_cause(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    training.end = {"state": "failed", "error": "The loss became infinite."}
    result = cli(*QUICK)
    assert (result.code, result.out) == (1, "")
    last = result.err.splitlines()[-1]
    assert store.ids()[0] in last and "1 of 5 epochs" in last and last.endswith("The loss became infinite.")
    assert cli(*QUICK, "--json").data["runs"][0]["error"] == "The loss became infinite."


def test_a_run_stopped_elsewhere_names_the_command_that_continues(
    cli: Cli, store: RunStore, training: FakeTraining
) -> None:
    training.during = lambda: store.queue.request_stop(store.ids()[0])
    result = cli(*QUICK)
    assert result.code == 1
    assert f"resnet-lab resume {store.ids()[0]}" in result.err.splitlines()[-1]


def test_ctrl_c_keeps_the_run_and_starts_no_other(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    training.during = lambda: signal.raise_signal(signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    result = cli(*QUICK, "--seeds", "3")
    assert result.code == 130
    (run_id,) = store.ids()
    assert store.run(run_id).status().state == "stopped"
    assert "Ctrl-C again" in result.err and f"resume {run_id}" in result.err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_at_once(cli: Cli, training: FakeTraining) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("training continued")

    training.during = twice
    result = cli(*QUICK)
    assert result.code == 130 and result.err.endswith("Interrupted.\n")


def test_ctrl_c_in_a_shell_stops_and_resume_continues(cli: Cli, store: RunStore) -> None:
    with Program("train", *TINY, "--set", "train.epochs=30", "--runs", store.root) as program:
        wait_for(lambda: "epoch  1/30" in program.err)
        program.send_signal(signal.SIGINT)
        assert program.wait() == 130
    (run_id,) = store.ids()
    run = store.run(run_id)
    status = run.status()
    assert status.state == "stopped" and 1 <= status.epoch < 30
    assert f"resume {run_id}" in program.err and "Traceback" not in program.err

    assert cli("resume", run_id[-4:]).code == 0
    assert [record.epoch for record in run.records()] == list(range(1, 31))


def test_resume_trains_an_interrupted_run(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    run_id = made_run(store, state="interrupted")
    assert cli("resume", "latest").code == 0
    assert training.trained == [run_id]


def test_resume_can_leave_the_run_to_the_app(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    run_id = made_run(store, state="failed")
    for _ in range(2):
        (run,) = cli("resume", run_id, "--queue", "--json").data["runs"]
        assert (run["id"], run["state"]) == (run_id, "queued")
    assert store.queue.ids() == [run_id] and training.trained == []


def test_a_finished_run_is_not_resumed(cli: Cli, store: RunStore) -> None:
    run_id = made_run(store)
    result = cli("resume", run_id)
    assert (result.code, result.out) == (1, "")
    assert run_id in result.err and "extend" in result.err
    assert cli("resume", run_id, "--queue").code == 1


def test_extend_continues_as_a_new_run(cli: Cli, trained: RunStore) -> None:
    (parent,) = trained.ids()
    result = cli("extend", "tiny", "--epochs", 3, "--json", on=trained)
    assert result.code == 0, result.err
    (run,) = result.data["runs"]
    assert run["epoch"] == 3 and trained.run(run["id"]).meta().parent == parent
    assert [record.epoch for record in trained.run(run["id"]).records()] == [1, 2, 3]
    assert len(trained.run(parent).records()) == 2


def test_an_extended_run_is_held_from_the_start(cli: Cli, trained: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No app can take the new run from the queue: it never waits there without being held."""
    held = []
    run_held = runner.run_held

    def observe(store: RunStore, run_id: str, **callbacks: Any) -> Status:
        held.append((store.run(run_id).stored_status().state, store.run(run_id).held()))
        return run_held(store, run_id, **callbacks)

    monkeypatch.setattr(runner, "run_held", observe)
    assert cli("extend", "tiny", "--epochs", 3, on=trained).code == 0
    assert held == [("queued", True)]


def test_a_schedule_that_ends_at_zero_is_not_extended(cli: Cli, store: RunStore) -> None:
    run_id = made_run(store)
    store.run(run_id).write_file("last.pt", b"state")
    result = cli("extend", run_id, "--epochs", 30)
    assert result.code == 1 and "zero" in result.err


def test_without_data_no_run_is_made(cli: Cli, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNET_LAB_DATA", str(store.root / "nothing"))
    result = cli(*QUICK)
    assert result.code == 1 and "resnet-lab data" in result.err
    assert store.ids() == [] and cifar10.available() is False


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    display = Display(epochs=12)
    display.on_batch(BatchRecord(3, 12, 40, 125, 1.875, 0.345, 0.1, 500.0, 200.0))
    display.close()
    assert "epoch 3/12" in terminal.getvalue() and "19 %" in terminal.getvalue(), "of the run, as on the pages"
    display.on_epoch(made_record(3))
    assert terminal.getvalue().splitlines()[-1].startswith("epoch  3/12  train loss ")


def test_settings_that_change_nothing_are_named_before_training(
    cli: Cli, store: RunStore, training: FakeTraining
) -> None:
    result = cli("train", "--preset", "he2016", "--set", "train.epochs=60", "--set", "train.muon_lr=0.3", "--queue")
    assert result.code == 0 and len(store.ids()) == 1
    assert "never falls in a run of 60 epochs" in result.err
    assert "Muon learning rate changes nothing here" in result.err
    assert "changes nothing" not in cli(*QUICK, "--queue").err


def test_numbers_are_read_as_people_type_them(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    result = cli(*QUICK, "--set", "data.train_size=10,000", "--set", "train.lr=0,05", "--queue", "--json")
    config = store.run(result.data["runs"][0]["id"]).config()
    assert (config.data.train_size, config.train.lr) == (10_000, 0.05)
    refused = cli(*QUICK, "--set", "data.train_size=10.000", "--set", "model.depth=21")
    assert refused.code == 1 and "10 or 10,000" in refused.err and "6n+2" in refused.err


HUGE = ("--set", "model.width=128", "--set", "model.depth=110", "--set", "train.batch_size=4000")


def test_a_run_that_needs_more_memory_than_there_is_needs_a_yes(
    cli: Cli, store: RunStore, training: FakeTraining
) -> None:
    huge = ("train", "--preset", "he2016", *HUGE, "--set", "train.threads=256", "--queue")
    refused = cli(*huge)
    assert refused.code == 1 and "GB" in refused.err and "--yes" in refused.err
    assert store.ids() == []
    allowed = cli(*huge, "--yes")
    assert allowed.code == 0 and len(store.ids()) == 1
    assert "memory" in allowed.err and "256 threads" in allowed.err


@pytest.mark.parametrize("words", [("resume",), ("extend", "--epochs", "99")], ids=lambda words: words[0])
def test_resuming_and_extending_ask_for_the_same_yes(
    cli: Cli, store: RunStore, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    command, *options = words
    base = RunConfig().replace({"train.schedule": "constant", "train.warmup_epochs": 0, "train.epochs": 4})
    run_id = made_run(store, 4, "stopped" if command == "resume" else "finished", base)
    store.run(run_id).write_file("last.pt", b"state")
    store.run(run_id).write_file("best.safetensors", b"weights")
    monkeypatch.setattr(machine, "memory_limit", lambda device: 1_000_000)
    refused = cli(command, run_id, *options, "--queue")
    assert refused.code == 1 and "memory" in refused.err and "--yes" in refused.err
    assert store.queue.ids() == []
    allowed = cli(command, run_id, *options, "--queue", "--yes")
    assert allowed.code == 0 and "memory" in allowed.err and len(store.queue.ids()) == 1


def test_a_run_on_another_computer_is_resumed_only_if_it_is_taken_over(cli: Cli, store: RunStore) -> None:
    run_id = store.create(tiny_config("train.epochs=1", "train.warmup_epochs=0"))
    status = replace(store.run(run_id).status(), state="running", host="elsewhere", pid=1, heartbeat=time.time())
    store.run(run_id).write_status(status)
    for words in (["resume", run_id], ["resume", run_id, "--queue"]):
        refused = cli(*words)
        assert refused.code == 1 and "elsewhere" in refused.err and "--take-over" in refused.err
    assert cli("resume", run_id, "--take-over").code == 0
    assert store.run(run_id).status().state == "finished"


def test_seeds_share_the_precision_that_auto_chose_for_the_first(
    cli: Cli, store: RunStore, training: FakeTraining
) -> None:
    begun: list[dict[str, object]] = []

    def during() -> None:
        run = store.run(training.trained[-1])
        begun.append(run.meta().environment)
        run.write_environment({"device": "cpu", "precision": "bf16", "threads": 2})

    training.during = during  # type: ignore[method-assign]
    assert cli("train", "--preset", "quick", "--seeds", "3").code == 0
    assert begun == [{}, {"precision": "bf16"}, {"precision": "bf16"}]


def test_a_damaged_configuration_of_a_run_starts_no_other(cli: Cli, store: RunStore, training: FakeTraining) -> None:
    run_id = made_run(store)
    path = store.root / run_id / "config.json"
    assert cli("train", "--config", path, "--queue").code == 0
    path.write_text(path.read_text().replace('"depth": 20', '"depth": 32'))
    result = cli("train", "--config", path, "--queue")
    assert result.code == 1 and "config.json" in result.err and "check" in result.err
    assert len(store.ids()) == 2
