"""The commands about the files of all runs."""

from pathlib import Path

import pytest

from core.runs.store import RunStore
from tests.cli.conftest import Cli
from tests.made import made_run


def test_backup_says_what_was_copied(cli: Cli, store: RunStore, tmp_path: Path) -> None:
    made_run(store)
    folder = tmp_path / "backup"
    first = cli("backup", folder, "--json").data
    assert (first["runs"], first["copied"], first["unchanged"], first["problems"]) == (1, 5, 0, [])
    assert first["copied_bytes"] > 0 and first["folder"] == str(folder)
    second = cli("backup", folder)
    assert second.code == 0 and "0 files" in second.out and "5 unchanged" in second.out
    assert cli("backup", folder, "--verify", "--json").data["unchanged"] == 5


def test_backup_fails_if_a_file_cannot_be_read(cli: Cli, store: RunStore, tmp_path: Path) -> None:
    run_id = made_run(store)
    (store.root / run_id / "log.txt").symlink_to("/etc/hostname")
    result = cli("backup", tmp_path / "backup")
    assert result.code == 1 and "log.txt" in result.err and run_id in result.err


def test_backup_into_the_folder_of_the_runs_is_refused(cli: Cli, store: RunStore) -> None:
    result = cli("backup", store.root / "backup")
    assert result.code == 1 and "inside" in result.err and not (store.root / "backup").exists()


def test_restore_backup_makes_the_folder_and_names_what_it_restored(cli: Cli, store: RunStore, tmp_path: Path) -> None:
    first, second = made_run(store), made_run(store)
    cli("backup", tmp_path / "backup")
    target = RunStore(tmp_path / "target")
    target.root.rmdir()
    result = cli("restore-backup", tmp_path / "backup", first[-4:], "--json", on=target)
    assert result.code == 0 and result.data == {"restored": [first], "errors": []}
    assert cli("restore-backup", tmp_path / "backup", "--json", on=target).data["restored"] == [second]
    again = cli("restore-backup", tmp_path / "backup", first, on=target)
    assert again.code == 1 and first in again.err
    unknown = cli("restore-backup", tmp_path / "backup", "nothing", on=target)
    assert unknown.code == 1 and "nothing" in unknown.err
    assert cli("restore-backup", tmp_path / "elsewhere", on=target).code == 1


def test_storage_shows_sizes_and_changes_one_setting_at_a_time(cli: Cli, store: RunStore) -> None:
    made_run(store)
    before = cli("storage", "--json").data
    assert before["bytes"]["runs"] > 0 and before["bytes"].keys() == {"runs", "states", "trash", "cache", "free"}
    assert (before["empty_trash_after"], before["delete_states_after"]) == (None, None)
    assert before["due"] == {"trash": [], "states": [], "studies": []}
    cli("storage", "--empty-trash-after", 7)
    cli("storage", "--delete-states-after", 30)
    text = cli("storage").out
    assert "after 7 days" in text and "after 30 days" in text
    typed = cli("storage", "--empty-trash-after", "1,000", "--json").data
    assert typed["empty_trash_after"] == 1_000
    after = cli("storage", "--empty-trash-after", "never", "--json").data
    assert (after["empty_trash_after"], after["delete_states_after"]) == (None, 30)
    for typed, kept in ((2, 2), ("auto", None)):
        assert cli("storage", "--runs-at-once", typed, "--json").data["runs_at_once"] == kept
    assert cli("storage", "--runs-at-once", 65).code == 1


@pytest.mark.parametrize("value", ["0", "-1", "3651", "soon", "1.5", ""])
def test_storage_refuses_days_that_are_not_allowed(cli: Cli, store: RunStore, value: str) -> None:
    with pytest.raises(SystemExit):
        cli("storage", "--empty-trash-after", value)
    assert not (store.root / ".settings.json").exists()


def test_check_names_what_is_wrong_and_repairs_it(cli: Cli, trained: RunStore) -> None:
    run_id = trained.ids()[0]
    first = cli("check", on=trained)
    assert first.code == 0 and "all as recorded" in first.out and first.out.count("\n") == 1
    path = trained.root / run_id / "status.json"
    path.write_bytes(path.read_bytes().replace(b"finished", b"finishes"))
    wrong = cli("check", run_id[-4:], "--json", on=trained)
    (problem,) = wrong.data["checked"][0]["problems"]
    assert wrong.code == 1 and wrong.data["ok"] is False
    assert problem["file"] == "status.json" and problem["repairable"] is True and problem["repaired"] is None
    text = cli("check", on=trained)
    assert text.code == 1 and run_id in text.out and "status.json" in text.out and "--repair" in text.out
    repaired = cli("check", "--repair", "--json", on=trained)
    assert repaired.code == 0 and repaired.data["checked"][0]["problems"][0]["repaired"]
    again = cli("check", "--json", on=trained).data
    assert again["ok"] and again["checked"][0]["problems"] == []
    assert (trained.root / run_id / "status.json.damaged").exists()


def test_check_fails_for_what_cannot_be_repaired(cli: Cli, trained: RunStore) -> None:
    (trained.root / trained.ids()[0] / "last.pt").write_bytes(b"no state")
    result = cli("check", "--repair", on=trained)
    assert result.code == 1 and "backup" in result.out
