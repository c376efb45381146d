"""How far a study is, and what is done with it: start, pause, stop, retry; what came out, as a table.

Nothing about a study's progress is written down: a cell is as far as the best run with its signature. A run
that has finished or is under way serves whoever started it; one that stopped or failed is gone on with only
if it belongs to the study, so that nobody else's run is resumed or stopped from here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from core.base.bulk import Outcome, each
from core.base.errors import StoreError
from core.base.text import distinct_names
from core.cost.estimate import estimates
from core.cost.network import MOMENTS, network_cost
from core.runs.folder import AT_WORK
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Cell, Study

CellState = Literal[
    "missing", "queued", "running", "stopping", "stopped", "interrupted", "failed", "finished"
]  # fmt: skip
#: Of several runs of one cell the first of these counts, and of equals the newest.
_RANK = ("finished", "running", "stopping", "queued", "stopped", "interrupted", "failed")
_ANYBODYS = ("finished", "running", "stopping", "queued")
#: What an epoch adds to metrics.jsonl and to last.pt, in bytes: 620 with two classes, 980 with ten.
_EPOCH_BYTES = 1_000
#: Names and shapes of the tensors, and the small files.
_PAPERS_BYTES = 100_000


@dataclass(frozen=True)
class CellStatus:
    """A cell and the run that counts for it: ``row`` is that run's in the table of all runs, ``None`` without one."""

    cell: Cell
    state: CellState
    row: dict[str, Any] | None

    @property
    def run_id(self) -> str | None:
        """The run, or ``None``."""
        return None if self.row is None else str(self.row["id"])


def statuses(study_id: str, study: Study, frame: pd.DataFrame) -> list[CellStatus]:
    """How each cell stands; ``frame`` is the table of all runs (``RunStore.frame()``)."""
    cells = study.cells()
    candidates = frame[frame["signature"].isin([cell.signature for cell in cells])]
    by_signature: dict[str, list[dict[str, Any]]] = {}
    for row in candidates.to_dict("records"):
        if row["state"] in _RANK and (row["state"] in _ANYBODYS or row["study"] == study_id):
            by_signature.setdefault(str(row["signature"]), []).append({str(name): one for name, one in row.items()})
    found = []
    for cell in cells:
        rows = sorted(by_signature.get(cell.signature, []), key=lambda row: _RANK.index(row["state"]))
        found.append(CellStatus(cell, rows[0]["state"] if rows else "missing", rows[0] if rows else None))
    return found


def counts(cells: Iterable[CellStatus]) -> dict[str, int]:
    """How many cells are in each state, the states in the order of a run's life; none that is empty."""
    states = [one.state for one in cells]
    order = ("finished", "running", "stopping", "queued", "stopped", "interrupted", "failed", "missing")
    return {state: states.count(state) for state in order if state in states}


def share_done(cells: Sequence[CellStatus]) -> float:
    """How much of the study is trained, from 0 to 1, a cell under way with its epochs."""
    return sum(_share(one) for one in cells) / len(cells)


def _share(one: CellStatus) -> float:
    if one.state == "finished":
        return 1.0
    return 0.0 if one.row is None else min(float(one.row["epoch"]) / one.cell.config.train.epochs, 1.0)


def counts_in_words(cells: Iterable[CellStatus]) -> str:
    """``3 finished, 1 running, 11 to do``."""
    words = {"missing": "to do"}
    return ", ".join(f"{count} {words.get(state, state)}" for state, count in counts(cells).items())


def labels(studies: Mapping[str, Study], frame: pd.DataFrame) -> dict[str, str]:
    """How each study, by its id, stands in a list: its name and how far it is; ``frame`` is the table of all runs."""
    names = distinct_names({study_id: study.name for study_id, study in studies.items()})
    return {one: f"{names[one]} · {counts_in_words(statuses(one, study, frame))}" for one, study in studies.items()}


# --- what is done with a study --------------------------------------------------------------------


def start(store: RunStore, study_id: str) -> Outcome:
    """Queue every cell that is missing, and those of the study that stopped or were interrupted.

    Cells that finished, failed, wait or run are left as they are. ``done`` holds the ids of the queued runs.
    """
    study = StudyStore(store).get(study_id)
    done, problems = [], []
    for one in statuses(study_id, study, store.frame()):
        try:
            if one.state == "missing":
                done.append(make_run(store, study_id, study, one.cell))
            elif one.state in ("stopped", "interrupted") and one.run_id:
                store.queue.enqueue(one.run_id)
                done.append(one.run_id)
        except StoreError as error:
            problems.append(str(error))
    return Outcome(done, problems)


def make_run(store: RunStore, study_id: str, study: Study, cell: Cell) -> str:
    """Queue a new run of a cell; returns its id."""
    return store.create(cell.config, **about(study_id, study, cell))


def about(study_id: str, study: Study, cell: Cell) -> dict[str, Any]:
    """What a cell's run is called and where it belongs, as :meth:`RunStore.create` takes it."""
    return {"name": f"{study.name}: {cell.in_words()}", "study": study_id}


def states_of_own(study_id: str, frame: pd.DataFrame) -> set[str]:
    """States of the study's own runs, which are all that :func:`pause` reaches: a cell can be another's run."""
    return set(frame.loc[frame["study"] == study_id, "state"])


def pause(store: RunStore, study_id: str, *, running_too: bool = False) -> Outcome:
    """Take the study's waiting runs out of the queue; the one at work finishes, unless ``running_too``.

    :func:`start` goes on exactly where they were. Runs that belong to others stay.
    """
    wanted = ("queued", *AT_WORK) if running_too else ("queued",)
    frame = store.frame()
    mine = frame[(frame["study"] == study_id) & frame["state"].isin(wanted)]
    # The waiting first: stopping the one at work would let the next begin.
    order = mine.assign(at_work=mine["state"] != "queued").sort_values("at_work", kind="stable")
    return each(order["id"].tolist(), store.queue.request_stop)


def retry(store: RunStore, study_id: str) -> Outcome:
    """Queue the study's failed cells again, to go on after their last finished epoch."""
    study = StudyStore(store).get(study_id)
    failed = [one.run_id for one in statuses(study_id, study, store.frame()) if one.state == "failed" and one.run_id]
    return each(failed, store.queue.enqueue)


# --- before it runs -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """What the missing cells will take: ``runs``, ``seconds`` with likely bounds (``None`` before any measurement
    on this machine), ``bytes`` on the disk; ``source`` tells where the speed is from."""

    cells: int
    runs: int
    seconds: float | None
    low: float | None
    high: float | None
    bytes: int
    source: str


def preview(cells: list[CellStatus], store: RunStore) -> Preview:
    """Time, disk and number of runs still to do; a run that is under way counts with what it has left."""
    todo = [one for one in cells if one.state not in ("finished", "failed")]
    totals, source, known = [0.0, 0.0, 0.0], "nothing left to do", True
    for one, expected in zip(todo, estimates((one.cell.config for one in todo), store), strict=True):
        source = expected.source
        if expected.seconds is None or expected.low is None or expected.high is None:
            known = False
            break
        for at, part in enumerate((expected.seconds, expected.low, expected.high)):
            totals[at] += (1 - _share(one)) * part
    size = sum(disk_bytes(one.cell) for one in todo if one.state == "missing")
    seconds, low, high = totals if known else (None, None, None)
    return Preview(len(cells), len(todo), seconds, low, high, size, source)


def disk_bytes(cell: Cell) -> int:
    """What a finished run of the cell holds on the disk, about: 4 bytes a number, and its epochs.

    The numbers are the weights in best.safetensors, and in last.pt those of the last and the best epoch, what the
    optimiser keeps (two of each for Adam) and the average.
    """
    config = cell.config
    copies = 3 + MOMENTS[config.train.optimizer] + (config.train.averaging != "off")
    return 4 * copies * network_cost(config).parameters + _EPOCH_BYTES * config.train.epochs + _PAPERS_BYTES


# --- what came out --------------------------------------------------------------------------------
