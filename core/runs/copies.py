"""Copies of the files of one folder: copying what changed, reading it back, and deleting earlier copies.

The content of a file NAME is kept as ``SHA-NAME``; SHA are the first digits of its SHA-256. So a new copy never
replaces an earlier one. A list, kept by :mod:`core.runs.backup`, says which copies count.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from core.base.errors import StoreError
from core.base.files import move, open_file, os_errors_as_store_errors, os_errors_while_reading, write_atomically
from core.base.paths import is_litter
from core.base.text import one_line
from core.runs.checksums import CHECKSUMS
from core.runs.folder import LAST, LOCK, PROGRESS, STOP
from core.runs.transfer import FILES

LIST = "files.json"
#: The order in which files of a run are copied; the others follow.
_ORDER = {name: place for place, name in enumerate(FILES)}
#: Files of a run that mean something only while it trains here.
PASSING = (LOCK, STOP, PROGRESS)
#: Where a file is written before it has been read back.
_ARRIVING = "arriving"
_CHUNK = 1 << 20
#: File names that every file system can store.
NAME = re.compile(r"\.?\w[\w.-]{0,99}", flags=re.ASCII)
#: What a person keeps next to the runs.
NOTE_FILES = (".local.json", ".settings.json")


@dataclass(frozen=True)
class Entry:
    """One file in a backup: its size in bytes, when it was changed (ns since 1970), and its SHA-256."""

    bytes: int
    mtime_ns: int
    sha256: str

    def version(self, name: str) -> str:
        """Return the name of the file in the backup that holds the content of ``name``."""
        return f"{self.sha256[:16]}-{name}"


@dataclass
class Report:
    """What a backup did.

    ``repaired`` counts damaged copies that were replaced, ``kept`` has the runs of the backup that are no longer here,
    ``problems`` a sentence for each file that could not be backed up.
    """

    runs: int = 0
    copied: int = 0
    copied_bytes: int = 0
    unchanged: int = 0
    unchanged_bytes: int = 0
    repaired: int = 0
    kept: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Unreadable(StoreError):
    """A file of a run that cannot be read; the rest of the backup can go on."""


class Copying:
    """Copies files into one folder of a backup, and counts them in ``report``."""

    def __init__(self, folder: Path, verify: bool):
        self._folder, self._verify, self.report = folder, verify, Report()

    def copied(self, source: Path, names: Iterable[str], kept: dict[str, Entry]) -> dict[str, Entry]:
        """Return ``kept``, what the backup has, with the files ``names`` in ``source`` as they are now."""
        files = dict(kept)
        for name in names:
            if not NAME.fullmatch(name):
                self.report.problems.append(
                    f"“{one_line(name, 60)}” in {source.name} is not a file of ResNet Lab; it was not backed up."
                )
                continue
            try:
                with _opened(source / name) as file:
                    files[name] = self._entry(source / name, file, kept.get(name))
            except FileNotFoundError:
                pass  # deleted meanwhile
            except Unreadable as error:
                self.report.problems.append(str(error))
        return files

    def _entry(self, path: Path, file: BinaryIO, kept: Entry | None) -> Entry:
        """Return the entry of an open file, which is copied unless the backup has it."""
        stat = os.fstat(file.fileno())
        size = stat.st_size
        if kept and (kept.bytes, kept.mtime_ns) == (size, stat.st_mtime_ns) and self._intact(path, file, kept):
            self.report.unchanged += 1
            self.report.unchanged_bytes += size
            return kept
        file.seek(0)
        arriving, digest = self._folder / _ARRIVING, hashlib.sha256()

        def write(target: BinaryIO) -> None:
            for chunk in _chunks(file, size, path):
                digest.update(chunk)
                target.write(chunk)

        write_atomically(arriving, write)
        if digest_of(arriving) != digest.hexdigest():
            raise StoreError(
                f"the copy of {path.name} of {path.parent.name} differs when it is read back, so the disk of the "
                "backup is failing. Use another one."
            )
        entry = Entry(size, stat.st_mtime_ns, digest.hexdigest())
        with os_errors_as_store_errors(arriving):
            move(arriving, self._folder / entry.version(path.name))
        self.report.copied += 1
        self.report.copied_bytes += size
        return entry

    def _intact(self, path: Path, file: BinaryIO, kept: Entry) -> bool:
        """Whether the backup has the content of a file whose size and time did not change."""
        copy = self._folder / kept.version(path.name)
        if not self._verify:
            with contextlib.suppress(OSError):
                return copy.stat().st_size == kept.bytes
            return False
        digest = hashlib.sha256()
        for chunk in _chunks(file, kept.bytes, path):
            digest.update(chunk)
        with contextlib.suppress(FileNotFoundError):
            if digest_of(copy) == kept.sha256:
                if digest.hexdigest() != kept.sha256:
                    raise Unreadable(
                        f"{path.name} of {path.parent.name} has another content than in the backup, but the same time "
                        "of change: the file is probably damaged. The backup keeps its copy."
                    )
                return True
        self.report.repaired += 1
        return False


def names_in(folder: Path) -> list[str]:
    """Return the names of the files to back up in a folder, in the order in which to copy them.

    The state of a run comes first: if the run is training meanwhile, no other file in the backup is older than it.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    names = [name for name in names if name in NOTE_FILES or not (name.startswith(".") or is_litter(name))]
    return sorted(set(names) - set(PASSING), key=lambda name: (_ORDER.get(name, len(_ORDER)), name))


def is_entry(entry: Entry) -> bool:
    return isinstance(entry.mtime_ns, int) and bool(re.fullmatch("[0-9a-f]{64}", entry.sha256))


def _opened(path: Path) -> BufferedReader:
    """Open a file to back up. Raises FileNotFoundError or Unreadable."""
    try:
        return open_file(path)
    except StoreError as error:
        raise Unreadable(f"{error} It was not backed up.") from error


def _chunks(file: BinaryIO, size: int, path: Path) -> Iterator[bytes]:
    """Yield the first ``size`` bytes of a file; lines may be appended to it meanwhile. Raises Unreadable."""
    while size:
        try:
            with os_errors_while_reading(path):
                chunk = file.read(min(size, _CHUNK))
        except StoreError as error:
            raise Unreadable(f"{error} It was not backed up.") from error
        if not chunk:
            raise Unreadable(f"{path.name} of {path.parent.name} became shorter while it was read; back up again.")
        size -= len(chunk)
        yield chunk


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in the backup, read from the disk. Raises FileNotFoundError or StoreError."""
    with open_file(path) as file, os_errors_while_reading(path):
        if hasattr(os, "posix_fadvise"):  # or what was just written would be read from memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(folder: Path) -> list[tuple[int, int]]:
    """Return a value that changes when a run saves its state, or when the record of its files is made anew."""
    stamp = []
    for name in (LAST, CHECKSUMS):
        with contextlib.suppress(OSError):
            stat = (folder / name).stat()
            stamp.append((stat.st_ino, stat.st_mtime_ns if name == LAST else 0))
    return stamp


def delete_others(folder: Path, files: Mapping[str, Entry]) -> None:
    """Delete from one folder of the backup what its list does not name: earlier versions, and unfinished copies."""
    listed = {LIST, *(entry.version(name) for name, entry in files.items())}
    with contextlib.suppress(OSError):  # they do no harm
        for path in folder.iterdir():
            if path.name not in listed:
                path.unlink()
