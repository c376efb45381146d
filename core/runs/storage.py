"""How much space the runs take, and what is deleted to save it.

Settings, kept in ``.settings.json`` next to the runs, say after how many days runs and studies in the trash and the
saved states of finished runs are deleted. The app's worker applies them at its start and once a day. How many runs it
trains at once is kept with them.

A clock that was wrong for a moment must not delete anything. So whatever is due is first noted as due, and deleted only
if it still is at least :data:`NOTICE` seconds later; meanwhile a person sees what is due. A time of deletion before the
run was made comes from a wrong clock, and counting starts again.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from shutil import disk_usage
from typing import Any

from core.base.errors import StoreError, collected
from core.base.files import locked, os_errors_as_store_errors, read_file, write_json
from core.base.strict_json import from_json, with_check, without_check
from core.base.text import counted, filesize, one_line
from core.runs.folder import SAVED_STATES
from core.runs.shelf import Trash, size_of
from core.runs.store import RunStore
from core.runs.summary import RunSummary

SETTINGS_FILE = ".settings.json"
#: Days that can be set.
MOST_DAYS = 3_650
#: Runs at once that can be chosen.
MOST_AT_ONCE = 64
#: Addresses of Ray clusters: a name or an address of version 4 or 6, and a port.
ADDRESS = r"auto|([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,39}\]):[0-9]{1,5}"
DAY = 86_400.0
#: Seconds between noting that something is due and deleting it.
NOTICE = 20 * 3_600.0


@dataclass(frozen=True)
class StorageSettings:
    """After how many days, from 1 to :data:`MOST_DAYS`, something is deleted; ``None`` for never.

    ``empty_trash_after`` counts from the day on which a run or a study was moved to the trash, ``delete_states_after``
    from the day on which a run finished. ``runs_at_once``, from 1 to :data:`MOST_AT_ONCE`: how many queued runs are
    trained at once on this machine; ``None`` for as many as are expected to end soonest (:mod:`core.cost.together`).
    ``cluster``: the address of the Ray cluster that trains the queued runs instead (``HOST:PORT``, or ``auto`` for one
    that this computer belongs to); ``None`` for this machine.
    """

    empty_trash_after: int | None = None
    delete_states_after: int | None = None
    runs_at_once: int | None = None
    cluster: str | None = None

    def problem(self) -> str | None:
        """Return what is wrong with the values, or ``None``."""
        for value in (self.empty_trash_after, self.delete_states_after):
            if value is not None and not (type(value) is int and 1 <= value <= MOST_DAYS):
                return f"“{value}” is not a number of days from 1 to {MOST_DAYS:,}, nor null for never"
        at_once = self.runs_at_once
        if at_once is not None and not (type(at_once) is int and 1 <= at_once <= MOST_AT_ONCE):
            return f"“{at_once}” is not a number of runs at once from 1 to {MOST_AT_ONCE}, nor null for automatic"
        if self.cluster is not None and not re.fullmatch(ADDRESS, str(self.cluster)):
            return f"“{one_line(str(self.cluster), 60)}” is not HOST:PORT, nor “auto”"
        return None


@dataclass(frozen=True)
class Sizes:
    """Bytes. ``states`` are those of finished runs, which are part of ``runs``; ``trash`` counts runs and studies;
    ``free`` is left on the disk.
    """

    runs: int
    states: int
    trash: int
    cache: int
    free: int


@dataclass(frozen=True)
class Due:
    """What the settings delete at the next look: ids of runs in the trash, of finished runs with states, and of studies
    in the trash.
    """

    trash: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()

    def items(self) -> list[tuple[str, str]]:
        """Return every id with the name of its field."""
        return [(kind, item_id) for kind, ids in asdict(self).items() for item_id in ids]

    @classmethod
    def of(cls, items: Iterable[tuple[str, str]]) -> "Due":
        """Return what :meth:`items` returned."""
        kinds: dict[str, list[str]] = {}
        for kind, item_id in items:
            kinds.setdefault(kind, []).append(item_id)
        return cls(**{kind: tuple(ids) for kind, ids in kinds.items()})


class Storage:
    """The space that the runs of a store take, and the settings that save some."""

    def __init__(self, store: RunStore):
        self._store = store
        self._path = store.root / SETTINGS_FILE
        self._study_trash = Trash(store.studies_shelf, "study restore")
        self._noted = store.cache_folder / "due.json"

    def sizes(self) -> Sizes:
        """Return how many bytes runs, states of finished runs, trash and caches take."""
        store = self._store
        states = sum(size_of(path) for run in self._with_states() for path in self._states(run.id))
        runs = sum(size_of(store.root / run_id) for run_id in store.ids())
        trash = store.trash.size() + self._study_trash.size()
        return Sizes(runs, states, trash, size_of(store.cache_folder), disk_usage(store.root).free)

    # --- settings ---------------------------------------------------------------------------------

    def settings(self) -> StorageSettings:
        """Return the settings. Raises StoreError if their file is damaged; nothing is deleted then."""
        try:
            settings = StorageSettings(**without_check(from_json(read_file(self._path))))
            problem = settings.problem()
        except FileNotFoundError:
            return StorageSettings()
        except (ValueError, TypeError):
            problem = "it does not hold the settings"
        if problem:
            raise StoreError(
                f"{SETTINGS_FILE} in the folder of the runs is damaged: {problem}. Nothing is deleted until you save "
                "the storage settings again."
            )
        return settings

    def settings_or_never(self) -> StorageSettings:
        """Return the settings, or those that delete nothing if their file is damaged."""
        try:
            return self.settings()
        except StoreError:
            return StorageSettings()

    def change(self, **changes: Any) -> StorageSettings:
        """Change settings by name and return them all. Raises StoreError for values that are not allowed."""
        busy = "Another window is changing the storage settings; try again in a moment."
        with locked(self._store.root / ".settings.lock", "the storage settings", 5, busy):
            after = replace(self.settings_or_never(), **changes)
            if problem := after.problem():
                raise StoreError(f"The storage settings were not saved: {problem}.")
            write_json(self._path, with_check(asdict(after)))
            return after

    # --- deleting what is due ---------------------------------------------------------------------

    def due(self) -> Due:
        """Return what is older than the settings allow. Raises StoreError if the settings are damaged."""
        settings, now = self.settings(), time.time()
        days, states = settings.empty_trash_after, settings.delete_states_after
        runs, studies = (
            tuple(item_id for item_id in trash.ids() if _old(_trashed_at(trash, item_id), days, now))
            for trash in (self._store.trash, self._study_trash)
        )
        return Due(
            runs,
            tuple(run.id for run in self._with_states() if _old(self._finished_at(run), states, now)) if states else (),
            studies,
        )

    def notice(self, due: Due) -> str | None:
        """Return a sentence about what is going to be deleted, or ``None``."""
        if not due.items():
            return None
        size = (
            self._store.trash.size(due.trash)
            + self._study_trash.size(due.studies)
            + sum(size_of(path) for run_id in due.states for path in self._states(run_id))
        )
        return f"Due: {_text(due)} ({filesize(size)}). The app deletes them about a day after it found them due."

    def tidy(self) -> str | None:
        """Delete what was noted as due at least :data:`NOTICE` seconds ago and still is; note what is due now.

        Returns a sentence about what was deleted, or ``None``. Raises StoreError if something could not be deleted,
        after deleting the rest.
        """
        for trash in (self._store.trash, self._study_trash):
            for item_id in trash.ids():
                if _trashed_at(trash, item_id) is None:
                    trash.note_time(item_id)
        due, noted, now = self.due().items(), self._read_notes(), time.time()
        since = {item: min(noted.get(_note(*item), now), now) for item in due}
        ready = [item for item in due if now - since[item] >= NOTICE]
        self._write_notes({_note(*item): since[item] for item in sorted(set(due) - set(ready))})
        return self._delete(Due.of(ready))

    def _delete(self, ready: Due) -> str | None:
        freed, problems = 0, list[str]()
        for trash, ids in ((self._store.trash, ready.trash), (self._study_trash, ready.studies)):
            with collected(problems, "The trash"):
                freed += trash.empty(ids)
        for run_id in ready.states:
            with collected(problems, f"Run {run_id}"):
                size = sum(map(size_of, self._states(run_id)))
                self._store.run(run_id).delete_states()
                freed += size
        if problems:
            raise StoreError(" ".join(problems))
        if not freed:
            return None
        return f"Deleted as the storage settings say: {_text(ready)}; {filesize(freed)} freed."

    def _with_states(self) -> list[RunSummary]:
        """The finished runs that have a state; without reference runs, whose files are never deleted."""
        runs = [run for run in self._store.summaries() if run.finished and not run.meta.reference]
        return [run for run in runs if self._states(run.id)]

    def _states(self, run_id: str) -> list[Path]:
        paths = (self._store.root / run_id / name for name in SAVED_STATES)
        return [path for path in paths if path.is_file()]

    def _finished_at(self, run: RunSummary) -> float | None:
        """When a run finished. Its states are not younger: a copy or an import makes them anew."""
        written = [path.stat().st_mtime for path in self._states(run.id)]
        return max([run.status.finished_at, *written]) if run.status.finished_at and written else None

    def _read_notes(self) -> dict[str, float]:
        """When each item was first found to be due."""
        try:
            content = without_check(from_json(read_file(self._noted)))
            return {item: float(at) for item, at in content.items()}
        except (OSError, StoreError, ValueError, TypeError, AttributeError):
            return {}  # everything waits a day longer

    def _write_notes(self, notes: Mapping[str, float]) -> None:
        if notes or self._noted.exists():
            with os_errors_as_store_errors(self._noted):
                self._noted.parent.mkdir(exist_ok=True)
            write_json(self._noted, with_check(notes))


def _trashed_at(trash: Trash, item_id: str) -> float | None:
    """When an item was moved to the trash; ``None`` if that is not known, or is before the item was made."""
    at = trash.deleted_at(item_id)
    if at is None or datetime.fromtimestamp(at + DAY).strftime("%Y%m%d-%H%M%S") < item_id:
        return None
    return at


def _note(kind: str, item_id: str) -> str:
    """Return under which name something is noted as due: runs by their ids alone, as in earlier versions."""
    return f"study {item_id}" if kind == "studies" else item_id


def _text(due: Due) -> str:
    runs, states = counted(len(due.trash), "run"), counted(len(due.states), "finished run")
    studies = f" and {counted(len(due.studies), 'study', 'studies')}" if due.studies else ""
    return f"{runs}{studies} in the trash and the saved states of {states}"


def _old(since: float | None, days: int | None, now: float) -> bool:
    return since is not None and days is not None and now - since > days * DAY


def days_text(days: int | None) -> str:
    """Return ``never``, ``after 1 day`` or ``after 30 days``."""
    return "never" if days is None else f"after {counted(days, 'day')}"
