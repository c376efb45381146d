"""RunStore: the only code that knows what is inside ``runs/``.

A run is a folder. What each of its files holds:

====================  ==================================================================================
config.json           the complete RunConfig, with a schema version; config.json.v0 and so on are what it was before
meta.json             name, tags, note, owner, study, parent, whether it is a reference run, environment
status.json           state, epoch, best so far, times, heartbeat, host and pid, error if any
metrics.jsonl         one line per finished epoch, appended; a torn last line is ignored
progress.json         inside the epoch: batch, running loss, images/s, seconds left
best.safetensors      the best epoch's weights with ``input.mean`` and ``input.std``
last.pt               everything needed to go on exactly
result.json           where a part was held out: the one test evaluation, made at the end
log.txt               what a person would want to read when it failed
stop                  present while someone asks the run to stop; holds ``keep`` or ``discard``
.lock                 locked by the process that works on the run
====================  ==================================================================================

Every file but metrics.jsonl and log.txt is replaced atomically. The state on disk can say ``running``
for a run whose process is dead; the lock cannot, so a free lock makes it ``interrupted``.
Dot-folders hold what is no run. Reference runs are read-only: what a person adds to one is kept in
``.local.json``.

Here a run is made. Its files are read and written in :mod:`core.runs.folder`, the trash is in
:mod:`core.runs.trash`, the queue in :mod:`core.runs.queue`; the tables of runs and of epochs are made in
:mod:`core.runs.table`. RunStore is all of them, and the one to use.
"""

import contextlib
import getpass
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.errors import LabError, StoreError
from core.base.files import told_plainly, write_atomically, write_json
from core.base.text import percent
from core.config.run_config import RunConfig
from core.runs.folder import AT_WORK, RESUMABLE, STATES, Meta, State, Status, locked, this_host
from core.runs.queue import Queue
from core.runs.summary import DamagedRun, RunSummary
from core.runs.table import Reader, frame

__all__ = ["AT_WORK", "RESUMABLE", "STATES", "Meta", "RunStore", "State", "Status", "this_host"]

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_TICKS = len(_ALPHABET) ** 2  # into which the last characters of an id divide a second


class RunStore(Queue):
    """All runs under one folder. Cheap to make; holds no state but small caches in its readers."""

    def __init__(self, root: Path | str):
        super().__init__(root)
        self._reader = Reader()

    # --- making a run -----------------------------------------------------------------------------

    def create(self, config: RunConfig, *, files: Mapping[str, Path] | None = None, **about: Any) -> str:
        """Queue a new run and return its id.

        The folder is prepared under another name and renamed, so that no reader meets half a run. ``about`` is
        what :class:`Meta` holds: name, tags, note, parent, study, environment. ``files`` are copied into it by name:
        a last.pt to go on from, for one. Raises ConfigError or StoreError.
        """
        with self._staged(config, about, files) as (run_id, staged), told_plainly(self.root / run_id):
            staged.rename(self.root / run_id)
        return run_id

    @contextlib.contextmanager
    def create_held(self, config: RunConfig, *, files: Mapping[str, Path] | None = None, **about: Any) -> Iterator[str]:
        """Like :meth:`create`, but the run is this process's from the first instant: no queue can take it."""
        with self._staged(config, about, files) as (run_id, staged), locked(staged / ".lock", run_id):
            with told_plainly(self.root / run_id):
                staged.rename(self.root / run_id)
            yield run_id

    @contextlib.contextmanager
    def _staged(
        self, config: RunConfig, about: Mapping[str, Any], files: Mapping[str, Path] | None
    ) -> Iterator[tuple[str, Path]]:
        """A new run complete in a folder beside the others, for the caller to move among them."""
        config, now = config.checked(), time.time()
        meta = Meta(**{"owner": _owner(), **about, "name": about.get("name", "").strip(), "created_at": now})
        status = Status(state="queued", epochs=config.train.epochs, queued_at=self._end_of_queue())
        run_id = new_id(now, max([*self.ids(), *self.trashed()], default=None))
        staged = self.cache_folder / f"new-{run_id}"
        try:
            with told_plainly(staged):
                staged.mkdir(parents=True)
            for name, path in (files or {}).items():
                with told_plainly(staged / name), path.open("rb") as source:
                    write_atomically(staged / name, partial(shutil.copyfileobj, source))
            write_json(staged / "config.json", config.to_dict())
            write_json(staged / "meta.json", asdict(meta))
            write_json(staged / "status.json", asdict(status))
            yield run_id, staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def adopt(self, folder: Path) -> None:
        """Move a run's folder, complete and nobody's, among the runs. One whose id is here already is refused.

        A reference run of another laboratory is a person's own here.
        """
        run_id = self.checked_id(folder.name)
        for place, where in ((self.root, ""), (self.trash_folder, " in the trash")):
            if (place / run_id).exists():
                raise StoreError(f"Run {run_id} is here already{where}; it was left as it is.")
        meta = RunStore(folder.parent).meta(run_id)
        write_json(folder / "meta.json", asdict(replace(meta, reference=False)))
        with told_plainly(self.root / run_id):
            folder.rename(self.root / run_id)

    # --- tables -----------------------------------------------------------------------------------

    def metrics(self, run_id: str) -> pd.DataFrame:
        """The run's finished epochs as a table, one row each (columns: :data:`core.runs.epochs.METRICS`)."""
        return self._reader.metrics(self.folder(run_id) / "metrics.jsonl")

    def frame(self) -> pd.DataFrame:
        """All runs as a tidy table, newest first (columns: ``table.SUMMARY``, settings, ``curve``)."""
        return frame(self._reader.runs(self))

    def runs(self) -> list[RunSummary | DamagedRun]:
        """Return every run, newest first; those whose folder cannot be read as :class:`DamagedRun`."""
        return self._reader.runs(self)

    def summaries(self) -> list[RunSummary]:
        """Return the summary of every run that can be read, newest first."""
        return [run for run in self.runs() if isinstance(run, RunSummary)]

    def damaged(self) -> list[DamagedRun]:
        """Return the runs whose folder cannot be read, newest first."""
        return [run for run in self.runs() if isinstance(run, DamagedRun)]


def new_id(now: float, newest: str | None = None) -> str:
    """An id that sorts by time to the millisecond: two of its last characters count, two are random.

    It sorts behind ``newest`` though the clock may have been set back since (every autumn, for one: ids are in
    local time).
    """
    at = datetime.fromtimestamp(now)
    if newest is not None:
        with contextlib.suppress(ValueError, OverflowError):  # 20269999-999999-aaaa has the form of an id, and no time
            at = max(at, _just_after(newest))
    tick = at.microsecond * _TICKS // 1_000_000
    tail = _ALPHABET[tick // len(_ALPHABET)] + _ALPHABET[tick % len(_ALPHABET)]
    return at.strftime("%Y%m%d-%H%M%S-") + tail + secrets.choice(_ALPHABET) + secrets.choice(_ALPHABET)


def _just_after(run_id: str) -> datetime:
    """The first moment whose ids sort behind this one."""
    tick = _ALPHABET.index(run_id[16]) * len(_ALPHABET) + _ALPHABET.index(run_id[17]) + 1
    return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S") + timedelta(microseconds=-(-tick * 1_000_000 // _TICKS))


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def retag(store: RunStore, run_id: str, add: Iterable[str], remove: Iterable[str]) -> None:
    """Add and remove tags of a run."""
    gone = set(remove)
    tags = dict.fromkeys([*store.meta(run_id).tags, *(tag.strip() for tag in add if tag.strip())])
    store.annotate(run_id, tags=[tag for tag in tags if tag not in gone])


def trashed(store: RunStore) -> dict[str, str]:
    """What is in the trash, the newest first: id, and words that tell it from the others."""
    if not (found := store.trashed()):
        return {}
    trash, told = RunStore(store.trash_folder), {}
    for run_id in found:
        try:
            name, best = trash.meta(run_id).name, trash.status_for_holder(run_id).best_val_accuracy
            told[run_id] = " · ".join([*([name] if name else []), *([percent(best)] if best else []), run_id])
        except LabError:
            told[run_id] = f"damaged · {run_id}"
    return told
