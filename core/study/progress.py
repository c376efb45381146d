"""How far a study is, what its missing runs will take, and what can be done with it: start, pause, stop, retry.

A study stores no progress. The state of a cell is that of the best run with its signature: a finished or active run
counts whoever started it; a stopped or failed run counts only if it belongs to the study, so that a study never resumes
or stops somebody else's run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.base.errors import Outcome, collected, each
from core.base.text import counted, distinct_names, duration, expected_time
from core.cost.estimate import total
from core.cost.network import MOMENTS, memory_text, network_cost
from core.runs.folder import AT_WORK
from core.runs.store import RunStore
from core.runs.summary import RunSummary, shared_precision
from core.study.store import StudyStore
from core.study.study import Cell, Study

CellState = Literal["finished", "running", "stopping", "queued", "stopped", "interrupted", "failed", "missing"]
#: Of several runs of a cell, the one in the first of these states counts, and of equals the newest.
_RANK = ("finished", "running", "stopping", "queued", "stopped", "interrupted", "failed")
#: States in which a run counts although it belongs to nobody or to another study.
_ANYBODYS = _RANK[:4]
#: Bytes that an epoch adds to metrics.jsonl and to last.pt: 620 with two classes, 980 with ten.
_EPOCH_BYTES = 1_000
#: Bytes of the small files, and of the names and shapes of tensors.
_SMALL_BYTES = 100_000


@dataclass(frozen=True)
class CellStatus:
    """A cell, its state, and the run that counts for it (``None`` if the cell is missing)."""

    cell: Cell
    state: CellState
    run: RunSummary | None

    @property
    def run_id(self) -> str | None:
        """The id of the run, or ``None``."""
        return self.run.id if self.run else None

    @property
    def share_done(self) -> float:
        """How much of the cell is trained, from 0 to 1."""
        if self.state == "finished" or self.run is None:
            return float(self.state == "finished")
        return min(self.run.status.epoch / self.cell.config.train.epochs, 1.0)


def statuses(study_id: str, study: Study, runs: Iterable[RunSummary]) -> list[CellStatus]:
    """Return the status of each cell; ``runs`` are all runs, newest first (``RunStore.summaries()``)."""
    best: dict[str, RunSummary] = {}
    for run in runs:
        if run.state in _ANYBODYS or run.meta.study == study_id:
            other = best.setdefault(run.signature, run)
            if _RANK.index(run.state) < _RANK.index(other.state):
                best[run.signature] = run
    found = [(cell, best.get(cell.signature)) for cell in study.cells()]
    return [CellStatus(cell, run.state if run else "missing", run) for cell, run in found]


def counts(cells: Iterable[CellStatus]) -> dict[str, int]:
    """Return how many cells are in each state; states without a cell are left out."""
    states = [cell.state for cell in cells]
    return {state: states.count(state) for state in (*_RANK, "missing") if state in states}


def counts_text(cells: Iterable[CellStatus]) -> str:
    """Return ``3 finished, 1 running, 11 to do``."""
    return ", ".join(f"{count} {state}" for state, count in counts(cells).items()).replace("missing", "to do")


def share_done(cells: Sequence[CellStatus]) -> float:
    """Return how much of the study is trained, from 0 to 1."""
    return sum(cell.share_done for cell in cells) / len(cells)


def labels(studies: Mapping[str, Study], runs: Sequence[RunSummary]) -> dict[str, str]:
    """Return the name and progress of each study, by id."""
    names = distinct_names({study_id: study.name for study_id, study in studies.items()})
    return {
        study_id: f"{names[study_id]} · {counts_text(statuses(study_id, study, runs))}"
        for study_id, study in studies.items()
    }


# --- what can be done with a study ----------------------------------------------------------------


def start(store: RunStore, study_id: str) -> Outcome:
    """Queue a run for every missing cell, and the study's stopped and interrupted runs.

    Finished, failed, queued and running cells stay as they are. ``done`` holds the ids of the queued runs.
    """
    studies = StudyStore(store)
    done: list[str] = []
    problems: list[str] = []
    with studies.lock(study_id):  # two windows that start a study do not both make its missing runs
        study = studies.get(study_id)
        cells = statuses(study_id, study, store.summaries())
        for cell in cells:
            with collected(problems, f"The run with {cell.cell.label}"):
                if cell.state == "missing":
                    done.append(store.create(cell.cell.config, **run_meta(study_id, study, cell.cell, cells)))
                elif cell.state in ("stopped", "interrupted") and cell.run_id:
                    store.queue.enqueue(cell.run_id)
                    done.append(cell.run_id)
    return Outcome(done, problems)


def run_meta(study_id: str, study: Study, cell: Cell, cells: Iterable[CellStatus] = ()) -> dict[str, Any]:
    """Return the name of a cell's run and the study it belongs to, for :meth:`RunStore.create`.

    ``cells`` are those of the study: if ``auto`` has chosen a precision for one of their runs, the new run gets that
    one too, so that a study never compares two kinds of arithmetic.
    """
    precision = shared_precision(status.run for status in cells if status.run)
    environment = {"environment": {"precision": precision}} if precision else {}
    return {"name": f"{study.name}: {cell.label}", "study": study_id, **environment}


def own_states(study_id: str, runs: Iterable[RunSummary]) -> set[str]:
    """Return the states of the study's own runs, the only ones that :func:`pause` reaches."""
    return {run.state for run in runs if run.meta.study == study_id}


def pause(store: RunStore, study_id: str, *, running_too: bool = False) -> Outcome:
    """Take the study's own queued runs out of the queue; with ``running_too`` stop its running one as well.

    :func:`start` resumes them exactly where they were.
    """
    with StudyStore(store).lock(study_id):
        own = [run for run in store.summaries() if run.meta.study == study_id]
        queued = [run.id for run in own if run.state == "queued"]
        running = [run.id for run in own if run.state in AT_WORK]
        # The queued runs first: stopping the running one would start the next.
        return each(queued + running * running_too, store.queue.request_stop)


def retry(store: RunStore, study_id: str) -> Outcome:
    """Queue the study's failed cells again; each resumes after its last finished epoch."""
    studies = StudyStore(store)
    with studies.lock(study_id):
        cells = statuses(study_id, studies.get(study_id), store.summaries())
        return each([cell.run_id for cell in cells if cell.state == "failed" and cell.run_id], store.queue.enqueue)


# --- before it runs -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """What the remaining ``runs`` of ``cells`` will take: ``seconds`` with likely bounds (``None`` before any
    measurement on this machine) and ``bytes`` on disk; ``source`` says where the speed comes from, ``at_once`` how
    many of the runs train at a time."""

    cells: int
    runs: int
    seconds: float | None
    low: float | None
    high: float | None
    bytes: int
    source: str
    at_once: int = 1

    @property
    def text(self) -> str:
        """What is left: ``4 of 15 runs left, about 2 h 10 min on this computer, 40 MB of disk space``."""
        if not self.runs:
            return "Nothing left to train: all runs exist already."
        runs = counted(self.runs, "run") if self.runs == self.cells else f"{self.runs} of {self.cells} runs left"
        at_once = f" with {self.at_once} runs at once" if self.at_once > 1 and self.seconds is not None else ""
        disk = f", {memory_text(self.bytes)} of disk space" if self.bytes else ""
        return f"{runs}, {expected_time(self.seconds)}{at_once}{disk}"

    @property
    def range_text(self) -> str:
        """The likely bounds of the time, and where the speed comes from; empty before any measurement."""
        if self.low is None or self.high is None:
            return ""
        return f"Between {duration(self.low)} and {duration(self.high)}; {self.source}."


def preview(cells: Sequence[CellStatus], store: RunStore) -> Preview:
    """Return the number, time and disk space of the runs still to do; an active run counts with its rest."""
    todo = [cell for cell in cells if cell.state not in ("finished", "failed")]
    time = total([cell.cell.config for cell in todo], store, [1 - cell.share_done for cell in todo])
    return Preview(
        cells=len(cells),
        runs=len(todo),
        seconds=time.seconds,
        low=time.low,
        high=time.high,
        bytes=sum(disk_bytes(cell.cell) for cell in todo if cell.state == "missing"),
        at_once=time.at_once,
        source=time.source or "nothing left to do",
    )


def disk_bytes(cell: Cell) -> int:
    """Return about how many bytes a finished run of the cell takes on disk: 4 per number, and its epochs.

    The numbers are the weights in best.safetensors and, in last.pt, those of the last and the best epoch, the state of
    the optimiser (two numbers per weight for Adam) and the average.
    """
    train = cell.config.train
    copies = 3 + MOMENTS[train.optimizer] + (train.averaging != "off")
    return 4 * copies * network_cost(cell.config).parameters + _EPOCH_BYTES * train.epochs + _SMALL_BYTES
