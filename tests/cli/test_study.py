"""``python -m core study …``: every command on a small real study, and what it makes of bad input."""

import json
from dataclasses import replace

import pytest

from core.cli import main as cli
from core.cli import study as cli_study
from core.runs.store import RunStore
from core.study.store import StudyStore
from tests.cli.test_main import TINY, Core, core
from tests.made import made_run

__all__ = ["core"]

CREATE = ["study", "create", "--name", "rates", "--vary", "train.lr=0.05,0.1"]
TINY_STUDY = [*CREATE, "--preset", "quick", *(word for one in TINY for word in ("--set", one))]


def test_a_study_is_defined_run_and_told(core: Core, store: RunStore) -> None:
    made = core(*TINY_STUDY, "--json")
    study_id = made.data["id"]
    assert made.code == 0
    assert made.data["counts"] == {"missing": 2}
    told = core("study", "run", "rates", "--json")
    assert (told.code, told.data["counts"]) == (0, {"finished": 2})
    assert "Cell 2 of 2: learning rate 0.1, seed 0" in told.err
    runs = {one["run"]: one for one in told.data["cells"]}
    assert {store.run(one).meta().study for one in runs} == {study_id}
    for row in told.data["outcomes"]:
        assert row["accuracy"] == store.run(row["run_id"]).result()["best"]["accuracy"]
    again = core("study", "run", "rates")
    assert "Cell" not in again.err
    assert len(store.ids()) == 2
    assert "2 finished" in core("study", "list").out


def test_a_run_that_exists_is_not_trained_again(core: Core, store: RunStore) -> None:
    core(*TINY_STUDY)
    studies = StudyStore(store)
    cell = studies.get(studies.find("rates")).cells()[0]
    made_run(store, 2, "finished", cell.config)
    told = core("study", "run", "rates", "--queue", "--json")
    assert told.data["counts"] == {"finished": 1, "queued": 1}


def test_values_and_seeds_are_added(core: Core) -> None:
    core(*TINY_STUDY)
    told = core("study", "add", "rates", "--vary", "train.lr=0.2", "--seeds", "1", "--json")
    assert len(told.data["cells"]) == 6
    told = core("study", "add", "rates", "--vary", "train.lr=0.3", "--vary", "train.lr=0.4", "--json")
    assert len(told.data["cells"]) == 10
    assert "train.lr: needs values" in core("study", "add", "rates", "--vary", "train.lr").err
    assert "is not varied" in core("study", "add", "rates", "--vary", "train.momentum=0.2").err


def test_pause_takes_out_of_the_queue_and_run_goes_on(core: Core, store: RunStore) -> None:
    core(*TINY_STUDY)
    assert core("study", "run", "rates", "--queue").out.startswith("2 runs queued; the app trains them.")
    assert core("study", "pause", "rates").out.startswith("2 runs stopped.")
    assert store.queue.ids() == []
    assert core("study", "run", "rates", "--json").data["counts"] == {"finished": 2}


def test_a_cell_stopped_from_elsewhere_is_no_success(core: Core, store: RunStore, monkeypatch) -> None:
    core(*TINY_STUDY)
    trained = cli_study._train_cell

    def stopped_once(*args):
        state = trained(*args)
        store.run(store.ids()[0]).write_status(replace(store.run(store.ids()[0]).status(), state="stopped"))
        return state

    monkeypatch.setattr(cli_study, "_train_cell", stopped_once)
    told = core("study", "run", "rates")
    assert told.code == 1
    assert "of 2 cells are not finished" in told.err


def test_a_failed_cell_is_retried_when_asked(core: Core, store: RunStore) -> None:
    made = core(*TINY_STUDY, "--json")
    studies = StudyStore(store)
    made_run(store, 0, "failed", studies.get(made.data["id"]).cells()[0].config, study=made.data["id"])
    assert core("study", "retry", "rates", "--json").data["counts"] == {"queued": 1, "missing": 1}


def test_a_study_travels_as_a_file(core: Core, store: RunStore, tmp_path) -> None:
    core(*TINY_STUDY)
    file = tmp_path / "study.json"
    assert core("study", "export", "rates", "--to", file).code == 0
    there = RunStore(tmp_path / "there")
    told = core("study", "create", "--file", file, "--seeds", "0-2", "--json", on=there)
    assert len(told.data["cells"]) == 6
    assert json.loads(core("study", "export", "rates").out) == json.loads(file.read_text())


def test_the_reports_studies_are_listed_and_scaled(core: Core) -> None:
    listed = core("study", "presets", "--json")
    assert [one["figure"] for one in listed.data] == [3, 5, 7, 9]
    made = core("study", "create", "--figure", "9", "--scale", "0.1", "--json")
    assert [one["train.epochs"] for one in made.data["cells"]] == [10, 20, 30, 40, 50]
    theirs = core("study", "create", "--figure", "3", "--split", "report", "--json")
    assert theirs.data["study"]["base"]["data"]["test_size"] is None


def test_a_study_put_away_comes_back(core: Core) -> None:
    made = core(*TINY_STUDY, "--json").data["id"]
    assert core("study", "trash", "rates").code == 0
    assert core("study", "restore").out.strip() == made
    assert core("study", "restore", made[-4:]).code == 0
    assert core("study", "status", "rates").code == 0
    assert "no study “nothing” in the trash" in core("study", "restore", "nothing").err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["create", "--figure", "4"], "is not a study of the report"),
        (["create", "--figure", "3", "--scale", "0.01"], "from 0.1 to 1"),
        (["create", "--figure", "3", "--minutes", "60"], "nothing was measured on this machine"),
        (["create", "--preset", "quick"], "vary: is missing"),
        (["create", "--figure", "7", "--set", "train.epochs=20"], "--set: has no effect beside --figure"),
        (["create", "--figure", "7", "--vary", "train.lr=0.1"], "--vary: has no effect beside --figure"),
        (["create", "--file", "x.json", "--figure", "7"], "--figure: has no effect beside --file"),
        (["create", "--figure", "7", "--split", "report"], "--split: has an effect only in figures 3 and 5"),
        (["create", "--vary", "train.lr=0.1", "--scale", "0.5"], "--scale: has no effect beside --vary"),
        (["create", "--vary", "train.lr=fast"], "“fast” is not a number"),
        (["create", "--vary", "train.lr=0.1", "--seeds", "x"], "is not a seed"),
        (["create", "--vary", "train.lr=0.1", "--preset", "qick"], "Did you mean “quick”"),
        (["create", "--file", "nowhere.json"], "there is no file nowhere.json"),
        (["status", "nothing"], "There is no study “nothing”"),
        (["run", "../../etc"], "There is no study"),
    ],
)
def test_bad_input_gets_a_sentence(core: Core, words, sentence) -> None:
    told = core("study", *words)
    assert told.code == 1
    assert sentence in told.err
    assert "Traceback" not in told.err


def test_a_usage_error_is_told_by_the_parser(store: RunStore) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["study", "--runs", str(store.root)])
    assert end.value.code == 2
