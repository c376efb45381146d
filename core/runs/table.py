"""All runs of a store as summaries, and for a notebook as a table.

A run's files are read only if one of them changed since the last time. The summaries of runs that neither wait nor run
are kept in ``.cache/summaries.json``, so that a server that was just started need not read every epoch of every run.
"""

import contextlib
import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import pandas as pd

from core.base.errors import StoreError
from core.base.files import file_stamp, write_atomically
from core.base.strict_json import from_json, to_json
from core.config.run_config import LATER, SETTINGS, RunConfig
from core.runs.checksums import CHECKSUMS
from core.runs.epochs import CURVE_POINTS, METRICS_FILE, EpochReader, thin_curve
from core.runs.folder import CONFIG, META, RESULT, STATUS, Meta, RunFolder, Status
from core.runs.shelf import Shelf
from core.runs.summary import AnyRun, DamagedRun, EpochSummary, RunSummary, TestResult

#: Columns of the table of runs before those of the settings, see :class:`~core.runs.summary.EpochSummary`;
#: ``test_…`` is the one evaluation of the best weights on a test set that chose nothing.
SUMMARY = (
    *("id", "name", "state", "epoch", "epochs", "pinned", "tags", "note", "study", "parent", "reference"),
    *("created_at", "queued_at", "started_at", "finished_at", "seconds", "images_per_second", "selected_on"),
    *("best_epoch", "best_val_accuracy", "best_val_loss", "last_val_accuracy", "last_val_loss", "last_train_loss"),
    *("min_val_loss", "min_val_objective", "test_accuracy", "test_loss", "signature", "error"),
)
#: The course of validation accuracy as a tuple, which is neither printed nor exported.
CURVE = "curve"
#: Scripts may count on the place of a column, so new ones come last.
_COLUMNS = (*SUMMARY, *(path for path in SETTINGS if path not in LATER), CURVE, *LATER)

_STATUS = ("state", "epoch", "queued_at", "started_at", "finished_at", "error")
_FILES = (CONFIG, META, STATUS, METRICS_FILE, RESULT, CHECKSUMS)
#: Raised when summaries are made in another way; other fields, settings or defaults are noticed without it.
_VERSION = 6
#: Seconds between two writes of the kept summaries.
_WRITE_EVERY = 5.0
_SECTIONS = {name: type(section) for name, section in vars(RunConfig()).items()}

_Stamp = list[int]


def frame(runs: Iterable[AnyRun]) -> pd.DataFrame:
    """Return a row per run: :data:`SUMMARY`, a column per setting by its path, and :data:`CURVE`."""
    return pd.DataFrame.from_records([_row(run) for run in runs], columns=list(_COLUMNS))


def _row(run: AnyRun) -> dict[str, Any]:
    if isinstance(run, DamagedRun):
        return {"id": run.id, "state": "damaged", "error": run.error, CURVE: ()}
    test = {"test_accuracy": run.test.accuracy, "test_loss": run.test.loss} if run.test else {}
    status = {name: getattr(run.status, name) for name in _STATUS}
    row = vars(run.meta) | status | (vars(run.epochs) if run.epochs else {}) | test | run.config.values()
    own = {"id": run.id, "signature": run.signature, CURVE: run.curve}
    return row | own | {"epochs": run.config.train.epochs, "selected_on": run.selected_on}


class Reader:
    """Reads the runs of a shelf and remembers them. Safe to share between threads."""

    def __init__(self, shelf: Shelf, epochs: EpochReader) -> None:
        self._shelf, self._epochs = shelf, epochs
        self._lock = Lock()
        self._kept = _KeptSummaries(shelf.cache_folder / "summaries.json")

    def runs(self) -> list[AnyRun]:
        """Return all runs, newest first."""
        with self._lock:  # while one thread reads a thousand runs, the others wait for its summaries
            run_ids = self._shelf.ids()
            runs = [self._run(run_id) for run_id in run_ids]
            self._kept.forget_others(run_ids)
            self._kept.write_if_due()
        return runs

    def run(self, run_id: str) -> RunSummary:
        """Return the summary of one run. Raises StoreError if it is damaged."""
        with self._lock:
            run = self._run(run_id)
        if isinstance(run, DamagedRun):
            raise StoreError(run.error)
        return run

    def _run(self, run_id: str) -> AnyRun:
        # Taken before the files are read: what changes in between is noticed the next time.
        stamp = file_stamp(f"{self._shelf.folder}/{run_id}/{name}" for name in _FILES)
        try:
            run = self._kept.get(run_id, stamp) or self._kept.put(stamp, self._read(RunFolder(self._shelf, run_id)))
        except StoreError as error:
            self._kept.drop(run_id)  # what repairs it, such as a permission, may leave the files' times
            return DamagedRun(run_id, str(error))
        # The files' times show neither that the process died nor what a person added to a reference run.
        with contextlib.suppress(StoreError):  # deleted since we looked
            if run.at_work:
                state = RunFolder(self._shelf, run_id).status().state
                run = replace(run, status=replace(run.status, state=state))
            if run.meta.reference:
                run = replace(run, meta=RunFolder(self._shelf, run_id).meta())
        return run

    def _read(self, run: RunFolder) -> RunSummary:
        meta, status, config, result = run.stored_meta(), run.stored_status(), run.config(), run.result() or {}
        records = self._epochs.read(run.checksums, keep=False)
        # Without its epoch, a result belongs to a metrics.jsonl that was lost.
        best = result["best"] if records and isinstance(result.get("best"), dict) else {}
        return RunSummary(
            id=run.id,
            config=config,
            meta=meta,
            status=status,
            signature=config.signature(),
            epochs=EpochSummary.of(records),
            test=TestResult(best["accuracy"], best.get("loss")) if "accuracy" in best else None,
            curve=thin_curve(records),
        )


class _KeptSummaries:
    """Summaries, each with the stamp of the files it was made from, in memory and in a file that can be made again.

    A summary is valid as long as the stamp is the same.
    """

    def __init__(self, path: Path):
        self._path = path
        self._changed, self._written = False, -math.inf

    def get(self, run_id: str, stamp: _Stamp) -> RunSummary | None:
        kept, run = self._runs.get(run_id, (None, None))
        return run if kept == stamp else None

    def put(self, stamp: _Stamp, run: RunSummary) -> RunSummary:
        self._runs[run.id] = stamp, run
        self._changed |= not run.status.active
        return run

    def drop(self, run_id: str) -> None:
        self._runs.pop(run_id, None)

    def forget_others(self, run_ids: Iterable[str]) -> None:
        for run_id in self._runs.keys() - set(run_ids):
            del self._runs[run_id]
            self._changed = True

    def write_if_due(self) -> None:
        now = monotonic()
        if not self._changed or now - self._written < _WRITE_EVERY:
            return
        self._changed, self._written = False, now
        kept = {run_id: (stamp, asdict(run)) for run_id, (stamp, run) in self._runs.items() if not run.status.active}
        # On a full disk or in a read-only folder, the next server reads the runs again.
        with contextlib.suppress(StoreError, OSError):
            self._path.parent.mkdir(exist_ok=True)
            content = to_json({"format": _format(), "rows": kept}).encode()
            write_atomically(self._path, _digest(content) + content, durable=False)

    @cached_property
    def _runs(self) -> dict[str, tuple[_Stamp, RunSummary]]:
        try:
            digest, content = self._path.read_bytes().partition(b"\n")[::2]
            if digest + b"\n" != _digest(content):
                raise ValueError
            content = from_json(content)
            if content["format"] != _format():
                return {}
            return {run_id: (stamp, _summary(run_id, kept)) for run_id, (stamp, kept) in content["rows"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}  # there is none, or it is damaged


def _digest(content: bytes) -> bytes:
    """The first line of the file, which tells whether the rest was changed."""
    return hashlib.sha256(content).hexdigest().encode() + b"\n"


def _format() -> str:
    """A text that changes with all that decides what is in a summary, so that no other version's are used."""
    kept = [field.name for of in (RunSummary, Meta, Status, EpochSummary, TestResult) for field in fields(of)]
    return hashlib.sha256(repr((_VERSION, kept, CURVE_POINTS, SETTINGS, RunConfig())).encode()).hexdigest()[:16]


def _summary(run_id: str, kept: dict[str, Any]) -> RunSummary:
    """A summary from the file; ValueError for one that is not ``run_id``'s."""
    if kept["id"] != run_id:
        raise ValueError
    # Not RunConfig.from_dict: the values were checked before they were kept, and checking takes time.
    sections = {name: of(**_tuples(kept["config"][name])) for name, of in _SECTIONS.items()}
    epochs = kept["epochs"] or {}
    return RunSummary(
        id=run_id,
        config=RunConfig(**sections),
        meta=Meta(**_tuples(kept["meta"])),
        status=Status(**kept["status"]),
        signature=kept["signature"],
        epochs=EpochSummary(**{name: _number(value) for name, value in epochs.items()}) if epochs else None,
        test=kept["test"] and TestResult(**kept["test"]),
        curve=tuple(kept["curve"]),
    )


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` as it was before JSON made lists of its tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _number(value: Any) -> Any:
    return math.nan if value is None else value  # which JSON lacks
