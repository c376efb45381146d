"""Runs as tables: one row an epoch, or one row a run.

A :class:`Reader` reads only what changed since it last looked: a cursor into each metrics.jsonl that
was asked for, and a row per run that is made anew when one of the run's files has another time or size.
The rows of runs that rest are kept in ``.cache/summaries.json``, so that a server just started need not
read every epoch of every run to show a table.
"""

import contextlib
import hashlib
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import pandas as pd

from core.base.errors import StoreError
from core.base.files import read_file, write_atomically
from core.base.strict_json import from_json, to_json
from core.config.run_config import SETTINGS, RunConfig
from core.records import EpochRecord
from core.runs.epochs import CURVE_POINTS, METRICS, METRICS_BYTES, parse_record, rising, thin_curve
from core.runs.folder import CONFIG, META, METRICS_FILE, RESULT, STATUS, LocalNotes, Meta, RunFolder, Status
from core.runs.shelf import Shelf
from core.runs.summary import AnyRun, DamagedRun, EpochSummary, RunSummary, TestResult

#: Columns of the table of runs, before those of the settings. ``best_…`` is the epoch of highest
#: validation accuracy (the first of equals), ``last_…`` the last one, ``min_…`` the lowest over all
#: epochs; ``test_…`` is the one evaluation of the best weights on a test part that chose nothing.
SUMMARY = (
    "id", "name", "state", "epoch", "epochs", "pinned", "tags", "note", "study", "parent", "reference",
    "created_at", "queued_at", "started_at", "finished_at", "seconds", "images_per_second", "selected_on",
    "best_epoch", "best_val_accuracy", "best_val_loss", "last_val_accuracy", "last_val_loss", "last_train_loss",
    "min_val_loss", "min_val_objective", "test_accuracy", "test_loss", "signature", "error",
)  # fmt: skip

#: The last column of that table: the course of validation accuracy in at most so many points, the first
#: and the last epoch among them, as a tuple of shares; for the eye, so neither printed nor exported.
CURVE = "curve"

_STATUS = ("state", "epoch", "queued_at", "started_at", "finished_at", "error")
_FILES = (CONFIG, META, STATUS, METRICS_FILE, RESULT)
#: Raised when summaries come to be made in another way; other fields, settings or defaults are noticed without.
_VERSION = 4
#: Seconds between two writings of the kept summaries.
_WRITE_EVERY = 5.0


class Reader:
    """Reads the runs of one shelf and remembers what it has read. Safe to share between threads."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = Lock()
        self._cursors: dict[Path, _Cursor] = {}
        self._table_lock = Lock()
        self._kept: _KeptSummaries | None = None

    def metrics(self, run: RunFolder) -> pd.DataFrame:
        """Return a run's epochs as a table, one row each; without any it has the same columns.

        Raises StoreError if they cannot be read.
        """
        records = self._records(run.path / METRICS_FILE, keep=True)
        return pd.DataFrame.from_records([vars(record) for record in records], columns=METRICS)

    def runs(self) -> list[AnyRun]:
        """Return all runs, newest first."""
        with self._table_lock:  # while one thread reads a thousand runs the others wait for its summaries
            kept, run_ids, local = self._kept_summaries(), self._shelf.ids(), self._local_stamp()
            runs = [self._run(run_id, local, kept) for run_id in run_ids]
            kept.forget_others(run_ids)
            kept.write_if_due()
        return runs

    def run(self, run: RunFolder) -> RunSummary:
        """Return the summary of one run. Raises StoreError if it is damaged."""
        with self._table_lock:
            summary = self._run(run.id, self._local_stamp(), self._kept_summaries())
        if isinstance(summary, DamagedRun):
            raise StoreError(summary.error)
        return summary

    def _kept_summaries(self) -> "_KeptSummaries":
        if self._kept is None:
            self._kept = _KeptSummaries(self._shelf.cache_folder / "summaries.json")
        return self._kept

    def _local_stamp(self) -> list[int]:
        return _stamp([str(LocalNotes(self._shelf.folder).path)])

    def _records(self, path: Path, *, keep: bool) -> list[EpochRecord]:
        """The epochs in a file, remembered to go on from if ``keep`` or if they already are."""
        with self._lock:
            try:
                stat = path.stat()
            except FileNotFoundError:
                return []
            cursor = self._cursors.get(path)
            if cursor is None or cursor.inode != stat.st_ino or cursor.offset > stat.st_size:
                cursor = _Cursor(stat.st_ino)
                if keep or path in self._cursors:
                    self._cursors[path] = cursor
            if cursor.offset < stat.st_size:
                cursor.read_on(path)
            return list(cursor.records)

    def _run(self, run_id: str, local: list[int], kept: "_KeptSummaries") -> AnyRun:
        # Looked at before the files are read: what changes in between is seen the next time.
        stamp = _stamp(f"{self._shelf.folder}/{run_id}/{name}" for name in _FILES)
        run = kept.get(run_id, stamp, local)
        if run is None:
            try:
                run = self._read_run(run_id)
            except StoreError as error:
                kept.drop(run_id)
                return DamagedRun(run_id, str(error))
            kept.put(stamp, local, run)
        if run.at_work:
            # Whether it still runs is told by its lock, which no file's time shows.
            with contextlib.suppress(StoreError):  # deleted since we looked
                return replace(run, status=replace(run.status, state=RunFolder(self._shelf, run_id).status().state))
        return run

    def _read_run(self, run_id: str) -> RunSummary:
        run = RunFolder(self._shelf, run_id)
        meta, status, config = run.meta(), run.stored_status(), run.config()
        result = run.result() or {}
        records = self._records(run.path / METRICS_FILE, keep=False)
        # A result without the epoch it is of has lost its file of epochs.
        best = result["best"] if records and isinstance(result.get("best"), dict) else {}
        test = TestResult(best["accuracy"], best.get("loss")) if "accuracy" in best else None
        return RunSummary(
            run_id, config, meta, status, config.signature(), EpochSummary.of(records), test, thin_curve(records)
        )


class _Cursor:
    """How far one metrics.jsonl has been read."""

    def __init__(self, inode: int):
        self.inode, self.offset = inode, 0
        self.records: list[EpochRecord] = []

    def read_on(self, path: Path) -> None:
        try:
            new = read_file(path, METRICS_BYTES, self.offset)
        except FileNotFoundError:  # deleted since we looked
            return
        whole = new[: new.rfind(b"\n") + 1]  # a line without its end is still being written, or torn
        self.offset += len(whole)
        last = self.records[-1].epoch if self.records else 0
        self.records += rising((parse_record(line) for line in whole[:-1].split(b"\n") if line), last)


class _KeptSummaries:
    """Summaries of runs, each with the stamp of the files it was made from, in memory and in a file.

    A summary serves as long as the stamp is the same. What a person added to a reference run is in a file common
    to all, so the stamp of that one counts for reference runs alone. The file holds what can be made again.
    """

    def __init__(self, path: Path):
        self._path = path
        self._runs = self._read()
        self._changed, self._written = False, -math.inf

    def get(self, run_id: str, stamp: list[int], local: list[int]) -> RunSummary | None:
        """The summary, if it still holds."""
        known = self._runs.get(run_id)
        return known[1] if known and known[0] == _whole_stamp(stamp, local, known[1]) else None

    def put(self, stamp: list[int], local: list[int], run: RunSummary) -> None:
        """Keep a new summary."""
        self._runs[run.id] = _whole_stamp(stamp, local, run), run
        self._changed |= _rests(run)

    def drop(self, run_id: str) -> None:
        """Forget a run that is damaged now: what mends it (a permission) may leave the files' times."""
        self._runs.pop(run_id, None)

    def forget_others(self, run_ids: Iterable[str]) -> None:
        """Drop the summaries of runs that are gone."""
        for run_id in self._runs.keys() - set(run_ids):
            del self._runs[run_id]
            self._changed = True

    def write_if_due(self) -> None:
        """Bring the file up to date, if a summary changed and it was not written only just now."""
        now = monotonic()
        if not self._changed or now - self._written < _WRITE_EVERY:
            return
        self._changed, self._written = False, now
        kept = {run_id: (stamp, asdict(run)) for run_id, (stamp, run) in self._runs.items() if _rests(run)}
        # On a full disk or in a folder that may not be written, the next server reads the runs again.
        with contextlib.suppress(StoreError, OSError):
            self._path.parent.mkdir(exist_ok=True)
            write_atomically(self._path, to_json({"format": _format(), "rows": kept}))

    def _read(self) -> dict[str, tuple[list[int], RunSummary]]:
        try:
            content = from_json(self._path.read_bytes())
            if content["format"] != _format():
                return {}
            return {run_id: (stamp, _summary(run_id, kept)) for run_id, (stamp, kept) in content["rows"].items()}
        except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return {}  # none there, or damaged


def _format() -> str:
    """Changes with everything that decides what is in a summary, so that no other program's are taken for ours."""
    kept = [field.name for of in (RunSummary, Meta, Status, EpochSummary, TestResult) for field in fields(of)]
    deciding = (_VERSION, kept, CURVE_POINTS, SETTINGS, RunConfig())
    return hashlib.sha256(repr(deciding).encode()).hexdigest()[:16]


_SECTIONS = {name: type(section) for name, section in vars(RunConfig()).items()}


def _summary(run_id: str, kept: dict[str, Any]) -> RunSummary:
    """A summary from the file of summaries; ValueError for one that is not ``run_id``'s."""
    if kept["id"] != run_id:
        raise ValueError
    # Not RunConfig.from_dict: the values were checked before they were kept, and checking takes a while.
    sections = {name: of(**_tuples(kept["config"][name])) for name, of in _SECTIONS.items()}
    return RunSummary(
        id=run_id,
        config=RunConfig(**sections),
        meta=Meta(**_tuples(kept["meta"])),
        status=Status(**kept["status"]),
        signature=kept["signature"],
        epochs=EpochSummary(**_numbers(kept["epochs"])) if kept["epochs"] else None,
        test=TestResult(**kept["test"]) if kept["test"] else None,
        curve=tuple(kept["curve"]),
    )


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` as it was before JSON made lists of its tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _numbers(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` with NaN, which JSON lacks, for null."""
    return {name: math.nan if value is None else value for name, value in content.items()}


def _rests(run: RunSummary) -> bool:
    """Whether the run neither waits nor works, so that its summary is worth writing down."""
    return not run.status.active


def _whole_stamp(stamp: list[int], local: list[int], run: RunSummary) -> list[int]:
    return stamp + local if run.meta.reference else stamp


def _stamp(paths: Iterable[str]) -> list[int]:
    """Inode, time of change in ns and size of each file, zeros for one that is not there.

    Text, not Path: five files of a thousand runs are looked at whenever a page is drawn.
    """
    found: list[int] = []
    for path in paths:
        try:
            stat = os.stat(path)
        except OSError:
            found += (0, 0, 0)
        else:
            found += (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    return found


def frame(runs: Iterable[AnyRun]) -> pd.DataFrame:
    """A row per run: :data:`SUMMARY`, a column per setting (by its path) and :data:`CURVE`."""
    return pd.DataFrame.from_records([_row(run) for run in runs], columns=[*SUMMARY, *SETTINGS, CURVE])


def _row(run: AnyRun) -> dict[str, Any]:
    if isinstance(run, DamagedRun):
        return {"id": run.id, "state": "damaged", "error": run.error, CURVE: ()}
    status = {name: getattr(run.status, name) for name in _STATUS}
    test = {"test_accuracy": run.test.accuracy, "test_loss": run.test.loss} if run.test else {}
    return {
        "id": run.id,
        "epochs": run.config.train.epochs,
        "selected_on": run.selected_on,
        "signature": run.signature,
        **vars(run.meta),
        **status,
        **(vars(run.epochs) if run.epochs else {}),
        **test,
        **run.config.values(),
        CURVE: run.curve,
    }
