"""Files: written so that a crash at any instant leaves the old content or the new, read so that no link misleads."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from core.base.errors import StoreError
from core.base.strict_json import to_json

#: Seconds after which an unfinished file that nobody went on with was left by a program that was killed.
ABANDONED_AFTER = 600.0
#: Of a file with a few names and values.
MOST_BYTES = 16 * 2**20
#: A link is not followed, and a pipe that nobody writes into is not waited for. Windows knows neither.
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_file(path: Path, most: int = MOST_BYTES, start: int = 0) -> bytes:
    """The content of a file, which may come from anywhere, from the byte ``start`` on.

    Raises FileNotFoundError if there is none, and :class:`StoreError` with a sentence if it cannot be read, has more
    than ``most`` bytes, or is no file: a link could show what lies anywhere on this computer, and a pipe never ends.
    """
    where = f"{path.name} in {path.parent.name}"
    try:
        handle = os.open(path, os.O_RDONLY | _PLAIN)
        with open(_file_alone(handle), "rb") as file:
            file.seek(start)
            content = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {_why_not(error)}.") from error
    if len(content) > most:
        raise StoreError(f"{where} is larger than the {most >> 20} MB such a file can have; it is damaged or no run's.")
    return content


def append_to_file(path: Path, text: bytes) -> None:
    """Add ``text`` to a file, made if there is none, and bring it to the disk. A torn last line is closed first.

    Raises :class:`StoreError`, also for a link: what it leads to is not ours to write.
    """
    with os_errors_as_store_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _PLAIN, 0o666)
        with open(_file_alone(handle), "ab+") as file:
            _end_torn_line(file)
            file.write(text)
            flush(file)


def _end_torn_line(file: BinaryIO) -> None:
    """Close the last line if a crash left it open, so that ours stands alone."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _file_alone(handle: int) -> int:
    """``handle`` if it is of a file; OSError for a folder, a pipe or a device."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no file")
    return handle


def _why_not(error: OSError) -> str:
    """An operating system's refusal in words."""
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return "it is a link, and links are not followed; put the file itself there"
    return error.strerror or str(error)


@contextlib.contextmanager
def os_errors_as_store_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write ``path`` into a :class:`StoreError` sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = "the disk is full; free some space and try again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            why = "writing is not permitted there; check the folder's permissions"
        elif error.errno == errno.ENOENT:
            why = "its folder no longer exists"
        elif error.errno in (errno.EEXIST, errno.ENOTDIR):
            why = "a file stands where a folder is needed; name another place or move the file"
        else:
            why = _why_not(error)
        raise StoreError(f"{path.name} could not be written in {path.parent.name}: {why}.") from error


def write_atomically(path: Path, content: bytes | str | Callable[[BinaryIO], object]) -> None:
    """Replace ``path`` with ``content`` (bytes, text as UTF-8, or a function that writes to a file).

    A temporary file in the same folder is written, flushed to the disk and renamed over ``path``,
    so a reader sees the old file or the new one. Who may read it is for the umask to say, as with any new
    file. Raises :class:`StoreError` when it cannot.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with os_errors_as_store_errors(path):
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content.encode() if isinstance(content, str) else content)
                flush(file)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def flush(file: BinaryIO) -> None:
    """Bring what was written to the disk, so that a power cut after this cannot take it."""
    file.flush()
    os.fsync(file.fileno())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace ``path`` with names and values as JSON."""
    write_atomically(path, to_json(content, indent=1) + "\n")


def sweep(folder: Path, *patterns: str) -> None:
    """Remove what a killed program left half done in ``folder``: temporary files, and whatever ``patterns`` name.

    Someone may be writing just now, so only what was not touched for :data:`ABANDONED_AFTER` seconds goes. What
    cannot be removed stays: it does no harm.
    """
    for pattern in (".*.tmp", *patterns):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - _last_touched(path) < ABANDONED_AFTER:
                    continue
                remove(path)


def remove(path: Path) -> None:
    """Delete a file, or a folder with everything in it. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _last_touched(path: Path) -> float:
    """When the file, or the newest file in the folder, was last written; seconds since 1970."""
    return max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
