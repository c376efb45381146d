"""RunStore: the only code that knows what is inside ``runs/``.

A run is a folder. What each of its files holds:

====================  ==================================================================================
config.json           the complete RunConfig, with a schema version
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

Here a run is made. Its files are read and written in :mod:`core.store_files`, the trash is in
:mod:`core.store_trash`, the queue in :mod:`core.store_queue`; the tables of runs and of epochs are made in
:mod:`core.frames`. RunStore is all of them, and the one to use.
"""

import contextlib
import getpass
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from core.config import RunConfig
from core.files import told_plainly, write_json
from core.frames import Reader
from core.store_files import AT_WORK, RESUMABLE, STATES, Meta, State, Status, locked, this_host
from core.store_queue import Queue

__all__ = ["AT_WORK", "RESUMABLE", "STATES", "Meta", "RunStore", "State", "Status", "this_host"]

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


class RunStore(Queue):
    """All runs under one folder. Cheap to make; holds no state but small caches in its readers."""

    def __init__(self, root: Path | str):
        super().__init__(root)
        self._reader = Reader()

    # --- making a run -----------------------------------------------------------------------------

    def create(
        self,
        config: RunConfig,
        *,
        name: str = "",
        tags: tuple[str, ...] = (),
        note: str = "",
        parent: str | None = None,
        study: str | None = None,
        last_state: Path | None = None,
    ) -> str:
        """Queue a new run and return its id.

        The folder is prepared under another name and renamed, so that no reader meets half a run.
        ``last_state`` is a last.pt to go on from. Raises ConfigError or StoreError.
        """
        run_id, staged = self._stage(
            config.checked(),
            Meta(name=name.strip(), tags=tags, note=note, parent=parent, study=study, owner=_owner()),
            last_state,
        )
        with told_plainly(self.root / run_id):
            staged.rename(self.root / run_id)
        return run_id

    @contextlib.contextmanager
    def create_held(self, config: RunConfig, **about: Any) -> Iterator[str]:
        """Like :meth:`create`, but the run is this process's from the first instant: no queue can take it."""
        last_state = about.pop("last_state", None)
        run_id, staged = self._stage(config.checked(), Meta(owner=_owner(), **about), last_state)
        with locked(staged / ".lock", run_id):
            with told_plainly(self.root / run_id):
                staged.rename(self.root / run_id)
            yield run_id

    def _stage(self, config: RunConfig, meta: Meta, last_state: Path | None) -> tuple[str, Path]:
        now = time.time()
        run_id = new_id(now)
        staged = self.cache_folder / f"new-{run_id}"
        try:
            with told_plainly(staged):
                staged.mkdir(parents=True)
            if last_state is not None:
                with told_plainly(staged / "last.pt"):
                    shutil.copyfile(last_state, staged / "last.pt")
            write_json(staged / "config.json", config.to_dict())
            write_json(staged / "meta.json", asdict(replace(meta, created_at=now)))
            write_json(
                staged / "status.json", asdict(Status(state="queued", epochs=config.train.epochs, queued_at=now))
            )
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        return run_id, staged

    # --- tables -----------------------------------------------------------------------------------

    def metrics(self, run_id: str) -> pd.DataFrame:
        """The run's finished epochs as a table, one row each (columns: :data:`core.frames.METRICS`)."""
        return self._reader.metrics(self.folder(run_id) / "metrics.jsonl")

    def frame(self) -> pd.DataFrame:
        """All runs as one tidy table, newest first (columns: :data:`core.frames.SUMMARY`, the knobs, ``curve``)."""
        return self._reader.frame(self)


def new_id(now: float) -> str:
    """An id that sorts by time to the millisecond: two of its last characters count, two are random."""
    base = len(_ALPHABET)
    tick = int(now % 1 * base**2)
    tail = _ALPHABET[tick // base] + _ALPHABET[tick % base] + secrets.choice(_ALPHABET) + secrets.choice(_ALPHABET)
    return datetime.fromtimestamp(now).strftime("%Y%m%d-%H%M%S-") + tail


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
