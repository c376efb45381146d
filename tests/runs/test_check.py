"""Every file of runs, studies, notes and settings is checked against its record."""

import json
import shutil
from pathlib import Path

import pytest

from core.base.paths import PROJECT
from core.runs.check import Checked, check, check_run, summary
from core.runs.predictions import PREDICTIONS, predictions_bytes
from core.runs.storage import Storage
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.made import change_file, made_run, tiny_config
from tests.runs.test_predictions import made_answers, made_predictions


def by_id(checked: list[Checked]) -> dict[str, Checked]:
    return {item.id: item for item in checked}


def damaged_files(item: Checked) -> list[str]:
    return [problem.file for problem in item.problems]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forget_record(store: RunStore, run_id: str) -> None:
    (store.root / run_id / "checksums.txt").unlink()


@pytest.fixture
def everything(store: RunStore) -> RunStore:
    """A store with a run, a run in the trash, a reference run with a note, a study and settings."""
    made_run(store, name="plain")
    store.trash.put(made_run(store))
    reference = made_run(store, name="reference")
    change_file(store, reference, "meta.json", reference=True)
    store.run(reference).annotate(note="mine")
    StudyStore(store).create(Study("rates", tiny_config(), (Axis("train.lr", (0.1, 0.2)),)))
    Storage(store).change(empty_trash_after=9)
    return store


def test_everything_is_as_recorded(everything):
    checked = check(everything)
    assert [item.kind for item in checked] == ["run", "run", "run in the trash", "study", "file", "file"]
    assert [item.problems for item in checked] == [[]] * 6
    assert not any(item.recorded_later or item.unknown for item in checked)
    assert sum(item.files for item in checked) == 3 * 4 + 3
    assert "2 runs, 15 files checked, all as recorded" in summary(checked)


@pytest.mark.parametrize("where", ["plain", "trash", "study", ".local.json", ".settings.json"])
def test_one_flipped_bit_anywhere_is_named(everything, where):
    store = everything
    path = {
        "plain": lambda: store.run(store.find("plain")).path / "metrics.jsonl",
        "trash": lambda: store.trash.folder / store.trash.ids()[0] / "metrics.jsonl",
        "study": lambda: next((store.root / ".studies").glob("*.json")),
    }.get(where, lambda: store.root / where)()
    flip(path)
    wrong = [item for item in check(store) if item.problems]
    assert [damaged_files(item) for item in wrong] == [[path.name]]
    assert path.name in wrong[0].problems[0].problem and wrong[0].problems[0].advice
    assert "1 damaged" in summary(wrong)


def test_folders_and_studies_without_a_record_get_one_that_says_so(everything):
    store = everything
    run_id = store.find("plain")
    forget_record(store, run_id)
    study = next((store.root / ".studies").glob("*.json"))
    content = json.loads(study.read_text())
    del content["check"]
    study.write_text(json.dumps(content))
    first = by_id(check(store))
    assert first[run_id].just_recorded and first[study.stem].just_recorded
    assert "2 recorded later" in summary(list(first.values()))
    second = by_id(check(store))
    assert second[run_id].recorded_later and second[study.stem].recorded_later
    assert not any(item.just_recorded or item.problems for item in second.values())
    assert StudyStore(store).get(study.stem).name == "rates"
    flip(store.root / run_id / "metrics.jsonl")
    flip(study)
    third = by_id(check(store))
    assert damaged_files(third[run_id]) == ["metrics.jsonl"] and third[study.stem].problems


def test_what_is_damaged_before_there_is_a_record_is_not_recorded(store):
    run_id = made_run(store)
    store.run(run_id).write_file("last.pt", b"no zip")
    forget_record(store, run_id)
    (store.root / run_id / "config.json").write_text("{")
    for _ in range(2):
        assert damaged_files(check_run(store.run(run_id))) == ["config.json", "last.pt"]


def test_files_from_elsewhere_are_named_and_left_alone(store):
    run_id = made_run(store)
    path = store.run(run_id).path / "notes.txt"
    for content in ("mine", "changed"):
        path.write_text(content)
        (checked,) = check(store)
        assert (checked.unknown, checked.problems) == (["notes.txt"], [])
        assert path.read_text() == content
        forget_record(store, run_id)


def test_a_run_at_work_is_checked_and_not_recorded(store):
    run_id = made_run(store, state="running")
    forget_record(store, run_id)
    with store.run(run_id).hold():
        assert check_run(store.run(run_id)).problems == []
    assert not (store.root / run_id / "checksums.txt").exists()


def test_a_planted_file_is_named(store):
    run_id = made_run(store, state="stopped")
    (store.root / run_id / "result.json").write_text('{"best": {"accuracy": 1.0}}')
    assert damaged_files(check_run(store.run(run_id))) == ["result.json"]


def test_predictions_that_contradict_the_record_of_a_finished_run_are_named(store):
    for state in ("finished", "stopped"):
        run_id = made_run(store, epochs=2, state=state)
        config = store.run(run_id).config()
        store.run(run_id).write_predictions(predictions_bytes(made_predictions(made_answers()), config))
        assert damaged_files(check_run(store.run(run_id))) == ([PREDICTIONS] if state == "finished" else [])
        flip(store.root / run_id / "metrics.jsonl")
        assert PREDICTIONS not in damaged_files(check_run(store.run(run_id))), "nothing to compare them with"


def test_a_copied_folder_is_named(store):
    run_id = made_run(store)
    copy = "20260101-000000-aaaa"
    shutil.copytree(store.root / run_id, store.root / copy)
    assert damaged_files(check_run(store.run(copy))) == ["checksums.txt"]
    assert check_run(store.run(run_id)).problems == []


def test_a_folder_that_cannot_be_written_is_still_checked(store, monkeypatch):
    run_id = made_run(store)
    forget_record(store, run_id)
    path = store.root / run_id
    (path / ".lock").touch()
    (path / ".lock").chmod(0o400)
    (path / "checksums.txt").mkdir()
    checked = check_run(store.run(run_id))
    assert damaged_files(checked) == ["checksums.txt"]


def test_the_reference_runs_are_as_recorded(store):
    """Those that came with the program; their records are committed with them."""
    folders = [
        path.parent for path in (PROJECT / "runs").glob("*/meta.json") if '"reference": true' in path.read_text()
    ]
    for folder in folders:
        shutil.copytree(folder, store.root / folder.name)
    checked = check(store)
    assert len(checked) >= 8
    assert not any(item.problems or item.just_recorded for item in checked)
