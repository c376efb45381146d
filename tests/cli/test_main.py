"""The command line as a whole: help, options, exit codes and errors."""

import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from core.base.paths import PROJECT, without_home
from core.cli.main import main
from core.model import fused
from core.runs.store import RunStore
from tests.cli.conftest import Cli
from tests.made import made_run, tiny_config


def python(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=PROJECT, text=True, check=False, **more)


def test_without_a_command_it_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words, command in (([], "classify"), (["study"], "figures")):
        assert main(words) == 0
        text = capsys.readouterr().out
        assert text.startswith("usage: resnet-lab") and f"\n    {command} " in text


def test_the_console_command_is_this_one() -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    entry = importlib.metadata.EntryPoint("resnet-lab", scripts["resnet-lab"], "console_scripts")
    assert entry.load() is main
    assert python("-m", "core", "--help", capture_output=True).stdout.startswith("usage: resnet-lab")


def test_each_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: resnet-lab train") and "\nTrain a new run.\n" in text


def test_common_options_stand_before_or_after_the_command(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    run_id, root = made_run(store), str(store.root)
    for words in (
        ["--runs", root, "--json", "list"],
        ["list", "--runs", root, "--json"],
        ["--json", "list", "--runs", root],
    ):
        assert main(words) == 0
        assert run_id in capsys.readouterr().out


def test_a_misspelled_runs_folder_is_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--runs", str(tmp_path / "rnus")]) == 1
    assert "rnus" in capsys.readouterr().err
    assert not (tmp_path / "rnus").exists()


TRAIN = ["train", "--preset", "quick"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["train", "--preset", "quik"], ["quik", "“quick”"]),
        ([*TRAIN, "--set", "train.batchsize=3"], ["train.batchsize", "“train.batch_size”"]),
        ([*TRAIN, "--set", "lr=3"], ["lr", "“train.lr”"]),
        ([*TRAIN, "--set", "train.lr"], ["train.lr", "value"]),
        ([*TRAIN, "--set", "train.lr=big"], ["train.lr", "“big”", "1e-07 to 10"]),
        ([*TRAIN, "--set", "train.lr=11"], ["train.lr", "11"]),
        ([*TRAIN, "--set", "model.depth=21"], ["model.depth", "21", "8, 14"]),
        ([*TRAIN, "--set", "data.train_size=99999"], ["data.train_size", "99,999"]),
        ([*TRAIN, "--seeds", "2", "--set", f"train.seed={2**31 - 1}"], ["train.seed"]),
        (["train", "--config", "nowhere.json"], ["nowhere.json"]),
        (["train", "--config", "."], ["directory"]),
        (["show", "20200101-000000-aaaa"], ["20200101-000000-aaaa"]),
        (["show", "../../etc/passwd"], ["“../../etc/passwd”"]),
        (["show", ""], ["“”"]),
        (["trash", "../x"], ["“../x”"]),
        (["restore", "../x"], ["“../x”", "trash"]),
        (["restore", ""], ["“”", "trash"]),
        (["classify", "latest", "x.png"], ["“latest”"]),
    ],
)
def test_bad_input_is_one_line_that_names_it(cli: Cli, store: RunStore, words: list[str], named: list[str]) -> None:
    result = cli(*words)
    assert (result.code, result.out) == (1, "")
    assert all(name in result.err for name in named) and result.err.count("\n") == 1, result.err
    assert store.ids() == []


def test_a_config_of_a_newer_version_is_an_error(cli: Cli, store: RunStore) -> None:
    run_id = made_run(store)
    store.run(run_id).checksums.write("config.json", '{"schema": 2}')
    for command in ("show", "resume", "evaluate", "layers"):
        result = cli(command, run_id)
        assert result.code == 1 and run_id in result.err and "newer" in result.err, command


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["train"],
        ["train", "--preset", "quick", "--config", "x"],
        ["show"],
        ["extend", "x"],
        ["train", "--preset", "quick", "--seeds", "0"],
        ["extend", "x", "--epochs", "many"],
        ["evaluate", "x", "--part", "train"],
        ["classify", "x"],
        ["classify", "x", "y", "--crop", "hand"],
        ["study", "fly"],
        ["study", "create", "--scale", "0.5", "--minutes", "5"],
    ],
)
def test_an_invalid_command_line_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: resnet-lab" in capsys.readouterr().err


def test_commands_that_compute_nothing_do_not_import_torch(store: RunStore) -> None:
    made_run(store)
    commands = [["list"], ["show", "latest"], ["settings"], ["presets"], ["stop", "nothing"], ["study", "list"]]
    program = (
        "import sys\n"
        "from core.cli.main import main\n"
        f"for words in {commands!r}:\n"
        f"    main([*words, '--runs', {str(store.root)!r}])\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert python("-c", program, capture_output=True).returncode == 0


def test_a_reader_that_closes_the_pipe_is_no_error() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as closed:
        result = python("-m", "core", "settings", stdout=closed, stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="the shell of Windows closes no stream")
@pytest.mark.parametrize(
    ("closing", "code", "said"), [(">&-", 0, ""), (">/dev/full", 1, "could not be written"), (">&- 2>&-", 0, "")]
)
def test_an_answer_that_nobody_can_receive_is_no_traceback(store: RunStore, closing: str, code: int, said: str) -> None:
    made_run(store)
    words = f'exec "$0" -m core list --runs "$1" {closing}'
    done = subprocess.run(
        ["sh", "-c", words, sys.executable, store.root], cwd=PROJECT, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the shell of Windows has no head")
def test_a_run_is_trained_to_its_end_when_nobody_reads_its_progress_any_more(store: RunStore) -> None:
    run_id = store.create(tiny_config("train.epochs=2"))
    words = f'"{sys.executable}" -m core resume {run_id} --runs "{store.root}" 2>&1 | head -n 1'
    done = subprocess.run(["sh", "-c", words], cwd=PROJECT, capture_output=True, text=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
    assert (store.run(run_id).status().state, store.run(run_id).status().error) == ("finished", None)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_has_every_letter_in_any_encoding(store: RunStore, encoding: str) -> None:
    made_run(store, name="Größe 寸")
    words = ("-m", "core", "list", "--json", "--runs", str(store.root))
    done = python(*words, capture_output=True, encoding=encoding, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert json.loads(done.stdout)[0]["name"] == "Größe 寸"


def test_a_user_without_a_home_folder(store: RunStore, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """Containers may run under the number of a user whom nobody has entered anywhere."""
    made_run(store)
    monkeypatch.setattr(Path, "home", Mock(side_effect=RuntimeError("Could not determine home directory.")))
    monkeypatch.delenv("RESNET_LAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cli("list").code == 0
    data = cli("data")
    assert data.code == 1 and "HOME" in data.err
    assert fused.load.__wrapped__() is False
    assert without_home(f"{PROJECT}/a.py") == "a.py"
