"""Every command of ``python -m core``: what it does, says and returns, and what it makes of bad input."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.base.errors import DataError
from core.cli import main as cli
from core.cli import train as cli_train
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.sources import Progress
from core.jobs import runner
from core.records import BatchRecord
from core.runs.folder import Status
from core.runs.store import RunStore
from tests.made import made_record, made_run

PROJECT = Path(__file__).parents[2]
TINY = (
    "model.depth=8", "model.width=4", "data.train_size=128", "data.validation_size=64", "data.test_size=60",
    "train.epochs=2", "train.batch_size=32", "train.schedule=constant", "train.warmup_epochs=0",
    "train.precision=fp32", "train.threads=1", "train.device=cpu",
)  # fmt: skip
TRAIN_TINY = ["train", "--preset", "quick", *(word for one in TINY for word in ("--set", one))]


class Told:
    """What a command returned and wrote."""

    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> Any:
        """stdout as strict JSON: NaN and Infinity are refused."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


Core = Callable[..., Told]


@pytest.fixture
def core(store: RunStore, capsys: pytest.CaptureFixture[str]) -> Core:
    """Runs a command in this process on the test's store."""

    def run(*words: object, on: RunStore = store) -> Told:
        capsys.readouterr()
        code = cli.main([*map(str, words), "--runs", str(on.root)])
        out, err = capsys.readouterr()
        return Told(code, out, err)

    return run


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A store with one run that was really trained, for two epochs, by the command line."""
    store = RunStore(tmp_path_factory.mktemp("trained") / "runs")
    about = ["--name", "tiny", "--tag", "a", "--tag", "b", "--note", "why"]
    assert cli.main([*TRAIN_TINY, *about, "--runs", str(store.root)]) == 0
    return store


@pytest.fixture
def trained(trained_once: RunStore, tmp_path: Path) -> RunStore:
    """A copy of the store with the trained run, to change."""
    shutil.copytree(trained_once.root, tmp_path / "copy")
    return RunStore(tmp_path / "copy")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replaces training: ends as ``pretended["end"]`` says, after ``pretended["before"]`` and an epoch."""
    told: dict[str, Any] = {"end": {"state": "finished"}, "before": lambda: None, "trained": []}

    def train(store: RunStore, run_id: str, *, on_batch: Any, on_epoch: Any) -> Status:
        told["trained"].append(run_id)
        assert store.run(run_id).held() or told.get("free"), "an app's queue could have taken it"
        store.run(run_id).write_status(replace(store.run(run_id).stored_status(), state="running"))
        told["before"]()
        on_batch(BatchRecord(1, 5, 1, 125, 2.3, 0.1, 0.1, 500.0, 30.0))
        on_epoch(made_record(1))
        end = {"epoch": 1, "best_epoch": 1, "best_val_accuracy": 0.4 + 0.1 * len(told["trained"])} | told["end"]
        if store.run(run_id).stop_request():
            end["state"] = "stopped"
        store.run(run_id).write_status(replace(store.run(run_id).stored_status(), **end))
        return store.run(run_id).stored_status()

    monkeypatch.setattr(runner, "run_held", train)
    monkeypatch.setattr(
        runner, "run", lambda store, run_id, **more: told.update(free=True) or train(store, run_id, **more)
    )
    monkeypatch.setattr(cifar10, "available", lambda folder=None: True)
    return told


# --- training -------------------------------------------------------------------------------------


def test_train_makes_a_whole_run(trained_once: RunStore) -> None:
    store, (run_id,) = trained_once, trained_once.ids()
    assert store.run(run_id).config() == PRESETS["quick"].config.set_from_text(list(TINY))
    assert (store.run(run_id).meta().name, store.run(run_id).meta().tags, store.run(run_id).meta().note) == (
        "tiny",
        ("a", "b"),
        "why",
    )
    assert store.run(run_id).status().state == "finished" and not store.run(run_id).held()
    assert [one.epoch for one in store.run(run_id).records()] == [1, 2]
    assert store.run(run_id).best_weights() and store.run(run_id).last_state()
    assert store.run(run_id).result()["best"]["images"] == 60


def test_train_says_how_it_went(core: Core, store: RunStore) -> None:
    told = core(*TRAIN_TINY, "--json")
    run = told.data["runs"][0]
    assert told.code == 0 and [run["id"]] == store.ids()
    assert (run["state"], run["epoch"], run["epochs"], run["seed"]) == ("finished", 2, 2, 0)
    best = max(one.val_accuracy for one in store.run(run["id"]).records())
    assert run["best_val_accuracy"] == best
    assert run["test_accuracy"] == store.run(run["id"]).result()["best"]["accuracy"]
    lines = [line for line in told.err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"], "no terminal: a line an epoch and no bar"
    assert f"val loss {store.run(run['id']).records()[1].val_loss:.4f}" in lines[1]


def test_train_from_a_runs_config_gives_the_same_numbers(core: Core, trained: RunStore) -> None:
    (parent,) = trained.ids()
    told = core("train", "--config", trained.root / parent / "config.json", "--json")
    again = told.data["runs"][0]["id"]
    store = RunStore(trained.root.parent / "runs")
    kept = ("epoch", "step", "lr", "train_loss", "val_loss", "val_accuracy_by_class")
    assert [[getattr(one, name) for name in kept] for one in store.run(again).records()] == [
        [getattr(one, name) for name in kept] for one in trained.run(parent).records()
    ]


def test_seeds_are_runs_one_after_the_other(core: Core, store: RunStore, pretended: dict[str, Any]) -> None:
    told = core("train", "--preset", "quick", "--set", "train.seed=5", "--seeds", "3", "--name", "n")
    assert told.code == 0
    assert pretended["trained"] == store.ids()[::-1]
    assert [store.run(one).config().train.seed for one in pretended["trained"]] == [5, 6, 7]
    assert [store.run(one).meta().name for one in pretended["trained"]] == ["n, seed 5", "n, seed 6", "n, seed 7"]
    assert "Best validation accuracy of 3 seeds: 60.00 ± 10.00 % (mean ± standard deviation)." in told.out


def test_queue_leaves_runs_to_the_app(core: Core, store: RunStore, pretended: dict[str, Any]) -> None:
    told = core("train", "--preset", "quick", "--queue", "--seeds", "2", "--json")
    assert told.code == 0 and pretended["trained"] == []
    assert [run["id"] for run in told.data["runs"]] == store.queue.ids()
    assert core("train", "--preset", "quick", "--queue").out == f"Queued run {store.ids()[0]}; the app trains it.\n"


def test_a_failed_run_is_an_error_with_its_cause(core: Core, store: RunStore, pretended: dict[str, Any]) -> None:
    pretended["end"] = {"state": "failed", "error": "The loss became infinite."}
    told = core("train", "--preset", "quick")
    assert (told.code, told.out) == (1, "")
    assert told.err.endswith(f"Run {store.ids()[0]} failed after 1 of 5 epochs: The loss became infinite.\n")
    assert core("train", "--preset", "quick", "--json").data["runs"][0]["error"] == "The loss became infinite."


def test_a_run_that_someone_stops_is_told_so(core: Core, store: RunStore, pretended: dict[str, Any]) -> None:
    pretended["before"] = lambda: store.queue.request_stop(store.ids()[0])
    told = core("train", "--preset", "quick")
    assert told.code == 1
    assert f"was stopped after 1 of 5 epochs. `python -m core resume {store.ids()[0]}` goes on from there" in told.err
    assert store.run(store.ids()[0]).stop_request() is None


def test_a_run_that_someone_discards_is_in_the_trash(core: Core, store: RunStore, pretended: dict[str, Any]) -> None:
    pretended["before"] = lambda: store.queue.request_stop(store.ids()[0], keep=False)
    assert core("train", "--preset", "quick").code == 1
    assert store.ids() == [] and len(store.trash.ids()) == 1


def test_ctrl_c_stops_and_keeps_the_run_and_starts_no_other(
    core: Core, store: RunStore, pretended: dict[str, Any]
) -> None:
    pretended["before"] = lambda: signal.raise_signal(signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    told = core("train", "--preset", "quick", "--seeds", "3")
    assert told.code == 130
    (run_id,) = store.ids()
    assert store.run(run_id).status().state == "stopped" and store.run(run_id).stop_request() is None
    assert "Stopping after this batch" in told.err and f"resume {run_id}" in told.err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_at_once(core: Core, pretended: dict[str, Any]) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    pretended["before"] = twice
    told = core("train", "--preset", "quick")
    assert told.code == 130 and told.err.endswith("Interrupted.\n")


def test_ctrl_c_in_a_shell_stops_and_resume_goes_on(core: Core, store: RunStore) -> None:
    words = [sys.executable, "-m", "core", *TRAIN_TINY, "--set", "train.epochs=500", "--runs", str(store.root)]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("epoch   1/500") for line in lines)
        process.send_signal(signal.SIGINT)
        said = "".join(lines)
        assert process.wait() == 130
    (run_id,) = store.ids()
    status = store.run(run_id).status()
    assert status.state == "stopped" and 1 <= status.epoch < 500 and "Traceback" not in said
    assert f"python -m core resume {run_id}" in said

    path = store.run(run_id).path / "config.json"
    path.write_text(path.read_text().replace('"epochs": 500', f'"epochs": {status.epoch + 1}'))
    assert core("resume", run_id[-4:]).code == 0
    assert [one.epoch for one in store.run(run_id).records()] == list(range(1, status.epoch + 2))


def test_resume_trains_a_run_that_did_not_end(core: Core, store: RunStore, pretended: dict[str, Any]) -> None:
    run_id = made_run(store, state="interrupted")
    assert core("resume", "latest").code == 0
    assert pretended["trained"] == [run_id]


def test_resume_can_leave_it_to_the_app(core: Core, store: RunStore, pretended: dict[str, Any]) -> None:
    run_id = made_run(store, state="failed")
    for _ in range(2):
        assert core("resume", run_id, "--queue", "--json").data == {"runs": [{"id": run_id, "state": "queued"}]}
    assert store.queue.ids() == [run_id] and pretended["trained"] == []


def test_a_finished_run_is_not_resumed(core: Core, store: RunStore) -> None:
    run_id = made_run(store)
    told = core("resume", run_id)
    assert (told.code, told.out) == (1, "")
    assert f"Run {run_id} is finished; extend it to train it further." in told.err
    assert core("resume", run_id, "--queue").code == 1


def test_extend_goes_on_as_a_new_run(core: Core, trained: RunStore) -> None:
    (parent,) = trained.ids()
    told = core("extend", "tiny", "--epochs", 3, "--json", on=trained)
    assert told.code == 0, told.err
    (run,) = told.data["runs"]
    assert run["epoch"] == 3 and trained.run(run["id"]).meta().parent == parent
    assert [one.epoch for one in trained.run(run["id"]).records()] == [1, 2, 3]
    assert len(trained.run(parent).records()) == 2


def test_an_extended_run_is_this_programs_from_the_first_instant(
    core: Core, trained: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No app beside it can take the child from the queue: at no time does it wait without being held."""
    from core.jobs import runner

    held = []
    real = runner.run_held

    def look(store: RunStore, run_id: str, **heard: Any) -> Status:
        held.append((store.run(run_id).stored_status().state, store.run(run_id).held()))
        return real(store, run_id, **heard)

    monkeypatch.setattr(runner, "run_held", look)
    assert core("extend", "tiny", "--epochs", 3, on=trained).code == 0
    assert held == [("queued", True)]


def test_a_schedule_that_ends_at_zero_is_not_extended(core: Core, store: RunStore) -> None:
    run_id = made_run(store)
    store.run(run_id).write_file("last.pt", b"state")
    told = core("extend", run_id, "--epochs", 30)
    assert told.code == 1 and "one-cycle schedule has brought the learning rate to zero" in told.err


def test_without_data_nothing_is_made(core: Core, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    told = core("train", "--preset", "quick")
    assert told.code == 1 and told.err == (
        "CIFAR-10 is not on this computer yet; run `python -m core data` first.\n"
    )  # fmt: skip
    assert store.ids() == []


def test_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    display = cli_train.Display(epochs=12)
    display.on_batch(BatchRecord(3, 12, 40, 125, 1.875, 0.345, 0.1, 500.0, 200.0))
    display.close()
    assert "epoch 3/12" in terminal.getvalue() and "/125" in terminal.getvalue()
    display.on_epoch(made_record(3))
    assert terminal.getvalue().splitlines()[-1].startswith("epoch  3/12  train loss ")


# --- about runs -----------------------------------------------------------------------------------


def test_list_tells_each_run(core: Core, store: RunStore) -> None:
    first = made_run(store, epochs=2, name="base")
    second = made_run(store, state="failed", config=RunConfig().replace({"train.epochs": 9, "data.validation": "test"}))
    store.run(first).write_result({"best": {"accuracy": 0.4321, "loss": 1.5}})
    told = core("list")
    head, newest, oldest = told.out.splitlines()
    assert head.split("  ")[0] == "id" and newest.startswith(second) and oldest.startswith(first)
    assert "failed" in newest and "4/9" in newest and "test images" in newest
    assert "base" in oldest and "2/2" in oldest and "held-out images" in oldest and oldest.endswith("43.21 %")
    assert f"{100 * made_record(2).val_accuracy:.2f} %" in oldest


def test_list_as_json_is_strict(core: Core, store: RunStore) -> None:
    run_id = made_run(store, epochs=1)
    store.run(run_id).append_record(made_record(2, val_loss=float("nan"), train_loss=float("inf")))
    (run,) = core("list", "--json").data
    assert (run["id"], run["last_val_loss"], run["last_train_loss"]) == (run_id, None, None)
    assert run["best_val_accuracy"] == made_record(2).val_accuracy
    assert run["finished_at"] == 60.0 and run["test_accuracy"] is None


def test_an_empty_list_says_what_to_do(core: Core) -> None:
    assert "python -m core train --preset quick" in core("list").out
    assert core("list", "--json").data == []


def test_a_damaged_run_is_told_and_the_others_listed(core: Core, store: RunStore) -> None:
    bad, good = made_run(store), made_run(store)
    (store.run(bad).path / "status.json").write_text("{")
    told = core("list")
    assert good in told.out and "damaged" in told.out
    assert f"status.json of run {bad} cannot be read" in told.err


def test_show_tells_what_is_special_and_how_it_went(core: Core, store: RunStore) -> None:
    config = PRESETS["he2016"].config.replace({"train.lr": 0.25, "train.epochs": 150})
    run_id = made_run(store, state="failed", config=config, name="mine", tags=("x", "y"), note="because")
    store.run(run_id).write_environment({"torch": "2.9", "threads": 2, "accelerator": None})
    store.run(run_id).write_result({"best": {"accuracy": 0.4321, "loss": 1.5}, "last": {"accuracy": 0.41, "loss": 1.6}})
    told = core("show", "mine").out
    for part in (run_id, "failed", "4 of 150", "x, y", "because", "The loss became infinite in epoch 3"):
        assert part in told
    command = "python -m core train --preset he2016 --set train.epochs=150 --set train.lr=0.25"
    assert command in told
    assert "45,000 to train, 5,000 held-out images to validate, 10,000 to test" in told
    assert f"{100 * made_record(4).val_accuracy:.2f} %" in told and "43.21 %" in told and "41.00 %" in told
    assert "2.9" in told and "accelerator" not in told

    data = core("show", run_id, "--json").data
    assert data["nearest_preset"] == "he2016" and data["command"] == command
    assert data["differences"]["train.lr"] == {"run": 0.25, "preset": 0.1}
    assert RunConfig.from_dict(data["config"]) == config
    assert data["summary"]["best_epoch"] == 4 and data["status"]["state"] == "failed"


def test_show_of_a_run_without_epochs(core: Core, store: RunStore) -> None:
    store.create(PRESETS["fast"].config)
    told = core("show", "latest").out
    assert "The preset fast, unchanged." in told and "No epoch is finished yet." in told


def test_stop(core: Core, store: RunStore) -> None:
    run_id = store.create(RunConfig())
    assert core("stop", run_id).out == f"Run {run_id} is stopped.\n"
    assert store.run(run_id).status().state == "stopped"
    told = core("stop", run_id)
    assert told.code == 1 and "only a waiting or running one can be stopped" in told.err


def test_stop_and_discard(core: Core, store: RunStore) -> None:
    run_id = store.create(RunConfig())
    assert core("stop", run_id, "--discard", "--json").data == {"id": run_id, "state": "trashed"}
    assert store.trash.ids() == [run_id]


def test_stop_asks_whoever_trains_it(core: Core, store: RunStore) -> None:
    with store.create_held(RunConfig()) as run_id:
        store.run(run_id).write_status(replace(store.run(run_id).stored_status(), state="running"))
        told = core("stop", run_id, "--discard")
        assert told.out == f"Run {run_id} stops after the current batch and goes to the trash.\n"
        assert store.run(run_id).stop_request() == "discard"


def test_evaluate_agrees_with_what_training_recorded(core: Core, trained_once: RunStore) -> None:
    store, (run_id,) = trained_once, trained_once.ids()
    status = store.run(run_id).status()
    data = core("evaluate", run_id, "--json", on=store).data
    assert data["accuracy"] == pytest.approx(status.best_val_accuracy)
    assert (data["epoch"], data["images"], len(data["classes"])) == (status.best_epoch, 64, 10)
    tested = core("evaluate", run_id, "--part", "test", "--json", on=store).data
    assert tested["images"] == 60 and tested["accuracy"] == pytest.approx(
        store.run(run_id).result()["best"]["accuracy"]
    )
    text = core("evaluate", run_id, on=store).out
    assert "validation part (64 held-out images)" in text and "airplane" in text
    assert f"accuracy {100 * data['accuracy']:.2f} %" in text


def test_evaluate_needs_weights(core: Core, store: RunStore) -> None:
    told = core("evaluate", made_run(store))
    assert told.code == 1 and "has no weights yet" in told.err


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A wide picture, one of text and one that is not there."""
    wide = Image.new("RGB", (90, 40), "red")
    wide.paste("blue", (0, 0, 30, 40))
    wide.save(tmp_path / "wide.jpg", "JPEG")
    (tmp_path / "text.png").write_text("no picture")
    return {name: tmp_path / name for name in ("wide.jpg", "text.png", "missing.png")}


def test_classify_names_the_likeliest_classes(core: Core, trained_once: RunStore, pictures: dict[str, Path]) -> None:
    told = core("classify", "tiny", pictures["wide.jpg"], "--top", 10, "--json", on=trained_once)
    (picture,) = told.data["pictures"]
    shares = [one["probability"] for one in picture["top"]]
    assert told.code == 0 and picture["file"] == str(pictures["wide.jpg"])
    assert sum(shares) == pytest.approx(1, abs=1e-5) and shares == sorted(shares, reverse=True)
    assert {one["class"] for one in picture["top"]} == set(CLASSES)
    text = core("classify", "tiny", pictures["wide.jpg"], on=trained_once).out.splitlines()
    assert len(text) == 2 + 3 and picture["top"][0]["class"] in text[2] and f"{100 * shares[0]:.2f} %" in text[2]
    whole = core("classify", "tiny", pictures["wide.jpg"], "--crop", "whole", "--json", on=trained_once).data
    assert whole["pictures"][0]["top"][0]["probability"] != shares[0], "another crop is another picture"


def test_a_bad_file_spoils_no_other(core: Core, trained_once: RunStore, pictures: dict[str, Path]) -> None:
    told = core("classify", "tiny", *pictures.values(), on=trained_once)
    assert told.code == 1
    assert str(pictures["wide.jpg"]) in told.out and "text.png" not in told.out
    text, missing = told.err.splitlines()
    assert "text.png" in text and "missing.png" in missing
    data = core("classify", "tiny", *pictures.values(), "--json", on=trained_once).data
    assert len(data["pictures"]) == 1 and data["errors"] == [text, missing]


def test_with_bad_files_alone_nothing_is_answered(
    core: Core, trained_once: RunStore, pictures: dict[str, Path]
) -> None:
    told = core("classify", "tiny", pictures["text.png"], on=trained_once)
    assert (told.code, told.out) == (1, "")


def test_trash_and_restore(core: Core, store: RunStore) -> None:
    kept, one, two = (made_run(store) for _ in range(3))
    assert core("trash", one, "latest", two).out == f"Run {one} is trashed.\nRun {two} is trashed.\n"
    assert store.ids() == [kept]
    assert core("restore").out.split() == [two, one]
    assert core("restore", one[-4:], "--json").data == {"restored": [one], "errors": []}
    assert core("restore", "latest").out == f"Run {two} is restored.\n"
    assert store.ids() == [two, one, kept]
    assert core("restore").out == "The trash is empty.\n"
    told = core("restore", kept)
    assert told.code == 1 and f"There is no run {kept} in the trash" in told.err


def test_an_ambiguous_part_restores_nothing(core: Core, store: RunStore) -> None:
    runs = [made_run(store) for _ in range(2)]
    core("trash", *runs)
    assert "matches 2 ids" in core("restore", runs[0][:6]).err
    assert len(store.trash.ids()) == 2


def test_a_run_at_work_does_not_keep_the_others_from_the_trash(core: Core, store: RunStore) -> None:
    idle = made_run(store)
    with store.create_held(RunConfig()) as busy:
        told = core("trash", busy, idle)
    assert told.code == 1 and store.trash.ids() == [idle]
    assert f"Run {busy} is running; stop it before deleting it." in told.err


def test_a_misspelled_run_keeps_all_from_the_trash(core: Core, store: RunStore) -> None:
    run_id = made_run(store)
    assert core("trash", run_id, "nothing").code == 1
    assert store.ids() == [run_id]


# --- what needs no run ----------------------------------------------------------------------------


def test_emptying_the_trash_tells_what_it_frees_and_does_it_when_told_to(core: Core, store: RunStore) -> None:
    kept, gone = made_run(store), made_run(store)
    assert core("empty-trash").out == "The trash is empty.\n"
    store.run(gone).write_file("last.pt", b"x" * 2_000_000)
    core("trash", gone)
    told = core("empty-trash")
    assert (told.code, told.out) == (0, "1 run with 2.0 MB would be deleted for good; add --yes to do it.\n")
    assert store.trash.ids() == [gone]
    told = core("empty-trash", "--yes", "--json")
    assert told.data["runs"] == 1 and told.data["bytes"] > 2_000_000 and told.data["emptied"] is True
    assert store.trash.ids() == [] and store.ids() == [kept]


def test_a_reference_run_cannot_be_deleted_or_trained_further(core: Core, store: RunStore) -> None:
    run_id = made_run(store, state="stopped")
    path = store.run(run_id).path / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"reference": True}))
    for words in (("trash", run_id), ("resume", run_id, "--queue"), ("resume", run_id)):
        told = core(*words)
        assert told.code == 1 and "is a reference run that came with the program; it cannot be" in told.err
    assert store.ids() == [run_id] and store.run(run_id).status().state == "stopped"


# --- elsewhere and back ---------------------------------------------------------------------------


def test_runs_are_exported_and_imported(core: Core, trained: RunStore, store: RunStore, tmp_path: Path) -> None:
    (run_id,), file = trained.ids(), tmp_path / "runs.zip"
    told = core("export", "tiny", "latest", "--to", file, "--json", on=trained)
    assert told.data == {"file": str(file), "runs": [run_id], "bytes": file.stat().st_size}
    again = core("export", "tiny", "--to", file, on=trained)
    assert again.code == 1 and again.err == f"{file} exists already; give another name or remove it.\n"
    assert core("import", file).out == f"Run {run_id} is imported.\n"
    here = core("evaluate", run_id, "--json").data
    assert here == core("evaluate", run_id, "--json", on=trained).data
    told = core("import", file)
    assert (told.code, told.out) == (1, "") and f"Run {run_id} is here already; it was left as it is." in told.err


def test_what_is_no_export_is_one_sentence(core: Core, store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    told = core("import", tmp_path / "x.zip")
    assert told.code == 1 and told.err.startswith(f"Nothing was taken from {tmp_path / 'x.zip'}: it is no .zip file")
    assert core("import", tmp_path / "none.zip").err == f"There is no file {tmp_path / 'none.zip'}.\n"


def test_layers_of_a_preset_and_of_a_run(core: Core, store: RunStore) -> None:
    told = core("layers", "--preset", "report")
    assert told.out.splitlines()[-1].startswith("273,066 trainable parameters, ")
    made_run(
        store, config=PRESETS["report"].config.replace({"data.classes": ("deer", "dog"), "data.train_size": 10_000})
    )
    data = core("layers", "latest", "--json").data
    assert data["parameters"] == 272_546 == sum(one["parameters"] for one in data["layers"])
    assert core("layers", "--set", "model.depth=8", "--json").data["parameters"] < 269_722


def test_setting_are_all_explained(core: Core) -> None:
    text, data = core("knobs").out, core("knobs", "--json").data
    assert [one["path"] for one in data] == list(SETTINGS)
    for path, setting in SETTINGS.items():
        assert f"{path}  {setting.expects()}" in text
    assert "whole number of images from 2 to 60,000, or “all” (default all)" in text
    assert next(one["default"] for one in data if one["path"] == "train.lr") == RunConfig().train.lr


def test_presets_are_all_explained(core: Core) -> None:
    text, data = core("presets").out, core("presets", "--json").data
    assert [one["name"] for one in data] == list(PRESETS)
    assert all(f"{name}  {one.title}" in text for name, one in PRESETS.items())
    assert RunConfig.from_dict(data[0]["config"]) == PRESETS["quick"].config


def test_data_tells_where_it_is(core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def acquire(folder: Path, source: Path, progress: Callable[[Progress], None]) -> Path:
        asked.append((folder, source))
        progress(Progress("source", "Unpacking", 5, 10, "B"))
        progress(Progress("source", "Checking", 60_000, 60_000, "images"))
        return folder

    monkeypatch.setattr(cifar10, "acquire", acquire)
    told = core("data", "--folder", tmp_path, "--source", "a.tar.gz", "--json")
    assert asked == [(tmp_path, Path("a.tar.gz"))]
    assert told.data == {"folder": str(tmp_path), "images": 60_000, "verified": True}
    assert told.err == "", "no terminal, no bar"


def test_data_that_cannot_be_had_is_told(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DataError("No route worked.")

    monkeypatch.setattr(cifar10, "acquire", refuse)
    told = core("data")
    assert (told.code, told.out, told.err) == (1, "", "No route worked.\n")


# --- the words ------------------------------------------------------------------------------------


def test_global_options_stand_before_or_after(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    run_id, root = made_run(store), str(store.root)
    for words in (
        ["--runs", root, "--json", "list"],
        ["list", "--runs", root, "--json"],
        ["--json", "list", "--runs", root],
    ):
        assert cli.main(words) == 0
        assert json.loads(capsys.readouterr().out)[0]["id"] == run_id


def test_the_runs_folder_is_a_setting(
    store: RunStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = made_run(store)
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    assert cli.main(["list"]) == 0
    assert run_id in capsys.readouterr().out


def test_a_misspelled_runs_folder_is_told_and_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--runs", str(tmp_path / "rnus")]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert not (tmp_path / "rnus").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--preset", "quik"], "Did you mean “quick”?"),
        (["train", "--preset", "quick", "--set", "train.batchsize=3"], "Did you mean “train.batch_size”?"),
        (["train", "--preset", "quick", "--set", "lr=3"], "Did you mean “train.lr”?"),
        (["train", "--preset", "quick", "--set", "train.lr"], "needs a value, as in train.batch_size=64."),
        (["train", "--preset", "quick", "--set", "train.lr=big"], "“big” is not a number from 1e-07 to 10."),
        (["train", "--preset", "quick", "--set", "train.lr=11"], "11 is out of range"),
        (["train", "--preset", "quick", "--set", "model.depth=21"], "21 is not 6n+2. Use 8, 14,"),
        (["train", "--preset", "quick", "--set", "data.train_size=99999"], "99,999 is out of range"),
        (["train", "--preset", "quick", "--seeds", "2", "--set", f"train.seed={2**31 - 1}"], "is out of range"),
        (["train", "--config", "nowhere.json"], "there is no file nowhere.json."),
        (["train", "--config", "."], "cannot be read: Is a directory."),
        (["show", "20200101-000000-aaaa"], "There is no run 20200101-000000-aaaa."),
        (["show", "../../etc/passwd"], "There is no run “../../etc/passwd”"),
        (["show", ""], "There is no run “”"),
        (["trash", "../x"], "There is no run “../x”"),
        (["restore", "../x"], "There is no run “../x” in the trash"),
        (["restore", ""], "There is no run “” in the trash"),
        (["classify", "latest", "x.png"], "There is no run “latest”"),
    ],
)
def test_bad_input_is_one_sentence(core: Core, store: RunStore, words: list[str], sentence: str) -> None:
    told = core(*words)
    assert (told.code, told.out) == (1, "")
    assert sentence in told.err and told.err.count("\n") == 1
    assert store.ids() == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"schema": 2}', "was written by a newer ResNet Lab (schema 2)"),
        ('{"schema": 1, "train": {"epoch": 3}}', "train.epoch: is not a known setting. Did you mean “train.epochs”?"),
        ('{"schema": 1,', "is no JSON file"),
        ("[" * 100_000, "is no JSON file"),
        ("[]", "is not a configuration"),
        ("\0", "is no JSON file"),
    ],
)
def test_a_bad_config_file_is_one_sentence(core: Core, tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "config.json").write_text(content)
    told = core("train", "--config", tmp_path / "config.json")
    assert (told.code, told.out) == (1, "") and sentence in told.err


def test_a_runs_config_of_a_newer_program_is_told(core: Core, store: RunStore) -> None:
    run_id = made_run(store)
    (store.run(run_id).path / "config.json").write_text('{"schema": 2}')
    for command in ("show", "resume", "evaluate", "layers"):
        told = core(command, run_id)
        assert told.code == 1 and "newer ResNet Lab" in told.err, command


@pytest.mark.parametrize(
    "words",
    [
        [], ["fly"], ["train"], ["train", "--preset", "quick", "--config", "x"], ["show"], ["extend", "x"],
        ["train", "--preset", "quick", "--seeds", "0"], ["extend", "x", "--epochs", "many"],
        ["evaluate", "x", "--part", "train"], ["classify", "x"], ["classify", "x", "y", "--crop", "hand"],
    ],
)  # fmt: skip
def test_a_line_that_is_not_understood_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "usage: python -m core" in capsys.readouterr().err


def python(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=PROJECT, text=True, check=False, **more)


def test_what_needs_no_network_of_neurons_does_not_wait_for_torch(store: RunStore) -> None:
    made_run(store)
    commands = [["list"], ["show", "latest"], ["knobs"], ["presets"], ["stop", "nothing"]]
    program = (
        "import sys\n"
        "from core.cli import main as cli\n"
        f"for words in {commands!r}:\n"
        f"    cli.main([*words, '--runs', {str(store.root)!r}])\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert python("-c", program, capture_output=True).returncode == 0


def test_a_reader_that_has_enough_is_no_error() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as gone:
        told = python("-m", "core", "knobs", stdout=gone, stderr=subprocess.PIPE)
    assert (told.returncode, told.stderr) == (0, "")
