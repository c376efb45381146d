"""Shelf and Trash: what runs and studies have in common. Both are named by ids in one folder and can be deleted.

An id sorts by time and is safe as a file name and in a URL. Any id from outside is checked here before it touches a
path.
"""

import contextlib
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from core.base.errors import LabError, StoreError, collected
from core.base.files import make_folder, move, os_errors_as_store_errors, read_file, remove, write_atomically
from core.base.text import composed, distinct_names, filesize, one_line

TRASH = ".trash"
#: What an id looks like, as a regular expression.
ID = "[0-9]{8}-[0-9]{6}-[a-z0-9]{4}"
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
#: How far ahead of this computer's clock the time in an id may be: ids are in local time, and people travel.
AHEAD = timedelta(days=1)
_TICKS = len(_ALPHABET) ** 2  # parts of a second that two characters of an id count


def new_id(now: float, existing: Iterable[str] = ()) -> str:
    """Return an id that sorts by time to the millisecond: two of its last characters count, two are random.

    It sorts behind the ``existing`` ids even if the clock was set back since, as it is every autumn: ids are in local
    time. Ids more than :data:`AHEAD` in the future come from a wrong clock and do not count.
    """
    at = datetime.fromtimestamp(now)
    newest = max(credible(existing, now), default=None)
    if newest is not None:
        with contextlib.suppress(ValueError, OverflowError):  # 20260231-999999-aaaa looks like an id but is no time
            at = max(at, _just_after(newest))
    tick = at.microsecond * _TICKS // 1_000_000
    tail = _ALPHABET[tick // len(_ALPHABET)] + _ALPHABET[tick % len(_ALPHABET)]
    return at.strftime("%Y%m%d-%H%M%S-") + tail + secrets.choice(_ALPHABET) + secrets.choice(_ALPHABET)


def credible(ids: Iterable[str], now: float) -> list[str]:
    """Return the ids that are at most :data:`AHEAD` in the future, in their order."""
    limit = (datetime.fromtimestamp(now) + AHEAD).strftime("%Y%m%d-%H%M%S")
    return [item_id for item_id in ids if item_id[: len(limit)] <= limit]


def _just_after(item_id: str) -> datetime:
    """The first moment whose ids sort behind this one."""
    tick = _ALPHABET.index(item_id[16]) * len(_ALPHABET) + _ALPHABET.index(item_id[17]) + 1
    return datetime.strptime(item_id[:15], "%Y%m%d-%H%M%S") + timedelta(microseconds=-(-tick * 1_000_000 // _TICKS))


class Shelf:
    """Runs (a folder each) or studies (a file each) in one folder, named by id.

    Deleted items are moved to ``trash_folder``; ``cache_folder`` is for what can be made again.
    """

    def __init__(self, folder: Path, noun: str, suffix: str = "", listing: str = "list"):
        """``listing`` is the command that lists the items."""
        self.folder, self.noun, self.suffix = folder, noun, suffix
        self.trash_folder, self.cache_folder = folder / TRASH, folder / ".cache"
        self._listing, self._where = listing, " in the trash" if folder.name == TRASH else ""

    def ids(self) -> list[str]:
        """Return all ids, newest first. Raises StoreError if the folder cannot be read."""
        try:
            with os.scandir(self.folder) as entries:
                stems = [
                    entry.name.removesuffix(self.suffix)
                    for entry in entries
                    if entry.name.endswith(self.suffix) and (self._is_item(entry) or self._is_trashed_link(entry))
                ]
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self.folder.name.startswith("."):
                return []  # made when it is first needed
            raise StoreError(f"The folder {self.folder} cannot be read: {error.strerror}.") from error
        return sorted((stem for stem in stems if re.fullmatch(ID, stem)), reverse=True)

    def _is_item(self, entry: os.DirEntry[str]) -> bool:
        return entry.is_file() if self.suffix else entry.is_dir()

    def _is_trashed_link(self, entry: os.DirEntry[str]) -> bool:
        """Whether this is a link in the trash: it can be restored or deleted, wherever it leads."""
        return bool(self._where) and entry.is_symlink()

    def new_id(self) -> str:
        """Return the id of a new item, which sorts behind the existing ones, those in the trash included."""
        trashed = Shelf(self.trash_folder, self.noun, self.suffix)
        return new_id(time.time(), [*self.ids(), *trashed.ids()])

    def place(self, item_id: str) -> Path:
        """Return where the item is, or would be. Raises StoreError for text that is not an id."""
        if not isinstance(item_id, str) or not re.fullmatch(ID, item_id):
            text = one_line(str(item_id), 60)
            raise StoreError(f"“{text}” is not a {self.noun} id; an id looks like 20261124-093000-k7fa.")
        return self.folder / f"{item_id}{self.suffix}"

    def path(self, item_id: str) -> Path:
        """Return where the item is. Raises StoreError if it does not exist."""
        path = self.place(item_id)
        if not (path.is_file() if self.suffix else path.is_dir()):
            hint = " It is in the trash; restore it first." if os.path.lexists(self.trash_folder / path.name) else ""
            raise StoreError(f"There is no {self.noun} {item_id}{self._where}.{hint}")
        return path

    def find(self, text: str, name: Callable[[str], str] = str) -> str:
        """Return the id that ``text`` means: an id, a unique start or end of one, a name, or ``latest``.

        ``name`` returns the name of an item, or raises LabError. Raises StoreError if not exactly one item matches.
        """
        ids, shown = self.ids(), one_line(text, 60)
        if text == "latest" and ids:
            return next(iter(credible(ids, time.time())), ids[0])
        if text in ids:
            return text
        matches = []
        for item_id in ids:
            with contextlib.suppress(LabError):
                if text and composed(name(item_id)) == composed(text):
                    matches.append(item_id)
        if not matches and len(text) >= 4:
            matches = [item_id for item_id in ids if item_id.startswith(text) or item_id.endswith(text)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise StoreError(f"“{shown}” matches {len(matches)} ids: {', '.join(matches[:5])}; give the full id.")
        if re.fullmatch(ID, text):
            self.path(text)
        raise StoreError(f"There is no {self.noun} “{shown}”{self._where}; `resnet-lab {self._listing}` lists the ids.")


class Trash:
    """Deleted runs or studies: put there, restored, or deleted for good."""

    def __init__(
        self,
        shelf: Shelf,
        listing: str,
        guard: Callable[[str], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
        label: Callable[[Shelf, str], str] = lambda _, item_id: item_id,
    ):
        """``guard`` is entered around moving an item to the trash, and raises LabError for one that must stay.

        ``label`` returns what to call an item of a shelf.
        """
        self.folder = shelf.trash_folder
        self._shelf, self._guard, self._label = shelf, guard, label
        self._deleted = Shelf(self.folder, shelf.noun, shelf.suffix, listing)

    def put(self, item_id: str, *, held: bool = False) -> None:
        """Move an item to the trash. Raises LabError if it does not exist or must stay.

        ``held``: the caller holds the item already and knows that it may go, so the guard is not entered.
        """
        guard = contextlib.nullcontext() if held else self._guard(item_id)
        with guard, os_errors_as_store_errors(self.folder / item_id):
            path = self._shelf.path(item_id)
            make_folder(self.folder)
            self.note_time(item_id)
            _move(path, self._deleted.place(item_id))

    def ids(self) -> list[str]:
        """Return the ids in the trash, newest first."""
        return self._deleted.ids()

    def find(self, text: str) -> str:
        """Return the id in the trash that ``text`` means: an id, a unique start or end of one, or ``latest``."""
        return self._deleted.find(text)

    def labels(self) -> dict[str, str]:
        """Return what to call each item in the trash, by id, newest first."""
        labels = {}
        for item_id in self.ids():
            try:
                labels[item_id] = self._label(self._deleted, item_id)
            except LabError:
                labels[item_id] = f"damaged · {item_id}"
        return distinct_names(labels)

    def restore(self, item_id: str) -> None:
        """Move an item back. Raises StoreError if it is not in the trash, or if it exists."""
        target, noun = self._shelf.place(item_id), self._shelf.noun.capitalize()
        if item_id not in self.ids():
            raise StoreError(f"{noun} {item_id} is not in the trash.")
        if os.path.lexists(target):
            raise StoreError(f"{noun} {item_id} exists already; nothing was restored.")
        with os_errors_as_store_errors(target):
            _move(self._deleted.place(item_id), target)
            self._time_note(item_id).unlink(missing_ok=True)

    def deleted_at(self, item_id: str) -> float | None:
        """Return when an item was moved to the trash, in seconds since 1970, or ``None`` if that is not known."""
        try:
            at = float(read_file(self._time_note(item_id), most=100))
        except (OSError, ValueError, StoreError):
            return None
        return at if math.isfinite(at) else None

    def note_time(self, item_id: str) -> None:
        """Note that an item is moved to the trash now. On a full disk there is no note: deleting must still work."""
        self._time_note(item_id).unlink(missing_ok=True)
        with contextlib.suppress(StoreError):
            write_atomically(self._time_note(item_id), f"{time.time():.0f}\n")

    def _time_note(self, item_id: str) -> Path:
        return self.folder / f".deleted-{item_id}"

    def size(self, item_ids: Iterable[str] | None = None) -> int:
        """Return the number of bytes that :meth:`empty` would free."""
        return sum(size_of(self._deleted.place(item_id)) for item_id in (self.ids() if item_ids is None else item_ids))

    def empty(self, item_ids: Iterable[str] | None = None) -> int:
        """Delete items in the trash for good, by default all, and return the number of bytes freed.

        Raises StoreError if something could not be deleted, after deleting the rest.
        """
        freed = 0
        problems: list[str] = []
        for item_id in self.ids() if item_ids is None else item_ids:
            path = self._deleted.place(item_id)
            # Renamed first: if the program is killed halfway, no half-deleted item can be restored.
            doomed = path.with_name(f".gone-{path.name}")
            with collected(problems, f"{self._shelf.noun.capitalize()} {item_id}"), os_errors_as_store_errors(path):
                size = size_of(path)
                move(path, doomed)
                self._time_note(item_id).unlink(missing_ok=True)
                remove(doomed)
                freed += size
        if problems:
            raise StoreError(" ".join([f"{filesize(freed)} freed, but not everything could be deleted.", *problems]))
        return freed


def _move(source: Path, target: Path) -> None:
    """Move an item. A link still leads where it did, and what it leads to stays where it is."""
    if not source.is_symlink():
        move(source, target)
        return
    leads_to = os.path.normpath(source.parent.resolve() / source.readlink())
    target.symlink_to(leads_to, target_is_directory=source.is_dir())
    source.unlink()


def size_of(path: Path) -> int:
    """Return the number of bytes of a file, or of the files in a folder; what vanishes meanwhile counts nothing.

    A link counts alone: deleting it frees nothing of what it leads to.
    """
    if path.is_symlink():
        return path.lstat().st_size
    size = 0
    for file in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):
            size += 0 if file.is_dir() else file.lstat().st_size
    return size
