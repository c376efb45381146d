"""Checksums: the record of a run's files, against which each file is verified when it is used.

``checksums.txt`` in the run's folder is a journal of the files' versions. The line of a version is on the disk before
the version is written. So wherever writing is cut short, every file is one of the versions listed::

    resnet-lab-checksums-1  <run id>  <recorded or recorded-later>  <folder>  <check>
    <SHA-256>  <bytes>  <file>  <check>

``check`` is the start of the SHA-256 of the run id and the line's other fields. It tells a damaged line from a damaged
file, and refuses the lines of another run. ``recorded-later``: the files are older than their record. ``folder`` is the
inode of the run's folder while a process trains the run, otherwise 0: a copy that was made during training can hold
files that are newer than its record, and only such a copy may.

A line that a crash cut short is ignored. Two processes may append at once, each with one short write.
"""

import hashlib
import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from core.base.errors import StoreError
from core.base.files import (
    MOST_BYTES,
    append_to_file,
    flush_folder,
    move,
    os_errors_as_store_errors,
    read_file,
    write_atomically,
)
from core.base.strict_json import to_json

CHECKSUMS = "checksums.txt"
#: Files that are not recorded: they exist only while a run is at work.
UNRECORDED = (CHECKSUMS, "progress.json", "stop")
#: Sizes up to which :func:`mend` tries every bit and every byte.
MOST_FOR_BITS, MOST_FOR_BYTES = 16_000, 2_000
#: Bytes from which on the journal is worth tidying: about 500 versions.
LONG = 50_000
_FORMAT = "resnet-lab-checksums-1"
#: Files to which lines are appended; all others are replaced as a whole.
_APPENDED = (".jsonl", ".txt")
_FIELDS = ("[0-9a-f]{64}", "[0-9]+", r"[\w.-]+", "[0-9a-f]{16}")
#: What is left of each field where a line was cut short.
_CUT = ("[0-9a-f]{0,64} ?", "[0-9]* ?", r"[\w.-]* ?", "[0-9a-f]{0,15}")
#: Bytes by which a file may grow between two looks at it.
_GROWTH = 2**20


class Version(NamedTuple):
    """A content that a file has or had."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> "Version":
        """Return the version of a file with this content."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


Versions = dict[str, list[Version]]
#: Listed for a file that was damaged before it was recorded: no content has it.
NO_VERSION = Version("0" * 64, 0)


class Checksums:
    """The record of the files in one run's folder. A folder without one is read and written without verification."""

    def __init__(self, folder: Path, run_id: str):
        self.folder, self._run_id = folder, run_id
        self._path = folder / CHECKSUMS
        self._parsed: tuple[tuple[int, int, int], _Journal] | None = None
        # Size and hash of what this object wrote: a file that it appends to is not read again.
        self._written: dict[str, tuple[int, hashlib._Hash]] = {}

    # --- reading ----------------------------------------------------------------------------------

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Return the content of a file of at most ``most`` bytes, verified. Of a log a torn last line is included.

        Raises FileNotFoundError without the file, and StoreError if it cannot be read or is not as recorded.
        """
        if name in UNRECORDED:
            return read_file(self.folder / name, most)
        for _ in range(2):  # the journal may have been tidied between our looks at it and at the file
            found = os.lstat(self.folder / name)
            journal = self._journal()
            if journal and stat.S_ISREG(found.st_mode) and found.st_size > journal.largest(name):
                continue
            content = read_file(self.folder / name, min(most, found.st_size + _GROWTH))
            journal = self._journal()
            if journal is None or journal.place(name, content) is not None:
                return content
        raise self._damaged(name)

    def problem(self, name: str) -> str | None:
        """Return what is wrong with a file, in a sentence that says what to do, or ``None``."""
        try:
            journal = self._journal()
            if journal is not None:
                self.read(name, os.lstat(self.folder / name).st_size + _GROWTH)
        except FileNotFoundError:
            if journal and journal.versions.get(name) and not journal.at_work:
                return f"{name} of run {self._run_id} is missing. {self._way_on()}"
        except StoreError as error:
            return str(error)
        return None

    def problems(self) -> dict[str, str]:
        """Return a sentence for each file of the run that is not as recorded, by name.

        A missing file is a problem only if no process works on the run or died while it did.
        """
        try:
            journal = self._journal()
        except StoreError as error:
            return {CHECKSUMS: str(error)}
        names = {*self._names(), *(journal.versions if journal else ())}
        return {name: text for name in sorted(names) if (text := self.problem(name))}

    def listed(self) -> Versions:
        """Return the listed versions of each file, oldest first. Raises StoreError if the record is damaged."""
        journal = self._journal()
        return journal.versions if journal else {}

    @property
    def copied(self) -> bool:
        """Whether the folder was copied while a process trained the run. Raises StoreError."""
        journal = self._journal()
        return journal is not None and journal.copied

    @property
    def recorded(self) -> bool:
        """Whether the folder has a record."""
        return os.path.lexists(self._path)

    @property
    def recorded_later(self) -> bool:
        """Whether the files are older than their record. Raises StoreError if the record is damaged."""
        journal = self._journal()
        return journal is not None and journal.later

    # --- writing ----------------------------------------------------------------------------------

    def write(self, name: str, content: bytes | str, *, keep: str | None = None) -> None:
        """Replace a file by ``content``, text as UTF-8. ``keep``: the name that the old file gets, if it is sound.

        If the program ends before the new file has its name, the old one is there under the name ``keep``.
        """
        data = content.encode() if isinstance(content, str) else content
        digest, before = hashlib.sha256(data), self._present(name) if keep else None
        listed: Versions = {name: [Version(digest.hexdigest(), len(data))]}
        if keep and before:
            listed[keep] = [before]
        self._note(listed)
        write_atomically(self.folder / name, data, keep=self.folder / keep if keep and before else None)
        self._written[name] = len(data), digest

    def move(self, source: str, target: str) -> None:
        """Rename a file, and replace the one that has the name."""
        self._note({target: [Version.of(self.read(source, sys.maxsize))]})
        with os_errors_as_store_errors(self.folder / target):
            move(self.folder / source, self.folder / target)
        self._written.pop(target, None)

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        with os_errors_as_store_errors(self.folder / name):
            (self.folder / name).unlink(missing_ok=True)
            flush_folder(self.folder)
        self._written.pop(name, None)

    def _present(self, name: str) -> Version | None:
        """The version of a file that is there; ``None`` without it or if it is damaged."""
        if not os.path.lexists(self.folder / name):
            return None
        if name in self._written:
            size, digest = self._written[name]
            return Version(digest.hexdigest(), size)
        return None if self.problem(name) else Version.of(self._content(name))

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a file by ``content`` as JSON."""
        self.write(name, to_json(content, indent=1) + "\n")

    def append(self, name: str, text: bytes) -> None:
        """Append ``text`` to a file; a torn last line is ended first.

        What is appended to a damaged file is not recorded, so that the file stays damaged.
        """
        path = self.folder / name
        end = self._end(name) if self.recorded else None
        if end is None:
            append_to_file(path, text)
            return
        size, digest = end
        digest.update(text)
        version = Version(digest.hexdigest(), size + len(text))
        try:
            self._note({name: [version]})
        except StoreError:
            journal = self._journal()
            if journal and version in journal.versions.get(name, ()):
                # The disk took the line and refused to flush it. It may still take the reason into the log.
                append_to_file(path, text)
            raise
        append_to_file(path, text)
        self._written[name] = size + len(text), digest

    def _end(self, name: str) -> "tuple[int, hashlib._Hash] | None":
        """Size and hash of a file to append to, after ending a torn last line; ``None`` if it is damaged.

        In the journal, what is appended follows the version that it is appended to.
        """
        path, content = self.folder / name, b""
        written = self._written.pop(name, None)  # until the next write succeeded
        if os.path.lexists(path):
            if written and written[0] == path.lstat().st_size:
                return written
            if self.problem(name):
                return None
            content = self._content(name)
        torn = content and not content.endswith(b"\n")
        content += b"\n" if torn else b""
        self._note({name: [Version.of(content)]})
        if torn:
            append_to_file(path, b"")
        return len(content), hashlib.sha256(content)

    def _note(self, versions: Versions) -> None:
        """List versions that are about to be written, if there is a record."""
        if self.recorded:
            append_to_file(self._path, self._lines(versions))

    # --- the record as a whole --------------------------------------------------------------------

    def record(self, *, later: bool = False) -> None:
        """Record the files as they are now. ``later``: they were written before there was a record."""
        self._rewrite({name: [Version.of(self._content(name))] for name in self._names()}, later, 0)

    def survey(self, wanted: Callable[[str], bool]) -> Versions:
        """Return the listed versions of each wanted file in the folder, the one on the disk first, for :meth:`tidy`.

        All versions of a damaged file are returned, so that it stays damaged. Without a record it is the present one.
        Raises StoreError if the record is damaged.
        """
        journal = self._journal()
        versions: Versions = {}
        for name in filter(wanted, self._names()):
            content = self._content(name)
            if journal is None or journal.copied:
                versions[name] = [Version.of(content)]
            else:
                versions[name] = journal.versions.get(name, [])[journal.place(name, content) or 0 :]
        return versions

    def tidy(self, versions: Versions, *, at_work: bool) -> None:
        """Replace the journal by one that lists only ``versions``, from :meth:`survey`; make it if there is none.

        For the process that holds the run's lock and the lock of meta.json. ``at_work``: it goes on to train the run.
        """
        journal = self._journal()
        later = journal is None or journal.later or journal.copied
        self._rewrite(versions, later, os.stat(self.folder).st_ino if at_work else 0)

    def mend(self) -> bool:
        """Restore lines of a damaged record in which one byte was changed; return whether the record can be read then.

        Each line tells by its check when the right byte is found.
        """

        def fits(line: bytes) -> bool:
            fields = _fields(line.decode(errors="replace"))
            return len(fields) in (4, 5) and line.decode(errors="replace") + "\n" == _line(self._run_id, *fields[:-1])

        lines = read_file(self._path).split(b"\n")
        whole = [line if not line or fits(line) else mend(line, fits) or line for line in lines]
        try:
            self._parse(b"\n".join(whole))
        except StoreError:
            return False
        if whole != lines:
            write_atomically(self._path, b"\n".join(whole))
        return whole != lines

    @property
    def long(self) -> bool:
        """Whether the journal has become long enough to be tidied."""
        return self.recorded and self._path.lstat().st_size > LONG

    def _rewrite(self, versions: Versions, later: bool, folder: int) -> None:
        fields = (_FORMAT, self._run_id, "recorded-later" if later else "recorded", str(folder))
        content = _line(self._run_id, *fields).encode() + self._lines(versions)
        if not self.recorded or self._content(CHECKSUMS) != content:
            write_atomically(self._path, content)

    def _lines(self, versions: Versions) -> bytes:
        return "".join(
            _line(self._run_id, version.sha256, str(version.size), name)
            for name, listed in versions.items()
            for version in listed
        ).encode()

    def _names(self) -> list[str]:
        """The files in the folder that are recorded."""
        with os.scandir(self.folder) as entries:
            files = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        return [name for name in files if re.fullmatch(r"\w[\w.-]*", name) and name not in UNRECORDED]

    def _content(self, name: str) -> bytes:
        path = self.folder / name
        return read_file(path, path.lstat().st_size + _GROWTH)

    def _journal(self) -> "_Journal | None":
        """The journal, parsed again when its file has changed; ``None`` without one. Raises StoreError."""
        try:
            found = os.lstat(self._path)
            stamp = found.st_ino, found.st_mtime_ns, found.st_size
            if self._parsed is None or self._parsed[0] != stamp:
                self._parsed = stamp, self._parse(read_file(self._path))
        except FileNotFoundError:
            return None
        return self._parsed[1]

    def _parse(self, content: bytes) -> "_Journal":
        head, *lines = content.decode(errors="replace").split("\n")
        fields = _fields(head)
        run_id = fields[1] if len(fields) == 5 else ""
        if head + "\n" != _line(run_id, *fields[:-1]) or fields[0] != _FORMAT or not lines:
            raise self._damaged(CHECKSUMS)
        if run_id != self._run_id:
            raise StoreError(
                f"{CHECKSUMS} of run {self._run_id} belongs to run {run_id}: the folder or the file was copied. "
                f"Export and import a run to copy it. {self._way_on()}"
            )
        journal = _Journal(later=fields[2] == "recorded-later")
        journal.at_work = fields[3] != "0"
        journal.copied = journal.at_work and fields[3] != str(os.stat(self.folder).st_ino)
        for line in (line.rstrip("\0") for line in lines):
            sha256, size, name, *_ = fields = [*_fields(line), "", "", ""]
            if line + "\n" == _line(run_id, sha256, size, name):
                journal.versions.setdefault(name, []).append(Version(sha256, int(size)))
            elif not _is_cut_short(line):
                raise self._damaged(CHECKSUMS)
        return journal

    def _damaged(self, name: str) -> StoreError:
        what = "it was changed" if name == CHECKSUMS else "its SHA-256 is not the recorded one"
        return StoreError(f"{name} of run {self._run_id} is damaged: {what}. {self._way_on()}")

    def _way_on(self) -> str:
        return f"Run `resnet-lab check {self._run_id}` to see what can be repaired."


@dataclass
class _Journal:
    """The content of a checksums.txt.

    ``at_work``: a process trains the run, or died while it did. ``copied``: it did so in another folder.
    """

    later: bool
    at_work: bool = False
    copied: bool = False
    versions: Versions = field(default_factory=dict)

    def largest(self, name: str) -> float:
        """Bytes of the largest version of a file."""
        return (
            float("inf") if self.copied else max((version.size for version in self.versions.get(name, ())), default=0)
        )

    def place(self, name: str, content: bytes) -> int | None:
        """Which of the listed versions of a file ``content`` is, the newest if several; ``None`` if it is none.

        Behind a version of a log there may be the beginning of the line that was to follow.
        """
        versions = self.versions.get(name, [])
        written = len(content.rstrip(b"\0"))  # a power cut may leave zeros where a line was to be
        for index in reversed(range(len(versions))):
            size, rest = versions[index].size, content[versions[index].size :]
            may_follow = not rest or (
                name.endswith(_APPENDED)
                and b"\n" not in rest
                and any(later.size > written for later in versions[index + 1 : index + 2])
            )
            if size <= len(content) and may_follow and Version.of(content[:size]) == versions[index]:
                return index
        return 0 if self.copied else None


def mend(content: bytes, fits: Callable[[bytes], bool]) -> bytes | None:
    """Return ``content`` with the one byte changed that makes it fit, or ``None`` if there is no such byte.

    Up to :data:`MOST_FOR_BYTES` bytes, every change of a byte is tried, and up to :data:`MOST_FOR_BITS` every change of
    a bit; that takes a few seconds at most.
    """
    bits = [1 << bit for bit in range(8)] if len(content) <= MOST_FOR_BITS else []
    others = [mask for mask in range(256) if mask.bit_count() > 1] if len(content) <= MOST_FOR_BYTES else []
    changed = bytearray(content)
    for mask in (*bits, *others):
        for at in range(len(changed)):
            changed[at] ^= mask
            if fits(bytes(changed)):
                return bytes(changed)
            changed[at] ^= mask
    return None


def _fields(line: str) -> list[str]:
    return line.split("  ")


def _line(run_id: str, *fields: str) -> str:
    """The line of the journal with these fields."""
    check = hashlib.sha256("  ".join((run_id, *fields)).encode()).hexdigest()[:16]
    return "  ".join((*fields, check)) + "\n"


def _is_cut_short(line: str) -> bool:
    """Whether a line is the beginning of the line of a version."""
    *whole, last = _fields(line)
    return (
        len(whole) < len(_FIELDS)
        and all(re.fullmatch(pattern, text) for pattern, text in zip(_FIELDS, whole, strict=False))
        and re.fullmatch(_CUT[len(whole)], last) is not None
    )
