"""A backup copies what changed and reads it back; restoring adds what is missing and overwrites nothing."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from core.base.errors import RunBusy, StoreError
from core.runs.backup import Backup
from core.runs.check import check_run
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.made import change_file, made_record, made_run, tiny_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def backup(store: RunStore, folder: Path) -> Backup:
    return Backup(store, folder)


def elsewhere(tmp_path: Path, folder: Path) -> Backup:
    """Return the same backup, to restore it into an empty folder of runs."""
    return Backup(RunStore(tmp_path / "elsewhere"), folder)


def with_weights(store: RunStore, **about: object) -> str:
    run_id = made_run(store, **about)  # type: ignore[arg-type]
    store.run(run_id).write_file("best.safetensors", b"weights" * 100)
    store.run(run_id).write_file("last.pt", bytes(range(256)) * 40)
    return run_id


def files(store: RunStore, run_id: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store.root / run_id).iterdir() if path.name != ".lock"}


def copies(folder: Path, run_id: str, name: str) -> list[Path]:
    return list((folder / "runs" / run_id).glob(f"*-{name}"))


def test_everything_is_restored_as_it_was(store, backup, folder, tmp_path):
    first, second = with_weights(store, name="first"), with_weights(store, name="second")
    study_id = StudyStore(store).create(Study("rates", tiny_config(), (Axis("train.lr", (0.1, 0.2)),)))
    (store.root / ".local.json").write_text("{}\n")
    report = backup.update()
    assert (report.runs, report.unchanged, report.problems) == (2, 0, [])
    assert report.copied_bytes == sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    target = elsewhere(tmp_path, folder)
    assert sorted(target.restore().done) == sorted([first, second])
    assert all(files(target.store, run) == files(store, run) for run in (first, second))
    assert StudyStore(target.store).ids() == [study_id]
    assert (target.store.root / ".local.json").read_text() == "{}\n"
    assert target.restore().done == []
    assert Backup(target.store, folder).update().copied == 0  # the times of change were restored too


def test_only_what_changed_is_copied_again(store, backup, folder):
    run_id = with_weights(store, state="stopped")
    assert backup.update().copied == 7
    assert backup.update().copied == 0
    store.run(run_id).append_record(made_record(5))
    store.run(run_id).write_file("last.pt", b"new")
    report = backup.update()
    assert (report.copied, report.unchanged) == (3, 4), "with the record of the files"
    assert [path.read_bytes() for path in copies(folder, run_id, "last.pt")] == [b"new"]


def test_deleted_runs_and_files_stay_in_the_backup(store, backup, folder, tmp_path):
    deleted, shrunk = with_weights(store), with_weights(store)
    backup.update()
    before = files(store, deleted), files(store, shrunk)
    store.trash.put(deleted)
    store.trash.empty()
    (store.run(shrunk).path / "last.pt").unlink()
    assert backup.update().kept == [deleted]
    assert backup.update(verify=True).problems == []
    target = elsewhere(tmp_path, folder)
    target.restore()
    assert (files(target.store, deleted), files(target.store, shrunk)) == before
    assert backup.restore().done == [deleted]
    assert files(store, deleted) == before[0]


def test_restoring_overwrites_nothing(store, backup):
    run_id, trashed = with_weights(store, name="old"), with_weights(store)
    (store.root / ".local.json").write_text("{}")
    backup.update()
    store.run(run_id).annotate(name="new")
    store.trash.put(trashed)
    (store.root / ".local.json").write_text('{"changed": {}}')
    assert (backup.restore().done, backup.restore().problems) == ([], [])
    outcome = backup.restore([run_id, trashed])
    assert outcome.done == [] and run_id in outcome.problems[0] and "trash" in outcome.problems[1]
    assert store.run(run_id).meta().name == "new" and "changed" in (store.root / ".local.json").read_text()


def test_runs_that_waited_or_trained_arrive_stopped(store, backup, folder, tmp_path):
    waiting, training = store.create(tiny_config()), with_weights(store, state="running")
    backup.update()
    target = elsewhere(tmp_path, folder)
    target.restore()
    assert {target.store.run(run_id).stored_status().state for run_id in (waiting, training)} == {"stopped"}
    assert target.store.queue.ids() == []


def test_a_reference_run_stays_one_and_a_damaged_run_as_it_was(store, backup, folder, tmp_path):
    reference, damaged = with_weights(store), with_weights(store)
    change_file(store, reference, "meta.json", reference=True)
    (store.run(damaged).path / "config.json").write_text("{")
    backup.update()
    target = elsewhere(tmp_path, folder)
    assert len(target.restore().done) == 2
    assert target.store.run(reference).meta().reference
    assert files(target.store, damaged) == files(store, damaged)


def damage_flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[random.Random(0).randrange(len(content))] ^= 1
    path.write_bytes(content)


def damage_truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [damage_flip, damage_truncate, Path.unlink])
@pytest.mark.parametrize("name", ["best.safetensors", "config.json", "metrics.jsonl", "status.json", "meta.json"])
def test_a_damaged_copy_is_refused_and_replaced(
    store, backup, folder, tmp_path, name: str, damage: Callable[[Path], None]
):
    bad, good = with_weights(store), with_weights(store)
    backup.update()
    (copy,) = copies(folder, bad, name)
    damage(copy)
    target = elsewhere(tmp_path, folder)
    outcome = target.restore()
    assert outcome.done == [good]
    (problem,) = outcome.problems
    assert name in problem and bad in problem
    assert not any(target.store.cache_folder.iterdir())

    report = backup.update(verify=True)
    assert (report.copied, report.repaired, report.problems) == (1, 1, [])
    assert target.restore().done == [bad]


def test_a_damaged_list_of_files_is_refused_and_made_again(store, backup, folder, tmp_path):
    bad, good = with_weights(store), with_weights(store)
    backup.update()
    for content in ('{"files": {"../../x": {"bytes": 1, "mtime_ns": 1, "sha256": "' + "0" * 64 + '"}}}', "{", "[]"):
        (folder / "runs" / bad / "files.json").write_text(content)
        target = elsewhere(tmp_path, folder)
        outcome = target.restore()
        assert good in target.store.ids() and bad in outcome.problems[0]
        backup.update()
        assert elsewhere(tmp_path, folder).restore([bad]).done == [bad]
        shutil.rmtree(target.store.root)


def test_verify_finds_damaged_copies_of_deleted_runs(store, backup, folder):
    run_id = with_weights(store)
    backup.update()
    store.trash.put(run_id)
    damage_flip(copies(folder, run_id, "last.pt")[0])
    assert backup.update().problems == []
    (problem,) = backup.update(verify=True).problems
    assert "last.pt" in problem and run_id in problem


def test_verify_does_not_replace_a_copy_by_a_file_that_was_damaged_silently(store, backup, folder):
    run_id = with_weights(store)
    backup.update()
    path = store.run(run_id).path / "best.safetensors"
    times = path.stat()
    damage_flip(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (problem,) = backup.update(verify=True).problems
    assert "best.safetensors" in problem and run_id in problem
    assert copies(folder, run_id, "best.safetensors")[0].read_bytes() == b"weights" * 100


def test_folders_inside_one_another_are_refused(store, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(store.root)
    for folder in (
        store.root,
        store.root / "backup",
        store.root.parent,
        link,
        link / "x",
        tmp_path / "x" / ".." / "runs",
    ):
        with pytest.raises(StoreError, match="inside"):
            Backup(store, folder)


def test_a_folder_with_other_files_is_refused_and_left_alone(store, backup, folder):
    folder.mkdir()
    (folder / "thesis.doc").write_text("x")
    with pytest.raises(StoreError, match="other files"):
        backup.update()
    assert [path.name for path in folder.iterdir()] == ["thesis.doc"]
    with pytest.raises(StoreError, match="not a backup"):
        backup.restore()
    (folder / "thesis.doc").unlink()
    assert backup.update().runs == 0


def test_what_a_file_manager_leaves_is_no_other_file(store, backup, folder):
    run_id = made_run(store)
    (store.run(run_id).path / "Thumbs.db").write_bytes(b"x")
    folder.mkdir()
    (folder / ".DS_Store").write_bytes(b"x")
    assert backup.update().runs == 1
    assert not list(folder.rglob("*Thumbs.db*"))


def test_a_file_or_another_programs_marker_is_refused(store, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file"):
        Backup(store, tmp_path / "file").update()
    for content in ("{", "[]", '{"format": "other", "version": 1}', '{"format": "resnet-lab-backup", "version": 2}'):
        folder = tmp_path / f"folder-{len(content)}"
        folder.mkdir()
        (folder / "backup.json").write_text(content)
        for action in (Backup(store, folder).update, Backup(store, folder).restore):
            with pytest.raises(StoreError, match="backup"):
                action()
        assert (folder / "backup.json").read_text() == content


def test_two_backups_to_one_folder_exclude_each_other(store, backup, folder):
    backup.update()
    with FileLock(folder / ".lock"), pytest.raises(RunBusy):
        backup.update()


def test_links_pipes_and_odd_names_are_reported_and_the_rest_is_copied(store, backup, folder, tmp_path):
    run_id = with_weights(store)
    path = store.run(run_id).path
    (tmp_path / "secret").write_text("secret")
    (path / "log.txt").symlink_to(tmp_path / "secret")
    os.mkfifo(path / "pipe")
    (path / "a:b\n").write_text("x")
    (path / "notes.txt").write_text("mine")
    (path / "folder").mkdir()
    report = backup.update()
    assert len(report.problems) == 3 and all(run_id in problem for problem in report.problems)
    assert report.copied == 8 and copies(folder, run_id, "notes.txt")
    assert not any(b"secret" in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_run_that_is_deleted_meanwhile_is_left_out_or_kept_whole(store, backup, folder, monkeypatch):
    kept, new = with_weights(store), None
    backup.update()
    new = with_weights(store)
    ids = store.ids()
    monkeypatch.setattr(store, "ids", lambda: ids)
    for run_id in ids:
        shutil.rmtree(store.root / run_id)
    assert backup.update().problems == []
    assert backup.ids() == [kept] and new not in backup.ids()
    monkeypatch.undo()
    assert backup.restore().done == [kept]


def test_a_damaged_run_does_not_replace_its_copy(store, backup, folder):
    run_id, new = with_weights(store), None
    backup.update()
    store.run(run_id).append_log("changed")
    damage_flip(store.run(run_id).path / "best.safetensors")
    new = with_weights(store)
    damage_flip(store.run(new).path / "last.pt")
    problems = backup.update().problems
    assert sorted(problem.split()[0] for problem in problems) == ["best.safetensors", "last.pt"]
    assert copies(folder, run_id, "best.safetensors")[0].read_bytes() == b"weights" * 100
    assert not copies(folder, run_id, "log.txt") and copies(folder, new, "last.pt")


def test_a_state_that_was_deleted_to_save_space_is_deleted_from_the_backup(store, backup, folder, tmp_path):
    run_id = with_weights(store)
    backup.update()
    store.run(run_id).delete_states()
    backup.update()
    assert not copies(folder, run_id, "last.pt")
    target = elsewhere(tmp_path, folder)
    target.restore()
    assert files(target.store, run_id) == files(store, run_id)
    assert check_run(target.store.run(run_id)).problems == []


def test_damaged_files_of_a_run_that_is_here_are_restored(store, backup):
    run_id = with_weights(store)
    backup.update()
    whole = files(store, run_id)
    damage_flip(store.root / run_id / "last.pt")
    (store.root / run_id / "config.json").unlink()
    damaged_state = (store.root / run_id / "last.pt").read_bytes()
    assert backup.restore([run_id]).done == [run_id]
    assert check_run(store.run(run_id)).problems == []
    after = files(store, run_id)
    assert after.pop("last.pt.damaged") == damaged_state
    assert {**after, "checksums.txt": b""} == {**whole, "checksums.txt": b""}


def test_an_older_copy_does_not_replace_a_damaged_file(store, backup):
    run_id = with_weights(store)
    backup.update()
    store.run(run_id).write_file("last.pt", b"newer")
    damage_flip(store.root / run_id / "last.pt")
    outcome = backup.restore([run_id])
    assert outcome.done == [] and "last.pt" in outcome.problems[0]
    assert not (store.root / run_id / "last.pt.damaged").exists()
