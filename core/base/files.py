"""Files and locks. A crash at any instant leaves the old content or the new; reading and writing follow no links."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from core.base.descriptors import open_descriptor
from core.base.errors import RunBusy, StoreError
from core.base.strict_json import to_json

#: Seconds after which an unfinished file belongs to a program that was killed.
ABANDONED_AFTER = 600.0
#: Largest size of a JSON file, in bytes.
MOST_BYTES = 16 * 2**20
#: Seconds to wait for a lock. A reader that tests whether it is free holds it for an instant; this is longer.
PATIENCE = 2.0
# Do not follow a link, nor wait for a pipe that nobody writes to. Windows has neither.
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

#: What the system answers to a program that may only read a folder, or that writes to a disk mounted read-only.
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_LINK = "it is a link, and links are not followed; put the file itself there"
_FULL = "the disk is full; free some space and try again"
_FORBIDDEN = "writing is not permitted there; check the folder's permissions"
_OCCUPIED = "a file stands where a folder is needed; name another place or move the file"
_WRITING = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    **dict.fromkeys(FORBIDDEN, _FORBIDDEN),
    errno.EEXIST: _OCCUPIED,
    errno.ENOTDIR: _OCCUPIED,
    errno.ENOENT: "there is no such folder",
}


def _reason(error: OSError) -> str:
    return _LINK if error.errno in (errno.ELOOP, errno.EMLINK) else error.strerror or str(error)


@contextlib.contextmanager
def os_errors_as_store_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while ``path`` is written into a :class:`StoreError` that says what to do."""
    try:
        yield
    except OSError as error:
        reason = _WRITING.get(error.errno or 0) or _reason(error)
        raise StoreError(f"{path.name} could not be written in {_folder_of(path)}: {reason}.") from error


def _folder_of(path: Path) -> str:
    """Return what to call the folder of a file."""
    return path.parent.name or {".": "the current folder"}.get(str(path.parent), str(path.parent))


# --- reading --------------------------------------------------------------------------------------


def read_file(path: Path, most: int = MOST_BYTES, start: int = 0) -> bytes:
    """Return the content of a file from the byte ``start`` on. The file may come from anywhere.

    Raises FileNotFoundError if there is none, and :class:`StoreError` if it cannot be read, is larger than ``most``
    bytes, or is not a plain file: a link could show any file of this computer, and a pipe never ends.
    """
    with open_file(path) as file, os_errors_while_reading(path):
        file.seek(start)
        content = file.read(most + 1)
    if len(content) > most:
        name = f"{path.name} in {_folder_of(path)}"
        raise StoreError(f"{name} is larger than the {most >> 20} MB allowed; it is damaged or not from a run.")
    return content


def open_file(path: Path) -> BufferedReader:
    """Open a plain file to read it in parts. Raises FileNotFoundError or :class:`StoreError` like :func:`read_file`."""
    with os_errors_while_reading(path):
        return open(_plain_file(open_descriptor(path, os.O_RDONLY | _PLAIN)), "rb")


@contextlib.contextmanager
def os_errors_while_reading(path: Path) -> Iterator[None]:
    """Turn an OSError while ``path`` is read into a :class:`StoreError`, except for a file that does not exist."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path.name} in {_folder_of(path)} cannot be read: {_reason(error)}.") from error


def _plain_file(handle: int) -> int:
    """``handle`` if it is of a file; OSError for a folder, a pipe or a device."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a file")
    return handle


# --- writing --------------------------------------------------------------------------------------


def write_atomically(
    path: Path, content: bytes | str | Callable[[BinaryIO], object], *, durable: bool = True, keep: Path | None = None
) -> None:
    """Replace ``path`` with ``content``: bytes, text as UTF-8, or a function that writes to a file.

    A temporary file in the same folder is written, flushed to the disk and renamed, so a reader sees the old file or
    the new one, and so it is after a power cut. The umask decides who may read it. Raises :class:`StoreError`.

    ``durable=False`` is for what can be made again: nothing is flushed, and a power cut may leave a damaged file.
    ``keep``: where the old file goes, which must be there. For an instant, there is only that one.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with os_errors_as_store_errors(path):
        handle = open_descriptor(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content.encode() if isinstance(content, str) else content)
                if durable:
                    flush(file)
            if keep is not None:
                os.replace(path, keep)
            os.replace(temporary, path)
            if durable:
                flush_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def write_json(path: Path, content: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace ``path`` with ``content`` as JSON, see :func:`write_atomically`."""
    write_atomically(path, to_json(content, indent=1) + "\n", durable=durable)


def append_to_file(path: Path, text: bytes) -> None:
    """Append ``text`` to a file, which is made if needed, and flush it to the disk. A torn last line is ended first.

    Raises :class:`StoreError`, also for a link: the file it leads to is not ours to write.
    """
    with os_errors_as_store_errors(path):
        handle = open_descriptor(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _PLAIN, 0o666)
        with open(_plain_file(handle), "ab+") as file:
            before = file.seek(0, os.SEEK_END)
            if before:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash left the last line open
                    file.write(b"\n")
            file.write(text)
            flush(file)
        if not before:  # the file may be new
            flush_folder(path.parent)


def flush(file: BinaryIO) -> None:
    """Flush a file to the disk, so that it survives a power cut."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, so that files made, renamed or removed in it survive a power cut.

    Windows cannot open a folder, and some file systems cannot flush one; they lose at most the last moments.
    """
    with contextlib.suppress(OSError):
        handle = open_descriptor(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if needed, so that they survive a power cut. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        flush_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file, or a folder with what is in it, so that it survives a power cut. Raises OSError."""
    if source.is_dir():
        flush_folder(source)
    source.rename(target)
    for folder in dict.fromkeys((target.parent, source.parent)):
        flush_folder(folder)


def remove(path: Path) -> None:
    """Delete a file, or a folder with everything in it. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def sweep(folder: Path, *patterns: str) -> None:
    """Delete what a killed program left unfinished in ``folder``: temporary files, and what ``patterns`` match.

    Only what was not written within :data:`ABANDONED_AFTER` seconds of now is deleted: another program may be writing
    the rest. A time in the future comes from a wrong clock. What cannot be deleted stays; it does no harm.
    """
    for pattern in (".*.tmp", *patterns):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                newest = max(file.lstat().st_mtime for file in (path, *path.rglob("*")))
                if abs(time.time() - newest) >= ABANDONED_AFTER:
                    remove(path)


def file_stamp(paths: Iterable[str]) -> list[int]:
    """Return inode, time of change in ns and size of each file, zeros for a missing one.

    It changes when a file is replaced. Text, not Path: files of a thousand runs are looked at whenever a page is drawn.
    """
    found: list[int] = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found += (0, 0, 0)
        else:
            found += (status.st_ino, status.st_mtime_ns, status.st_size)
    return found


# --- locks ----------------------------------------------------------------------------------------


def lock_at(path: Path) -> FileLock:
    """Return the lock with this file, not acquired. Raises StoreError without its folder, which FileLock would make."""
    if not path.parent.is_dir():
        raise StoreError(f"The folder {path.parent} does not exist any more; put it back, or choose another one.")
    return FileLock(path)


@contextlib.contextmanager
def locked(path: Path, what: str, patience: float = PATIENCE, busy: str = "") -> Iterator[None]:
    """Hold the lock file of ``what``, such as "run 20261124-093000-k7fa".

    Raises RunBusy, which may say ``busy``, if another process holds it for longer than ``patience`` seconds, and
    StoreError if it cannot be opened.
    """
    if path.is_symlink():  # opening it would empty the file it leads to
        raise StoreError(f"The folder of {what} cannot be locked: its file {path.name} is a link; remove it.")
    lock = lock_at(path)
    try:
        lock.acquire(timeout=patience, poll_interval=0.01)
    except Timeout:  # a subclass of OSError, so it comes first
        busy = busy or f"Another process is working on {what}; wait for it or stop it first."
        raise RunBusy(busy) from None
    except OSError as error:
        if error.errno in FORBIDDEN:
            raise StoreError(f"The folder of {what} can only be read here, so nothing was changed.") from error
        raise StoreError(f"The folder of {what} cannot be locked: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from every other one, wherever it is moved: its device and inode; ``None`` without it.

    The holder of a lock compares it: a moved folder takes the lock along, and a copy has a lock file of its own.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock file."""
    if not path.is_file() or path.is_symlink():  # our programs would not open it, so nobody holds it
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError as error:
        return error.errno in FORBIDDEN and _is_held_by_others(path)
    lock.release()
    return False


def _is_held_by_others(path: Path) -> bool:
    """Like :func:`is_locked`, for a lock file that this program may read but not write."""
    try:
        import fcntl  # not on Windows
    except ImportError:
        return False
    with contextlib.suppress(OSError), open(_plain_file(open_descriptor(path, os.O_RDONLY | _PLAIN)), "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
