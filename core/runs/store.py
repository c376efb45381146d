"""RunStore: the runs in one folder, made and found here.

``store.run(run_id)`` is one run's files (:mod:`core.runs.folder`), ``store.queue`` the waiting runs
(:mod:`core.runs.queue`), ``store.trash`` the deleted ones (:mod:`core.runs.shelf`). What is known about all of them is
read by :mod:`core.runs.table`. The folder's dot-folders hold what is not a run.
"""

import contextlib
import getpass
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.errors import RunBusy, StoreError
from core.base.files import locked, make_folder, move, os_errors_as_store_errors, write_atomically
from core.base.text import percent
from core.config.presets import recipe_text
from core.config.run_config import RunConfig
from core.records import EpochRecord
from core.runs.checksums import Checksums
from core.runs.epochs import METRICS, OPTIONAL_METRICS, EpochReader
from core.runs.folder import BEST, LOCK, META, Meta, RunFolder, Status, write_new_run, written
from core.runs.predictions import PREDICTIONS, Predictions, RecentPredictions
from core.runs.queue import Queue
from core.runs.shelf import Shelf, Trash
from core.runs.summary import KIND_OF_VALIDATION, AnyRun, DamagedRun, RunSummary, readable
from core.runs.table import Reader, frame


class RunStore:
    """All runs in one folder, which is made if needed. Cheap to make; it keeps nothing but small caches."""

    def __init__(self, root: Path | str):
        self.root = Path(root)
        with os_errors_as_store_errors(self.root):
            make_folder(self.root)
        self._shelf = Shelf(self.root, "run")
        self.cache_folder = self._shelf.cache_folder
        self.trash = Trash(self._shelf, "restore", self._deletable, _trash_label)
        #: The studies of these runs (:mod:`core.study.store`), a file each.
        self.studies_shelf = Shelf(self.root / ".studies", "study", ".json", "study list")
        self.queue = Queue(self._shelf, self.trash)
        self._epochs = EpochReader()
        self._reader = Reader(self._shelf, self._epochs)
        self._predictions = RecentPredictions()

    def ids(self) -> list[str]:
        """Return the ids of all runs, newest first. Raises StoreError if the folder cannot be read."""
        return self._shelf.ids()

    def find(self, text: str) -> str:
        """Return the id that ``text`` means: an id, a unique start or end of one, a name, or ``latest``."""
        return self._shelf.find(text, lambda run_id: self.run(run_id).meta().name)

    def run(self, run_id: str) -> RunFolder:
        """Return a run's files. Raises StoreError if there is no such run."""
        return RunFolder(self._shelf, run_id)

    # --- making a run -----------------------------------------------------------------------------

    def create(self, config: RunConfig, *, files: Mapping[str, bytes] | None = None, **about: Any) -> str:
        """Queue a new run and return its id.

        The folder is prepared under another name and renamed, so that no reader sees half a run. ``about`` is what
        :class:`Meta` holds: name, tags, note, parent, study, trial, environment. ``files`` are contents of further
        files by name, such as a last.pt to continue from. Raises ConfigError or StoreError.
        """
        with self._staged(config, about, files) as (run_id, staged):
            self._shelve(staged, run_id)
        return run_id

    @contextlib.contextmanager
    def create_held(
        self, config: RunConfig, *, files: Mapping[str, bytes] | None = None, **about: Any
    ) -> Iterator[str]:
        """Like :meth:`create`, but this process holds the run from the start: no queue can take it."""
        with self._staged(config, about, files) as (run_id, staged), locked(staged / LOCK, f"run {run_id}"):
            self._shelve(staged, run_id)
            yield run_id

    @contextlib.contextmanager
    def _staged(
        self, config: RunConfig, about: Mapping[str, Any], files: Mapping[str, bytes] | None
    ) -> Iterator[tuple[str, Path]]:
        """A new run, complete in a folder that the caller moves among the others."""
        config = config.checked()
        named = {"owner": _owner(), **about, "name": about.get("name", "").strip(), "created_at": time.time()}
        meta = Meta(**written(named))
        status = Status(state="queued", epochs=config.train.epochs, queued_at=self.queue.end())
        run_id = self._shelf.new_id()
        staged = self.cache_folder / f"new-{run_id}"
        try:
            with os_errors_as_store_errors(staged):
                staged.mkdir(parents=True)
            for name, content in (files or {}).items():
                write_atomically(staged / name, content)
            write_new_run(staged, config, meta, status)
            Checksums(staged, run_id).record()
            yield run_id, staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def adopt(self, folder: Path, *, keep_reference: bool = False) -> None:
        """Move a complete run's folder, which nobody works on, among the runs. A run that exists here is refused.

        Unless ``keep_reference``, another laboratory's reference run becomes an ordinary run here.
        """
        run_id = folder.name
        for place, where in ((self._shelf.place(run_id), ""), (self.trash.folder / run_id, " in the trash")):
            if os.path.lexists(place):
                raise StoreError(f"Run {run_id} is here already{where}; it was left as it is.")
        run = RunFolder(Shelf(folder.parent, "run"), run_id)
        if not keep_reference:
            run.checksums.write_json(META, replace(run.meta(), reference=False).to_dict())
            run.checksums.record()
        self._shelve(folder, run_id)

    def _shelve(self, folder: Path, run_id: str) -> None:
        target = self._shelf.place(run_id)
        with os_errors_as_store_errors(target):
            move(folder, target)

    @contextlib.contextmanager
    def _deletable(self, run_id: str) -> Iterator[None]:
        """Hold a run while it is moved to the trash, stopped if it waits; refuse a running run and a reference run."""
        run = self.run(run_id)
        run.refuse_reference("deleted")
        if run.held():
            raise RunBusy(f"Run {run_id} is running; stop it before deleting it.")
        run.refuse_elsewhere()
        with run.hold():
            with contextlib.suppress(StoreError):  # a damaged run can be deleted too
                status = run.stored_status()
                if status.state == "queued":
                    run.write_status(replace(status, state="stopped", finished_at=time.time()))
            yield

    # --- predictions ------------------------------------------------------------------------------

    def predictions(self, run_id: str) -> Predictions | None:
        """Return what a run's network answered for each validation and test image; ``None`` if that is not kept.

        They are read again only if they changed. :func:`core.jobs.predict.predictions_of` computes missing ones.
        Raises StoreError if they are damaged.
        """
        run = self.run(run_id)
        return self._predictions.get(run_id, run.predictions_stamp(), run.predictions)

    def many_predictions(self, run_ids: Iterable[str]) -> dict[str, Predictions]:
        """Return the predictions of those of the runs that have some, by id; damaged ones are left out."""
        read: dict[str, Predictions] = {}
        for run_id in run_ids:
            with contextlib.suppress(StoreError):
                if predictions := self.predictions(run_id):
                    read[run_id] = predictions
        return read

    def keeps_predictions(self, run_id: str) -> bool:
        """Return whether a run has a file of predictions, which may be damaged or of other weights."""
        return (self.root / run_id / PREDICTIONS).is_file()

    def without_predictions(self, run_ids: Iterable[str] | None = None) -> list[str]:
        """Return which of the runs, by default all, have no predictions although they could have: newest first.

        They have weights, and neither wait nor train. A run whose predictions are damaged is not among them.
        """
        wanted = None if run_ids is None else set(run_ids)
        runs = [run for run in self.summaries() if wanted is None or run.id in wanted]
        return [run.id for run in runs if run.epochs and not run.status.active and self._lacks_predictions(run.id)]

    def _lacks_predictions(self, run_id: str) -> bool:
        folder = self.root / run_id
        if not (folder / BEST).is_file() or self.keeps_predictions(run_id):
            return False
        try:
            return self.predictions(run_id) is None
        except StoreError:
            return False

    # --- what is known about all runs -------------------------------------------------------------

    def runs(self) -> list[AnyRun]:
        """Return every run, newest first; those whose folder cannot be read as :class:`DamagedRun`."""
        return self._reader.runs()

    def summary(self, run_id: str) -> RunSummary:
        """Return the summary of one run. Raises StoreError if the run does not exist or is damaged."""
        return self._reader.run(self.run(run_id).id)

    def summaries(self) -> list[RunSummary]:
        """Return the summary of every run that can be read, newest first."""
        return readable(self.runs())

    def damaged(self) -> list[DamagedRun]:
        """Return the runs whose folder cannot be read, newest first."""
        return [run for run in self.runs() if isinstance(run, DamagedRun)]

    def frame(self) -> pd.DataFrame:
        """Return all runs as a table, newest first (columns: ``table.SUMMARY``, settings by path, ``curve``)."""
        return frame(self.runs())

    def records(self, run_id: str) -> list[EpochRecord]:
        """Return a run's finished epochs, of which only those are read that are new since the last time."""
        return self._epochs.read(self.run(run_id).checksums, keep=True)

    def metrics(self, run_id: str) -> pd.DataFrame:
        """Return a run's finished epochs as a table, one row each (columns: :data:`core.runs.epochs.METRICS`)."""
        records = self.records(run_id)
        table = pd.DataFrame.from_records([vars(record) for record in records], columns=METRICS)
        return table.astype(dict.fromkeys(OPTIONAL_METRICS, float))  # None becomes NaN


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _trash_label(shelf: Shelf, run_id: str) -> str:
    run = RunFolder(shelf, run_id)
    name = run.meta().name
    accuracy, kind = run.stored_status().best_val_accuracy, KIND_OF_VALIDATION[run.config().data.validation]
    if tested := (run.result() or {}).get("best", {}).get("accuracy"):
        accuracy, kind = tested, "test"
    name = name or recipe_text(run.config())
    return " · ".join(filter(None, [name, f"{percent(accuracy)} {kind}" if accuracy else "", run_id]))
