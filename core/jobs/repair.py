"""Repair the damaged files of a run from its other files.

A damaged file is kept as ``NAME.damaged``. A small file in which one byte was changed is restored exactly: its record
tells when the right byte is found. Whatever is repaired is checked again.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import torch

from core.base.errors import LabError, StoreError
from core.base.files import read_file, write_atomically
from core.base.strict_json import from_json, to_json
from core.base.text import counted
from core.jobs.predict import computed, result_of
from core.records import EpochRecord, best
from core.runs.check import Checked, check_run, is_set_aside, place_aside, replace_damaged, unusable
from core.runs.checksums import CHECKSUMS, Version, mend
from core.runs.epochs import METRICS_FILE, record_line
from core.runs.folder import (
    BEST,
    CONFIG,
    LAST,
    LOG,
    META,
    PREVIOUS,
    RESULT,
    SAVED_STATES,
    STATUS,
    Meta,
    RunFolder,
    Status,
)
from core.runs.predictions import PREDICTIONS, predictions_bytes
from core.runs.store import RunStore
from core.training.checkpoint import load_state, load_weights, weights_bytes
from core.training.environment import resolve

#: What the log says about where a run was trained.
_TRAINED_ON = re.compile(r"Training from epoch .* on (\w+), (\w+), (\d+) threads?\b(, fused)?")


def repair(store: RunStore, run_id: str) -> Checked:
    """Check a run, repair what can be repaired, and check it again.

    Raises StoreError for a reference run, RunBusy for a run that is being trained.
    """
    run = store.run(run_id)
    checked = check_run(run)
    if not checked.problems:
        return checked
    run.refuse_reference("repaired here; get its folder again from where the program came from")
    with run.hold():
        repairs = _Repairs(store, run)
        for problem in sorted(checked.problems, key=lambda problem: repairs.place(problem.file)):
            try:
                problem.repaired = repairs.repair(problem.file)
            except LabError as error:
                problem.advice = str(error)
        after = {problem.file: problem for problem in check_run(run).problems}
    for problem in checked.problems:
        if after.pop(problem.file, None):
            problem.repaired = None
    checked.problems += after.values()
    return checked


def repair_all(store: RunStore, checked: Iterable[Checked]) -> list[Checked]:
    """Repair the runs in which something is wrong, and return what is known then about everything that was checked."""
    after = []
    for item in checked:
        if item.kind == "run" and item.problems:
            try:
                item = repair(store, item.id)
            except StoreError as error:  # a reference run, or one that is being trained
                for problem in item.problems:
                    problem.advice = str(error)
        after.append(item)
    return after


class _Repairs:
    """The repair of each file of a run that this process holds. Every one returns a sentence or raises LabError."""

    def __init__(self, store: RunStore, run: RunFolder):
        self._store, self._run = store, run
        # In this order: the later ones read what the earlier ones repair.
        self._ways: dict[str, Callable[[], str]] = {
            CHECKSUMS: self._record,
            CONFIG: self._config,
            LAST: self._last,
            META: self._meta,
            METRICS_FILE: self._metrics,
            STATUS: self._status,
            BEST: self._best,
            RESULT: self._result,
            PREDICTIONS: self._predictions,
            LOG: self._log,
        }

    def place(self, name: str) -> int:
        """Return when a file has its turn."""
        return [*self._ways, name].index(name)

    def repair(self, name: str) -> str:
        """Repair a file and return a sentence about it. Raises LabError that says what to do instead."""
        if name != CHECKSUMS and (content := self._mended(name)) is not None:
            self._replace(name, content)
            return "One byte of it was changed; it was restored exactly."
        return self._ways.get(name, lambda: self._set_aside(name))()

    # --- the files, in the order of their repair --------------------------------------------------

    def _record(self) -> str:
        if self._run.checksums.mend():
            return "One byte of some of its lines was changed; they were restored exactly."
        path = self._run.path / CHECKSUMS
        write_atomically(place_aside(self._run, CHECKSUMS), path.read_bytes())
        path.unlink()
        disagreeing = self._disagreeing()
        self._run.tidy_record(at_work=False)
        for name in sorted(disagreeing, key=self.place):
            self._ways[name]()
        return "The other files agree with each other and were recorded as they are, as “recorded later”."

    def _config(self) -> str:
        listed = self._run.checksums.listed().get(CONFIG, ())
        for name in (BEST, *SAVED_STATES):
            content = _json(self._settings_in(name))
            if Version.of(content) in listed:
                self._replace(CONFIG, content)
                return f"It was restored exactly from {name}."
        raise StoreError(
            "It cannot be repaired: no other file of the run holds its settings. Restore the run from a backup."
        )

    def _settings_in(self, name: str) -> dict[str, Any]:
        """Return the settings that weights or a state name; none if the file is damaged or from an earlier version."""
        content = None if self._run.checksums.problem(name) else self._content(name)
        if content is None:
            return {}
        if name == BEST:
            header = from_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
            return from_json(header.get("__metadata__", {}).get("config", "{}"))
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True).get("config", {})

    def _last(self) -> str:
        content = self._content(PREVIOUS)
        if content is None or self._run.checksums.problem(PREVIOUS):
            raise StoreError(
                "It cannot be repaired: the state before it is missing or damaged. Results and weights are kept. "
                "Restore the state with `resnet-lab restore-backup DIR RUN`, or copy the settings into a new run."
            )
        self._replace(LAST, content)
        return f"The state before it, {PREVIOUS}, took its place. The run repeats its last epoch when it continues."

    def _meta(self) -> str:
        trained = _TRAINED_ON.search(self._run.log())
        environment: dict[str, Any] = {}
        if trained:
            environment = {"device": trained[1], "precision": trained[2], "threads": int(trained[3])}
            environment["kernels"] = "fused" if trained[4] else "stock"
        note = "Name, tags and note were lost: meta.json was damaged and is kept as meta.json.damaged."
        created_at = datetime.strptime(self._run.id[:15], "%Y%m%d-%H%M%S").timestamp()
        meta = Meta(note=note, created_at=created_at, environment=environment)
        self._replace(META, _json(asdict(meta)))
        return "A new one without name, tags and owner took its place."

    def _metrics(self) -> str:
        records = _history(self._state())
        self._replace(METRICS_FILE, b"".join(record_line(record).encode() + b"\n" for record in records))
        return f"Restored from the saved state: {counted(len(records), 'epoch')}."

    def _status(self) -> str:
        run, config = self._run, self._run.config()
        records, log = run.records(), run.log()
        done = bool(records) and records[-1].epoch == config.train.epochs and config.data.validation == "test"
        finished = done or (run.path / RESULT).exists() or "  Finished" in log.rpartition("Training from")[2]
        status = Status("finished" if finished else "stopped", len(records), config.train.epochs)
        if records:
            top, at = best(records), (run.path / METRICS_FILE).stat().st_mtime
            status = replace(
                status, best_epoch=top.epoch, best_val_accuracy=top.val_accuracy, started_at=at, finished_at=at
            )
        self._replace(STATUS, _json(status.to_dict()))
        return f"It was made again from the epochs and the log: {status.state} after {counted(status.epoch, 'epoch')}."

    def _best(self) -> str:
        state, status = self._state(), self._run.stored_status()
        epoch = best(_history(state)).epoch
        if not state.get("best") or (status.state == "finished" and epoch != status.best_epoch):
            raise StoreError(
                f"It cannot be repaired: the saved state does not hold the weights of epoch {status.best_epoch}. "
                "Restore the run from a backup, or copy its settings into a new run."
            )
        self._replace(BEST, weights_bytes(state["best"], epoch, self._run.config()))
        return f"The weights of epoch {epoch} were restored from the saved state."

    def _result(self) -> str:
        config = self._run.config()
        resolve(config, self._run.meta().environment | {"kernels": "stock"})  # another device could give another result
        self._replace(RESULT, _json(result_of(computed(self._run))))
        return "The weights were evaluated on the test set again."

    def _predictions(self) -> str:
        self._replace(PREDICTIONS, predictions_bytes(computed(self._run), self._run.config()))
        return "They were computed again from the weights."

    def _log(self) -> str:
        content = self._content(LOG) or b""
        self._run.checksums.write(LOG, content if content.endswith(b"\n") else content + b"\n")
        self._run.append_log("This log was damaged before this line; it was recorded as it was found.")
        return "It was recorded as it is, with a note at its end."

    # --- what they share --------------------------------------------------------------------------

    def _disagreeing(self) -> list[str]:
        """Files that do not fit the others, while there is no record."""
        run, names = self._run, set(unusable(self._run, states=True))
        try:
            state = self._state()
        except LabError:
            state = {"history": []}
        history = _history(state)
        if to_json([asdict(record) for record in history]) != to_json(
            [asdict(record) for record in run.records()[: len(history)]]
        ):
            names.add(METRICS_FILE)
        try:
            if run.status().best_epoch:
                load_weights(run.read_weights(), run.id, run.config())
        except LabError:
            names.add(BEST)
        return sorted(names)

    def _state(self) -> dict[str, Any]:
        """Return the newest saved state that is intact."""
        run = self._run
        for name in SAVED_STATES:
            if name in run.states() and not run.checksums.problem(name):
                return load_state(run.read_state(name), run.id, run.config(), parent=run.meta().parent, name=name)
        raise StoreError("It cannot be repaired: no saved state of the run is intact. Restore the run from a backup.")

    def _content(self, name: str) -> bytes | None:
        """Return the content of a file as it is, or ``None`` if it is missing."""
        path = self._run.path / name
        return read_file(path, path.lstat().st_size) if path.is_file() else None

    def _mended(self, name: str) -> bytes | None:
        """Return the content that a file had before one byte was changed, or ``None`` if it cannot be found."""
        content, versions = self._content(name), set(self._run.checksums.listed().get(name, ()))
        if content is None or len(content) not in {version.size for version in versions}:
            return None
        return mend(content, lambda content: Version.of(content) in versions)

    def _replace(self, name: str, content: bytes) -> None:
        replace_damaged(self._run, name, content)

    def _set_aside(self, name: str) -> str:
        """Keep a damaged file that the run can do without under another name."""
        damaged = self._content(name)
        if damaged is not None and is_set_aside(name):
            self._run.checksums.write(name, damaged)
            return "It was recorded as it is."
        if damaged is not None:
            self._run.checksums.write(place_aside(self._run, name).name, damaged)
            (self._run.path / name).unlink()
        self._run.tidy_record(at_work=False)
        return "The run can do without it; it is no longer recorded."


def _history(state: Mapping[str, Any]) -> list[EpochRecord]:
    """The epochs that a saved state knows."""
    return [EpochRecord(**record) for record in state["history"]]


def _json(content: Mapping[str, Any]) -> bytes:
    return (to_json(content, indent=1) + "\n").encode()
