"""Runs as tables: one row an epoch, or one row a run.

A :class:`Reader` reads only what changed since it last looked: a cursor into each metrics.jsonl that
was asked for, and a row per run that is made anew when one of the run's files has another time or size.
The rows of runs that rest are kept in ``.cache/summaries.json``, so that a server just started need not
read every epoch of every run to show a table.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.base.errors import StoreError
from core.base.files import read_file, write_atomically
from core.base.text import told_apart
from core.config.run_config import SETTINGS, RunConfig
from core.runs.epochs import CURVE_POINTS, METRICS, METRICS_BYTES, parse_record, rising, summarize, thin_curve

if TYPE_CHECKING:
    from core.runs.store import RunStore


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

_FILES = ("config.json", "meta.json", "status.json", "metrics.jsonl", "result.json")
_AT_WORK = ("running", "stopping")

#: Raised when rows come to be made in another way; other columns, settings or defaults are noticed without.
_ROWS_VERSION = 3
#: Seconds between two writings of the kept rows.
_WRITE_EVERY = 5.0


class Reader:
    """Reads the runs of one store as tables and remembers what it has read. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cursors: dict[Path, _Cursor] = {}
        self._table_lock = Lock()
        self._kept: _KeptRows | None = None

    def metrics(self, path: Path) -> pd.DataFrame:
        """The epochs in a metrics.jsonl, one row each; empty with the same columns if there is none.

        Raises StoreError for a file that cannot be read.
        """
        records = self._records(path, keep=True)
        table = pd.DataFrame.from_records(records, columns=None)
        return table.reindex(columns=[*METRICS, *(one for one in table.columns if one not in METRICS)])

    def frame(self, store: "RunStore") -> pd.DataFrame:
        """All runs of ``store``, newest first. A damaged run has a row too, with its error."""
        with self._table_lock:  # while one thread reads a thousand runs the others wait for its rows
            rows = self._rows(store)
        return pd.DataFrame.from_records(rows, columns=[*SUMMARY, *SETTINGS, CURVE])

    def _records(self, path: Path, *, keep: bool) -> list[dict[str, Any]]:
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

    def _rows(self, store: "RunStore") -> list[dict[str, Any]]:
        if self._kept is None:
            self._kept = _KeptRows(store.cache_folder / "summaries.json")
        run_ids, local = store.ids(), _stamp([str(store.local_file)])
        rows = [self._row(store, run_id, local, self._kept) for run_id in run_ids]
        self._kept.forget_others(run_ids)
        self._kept.write_if_due()
        return rows

    def _row(self, store: "RunStore", run_id: str, local: list[int], kept: "_KeptRows") -> dict[str, Any]:
        # Looked at before the files are read: what changes in between is seen the next time.
        stamp = _stamp(f"{store.root}/{run_id}/{name}" for name in _FILES)
        row = kept.get(run_id, stamp, local)
        if row is None:
            row = self._make_row(store, run_id)
            kept.put(run_id, stamp, local, row)
        if row["state"] in _AT_WORK:
            # Whether it still runs is told by its lock, which no file's time shows.
            with contextlib.suppress(StoreError):  # deleted since we looked
                row = {**row, "state": store.status(run_id).state}
        return row

    def _make_row(self, store: "RunStore", run_id: str) -> dict[str, Any]:
        row: dict[str, Any] = {"id": run_id, "state": "damaged", CURVE: ()}
        try:
            meta, status, config = store.meta(run_id), store.status_for_holder(run_id), store.config(run_id)
            result = store.result(run_id) or {}
            records = self._records(store.root / run_id / "metrics.jsonl", keep=False)
        except StoreError as error:
            return row | {"error": str(error)}
        # A result without the epoch it is of has lost its file of epochs.
        best = result["best"] if records and isinstance(result.get("best"), dict) else {}
        return row | config.values() | summarize(records) | {
            "name": meta.name, "pinned": meta.pinned, "tags": meta.tags, "note": meta.note, "study": meta.study,
            "parent": meta.parent, "reference": meta.reference, "created_at": meta.created_at,
            "state": status.state, "epoch": status.epoch, "epochs": config.train.epochs,
            "queued_at": status.queued_at, "started_at": status.started_at, "finished_at": status.finished_at,
            "error": status.error, "selected_on": config.data.validation, "signature": config.signature(),
            "test_accuracy": best.get("accuracy"), "test_loss": best.get("loss"), CURVE: thin_curve(records),
        }  # fmt: skip


class _Cursor:
    """How far one metrics.jsonl has been read."""

    def __init__(self, inode: int):
        self.inode, self.offset = inode, 0
        self.records: list[dict[str, Any]] = []

    def read_on(self, path: Path) -> None:
        try:
            new = read_file(path, METRICS_BYTES, self.offset)
        except FileNotFoundError:  # deleted since we looked
            return
        whole = new[: new.rfind(b"\n") + 1]  # a line without its end is still being written, or torn
        self.offset += len(whole)
        last = self.records[-1]["epoch"] if self.records else 0
        self.records += rising((parse_record(line) for line in whole[:-1].split(b"\n") if line), last)


class _KeptRows:
    """Rows of the table of runs, each with the stamp of the files it was made from, in memory and in a file.

    A row serves as long as the stamp is the same. What a person added to a reference run is in a file common
    to all, so the stamp of that one counts for reference runs alone. The file holds what can be made again.
    """

    def __init__(self, path: Path):
        self._path = path
        self._rows = self._read()
        self._changed, self._written = False, -math.inf

    def get(self, run_id: str, stamp: list[int], local: list[int]) -> dict[str, Any] | None:
        """The row, if it still holds."""
        known = self._rows.get(run_id)
        return known[1] if known and known[0] == _whole_stamp(stamp, local, known[1]) else None

    def put(self, run_id: str, stamp: list[int], local: list[int], row: dict[str, Any]) -> None:
        """Keep a new row. That of a damaged run is not: what mends it (a permission) may leave the files' times."""
        if row["state"] == "damaged":
            self._rows.pop(run_id, None)
        else:
            self._rows[run_id] = _whole_stamp(stamp, local, row), row
            self._changed |= _rests(row)

    def forget_others(self, run_ids: Iterable[str]) -> None:
        """Drop the rows of runs that are gone."""
        for run_id in self._rows.keys() - set(run_ids):
            del self._rows[run_id]
            self._changed = True

    def write_if_due(self) -> None:
        """Bring the file up to date, if a row changed and it was not written only just now."""
        now = monotonic()
        if not self._changed or now - self._written < _WRITE_EVERY:
            return
        self._changed, self._written = False, now
        kept = {run_id: one for run_id, one in self._rows.items() if _rests(one[1])}
        # On a full disk or in a folder that may not be written, the next server reads the runs again.
        with contextlib.suppress(StoreError, OSError):
            self._path.parent.mkdir(exist_ok=True)
            write_atomically(self._path, json.dumps({"format": _rows_format(), "rows": kept}))

    def _read(self) -> dict[str, tuple[list[int], dict[str, Any]]]:
        try:
            content = json.loads(self._path.read_bytes())
            if content["format"] != _rows_format():
                return {}
            return {run_id: (stamp, _read_row(run_id, row)) for run_id, (stamp, row) in content["rows"].items()}
        except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return {}  # none there, or damaged


def _rows_format() -> str:
    """Changes with everything that decides what is in a row, so that another program's rows are not taken for ours."""
    deciding = (_ROWS_VERSION, SUMMARY, CURVE, CURVE_POINTS, SETTINGS, RunConfig())
    return hashlib.sha256(repr(deciding).encode()).hexdigest()[:16]


def _read_row(run_id: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as it was before JSON made lists of its tuples; ValueError for what is none of ``run_id``."""
    if row["id"] != run_id or not row.keys() >= {"state", "name", "reference", CURVE, *SETTINGS}:
        raise ValueError
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _rests(row: dict[str, Any]) -> bool:
    """Whether the run neither waits nor works, so that its row is worth writing down."""
    return row["state"] not in ("queued", *_AT_WORK)


def _whole_stamp(stamp: list[int], local: list[int], row: dict[str, Any]) -> list[int]:
    return stamp + local if row["reference"] else stamp


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


def fingerprint(frame: pd.DataFrame) -> int:
    """A number that is another when a run of the table came, went, got on or was named otherwise; in this process."""
    told = ["id", "state", "epoch", "name", "note", "tags", "pinned"]
    return hash(tuple(map(str, frame[told].itertuples(index=False, name=None))))


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``RunStore.frame()`` whose run can be shown."""
    return frame[frame["state"] != "damaged"]


def labels(frame: pd.DataFrame) -> dict[str, str]:
    """What to call each run: its name, with the end of its id if others share it, or its id."""
    return told_apart(
        {str(run_id): str(name or run_id) for run_id, name in zip(frame["id"], frame["name"].fillna(""), strict=True)}
    )
