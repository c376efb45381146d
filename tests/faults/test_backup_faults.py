"""A backup is killed or refused at any step: the backup before it can be restored, and the next one completes it."""

import errno
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from core.base.errors import StoreError
from core.runs.backup import Backup
from core.runs.store import RunStore
from tests.faults.app import assert_names
from tests.faults.killed import ended, forked
from tests.faults.steps import die_at, fail_at, watched
from tests.made import made_record, made_run

Contents = dict[str, dict[str, bytes]]


def contents(store: RunStore) -> Contents:
    """Return the content of every file of every run, by run and name."""
    return {
        run_id: {path.name: path.read_bytes() for path in sorted((store.root / run_id).iterdir())}
        for run_id in store.ids()
    }


def restored(backup: Path, folder: Path) -> Contents:
    """Return what is restored from a backup into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    store = RunStore(folder)
    assert Backup(store, backup).restore().problems == []
    return contents(store)


class Scene:
    """A backup of two runs, of which one was changed since and a third was added."""

    def __init__(self, folder: Path):
        self.folder, self.backup = folder, folder / "backup"
        self.store = RunStore(folder / "runs")
        changed = made_run(self.store, epochs=2, state="stopped")
        self.store.run(changed).write_file("last.pt", b"first" * 1_000)
        made_run(self.store, epochs=2)
        Backup(self.store, self.backup).update()
        self.before = contents(self.store)
        run = self.store.run(changed)
        run.append_record(made_record(3))
        run.write_file("last.pt", b"second" * 1_000)
        made_run(self.store, epochs=1)
        self.after = contents(self.store)


#: The fast test kills at every sixth step, the slow tests at the steps between.
STRIDE = 6


@pytest.mark.parametrize("first", [1, *(pytest.param(at, marks=pytest.mark.slow) for at in range(2, STRIDE + 1))])
def test_killed_at_every_step(first: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    kills = 0
    for number in range(first, 500, STRIDE):
        scene = Scene(tmp_path / str(number))

        def work(scene: Scene = scene, number: int = number) -> None:
            with watched(scene.backup, die_at(number), tears=True):
                Backup(scene.store, scene.backup).update()

        code = ended(forked(work))
        found = restored(scene.backup, tmp_path / "restored")
        for run_id, files in found.items():
            assert files in (scene.before.get(run_id), scene.after[run_id]), f"step {number}"
        assert found.keys() >= scene.before.keys()
        assert Backup(scene.store, scene.backup).update().problems == []
        assert restored(scene.backup, tmp_path / "restored") == scene.after, f"step {number}"
        assert not [path for path in scene.backup.rglob("*") if path.suffix == ".tmp" or path.name == "arriving"]
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert code == 0 and kills > 5
    record_property("faults injected", kills)


def test_a_first_backup_killed_at_every_step(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    store = RunStore(tmp_path / "runs")
    made_run(store, epochs=1)
    code, kills = -signal.SIGKILL, 0
    while code:
        backup = tmp_path / f"backup-{kills}"

        def work(backup: Path = backup, number: int = kills + 1) -> None:
            with watched(backup, die_at(number), tears=True):
                Backup(store, backup).update()

        code = ended(forked(work))
        assert code in (0, -signal.SIGKILL)
        assert Backup(store, backup).update().problems == []
        assert restored(backup, tmp_path / "restored") == contents(store), f"step {kills + 1}"
        kills += code != 0
    record_property("faults injected", kills)


@pytest.mark.parametrize(("code", "word"), [(errno.ENOSPC, "full"), (errno.EIO, "error"), (errno.EROFS, "permit")])
def test_a_refused_write_leaves_the_backup_before(code: int, word: str, tmp_path: Path) -> None:
    """A disk that is full, broken or read-only from some step on."""
    for number in (1, 4, 9, 14):
        scene = Scene(tmp_path / str(number))
        with pytest.raises(StoreError) as error, watched(scene.backup, fail_at(number, code, lasting=True)):
            Backup(scene.store, scene.backup).update()
        assert_names(error.value, word)
        found = restored(scene.backup, tmp_path / "restored")
        assert all(files in (scene.before.get(run_id), scene.after[run_id]) for run_id, files in found.items())
        assert found.keys() >= scene.before.keys()
        assert Backup(scene.store, scene.backup).update().problems == []
        assert restored(scene.backup, tmp_path / "restored") == scene.after


def test_a_disk_that_loses_what_is_written_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path)

    def tear(step: object) -> None:
        if step.what == "rename" and step.path.endswith("arriving"):  # type: ignore[attr-defined]
            (file,) = scene.backup.rglob(".arriving.*.tmp")
            file.write_bytes(file.read_bytes()[:-1])

    with pytest.raises(StoreError) as error, watched(scene.backup, tear):
        Backup(scene.store, scene.backup).update()
    assert_names(error.value, "read back", "disk")
    assert restored(scene.backup, tmp_path / "restored").keys() >= scene.before.keys()
