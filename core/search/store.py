"""Searches on disk: one JSON file each beside the studies, with whether the search is going on.

A file holds what the search asks, and what a person decided about it: to pause it, or to confirm its best trials.
Everything else is read from the runs.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.base.errors import ConfigError, StoreError
from core.base.files import locked, make_folder, os_errors_as_store_errors, read_file, write_json
from core.base.strict_json import from_json, with_check, without_check
from core.base.text import one_line
from core.runs.shelf import ID, Shelf, Trash
from core.runs.store import RunStore
from core.search.search import Search
from core.study.store import MOST_BYTES, PATIENCE, Damaged

_CONTROL = "control"


@dataclass(frozen=True)
class Control:
    """What a person decided. ``going``: trials are made until the budget is used up. ``held`` are the runs that a pause
    stopped and that continue with the search. ``problem`` says why the search paused by itself, ``done`` why it ended.
    ``since`` is how many trials there were when it was started last. ``confirm`` are the numbers of the trials that are
    trained with ``confirm_seeds``."""

    going: bool = False
    held: tuple[str, ...] = ()
    problem: str = ""
    done: str = ""
    since: int = 0
    confirm: tuple[int, ...] = ()
    confirm_seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stored:
    """A search and what was decided about it."""

    search: Search
    control: Control = Control()


class SearchStore:
    """The searches that belong to the runs of ``store``."""

    def __init__(self, store: RunStore):
        self.root = store.studies_shelf.folder
        self._shelf = Shelf(self.root, "search", ".search.json", "search list")
        self.trash = Trash(
            self._shelf, "search restore", guard=self._at_rest, label=lambda shelf, id: _read(shelf, id).search.name
        )

    def ids(self) -> list[str]:
        """Return the ids of all searches, newest first."""
        return self._shelf.ids()

    def all(self) -> tuple[dict[str, Stored], list[Damaged]]:
        """Return every search by id, newest first, and the files that cannot be used."""
        searches, damaged = {}, []
        for search_id in self.ids():
            try:
                searches[search_id] = self.get(search_id)
            except StoreError as error:
                damaged.append(Damaged(search_id, str(error)))
        return searches, damaged

    def get(self, search_id: str) -> Stored:
        """Return a search. Raises StoreError if it does not exist or its file is damaged."""
        return _read(self._shelf, search_id)

    def find(self, text: str) -> str:
        """Return the id that ``text`` means: an id, a unique start or end of one, a name, or ``latest``."""
        return self._shelf.find(text, lambda search_id: self.get(search_id).search.name)

    def create(self, search: Search) -> str:
        """Save a new search and return its id. Raises ConfigError or StoreError."""
        search_id = self._shelf.new_id()
        self._write(search_id, Stored(replace(search.checked(), created_at=time.time())))
        return search_id

    def control(self, search_id: str, change: Callable[[Control], Control]) -> Control:
        """Replace what was decided about a search by ``change`` of it, for the holder of :meth:`lock`."""
        stored = self.get(search_id)
        control = change(stored.control)
        if control != stored.control:
            self._write(search_id, replace(stored, control=control))
        return control

    def extend(self, search_id: str, trials: int | None, minutes: float | None) -> None:
        """Give a search another budget. Raises ConfigError or StoreError."""
        with self.lock(search_id):
            stored = self.get(search_id)
            search = replace(stored.search, trials=trials, minutes=minutes).checked()
            self._write(search_id, Stored(search, replace(stored.control, done="")))

    def lock(self, search_id: str) -> contextlib.AbstractContextManager[None]:
        """Held while trials are made or a search is paused, so that no two processes do it at once."""
        with os_errors_as_store_errors(self.root):
            make_folder(self.root)
        return locked(self.root / ".search.lock", f"search {search_id}", PATIENCE)

    @contextlib.contextmanager
    def _at_rest(self, search_id: str) -> Iterator[None]:
        """Hold the lock while a search is moved to the trash; refuse one that is going on."""
        with self.lock(search_id):
            going = False
            with contextlib.suppress(StoreError):  # a damaged file is at rest
                going = self.get(search_id).control.going
            if going:
                raise StoreError(f"Search {search_id} is going on; pause it first.")
            yield

    def _write(self, search_id: str, stored: Stored) -> None:
        with os_errors_as_store_errors(self.root):
            make_folder(self.root)
        content = {**stored.search.to_dict(), _CONTROL: asdict(stored.control)}
        write_json(self._shelf.place(search_id), with_check(content))


def _read(shelf: Shelf, search_id: str) -> Stored:
    path = shelf.path(search_id)
    try:
        content = without_check(from_json(read_file(path, most=MOST_BYTES)))
        if not isinstance(content, dict):
            raise ValueError("it holds no names and values")
        control = content.pop(_CONTROL, {})
        return Stored(Search.from_dict(content), _control(control))
    except FileNotFoundError:
        raise StoreError(f"There is no search {search_id}.") from None
    except ConfigError as error:
        raise StoreError(f"Search {search_id} cannot be used: {error}") from error
    except ValueError as error:
        raise StoreError(f"Search {search_id} is damaged: {error}.") from error


def _control(content: Any) -> Control:
    """Return the decisions in a file. Raises ValueError."""
    if not isinstance(content, dict) or content.keys() - asdict(Control()).keys():
        raise ValueError("it holds no decisions")
    fits = {
        bool: lambda value: isinstance(value, bool),
        str: lambda value: isinstance(value, str),
        int: lambda value: type(value) is int and value >= 0,
        tuple: lambda value: isinstance(value, list) and all(map(_is_id_or_number, value)),
    }
    for name, default in asdict(Control()).items():
        if not fits[type(default)](content.get(name, list(default) if isinstance(default, tuple) else default)):
            raise ValueError(f"“{name}” of its decisions is not readable")
    lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    texts = {name: one_line(value, 1_000) for name, value in content.items() if isinstance(value, str)}
    return Control(**{**content, **lists, **texts})


def _is_id_or_number(value: Any) -> bool:
    return re.fullmatch(ID, value) is not None if isinstance(value, str) else type(value) is int and value >= 0
