"""How much space the runs take, and what is deleted to save it.

Two settings, kept in ``.settings.json`` next to the runs, say after how many days runs in the trash and the saved
states of finished runs are deleted. The app's worker applies them at its start and once a day.

A clock that was wrong for a moment must not delete anything. So whatever is due is first noted as due, and deleted only
if it still is at least :data:`NOTICE` seconds later; meanwhile a person sees what is due. A time of deletion before the
run was made comes from a wrong clock, and counting starts again.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from pathlib import Path
from shutil import disk_usage

from filelock import Timeout

from core.base.errors import RunBusy, StoreError, collected
from core.base.files import lock_at, os_errors_as_store_errors, read_file, write_json
from core.base.strict_json import from_json, with_check, without_check
from core.base.text import counted, filesize
from core.runs.folder import SAVED_STATES
from core.runs.shelf import size_of
from core.runs.store import RunStore
from core.runs.summary import RunSummary

SETTINGS_FILE = ".settings.json"
#: Days that can be set.
MOST_DAYS = 3_650
DAY = 86_400.0
#: Seconds between noting that something is due and deleting it.
NOTICE = 20 * 3_600.0


@dataclass(frozen=True)
class StorageSettings:
    """After how many days, from 1 to :data:`MOST_DAYS`, something is deleted; ``None`` for never.

    ``empty_trash_after`` counts from the day on which a run was moved to the trash, ``delete_states_after`` from the
    day on which a run finished.
    """

    empty_trash_after: int | None = None
    delete_states_after: int | None = None

    def problem(self) -> str | None:
        """Return what is wrong with the values, or ``None``."""
        for value in asdict(self).values():
            if value is not None and not (type(value) is int and 1 <= value <= MOST_DAYS):
                return f"“{value}” is not a number of days from 1 to {MOST_DAYS:,}, nor null for never"
        return None


@dataclass(frozen=True)
class Sizes:
    """Bytes. ``states`` are those of finished runs, which are part of ``runs``; ``free`` is left on the disk."""

    runs: int
    states: int
    trash: int
    cache: int
    free: int


@dataclass(frozen=True)
class Due:
    """Ids of the runs in the trash, and of the finished runs with states, that the settings delete at the next look."""

    trash: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


class Storage:
    """The space that the runs of a store take, and the settings that save some."""

    def __init__(self, store: RunStore):
        self._store = store
        self._path = store.root / SETTINGS_FILE
        self._noted = store.cache_folder / "due.json"

    def sizes(self) -> Sizes:
        """Return how many bytes runs, states of finished runs, trash and caches take."""
        store = self._store
        states = sum(size_of(path) for run in self._with_states() for path in self._states(run.id))
        runs = sum(size_of(store.root / run_id) for run_id in store.ids())
        return Sizes(runs, states, store.trash.size(), size_of(store.cache_folder), disk_usage(store.root).free)

    # --- settings ---------------------------------------------------------------------------------

    def settings(self) -> StorageSettings:
        """Return the settings. Raises StoreError if their file is damaged; nothing is deleted then."""
        try:
            settings = StorageSettings(**without_check(from_json(read_file(self._path))))
            problem = settings.problem()
        except FileNotFoundError:
            return StorageSettings()
        except (ValueError, TypeError):
            problem = "it does not hold the two settings"
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

    def change(self, **changes: int | None) -> StorageSettings:
        """Change settings by name and return them all. Raises StoreError for values that are not allowed."""
        try:
            with lock_at(self._store.root / ".settings.lock").acquire(timeout=5):
                after = replace(self.settings_or_never(), **changes)
                if problem := after.problem():
                    raise StoreError(f"The storage settings were not saved: {problem}.")
                write_json(self._path, with_check(asdict(after)))
                return after
        except Timeout:
            raise RunBusy("Another window is changing the storage settings; try again in a moment.") from None

    # --- deleting what is due ---------------------------------------------------------------------

    def due(self) -> Due:
        """Return what is older than the settings allow. Raises StoreError if the settings are damaged."""
        settings, now = self.settings(), time.time()
        trash, states = settings.empty_trash_after, settings.delete_states_after
        return Due(
            tuple(run_id for run_id in self._store.trash.ids() if _old(self._trashed_at(run_id), trash, now)),
            tuple(run.id for run in self._with_states() if _old(self._finished_at(run), states, now)) if states else (),
        )

    def notice(self, due: Due) -> str | None:
        """Return a sentence about what is going to be deleted, or ``None``."""
        if not due.trash and not due.states:
            return None
        size = self._store.trash.size(due.trash) + sum(
            size_of(path) for run_id in due.states for path in self._states(run_id)
        )
        return (
            f"Due: {counted(len(due.trash), 'run')} in the trash and the saved states of "
            f"{counted(len(due.states), 'finished run')} "
            f"({filesize(size)}). The app deletes them about a day after it found them due."
        )

    def tidy(self) -> str | None:
        """Delete what was noted as due at least :data:`NOTICE` seconds ago and still is; note what is due now.

        Returns a sentence about what was deleted, or ``None``. Raises StoreError if something could not be deleted,
        after deleting the rest.
        """
        for run_id in self._store.trash.ids():
            if self._trashed_at(run_id) is None:
                self._store.trash.note_time(run_id)
        due, noted, now = self.due(), self._read_notes(), time.time()
        ready = Due(*(tuple(item for item in items if now - noted.get(item, now) >= NOTICE) for items in astuple(due)))
        waiting = {*due.trash, *due.states} - {*ready.trash, *ready.states}
        self._write_notes({item: min(noted.get(item, now), now) for item in sorted(waiting)})
        return self._delete(ready)

    def _delete(self, ready: Due) -> str | None:
        freed, problems = 0, list[str]()
        with collected(problems, "The trash"):
            freed += self._store.trash.empty(ready.trash)
        for run_id in ready.states:
            with collected(problems, f"Run {run_id}"):
                size = sum(map(size_of, self._states(run_id)))
                self._store.run(run_id).delete_states()
                freed += size
        if problems:
            raise StoreError(" ".join(problems))
        if not freed:
            return None
        return (
            f"Deleted as the storage settings say: {counted(len(ready.trash), 'run')} in the trash and the saved "
            f"states of {counted(len(ready.states), 'finished run')}; {filesize(freed)} freed."
        )

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

    def _trashed_at(self, run_id: str) -> float | None:
        """When a run was moved to the trash; ``None`` if that is not known, or is before the run was made."""
        at = self._store.trash.deleted_at(run_id)
        if at is None or datetime.fromtimestamp(at + DAY).strftime("%Y%m%d-%H%M%S") < run_id:
            return None
        return at

    def _read_notes(self) -> dict[str, float]:
        """When each item was first found to be due."""
        try:
            content = from_json(read_file(self._noted))
            return {item: float(at) for item, at in content.items()}
        except (OSError, StoreError, ValueError, TypeError, AttributeError):
            return {}  # everything waits a day longer

    def _write_notes(self, notes: Mapping[str, float]) -> None:
        if notes or self._noted.exists():
            with os_errors_as_store_errors(self._noted):
                self._noted.parent.mkdir(exist_ok=True)
            write_json(self._noted, notes)


def _old(since: float | None, days: int | None, now: float) -> bool:
    return since is not None and days is not None and now - since > days * DAY


def days_text(days: int | None) -> str:
    """Return ``never``, ``after 1 day`` or ``after 30 days``."""
    return "never" if days is None else f"after {counted(days, 'day')}"
