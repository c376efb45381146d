"""The ``study`` commands on a small real study."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli import study as study_module
from core.cost.speed import Speed, how, remember, shape
from core.runs.folder import this_host
from core.runs.store import RunStore
from core.study.presets import published_study
from core.study.store import StudyStore
from tests.cli.conftest import TINY, Cli
from tests.made import made_run

CREATE = ["study", "create", "--name", "rates", "--vary", "train.lr=0.05,0.1", *TINY]


def test_a_study_is_created_run_and_shown(cli: Cli, store: RunStore) -> None:
    created = cli(*CREATE, "--json")
    assert (created.code, created.data["counts"]) == (0, {"missing": 2})
    assert set(created.data) == {"id", "study", "counts", "left", "cells", "outcomes"}
    result = cli("study", "run", "rates", "--json")
    assert (result.code, result.data["counts"]) == (0, {"finished": 2})
    assert "Run 2 of 2: learning rate 0.1, seed 0" in result.err
    run_ids = [cell["run"] for cell in result.data["cells"]]
    assert {store.run(run_id).meta().study for run_id in run_ids} == {created.data["id"]}
    for row in result.data["outcomes"]:
        assert row["accuracy"] == store.run(row["run_id"]).result()["best"]["accuracy"]
    assert "Run 1" not in cli("study", "run", "rates").err
    assert len(store.ids()) == 2
    assert "2 finished" in cli("study", "list").out


def test_a_run_that_exists_is_not_trained_again(cli: Cli, store: RunStore) -> None:
    study_id = cli(*CREATE, "--json").data["id"]
    made_run(store, 2, "finished", StudyStore(store).get(study_id).cells()[0].config)
    assert cli("study", "run", "rates", "--queue", "--json").data["counts"] == {"finished": 1, "queued": 1}


def test_values_and_seeds_are_added(cli: Cli) -> None:
    cli(*CREATE)
    result = cli("study", "add", "rates", "--vary", "train.lr=0.2", "--seeds", "1", "--json")
    assert len(result.data["cells"]) == 6
    result = cli("study", "add", "rates", "--vary", "train.lr=0.3", "--vary", "train.lr=0.4", "--json")
    assert len(result.data["cells"]) == 10
    assert "train.lr" in cli("study", "add", "rates", "--vary", "train.lr").err
    assert "train.momentum" in cli("study", "add", "rates", "--vary", "train.momentum=0.2").err


def test_pause_empties_the_queue_and_run_continues(cli: Cli, store: RunStore) -> None:
    cli(*CREATE)
    assert cli("study", "run", "rates", "--queue").out.startswith("2 runs queued")
    assert cli("study", "pause", "rates").out.startswith("2 runs stopped")
    assert store.queue.ids() == []
    assert cli("study", "run", "rates", "--json").data["counts"] == {"finished": 2}


def test_a_run_stopped_elsewhere_is_no_success(cli: Cli, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    cli(*CREATE)
    train = study_module._train

    def train_and_stop(*args: Any) -> str:
        state = train(*args)
        run = store.run(store.ids()[0])
        run.write_status(replace(run.status(), state="stopped"))
        return state

    monkeypatch.setattr(study_module, "_train", train_and_stop)
    result = cli("study", "run", "rates")
    assert result.code == 1 and "not finished" in result.err


def test_a_failed_run_is_queued_again_by_retry(cli: Cli, store: RunStore) -> None:
    study_id = cli(*CREATE, "--json").data["id"]
    made_run(store, 0, "failed", StudyStore(store).get(study_id).cells()[0].config, study=study_id)
    assert cli("study", "retry", "rates", "--json").data["counts"] == {"queued": 1, "missing": 1}


def test_a_study_travels_as_a_file(cli: Cli, tmp_path: Path) -> None:
    cli(*CREATE)
    file = tmp_path / "study.json"
    assert cli("study", "export", "rates", "--to", file).code == 0
    result = cli("study", "create", "--file", file, "--seeds", "0-2", "--json", on=RunStore(tmp_path / "there"))
    assert len(result.data["cells"]) == 6
    assert json.loads(cli("study", "export", "rates").out) == json.loads(file.read_text())


def test_the_reports_studies_are_listed_and_scaled(cli: Cli) -> None:
    assert [study["figure"] for study in cli("study", "presets", "--json").data] == [3, 5, 7, 9]
    scaled = cli("study", "create", "--figure", "9", "--scale", "0.1", "--json")
    assert [cell["train.epochs"] for cell in scaled.data["cells"]] == [10, 20, 30, 40, 50]
    split = cli("study", "create", "--figure", "3", "--split", "report", "--json")
    assert split.data["study"]["base"]["data"]["test_size"] is None


def test_a_study_is_trashed_and_restored(cli: Cli) -> None:
    study_id = cli(*CREATE, "--json").data["id"]
    assert cli("study", "trash", "rates", "--json").data == {"trashed": study_id}
    assert cli("study", "restore", "--json").data == {"trash": [study_id]}
    assert cli("study", "restore", study_id[-4:], "--json").data == {"restored": study_id}
    assert cli("study", "status", "rates").code == 0
    assert "“nothing”" in cli("study", "restore", "nothing").err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["create", "--figure", "4"], ["figure", "3, 5, 7"]),
        (["create", "--figure", "3", "--scale", "0.01"], ["scale", "0.1"]),
        (["create", "--preset", "quick"], ["--vary"]),
        (["create", "--figure", "7", "--set", "train.epochs=20"], ["--set", "--figure"]),
        (["create", "--figure", "7", "--vary", "train.lr=0.1"], ["--vary", "--figure"]),
        (["create", "--file", "x.json", "--figure", "7"], ["--figure", "--file"]),
        (["create", "--figure", "7", "--split", "report"], ["--split", "3 and 5"]),
        (["create", "--vary", "train.lr=0.1", "--scale", "0.5"], ["--scale", "--vary"]),
        (["create", "--vary", "train.lr=fast"], ["“fast”"]),
        (["create", "--vary", "train.lr=0.1", "--seeds", "x"], ["seed", "x"]),
        (["create", "--vary", "train.lr=0.1", "--preset", "qick"], ["“quick”"]),
        (["create", "--file", "nowhere.json"], ["nowhere.json"]),
        (["status", "nothing"], ["“nothing”"]),
        (["run", "../../etc"], ["“../../etc”"]),
    ],
)
def test_bad_input_is_an_error_that_names_it(cli: Cli, words: list[str], named: list[str]) -> None:
    result = cli("study", *words)
    assert result.code == 1 and "Traceback" not in result.err
    assert all(name in result.err for name in named), result.err


def test_a_study_says_what_it_varies_in_vain(cli: Cli) -> None:
    result = cli("study", "create", "--preset", "he2016", "--set", "train.epochs=60", "--vary", "train.gamma=0.1,0.2")
    assert result.code == 0
    assert "all its values give the same run" in result.err and "never falls" in result.err


def test_a_study_that_takes_longer_than_asked_says_so(cli: Cli, store: RunStore) -> None:
    config = published_study(7).cells()[0].config
    remember(store, Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), 500.0, 1_500.0, "probe"))
    result = cli("study", "create", "--figure", "7", "--minutes", "0.5")
    assert result.code == 0 and "Even with a tenth of its epochs" in result.err
    assert "Even with" not in cli("study", "create", "--figure", "7", "--minutes", "99000").err


def test_a_study_that_needs_more_memory_than_there_is_needs_a_yes(cli: Cli, store: RunStore) -> None:
    huge = ("--set", "model.width=128", "--set", "train.batch_size=8000", "--vary", "model.depth=8,110")
    created = cli("study", "create", "--preset", "he2016", "--name", "huge", *huge)
    assert created.code == 0 and "GB" in created.err, "a definition costs nothing"
    refused = cli("study", "run", "huge", "--queue")
    assert refused.code == 1 and "--yes" in refused.err and store.ids() == []
    assert cli("study", "run", "huge", "--queue", "--yes").code == 0
    assert len(store.queue.ids()) == 2


def test_training_images_can_be_drawn_anew_for_each_seed(cli: Cli, store: RunStore) -> None:
    sizes = ["study", "create", "--vary", "data.train_size=10000,20000", "--redraw"]
    created = cli(*sizes, "--preset", "fast", "--json")
    assert created.code == 0
    assert StudyStore(store).get(created.data["id"]).redraw
    refused = cli(*sizes, "--preset", "report")
    assert refused.code != 0 and "official split" in refused.err
    assert "--redraw" in cli("study", "create", "--figure", "7", "--redraw").err
