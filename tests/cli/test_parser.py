"""What a terminal, a shell and a disk do to a command: always a sentence, never a traceback."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from core.base import paths
from core.base.errors import SettingError
from core.base.paths import PROJECT, path_from_text
from core.cli.main import main
from core.config.sections import CLASSES
from core.jobs import probe
from core.runs.store import RunStore
from tests.cli.conftest import Cli
from tests.made import made_run, made_weights, tiny_config

LONG = "x" * 260


def in_shell(command: str, runs: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which ``$LAB`` is the command."""
    lab = f"{sys.executable} -m core"
    return subprocess.run(
        ["bash", "-c", command.replace("$LAB", lab)],
        cwd=PROJECT,
        env={**os.environ, "RESNET_LAB_RUNS": str(runs), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_one_sentence(text: str) -> None:
    assert "Traceback" not in text and "Exception ignored" not in text
    assert len(text.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["export", "latest", "--to", LONG],
        ["export", "latest", "--to", f"{LONG}/a.zip"],
        ["list", "--runs", LONG],
        ["train", "--preset", "quick", "--runs", f"{LONG}/runs"],
        ["train", "--config", LONG],
        ["import", LONG],
        ["study", "create", "--file", LONG],
        ["study", "figures", "rates", "--to", LONG],
        ["study", "export", "rates", "--to", LONG],
        ["data", "--folder", LONG],
        ["classify", "able", LONG],
        ["backup", LONG],
        ["restore-backup", LONG],
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_a_name_that_is_too_long_is_one_sentence(
    store: RunStore, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    made_weights(store, made_run(store, name="able"))
    study = ["study", "create", "--name", "rates", "--vary", "train.lr=0.05,0.1", "--preset", "quick"]
    assert main([*study, "--runs", str(store.root)]) == 0
    capsys.readouterr()
    assert main([*words, *(["--runs", str(store.root)] if "--runs" not in words else [])]) == 1
    assert_one_sentence(capsys.readouterr().err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("$LAB list >/dev/full", 1),
        ("$LAB list --json >/dev/full", 1),
        ("$LAB list >&-", 0),
        ("$LAB settings >&-", 0),
        ("$LAB nothing 2>/dev/full", 2),
        ("$LAB show nothing 2>/dev/full", 1),
        ("$LAB show nothing 2>&-", 1),
        ("$LAB >/dev/full", 0),
        ("$LAB --help >/dev/full", 0),
        ("$LAB list >/dev/full 2>/dev/full", 1),
        ("$LAB list >&- 2>&-", 0),
    ],
)
def test_an_answer_that_cannot_be_written(store: RunStore, command: str, code: int) -> None:
    made_run(store)
    done = in_shell(command, store.root)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert done.returncode == code
    assert done.stdout == ""


def test_a_closed_stdout_gets_nothing_that_is_written_to_files(store: RunStore, tmp_path: Path) -> None:
    """The next file that a program opens has the number of a closed stream."""
    run_id = made_run(store)
    done = in_shell(f"$LAB export {run_id} --to {tmp_path / 'a.zip'} >&-", store.root)
    assert "Traceback" not in done.stderr
    other = RunStore(tmp_path / "other")
    assert in_shell(f"$LAB import {tmp_path / 'a.zip'}", other.root).returncode == 0
    assert other.ids() == [run_id]


# --- names of folders -----------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["RESNET_LAB_RUNS", "RESNET_LAB_DATA", "RESNET_LAB_CIFAR10"])
@pytest.mark.parametrize("written", ['"{}"', "'{}'", " {} ", '"{}" '])
def test_quotes_around_a_setting_are_not_part_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, written: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, written.format(tmp_path / "a b"))
    setting = {"RESNET_LAB_RUNS": paths.runs_folder, "RESNET_LAB_DATA": paths.data_folder}
    assert setting.get(variable, paths.data_source)() == tmp_path / "a b"
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_exists_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ('"quoted"', " spaces ", "~"):
        Path(name).mkdir()
        assert path_from_text(name) == Path(name)


def test_home_is_replaced_where_the_shell_did_not() -> None:
    assert path_from_text("~/runs") == Path.home() / "runs"
    with pytest.raises(SettingError, match="no user"):
        path_from_text("~nobody-of-that-name/x")


@pytest.mark.parametrize(
    "words", [["list", "--runs", ""], ["export", "latest", "--to", " "], ["list", "--runs", "~nouser/x"]]
)
def test_an_empty_name_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize("value", ["nan", "inf", "-5", "0", "ten", ""])
def test_a_study_takes_some_minutes(cli: Cli, value: str) -> None:
    """They are not measured for nothing."""
    with contextlib.suppress(SystemExit):
        result = cli("study", "create", "--figure", "7", f"--minutes={value}")
        assert result.code == 1 and "--minutes" in result.err and "easuring" not in result.err
    assert cli("study", "list", "--json").data == []


# --- studies and classifying on a fresh computer --------------------------------------------------


def test_a_study_without_all_its_runs_shows_dashes(cli: Cli, store: RunStore) -> None:
    base = tiny_config()
    made_run(store, config=base.replace({"train.lr": 0.05}))
    made_run(store, config=base.replace({"train.lr": 0.1}), state="queued", epochs=0)
    (store.root / "c.json").write_text(json.dumps(base.to_dict()))
    words = ("study", "create", "--config", store.root / "c.json", "--vary", "train.lr=0.05,0.1,0.2")
    result = cli(*words)
    assert result.code == 0 and "nan" not in result.out.lower()
    assert "–" in result.out
    assert "nan" not in cli("study", "status", "latest").out.lower()


def test_minutes_are_measured_where_nothing_is_known(
    cli: Cli, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.1)
    result = cli("study", "create", "--figure", "7", "--minutes", "60", "--json")
    assert result.code == 0 and "easuring" in result.err
    assert result.data["cells"]
    assert "easuring" not in cli("study", "create", "--figure", "7", "--minutes", "60", "--name", "again").err


def test_latest_classifies_with_a_network_that_knows_all_classes(cli: Cli, store: RunStore, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), "red").save(tmp_path / "photo.png")
    whole = made_run(store, config=tiny_config(), name="all ten")
    pair = made_run(store, config=tiny_config().replace({"data.classes": ("deer", "dog")}), name="pair")
    for run_id in (whole, pair):
        made_weights(store, run_id)
    made_run(store, name="without weights")
    result = cli("classify", "latest", tmp_path / "photo.png")
    assert result.code == 0 and whole in result.out and "all ten" in result.out.splitlines()[0]
    assert cli("classify", "latest", tmp_path / "photo.png", "--top", "10", "--json").data["id"] == whole
    top = cli("classify", whole, tmp_path / "photo.png", "--top", "10", "--json").data["pictures"][0]["top"]
    assert {guess["class"] for guess in top} == set(CLASSES)
    store.trash.put(whole)
    assert cli("classify", "latest", tmp_path / "photo.png", "--json").data["id"] == pair
