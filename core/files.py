"""Writing files so that a crash at any instant leaves the old content or the new, never a mixture."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import StoreError


@contextlib.contextmanager
def told_plainly(path: Path) -> Iterator[None]:
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
        else:
            why = error.strerror or str(error)
        raise StoreError(f"{path.name} could not be written in {path.parent.name}: {why}.") from error


def write_atomically(path: Path, content: bytes | str | Callable[[BinaryIO], object]) -> None:
    """Replace ``path`` with ``content`` (bytes, text as UTF-8, or a function that writes to a file).

    A temporary file in the same folder is written, flushed to the disk and renamed over ``path``,
    so a reader sees the old file or the new one. Raises :class:`StoreError` when it cannot.
    """
    with told_plainly(path):
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace ``path`` with names and values as JSON."""
    write_atomically(path, json.dumps(content, indent=1) + "\n")
