"""What the Run page says about a run: which run it shows, how far it is, and its key figures.

A :class:`RunView` is one look at a run's folder; nothing is kept from one look to the next.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from core.base.errors import StoreError
from core.base.text import SELECTED_ON, counted, duration, moment, nats, percent
from core.compare.settings import setting_name, setting_text, setting_text_of_run
from core.config.presets import Preset, nearest
from core.config.run_config import SETTINGS, RunConfig
from core.records import BatchRecord
from core.runs.folder import Status
from core.runs.store import RunStore
from core.runs.summary import KIND_OF_VALIDATION, Accuracy, AnyRun, RunSummary, readable
from core.training.schedule import ENDS_AT_ZERO, EVALUATION_BATCH
from core.views.curves import Mark, RunCurves

#: Seconds between two looks at a running run, and between two drawings of its curves within an epoch.
SOON, LATER, CURVES = 1.0, 4.0, 5.0
#: Seconds after its end within which a discarded run is in the trash, however busy the machine is.
DISCARD_SECONDS = 10.0


@dataclass(frozen=True)
class KeyFigure:
    """A number in large type: what it is, its value, how to read it in a few words, and in full."""

    label: str
    value: str
    note: str
    help: str | None = None


@dataclass(frozen=True)
class RunView:
    """A run as its folder is now; ``progress`` inside the epoch, only while the run is running."""

    run: RunSummary
    label: str
    progress: BatchRecord | None
    metrics: pd.DataFrame
    mark: Mark | None = None

    @cached_property
    def curves(self) -> RunCurves:
        """The run as figures need it."""
        return RunCurves.of(self.run, self.label, self.metrics, self.mark, self.progress)


def read_view(store: RunStore, run_id: str, label: str, mark: Mark | None = None) -> RunView:
    """Read a run. Raises StoreError if it no longer exists or is damaged."""
    run = store.summary(run_id)
    progress = store.run(run_id).progress() if run.at_work else None
    return RunView(run, label, progress, store.metrics(run_id), mark)


def choose_run(store: RunStore, runs: Iterable[AnyRun], wanted: str | None) -> tuple[str | None, str | None]:
    """Return the id of the run to show, and a sentence if it is not the ``wanted`` one (an id, part of one, a name).

    The default is a running run, otherwise the newest; ``None`` if no run can be read.
    """
    by_id, problem = {run.id: run for run in runs}, None
    if wanted:
        try:
            run_id = store.find(wanted)
        except StoreError as error:
            problem = str(error)
        else:
            match by_id.get(run_id):
                case RunSummary():
                    return run_id, None
                case None:
                    problem = f"Run {run_id} was created just now. Reload the page to see it."
                case damaged:
                    problem = damaged.error
    candidates = readable(by_id.values())
    first = next((run for run in candidates if run.at_work), candidates[0] if candidates else None)
    return first.id if first else None, problem


def in_trash(store: RunStore, wanted: str | None) -> str | None:
    """Return what to call the ``wanted`` run if it is in the trash, else ``None``."""
    return store.trash.labels().get(wanted) if wanted in store.trash.ids() else None


# --- how far it is --------------------------------------------------------------------------------


def share_done(view: RunView) -> float:
    """Return how much of the run is trained, from 0 to 1."""
    done = float(view.run.status.epoch)
    if view.progress:
        done = max(done, view.progress.epoch - 1 + share_of_epoch(view))
    return min(done / max(view.run.config.train.epochs, 1), 1.0)


def share_of_epoch(view: RunView) -> float:
    """Return how much of the current epoch is trained, from 0 to 1."""
    return min(view.progress.batch / view.progress.batches, 1.0) if view.progress else 0.0


def curve_seconds(views: Sequence[RunView]) -> float | None:
    """Return how often to redraw the curves within an epoch; ``None`` if every epoch ends soon anyway."""
    at_work = [view for view in views if view.run.at_work]
    return CURVES if any(_epoch_seconds(view) > 2 * CURVES for view in at_work) else None


def _epoch_seconds(view: RunView) -> float:
    """Return how long an epoch takes; infinite before the speed is known."""
    if view.progress is None or not view.progress.images_per_second > 0:
        return math.inf
    return view.run.config.data.sizes().train / view.progress.images_per_second


def redraw_key(views: Sequence[RunView]) -> tuple[tuple[str, int], ...]:
    """Return what changes when the page of these runs has to be drawn again; the status line does not count."""
    return tuple((view.run.state, len(view.metrics)) for view in views)


def refresh_seconds(views: Sequence[RunView]) -> float | None:
    """Return when to look again: soon at the end of an epoch, later in the middle of a long one; ``None`` for never.

    A look takes time from the cores that train (benchmarks/pages.py slowing). The end of an epoch is seen at most
    ``SOON`` late, as far as the speed predicts it. A run that has just stopped is looked at again, too: if someone
    discarded it, it moves to the trash a moment later.
    """
    if active := [view for view in views if view.run.status.active]:
        return SOON if any(_epoch_seconds_left(view) < LATER - SOON for view in active) else LATER
    return SOON if any(_just_stopped(view.run.status) for view in views) else None


def _just_stopped(status: Status) -> bool:
    return status.state == "stopped" and 0 <= time.time() - (status.finished_at or 0.0) < DISCARD_SECONDS


def _epoch_seconds_left(view: RunView) -> float:
    """Return the seconds until the current epoch is trained, by its speed; 0 if unknown."""
    progress = view.progress
    if progress is None or not progress.images_per_second > 0:
        return 0.0
    return (progress.batches - progress.batch) * view.run.config.train.batch_size / progress.images_per_second


def status_text(store: RunStore, view: RunView) -> str:
    """Return in a line how far the run is."""
    epochs = f"{view.run.status.epoch} of {counted(view.run.config.train.epochs, 'epoch')}"
    if view.run.state == "queued":
        queue = store.queue.ids()
        before = queue.index(view.run.id) if view.run.id in queue else 0
        place = f"{counted(before, 'run')} before it" if before else "next in the queue"
        return f"Waiting: {place}." + (f" Continues after {epochs}." if view.run.status.epoch else "")
    if view.run.at_work:
        status = view.run.status
        where = f"{status.elsewhere_text[0].upper()}{status.elsewhere_text[1:]}. " if status.elsewhere else ""
        return where + _progress_text(view)
    pruned = view.run.meta.pruned_at if view.run.state == "stopped" else None
    reason = f" Its search stopped it after step {pruned}; the log says why." if pruned else ""
    return f"Trained {epochs}{f' in {duration(view.run.epochs.seconds)}' if view.run.epochs else ''}.{reason}"


def _progress_text(view: RunView) -> str:
    if view.run.state == "stopping":
        return "Stopping after this batch."
    progress = view.progress
    if progress is None:
        return "Getting ready: loading the images and, if precision is auto, timing both precisions."
    parts = [
        f"Epoch {progress.epoch} of {progress.epochs}",
        f"batch {progress.batch:,} of {progress.batches:,}",
        f"loss {nats(progress.loss)}",
        f"{progress.images_per_second:,.0f} images/s",
        f"{duration(progress.seconds_left)} left",
    ]
    return " · ".join(parts)


def problem_text(view: RunView) -> str | None:
    """Return why the run did not finish, or ``None`` if nothing went wrong."""
    error = view.run.status.error
    if view.run.state == "interrupted":
        return error or "The program that trained this run ended before the run did."
    return error if view.run.state == "failed" else None


def tab_title(view: RunView) -> str:
    """Return the title of the browser tab: how far an active run is, and its name."""
    return f"{share_done(view):.0%} · {view.label}" if view.run.status.active else view.label


# --- what can be done with it ---------------------------------------------------------------------


def why_not_extended(store: RunStore, run: RunSummary) -> str | None:
    """Return why a finished run cannot be continued to more epochs, or ``None`` if it can."""
    schedule = run.config.train.schedule
    if schedule in ENDS_AT_ZERO:
        return f"The {schedule} schedule ends with a learning rate of zero, so more epochs would change nothing."
    if store.run(run.id).last_state() is None:
        return "The state that training could continue from is not kept."
    return None


def longer(config: RunConfig, epochs: int) -> RunConfig:
    """Return ``config`` with ``epochs`` more, to be trained from the beginning: milestones keep their share."""
    total = config.train.epochs + epochs
    changes: dict[str, Any] = {"train.epochs": total}
    if config.in_effect("train.milestones"):
        scaled = (max(1, round(milestone * total / config.train.epochs)) for milestone in config.train.milestones)
        changes["train.milestones"] = tuple(dict.fromkeys(scaled))
    return config.replace(changes)


# --- what it is -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class SettingRow:
    """A setting of a run as text, and the ``preset``'s value if that is another one."""

    name: str
    value: str
    preset: str | None


def setting_rows(run: RunSummary) -> tuple[Preset, dict[str, list[SettingRow]]]:
    """Return the nearest preset, and the run's settings in effect by section."""
    preset = nearest(run.config)
    changed = run.config.differences(preset.config)
    sections: dict[str, list[SettingRow]] = {}
    for path in SETTINGS:
        if run.config.in_effect(path):
            theirs = setting_text(preset.config, path) if path in changed else None
            row = SettingRow(setting_name(path), setting_text_of_run(run, path), theirs)
            sections.setdefault(path.partition(".")[0], []).append(row)
    return preset, sections


def origin(run: RunSummary) -> dict[str, str]:
    """Return where a run comes from and what it used, by name; without what is not known."""
    meta, status, sizes = run.meta, run.status, run.config.data.sizes()
    validation = f"{sizes.validation:,} for validation, " if sizes.validation else ""
    facts = {
        "Run ID": run.id,
        "Created": moment(meta.created_at) + (f" by {meta.owner}" if meta.owner else ""),
        "Started": moment(status.started_at) if status.started_at else "",
        "Ended": moment(status.finished_at) if status.finished_at and not status.active else "",
        "Images": f"{sizes.train:,} for training, {validation}{sizes.test:,} for testing",
        "Computer": status.host or "",
        **{label: str(meta.environment.get(name) or "") for name, label in _ENVIRONMENT.items()},
    }
    return {name: text for name, text in facts.items() if text}


#: What is shown of a run's environment.
_ENVIRONMENT = {
    "node": "Cluster node",
    "processor": "Processor",
    "accelerator": "Accelerator",
    "device": "Device",
    "precision": "Precision",
    "threads": "Threads",
    "kernels": "Kernels",
    "torch": "PyTorch",
    "torchvision": "torchvision",
    "python": "Python",
    "platform": "System",
    "commit": "Commit of ResNet Lab",
}


# --- its results ----------------------------------------------------------------------------------


def key_figures(view: RunView) -> list[KeyFigure]:
    """Return the accuracies of the best epoch, the one that stands for the run first, and last and lowest results."""
    run, epochs = view.run, view.run.epochs
    if not epochs:
        return []
    figures = [
        KeyFigure(
            f"{accuracy.name}, epoch {accuracy.epoch}",
            percent(accuracy.share),
            accuracy.interval_text(),
            _accuracy_help(accuracy),
        )
        for accuracy in run.accuracies
    ]
    kind, lowest = KIND_OF_VALIDATION[run.selected_on], f"epoch {epochs.min_val_loss_epoch}"
    last = percent(epochs.last_val_accuracy)
    return [
        *figures,
        KeyFigure(f"Last {kind} accuracy, epoch {epochs.last_epoch}", last, f"on {SELECTED_ON[run.selected_on]}"),
        KeyFigure(f"Lowest {kind} loss, {lowest}", nats(epochs.min_val_loss), "cross-entropy, nats per image"),
    ]


def _accuracy_help(accuracy: Accuracy) -> str:
    images = f"Measured on {accuracy.images:,} {accuracy.kind} images"
    if accuracy.chose_epoch:
        return f"{images}, which also chose the epoch. That makes it slightly optimistic."
    return f"{images}, once, at the end of the run."


def class_intervals_text(views: Sequence[RunView]) -> str:
    """Return what the lines in the chart of accuracy by class are, and from how many images."""
    counts = {count for view in views for count in view.run.config.data.validation_by_class()}
    images = f"{min(counts):,}" if len(counts) == 1 else f"{min(counts):,} to {max(counts):,}"
    return f"Lines: 95 % intervals (Wilson) from the {images} images of each class that the run was validated on."


@dataclass(frozen=True)
class HealthNote:
    """What a measure of a training's health is, what is ``normal``, and what to do ``otherwise``; in Markdown."""

    title: str
    what: str
    normal: str
    otherwise: str


def health_notes(config: RunConfig) -> dict[str, HealthNote]:
    """Return a note for each health field of :class:`core.records.EpochRecord`."""
    rate = "learning rate"
    normal = "It is within a factor of ten of 0.001 (shaded) while the learning rate is high, and falls with it."
    if config.train.optimizer == "muon":
        rate = "Muon learning rate"
        normal = (
            "With Muon it is about the Muon learning rate in the convolutions, whose norm is fixed: at most "
            f"{config.train.muon_lr:g}. The shaded band, a factor of ten around 0.001, is usual for SGD and Adam."
        )
    normal += " The classifier, whose weights are small at first, may begin higher."
    return {
        "grad_norm": HealthNote(
            "Gradient norm",
            "Norm of the gradient over all parameters, the mean of a few steps per epoch.",
            "It stays within a factor of about ten and changes smoothly.",
            "If it grows from epoch to epoch or jumps, training is about to diverge: lower the learning rate or add a "
            "warm-up.",
        ),
        "update_ratio": HealthNote(
            "Update / weight",
            "How far one step moves the weights, as a share of their norm: ‖Δw‖ / ‖w‖ in each stage.",
            normal,
            f"If it is far above and the loss does not fall, lower the {rate}; if it is far below from the start, "
            "raise it.",
        ),
        "dead_relus": HealthNote(
            "Dead ReLUs",
            f"Share of ReLU channels that are zero everywhere in the first {EVALUATION_BATCH} validation images.",
            "It stays below a few percent.",
            "If it rises above about 10 %, a part of the network no longer learns: lower the learning rate or the "
            "weight decay, or add a warm-up.",
        ),
    }


def curves_text(kind: str, views: Sequence[RunView]) -> str:
    """Return a chart of curves as text, for people who do not see it. ``kind`` is "Accuracy" or "Cross-entropy"."""
    return f"{kind} of each epoch, training and validation. " + " ".join(_curve_text(kind, view) for view in views)


def _curve_text(kind: str, view: RunView) -> str:
    epochs = view.run.epochs
    if not epochs:
        return f"{view.label}: no finished epoch yet."
    measured = KIND_OF_VALIDATION[view.run.selected_on]
    if kind == "Accuracy":
        best, last = percent(epochs.best_val_accuracy), percent(epochs.last_val_accuracy)
        return f"{view.label}: best {measured} accuracy {best} in epoch {epochs.best_epoch}, last {last}."
    return f"{view.label}: lowest {measured} loss {nats(epochs.min_val_loss)}, last {nats(epochs.last_val_loss)}."
