"""write_atomically leaves the old content or the new, whatever goes wrong, and says so in a sentence."""

import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from filelock import FileLock

from core.base import files
from core.base.errors import StoreError
from core.base.files import append_to_file, make_folder, move, sweep, write_atomically


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that holds “old” in a folder called lab."""
    path = tmp_path / "lab" / "status.json"
    path.parent.mkdir()
    path.write_text("old")
    return path


def only_old_is_left(file: Path) -> bool:
    """The old content is there and no temporary file beside it."""
    return file.read_text() == "old" and list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("content", "found"),
    [("grün", "grün".encode()), (b"\x00\xff", b"\x00\xff"), (lambda file: file.write(b"made"), b"made"), ("", b"")],
)
def test_the_new_content_replaces_the_old(file: Path, content: Any, found: bytes) -> None:
    write_atomically(file, content)
    assert file.read_bytes() == found
    assert list(file.parent.iterdir()) == [file]


def test_a_file_is_made_where_there_was_none(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new.json", "new")
    assert (tmp_path / "new.json").read_text() == "new"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, "status.json could not be written in lab: the disk is full; free some space and try again."),
        (errno.EDQUOT, "status.json could not be written in lab: the disk is full; free some space and try again."),
        (
            errno.EACCES,
            "status.json could not be written in lab: writing is not permitted there; check the folder's permissions.",
        ),
        (
            errno.EROFS,
            "status.json could not be written in lab: writing is not permitted there; check the folder's permissions.",
        ),
        (errno.EIO, "status.json could not be written in lab: Input/output error."),
    ],
)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_refusal_is_a_sentence_and_the_old_content_stays(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, sentence: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(StoreError) as caught:
        write_atomically(file, "new")
    assert str(caught.value) == sentence
    assert only_old_is_left(file)


def test_a_disk_that_is_full_while_writing_leaves_the_old_content(file: Path) -> None:
    def fill(handle: Any) -> None:
        handle.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="the disk is full"):
        write_atomically(file, fill)
    assert only_old_is_left(file)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"x.json could not be written in gone: there is no such folder\."):
        write_atomically(tmp_path / "gone" / "x.json", "new")


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, ValueError])
def test_whatever_interrupts_the_writing_leaves_the_old_content(file: Path, trouble: type[BaseException]) -> None:
    def interrupted(handle: Any) -> None:
        handle.write(b"half")
        raise trouble

    with pytest.raises(trouble):
        write_atomically(file, interrupted)
    assert only_old_is_left(file)


def test_a_process_killed_in_the_middle_of_writing_leaves_the_old_content(file: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from core.base.files import sweep, write_atomically\n"
        "def die(file):\n"
        "    file.write(b'half'); file.flush()\n"
        "    os._exit(9)\n"
        "write_atomically(Path(sys.argv[1]), die)\n"
    )
    project = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program, str(file)], cwd=project, check=False).returncode == 9
    assert file.read_text() == "old"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_who_may_read_a_file_is_for_the_umask_to_say(file: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(file, "new")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == mode


def aged(path: Path) -> Path:
    """As if the file, or the folder and all in it, had been written an hour ago."""
    for one in (*path.rglob("*"), path):
        os.utime(one, (time.time() - 3600,) * 2)
    return path


def test_what_a_kill_left_is_swept_and_what_is_being_written_is_not(file: Path) -> None:
    left, fresh = file.with_name(".status.json.0a1b2c3d.tmp"), file.with_name(".last.pt.0a1b2c3d.tmp")
    half, made = file.with_name("new-half"), file.with_name("new-just-now")
    for folder in (half, made):
        folder.mkdir()
        (folder / "config.json").write_text("{")
    for one in (left, fresh):
        one.write_text("half")
    aged(left), aged(half), aged(file), aged(made)
    (made / "meta.json").write_text("{")
    sweep(file.parent, "new-*")
    assert sorted(one.name for one in file.parent.iterdir()) == [fresh.name, made.name, file.name]
    assert len(list(made.iterdir())) == 2


def test_what_a_wrong_clock_dated_in_the_future_is_swept(file: Path) -> None:
    left = file.with_name(".status.json.0a1b2c3d.tmp")
    left.write_text("half")
    os.utime(left, (time.time() + 1e9,) * 2)
    sweep(file.parent)
    assert only_old_is_left(file)


def test_a_system_that_cannot_flush_folders_writes_all_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to open a folder, and some network drives refuse to flush one."""
    opened, flushed = os.open, os.fsync

    def open_file(path: Any, *arguments: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments)

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        flushed(handle)

    for name, refusing in (("open", open_file), ("fsync", fsync)):
        monkeypatch.setattr(os, name, refusing)
        write_atomically(file, name)
        append_to_file(file.with_name(f"{name}.txt"), b"line\n")
        make_folder(file.parent / name / "below")
        move(file.parent / name, file.parent / f"{name}-moved")
        assert file.read_text() == name and (file.parent / f"{name}-moved" / "below").is_dir()


def test_what_can_be_made_again_is_not_flushed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    write_atomically(file, "new", durable=False)
    assert (file.read_text(), flushed) == ("new", [])
    write_atomically(file, "newer")
    assert len(flushed) == 2, "the file and its folder"


@pytest.mark.parametrize(("where", "named"), [("x.json", "the current folder"), ("/nowhere-4711.json", "/")])
def test_an_error_names_the_folder_of_a_file(where: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "open_descriptor", refuse)
    with pytest.raises(StoreError, match=f" in {named}: writing is not permitted"):
        write_atomically(Path(where), b"")
    with pytest.raises(StoreError, match=f" in {named} cannot be read"):
        files.read_file(Path(where))


@pytest.mark.skipif(sys.platform == "win32", reason="another lock")
@pytest.mark.parametrize("code", files.FORBIDDEN)
def test_a_lock_that_may_only_be_read_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """In the folder of another user, or on a disk that is mounted read-only."""
    with FileLock(tmp_path / ".lock"), monkeypatch.context() as changed:
        changed.setattr(FileLock, "acquire", Mock(side_effect=OSError(code, "no")))
        assert files.is_locked(tmp_path / ".lock")
        with pytest.raises(StoreError, match="run 1 can only be read here"), files.locked(tmp_path / ".lock", "run 1"):
            pass
    with monkeypatch.context() as changed:
        changed.setattr(FileLock, "acquire", Mock(side_effect=OSError(code, "no")))
        assert not files.is_locked(tmp_path / ".lock")
