"""The epochs in the metrics.jsonl of runs. A file is read on from where it was read to the last time."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from threading import Lock

import numpy as np

from core.base.strict_json import from_json, to_json
from core.records import HEALTH, EpochRecord
from core.runs import validate
from core.runs.checksums import Checksums

#: The columns of a run's epochs, see :class:`core.records.EpochRecord`.
METRICS = tuple(field.name for field in fields(EpochRecord))
#: The columns of numbers that epochs of earlier versions lack.
OPTIONAL_METRICS = tuple(field.name for field in fields(EpochRecord) if field.default is None)
METRICS_FILE = "metrics.jsonl"
CURVE_POINTS = 40
#: A hundred thousand epochs take half of this.
METRICS_BYTES = 256 * 2**20


def record_line(record: EpochRecord) -> str:
    """Return the line of an epoch in metrics.jsonl, without the health that was not recorded: an earlier version's line
    stays as it was.
    """
    values = asdict(record)
    return to_json({name: value for name, value in values.items() if name not in HEALTH or value not in (None, [])})


def parse_record(line: bytes) -> EpochRecord | None:
    """Return the epoch in a line of metrics.jsonl, or ``None`` if the line is torn or damaged."""
    try:
        return validate.record(from_json(line), EpochRecord)
    except ValueError:
        return None


def rising(records: Iterable[EpochRecord | None], last: int = 0) -> list[EpochRecord]:
    """Return the records whose epoch is greater than ``last`` and all before it: each epoch counts once, in order."""
    kept = []
    for record in records:
        if record is not None and record.epoch > last:
            kept.append(record)
            last = record.epoch
    return kept


def thin_curve(records: Sequence[EpochRecord]) -> tuple[float, ...]:
    """Return validation accuracies (0 to 1) of evenly spaced epochs, the first and the last among them."""
    if not records:
        return ()
    at = np.linspace(0, len(records) - 1, min(len(records), CURVE_POINTS)).round().astype(int)
    return tuple(round(records[index].val_accuracy, 4) for index in at)


class EpochReader:
    """Reads the epochs of runs, each line once. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cursors: dict[Path, _Cursor] = {}

    def read(self, files: Checksums, *, keep: bool) -> list[EpochRecord]:
        """Return the epochs in a run's metrics.jsonl, none without it; ``keep`` them in memory to read on from.

        Raises StoreError if the file cannot be read or is damaged.
        """
        path = files.folder / METRICS_FILE
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
            if (stamp := (stat.st_mtime_ns, stat.st_size)) != cursor.stamp:
                cursor.read_on(files)
                cursor.stamp = stamp
            return list(cursor.records)


class _Cursor:
    """How far a metrics.jsonl has been read."""

    def __init__(self, inode: int):
        self.inode, self.offset = inode, 0
        self.stamp: tuple[int, int] | None = None
        self.records: list[EpochRecord] = []

    def read_on(self, files: Checksums) -> None:
        try:
            new = files.read(METRICS_FILE, METRICS_BYTES)[self.offset :]
        except FileNotFoundError:  # deleted since we looked
            return
        whole = new[: new.rfind(b"\n") + 1]  # a line without its end is still being written, or torn
        self.offset += len(whole)
        last = self.records[-1].epoch if self.records else 0
        self.records += rising((parse_record(line) for line in whole.split(b"\n") if line), last)
