"""Record what this process does to the files in a folder, and tell what a power cut leaves of it at any moment.

A write is on the disk for certain after the file is flushed, and a name (of a file that is made, renamed or removed)
after its folder is flushed. What is not flushed may be on the disk, in part or not at all:

- **Content.** The content since the last flush is lost, torn, kept, or as long as it should be but zeros.
- **Names.** Of the changes whose folder was not flushed since, any number from the first on has happened, in the order
  of all changes, as in a file system with a journal, or folder by folder, as in one without.

With ``honoured=False``, flushing a folder has no effect, as on Windows: then every change of a name may be lost.
"""

import contextlib
import hashlib
import itertools
import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.faults.steps import Step, watched

Content = Literal["lost", "torn", "zeros", "kept"]
CONTENTS: tuple[Content, ...] = ("lost", "torn", "zeros", "kept")
#: Ways to lose names folder by folder that are tried at each moment.
SHUFFLES = 2


@dataclass(frozen=True)
class Change:
    """A name in ``folder`` that is given to ``node`` or taken away (``None``); of a rename, ``old`` goes as well."""

    number: int
    folder: int
    name: str
    node: int | None
    old: tuple[int, str] | None = None


@dataclass(frozen=True)
class Version:
    """The content of a file between the steps ``begun`` and ``number``, and whether it was then flushed."""

    begun: int
    number: int
    content: bytes
    flushed: bool


@dataclass(frozen=True)
class Disk:
    """What a power cut leaves: the content of each file (``None`` for a folder) by path.

    ``number``: the steps that were taken before. ``how`` says what was lost.
    """

    number: int
    how: str
    entries: dict[str, bytes | None] = field(repr=False)

    def key(self) -> str:
        """Return a text that only equal disks share."""
        digest = hashlib.sha256()
        for path, content in sorted(self.entries.items()):
            digest.update(repr((path, content if content is None else hashlib.sha256(content).digest())).encode())
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Make the files and folders in ``folder``."""
        for path, content in sorted(self.entries.items()):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                target.mkdir(exist_ok=True)
            else:
                target.write_bytes(content)


class Recording:
    """All that happens to the files in ``root`` while :meth:`running`. Files and folders are numbers, as inodes are."""

    def __init__(self, root: Path):
        self.root = Path(os.path.realpath(root))
        self.steps: list[str] = []
        self.marks: list[int] = []
        self._names: dict[int, dict[str, int]] = {0: {}}  # of the folders, now
        self._versions: dict[int, list[Version]] = {}
        self._begun: dict[int, int] = {}
        self._changes: list[Change] = []
        self._flushes: list[tuple[int, int]] = []  # number of the step, folder
        self._next = itertools.count(1)
        self._add_all(self.root, 0)
        self._before = {folder: dict(names) for folder, names in self._names.items()}

    def _add_all(self, path: Path, folder: int) -> None:
        for entry in sorted(path.iterdir()):
            node = self._names[folder][entry.name] = next(self._next)
            if entry.is_dir():
                self._names[node] = {}
                self._add_all(entry, node)
            else:
                self._versions[node] = [Version(-1, -1, entry.read_bytes(), flushed=True)]

    # --- recording --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Record what the block does, and check that the record agrees with the files there are then."""
        with watched(self.root, self._take):
            yield
        # What was written last and not flushed is not seen otherwise.
        for node, path in self._paths(self._names):
            if node in self._versions and path.is_file():
                self._write(node, path.read_bytes(), flushed=False)
        entries = self._entries(self._names, {node: versions[-1].content for node, versions in self._versions.items()})
        there = {str(path.relative_to(self.root)): path for path in self.root.rglob("*")}
        assert entries == {name: None if path.is_dir() else path.read_bytes() for name, path in there.items()}

    def mark(self) -> None:
        """Note that the steps so far were reported as done."""
        self.marks.append(len(self.steps))

    def _take(self, step: Step) -> None:
        number, (folder, name, node) = len(self.steps), self._find(Path(step.path))
        self.steps.append(f"{step.what} {os.path.relpath(step.path, self.root)}")
        match step.what:
            case "open":
                if node is None:
                    node = next(self._next)
                    self._versions[node] = []
                    self._change(Change(number, folder, name, node))
                self._begun.setdefault(node, number)
            case "mkdir" if node is None:
                node = next(self._next)
                self._names[node], self._before[node] = {}, {}
                self._change(Change(number, folder, name, node))
            case "remove" | "rmdir" if node is not None and not self._names.get(node):
                self._change(Change(number, folder, name, None))
            case "rename":
                source = Path(step.source)
                old_folder, old_name, moved = self._find(source)
                if moved is None or (node is not None and self._names.get(node)):
                    return  # it fails: there is nothing to rename, or a folder with files in its place
                if source.is_file():
                    self._write(moved, source.read_bytes(), flushed=False)
                self._change(Change(number, folder, name, moved, (old_folder, old_name)))
            case "flush" if node is not None and node in self._names:
                self._flushes.append((number, node))
            case "flush" if node is not None:
                self._write(node, Path(step.path).read_bytes(), flushed=True)

    def _find(self, path: Path) -> tuple[int, str, int | None]:
        """The number of the folder that ``path`` is in, its name there, and its number if it exists."""
        if path == self.root:
            return 0, ".", 0
        folder = 0
        for part in path.parent.relative_to(self.root).parts:
            folder = self._names[folder][part]
        return folder, path.name, self._names[folder].get(path.name)

    def _change(self, change: Change) -> None:
        self._changes.append(change)
        _apply(change, self._names)

    def _write(self, node: int, content: bytes, *, flushed: bool) -> None:
        versions, number = self._versions[node], len(self.steps) - (1 if flushed else 0)
        if flushed or not versions or versions[-1].content != content:
            versions.append(Version(self._begun.get(node, number), number, content, flushed))
        self._begun.pop(node, None)

    # --- after a power cut ------------------------------------------------------------------------

    def disks(self, *, honoured: bool, seed: int = 0) -> Iterator[Disk]:
        """Yield every different disk that a power cut before a step, or after the last, may leave."""
        rng, seen = random.Random(seed), set()
        for number in range(len(self.steps) + 1):
            for how, changes in self._kept_changes(number, rng, honoured=honoured):
                names = {folder: dict(entries) for folder, entries in self._before.items()}
                for change in changes:
                    _apply(change, names)
                for content in CONTENTS:
                    files = {node: self._content(node, number, content) for node in self._versions}
                    disk = Disk(number, f"{how} names, content {content}", self._entries(names, files))
                    if (number == len(self.steps), disk.key()) not in seen:
                        seen.add((number == len(self.steps), disk.key()))
                        yield disk

    def _kept_changes(self, number: int, rng: random.Random, *, honoured: bool) -> Iterable[tuple[str, list[Change]]]:
        """The changes of names that have happened on the disk, in each of several ways."""
        changes = [change for change in self._changes if change.number < number]
        flushed: dict[int, int] = {}
        for at, folder in self._flushes:
            if honoured and at < number:
                flushed[folder] = at
        pending = [change for change in changes if change.number > flushed.get(change.folder, -1)]
        for count in sorted({0, len(pending) // 2, max(len(pending) - 1, 0), len(pending)}):
            lost = pending[count:]
            yield f"{count} of {len(pending)} pending", [change for change in changes if change not in lost]
        # Folder by folder only what a flush of the folder leaves open: no program survives more.
        for _ in range(SHUFFLES if honoured and pending else 0):
            lost = []
            for folder in sorted({change.folder for change in pending}):
                own = [change for change in pending if change.folder == folder]
                lost += own[rng.randint(0, len(own)) :]
            yield "shuffled pending", [change for change in changes if change not in lost]

    def _content(self, node: int, number: int, content: Content) -> bytes:
        """The content of a file before step ``number``."""
        versions = self._versions[node]
        safe = next((each.content for each in reversed(versions) if each.flushed and each.number < number), b"")
        begun = [each for each in versions if each.begun < number]
        last = begun[-1].content if begun else safe
        kept = len(safe) if last.startswith(safe) else 0
        match content:
            case "lost":
                return safe
            case "kept":
                return last
            case "torn":
                return last[: kept + (len(last) - kept) // 2]
            case "zeros":
                return last[:kept] + bytes(len(last) - kept)

    def _entries(self, names: Mapping[int, Mapping[str, int]], files: Mapping[int, bytes]) -> dict[str, bytes | None]:
        paths = self._paths(names)
        return {str(path.relative_to(self.root)): files.get(node) for node, path in paths}

    def _paths(self, names: Mapping[int, Mapping[str, int]]) -> Iterator[tuple[int, Path]]:
        """Every file and folder below the root, as its number and its path."""
        open_folders = [(0, self.root)]
        while open_folders:
            folder, path = open_folders.pop()
            for name, node in names[folder].items():
                yield node, path / name
                if node in names:
                    open_folders.append((node, path / name))


def _apply(change: Change, names: dict[int, dict[str, int]]) -> None:
    if change.old is not None:
        names[change.old[0]].pop(change.old[1], None)
    if change.node is None:
        names[change.folder].pop(change.name, None)
    else:
        names[change.folder][change.name] = change.node
