"""What a page that watches runs has to say, decided without a browser: which run, its figures, its words.

A :class:`RunView` is one look at a run's folder. Nothing is kept from one look to the next.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from core.base.errors import StoreError
from core.base.text import SELECTED_ON, duration, nats, percent
from core.config.run_config import RunConfig
from core.records import BatchRecord, EpochRecord
from core.runs.folder import AT_WORK, Status
from core.runs.store import RunStore
from core.runs.summary import EpochSummary
from core.runs.table import readable
from core.views.curves import RunCurves

#: Seconds between two looks at a run at work.
SOON, LATER = 1.0, 4.0


@dataclass(frozen=True)
class KeyFigure:
    """A number worth large letters: what it is, the number, and what one must know to read it."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class RunView:
    """A run as its folder tells it now; ``progress`` only while it is at work."""

    id: str
    label: str
    config: RunConfig
    status: Status
    progress: BatchRecord | None
    result: dict[str, Any] | None
    metrics: pd.DataFrame
    colour: str | None = None

    @cached_property
    def curves(self) -> RunCurves:
        """What figures are drawn from."""
        return RunCurves.of(self.id, self.label, self.config, self.metrics, self.colour)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Best, last and lowest figures; empty before the first epoch has ended."""
        found = EpochSummary.of(
            [
                EpochRecord(**{str(name): value for name, value in row.items()})
                for row in self.metrics.to_dict("records")
            ]
        )
        return asdict(found) if found else {}

    @property
    def state(self) -> str:
        """One of :data:`core.runs.store.STATES`."""
        return self.status.state


def read_view(store: RunStore, run_id: str, label: str, colour: str | None = None) -> RunView:
    """Read a run. Raises StoreError for a run that is gone or damaged."""
    config, status = store.run(run_id).config(), store.run(run_id).status()
    return RunView(
        id=run_id,
        label=label,
        config=config,
        status=status,
        progress=store.run(run_id).progress() if status.state in AT_WORK else None,
        result=store.run(run_id).result(),
        metrics=store.metrics(run_id),
        colour=colour,
    )


# --- which run ------------------------------------------------------------------------------------


def choose_run(store: RunStore, frame: pd.DataFrame, wanted: str | None) -> tuple[str | None, str | None]:
    """The run of ``frame`` to show, and a sentence if it is not the ``wanted`` one (an id, a part of one, a name).

    Without a wish it is a run at work, or else the newest; ``None`` if there is no run that can be read.
    """
    shown, problem = readable(frame), None
    if wanted:
        try:
            found = store.find(wanted)
        except StoreError as error:
            problem = str(error)
        else:
            if found in set(shown["id"]):
                return found, None
            problem = next(iter(frame["error"][frame["id"] == found]), f"Run {found} was only just made; look again.")
    at_work = shown[shown["state"].isin(AT_WORK)]
    first = at_work if len(at_work) else shown
    return (str(first["id"].iloc[0]) if len(first) else None), problem


# --- what is said of it ---------------------------------------------------------------------------


def share_done(view: RunView) -> float:
    """How much of the run is trained, from 0 to 1."""
    epochs = max(view.config.train.epochs, 1)
    done = float(view.status.epoch)
    if view.progress:
        done = max(done, view.progress.epoch - 1 + view.progress.batch / view.progress.batches)
    return min(done / epochs, 1.0)


def redraw_key(views: Sequence[RunView]) -> tuple[tuple[str, int], ...]:
    """What decides how the page of these runs looks, but for the line that tells where they stand."""
    return tuple((view.state, len(view.metrics)) for view in views)


def refresh_seconds(views: Sequence[RunView]) -> float:
    """Seconds after which something new may be there: soon at an epoch's end, later in the middle of a long one.

    A look takes time of the cores that train (benchmarks/pages.py slowing). The end of an epoch is seen at most
    ``SOON`` later, as far as the speed foretells it.
    """
    return SOON if any(_epoch_left(view) < LATER - SOON for view in views if view.status.active) else LATER


def _epoch_left(view: RunView) -> float:
    """Seconds until the epoch at work is trained, as its speed tells; 0 where that is not known."""
    at = view.progress
    if at is None or not at.images_per_second > 0:
        return 0.0
    return float((at.batches - at.batch) * view.config.train.batch_size / at.images_per_second)


def share_of_epoch(view: RunView) -> float:
    """How much of the epoch at work is trained, from 0 to 1."""
    return min(view.progress.batch / view.progress.batches, 1.0) if view.progress else 0.0


def status_text(store: RunStore, view: RunView) -> str:
    """Where the run stands, in a line."""
    epochs = f"{view.status.epoch} of {view.config.train.epochs} epochs"
    if view.state == "queued":
        before = store.queue.ids().index(view.id) if view.id in store.queue.ids() else 0
        runs = {0: "next in the queue", 1: "one run is before it"}.get(before, f"{before} runs are before it")
        return f"Waiting: {runs}." + (f" It goes on after {epochs}." if view.status.epoch else "")
    if view.state in AT_WORK:
        return _at_work(view)
    took = f" in {duration(view.summary['seconds'])}" if view.summary else ""
    return f"Trained {epochs}{took}."


def _at_work(view: RunView) -> str:
    if view.state == "stopping":
        return "Stopping within a batch."
    at = view.progress
    if at is None:
        return "Getting ready: the images are loaded and, where precision is auto, both are timed."
    told = [
        f"Epoch {at.epoch} of {at.epochs}",
        f"batch {at.batch:,} of {at.batches:,}",
        f"loss {nats(at.loss)}",
        f"{at.images_per_second:,.0f} images/s",
        f"{duration(at.seconds_left)} left",
    ]
    return " · ".join(told)


def problem_text(view: RunView) -> str | None:
    """Why the run did not reach its end, as a sentence; ``None`` if nothing went wrong."""
    if view.state == "interrupted":
        return view.status.error or "The program that trained this run ended before the run did."
    return view.status.error if view.state == "failed" else None


def key_figures(view: RunView) -> list[KeyFigure]:
    """Best, last, lowest loss, and the test accuracy: measured once where a part was held out."""
    found, selected = view.summary, SELECTED_ON[view.config.data.validation]
    if not found:
        return []
    metrics = view.curves.metrics
    last = int(metrics["epoch"].iloc[-1])
    lowest = int(metrics["epoch"].iloc[metrics["val_loss"].argmin()])
    told = [
        KeyFigure(
            f"Best accuracy, epoch {found['best_epoch']}", percent(found["best_val_accuracy"]), f"chosen on {selected}"
        ),
        KeyFigure(f"Last accuracy, epoch {last}", percent(found["last_val_accuracy"]), f"on {selected}"),
        KeyFigure(f"Lowest loss, epoch {lowest}", nats(found["min_val_loss"]), "cross-entropy, nats per image"),
    ]
    best = (view.result or {}).get("best") or {}
    if {"epoch", "accuracy", "images"} <= best.keys():
        told.append(
            KeyFigure(
                f"Test accuracy, epoch {best['epoch']}",
                percent(best["accuracy"]),
                f"{best['images']:,} images, seen once",
            )
        )
    return told


def tab_title(view: RunView) -> str:
    """What the browser's tab says: how far an active run is, and its name."""
    return f"{share_done(view):.0%} · {view.label}" if view.status.active else view.label


def curves_text(kind: str, views: Sequence[RunView]) -> str:
    """A chart in words, for those who do not see it. ``kind`` is "Accuracy" or "Cross-entropy"."""
    return f"{kind} of each epoch, training and validation. " + " ".join(_curve_text(kind, view) for view in views)


def _curve_text(kind: str, view: RunView) -> str:
    found = view.summary
    if not found:
        return f"{view.label}: no epoch has ended yet."
    if kind == "Accuracy":
        best, last = percent(found["best_val_accuracy"]), percent(found["last_val_accuracy"])
        return f"{view.label}: best {best} in epoch {found['best_epoch']}, last {last}."
    return f"{view.label}: lowest {nats(found['min_val_loss'])}, last {nats(found['last_val_loss'])} on validation."
