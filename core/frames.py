"""Runs as tables: one row an epoch, or one row a run.

A :class:`Reader` reads only what changed since it last looked: a cursor into each metrics.jsonl,
and a row per run that is made anew when one of the run's files has another time or size.
"""

import contextlib
import json
import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.config import KNOBS
from core.errors import StoreError

if TYPE_CHECKING:
    from core.store import RunStore

#: Columns of a run's epochs. Losses are in nats per image, accuracies shares from 0 to 1, ``seconds``
#: of training since the first epoch (pauses left out), ``images`` and ``step`` counted from the start.
METRICS = (
    "epoch", "step", "images", "seconds", "lr", "images_per_second",
    "train_loss", "train_objective", "train_accuracy", "val_loss", "val_objective", "val_accuracy",
    "val_loss_by_class", "val_accuracy_by_class",
)  # fmt: skip

#: Columns of the table of runs, before those of the knobs. ``best_…`` is the epoch of highest
#: validation accuracy (the first of equals), ``last_…`` the last one, ``min_…`` the lowest over all
#: epochs; ``test_…`` is the one evaluation of the best weights on a test part that chose nothing.
SUMMARY = (
    "id", "name", "state", "epoch", "epochs", "pinned", "tags", "note", "study", "parent", "reference",
    "created_at", "queued_at", "started_at", "finished_at", "seconds", "images_per_second", "selected_on",
    "best_epoch", "best_val_accuracy", "best_val_loss", "last_val_accuracy", "last_val_loss", "last_train_loss",
    "min_val_loss", "min_val_objective", "test_accuracy", "test_loss", "signature", "error",
)  # fmt: skip

_FILES = ("config.json", "meta.json", "status.json", "metrics.jsonl", "result.json")

#: What every epoch has as a number; a line without is no record.
_FIGURES = tuple(name for name in METRICS if not name.endswith("_by_class"))


def parse_record(line: bytes) -> dict[str, Any] | None:
    """One line of metrics.jsonl as an epoch's record, or ``None`` if it is torn or damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("epoch"), int):
        return None
    return record if all(isinstance(record.get(name), int | float) for name in _FIGURES) else None


def summarize(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Best, last and lowest figures of finished epochs; empty without any."""
    if not records:
        return {}
    # max() keeps the first of equals: the best epoch is a *strictly* better one.
    best, last = max(records, key=lambda one: one["val_accuracy"]), records[-1]
    return {
        "seconds": last["seconds"],
        "images_per_second": last["images_per_second"],
        "best_epoch": best["epoch"],
        "best_val_accuracy": best["val_accuracy"],
        "best_val_loss": best["val_loss"],
        "last_val_accuracy": last["val_accuracy"],
        "last_val_loss": last["val_loss"],
        "last_train_loss": last["train_loss"],
        "min_val_loss": min(one["val_loss"] for one in records),
        "min_val_objective": min(one["val_objective"] for one in records),
    }


class Reader:
    """Reads runs as tables and remembers what it has read. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cursors: dict[Path, _Cursor] = {}
        self._rows: dict[Path, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def metrics(self, path: Path) -> pd.DataFrame:
        """The epochs in a metrics.jsonl, one row each; empty with the same columns if there is none."""
        records = self._records(path)
        table = pd.DataFrame.from_records(records, columns=None)
        return table.reindex(columns=[*METRICS, *(one for one in table.columns if one not in METRICS)])

    def frame(self, store: "RunStore") -> pd.DataFrame:
        """All runs of ``store``, newest first. A damaged run has a row too, with its error."""
        rows = [self._row(store, run_id) for run_id in store.ids()]
        return pd.DataFrame.from_records(rows, columns=[*SUMMARY, *KNOBS])

    def _records(self, path: Path) -> list[dict[str, Any]]:
        with self._lock:
            try:
                stat = path.stat()
            except FileNotFoundError:
                return []
            cursor = self._cursors.get(path)
            if cursor is None or cursor.inode != stat.st_ino or cursor.offset > stat.st_size:
                cursor = self._cursors[path] = _Cursor(stat.st_ino)
            if cursor.offset < stat.st_size:
                cursor.read_on(path)
            return list(cursor.records)

    def _row(self, store: "RunStore", run_id: str) -> dict[str, Any]:
        folder = store.root / run_id
        stamp = tuple(map(_stamp, [*(folder / name for name in _FILES), store.local_file]))
        with self._lock:
            known = self._rows.get(folder)
        row = known[1] if known and known[0] == stamp else self._make_row(store, run_id)
        with self._lock:
            self._rows[folder] = (stamp, row)
        if row["state"] in ("running", "stopping"):
            # Whether it still runs is told by its lock, which no file's time shows.
            with contextlib.suppress(StoreError):  # deleted since we looked
                row = {**row, "state": store.status(run_id).state}
        return row

    def _make_row(self, store: "RunStore", run_id: str) -> dict[str, Any]:
        row: dict[str, Any] = {"id": run_id, "state": "damaged"}
        try:
            meta, status, config = store.meta(run_id), store.status_for_holder(run_id), store.config(run_id)
            result = store.result(run_id) or {}
        except StoreError as error:
            return row | {"error": str(error)}
        best = result["best"] if isinstance(result.get("best"), dict) else {}
        return row | config.values() | summarize(self._records(store.root / run_id / "metrics.jsonl")) | {
            "name": meta.name, "pinned": meta.pinned, "tags": meta.tags, "note": meta.note, "study": meta.study,
            "parent": meta.parent, "reference": meta.reference, "created_at": meta.created_at,
            "state": status.state, "epoch": status.epoch, "epochs": config.train.epochs,
            "queued_at": status.queued_at, "started_at": status.started_at, "finished_at": status.finished_at,
            "error": status.error, "selected_on": config.data.validation, "signature": config.signature(),
            "test_accuracy": best.get("accuracy"), "test_loss": best.get("loss"),
        }  # fmt: skip


class _Cursor:
    """How far one metrics.jsonl has been read."""

    def __init__(self, inode: int):
        self.inode, self.offset = inode, 0
        self.records: list[dict[str, Any]] = []

    def read_on(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self.offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]  # a line without its end is still being written, or torn
        self.offset += len(whole)
        self.records += [record for line in whole.splitlines() if (record := parse_record(line))]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
