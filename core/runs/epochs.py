"""TODO: core.runs.epochs."""

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from core.runs.validate import is_figure, is_number

#: Columns of a run's epochs. Losses are in nats per image, accuracies shares from 0 to 1, ``seconds``
#: of training since the first epoch (pauses left out), ``images`` and ``step`` counted from the start.
METRICS = (
    "epoch", "step", "images", "seconds", "lr", "images_per_second",
    "train_loss", "train_objective", "train_accuracy", "val_loss", "val_objective", "val_accuracy",
    "val_loss_by_class", "val_accuracy_by_class",
)  # fmt: skip


CURVE_POINTS = 40


#: A hundred thousand epochs have half of it.
METRICS_BYTES = 256 * 2**20


_BY_CLASS = tuple(name for name in METRICS if name.endswith("_by_class"))


#: What every epoch has as a number; a line without is no record. A loss alone may be infinite, or no number.
_FIGURES = tuple(name for name in METRICS if name not in _BY_CLASS)


_LOSSES = tuple(name for name in _FIGURES if name.endswith(("_loss", "_objective")))


def parse_record(line: bytes) -> dict[str, Any] | None:
    """One line of metrics.jsonl as an epoch's record, or ``None`` if it is torn or damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("epoch"), int) or record["epoch"] < 1:
        return None
    for name in _FIGURES:
        most = 1.0 if name.endswith("_accuracy") else math.inf
        if not (is_number(record.get(name)) if name in _LOSSES else is_figure(record.get(name), most)):
            return None
    by_class = [record.setdefault(name, []) for name in _BY_CLASS]
    return record if all(isinstance(one, list) and all(map(is_number, one)) for one in by_class) else None


def rising(records: Iterable[dict[str, Any] | None], last: int = 0) -> list[dict[str, Any]]:
    """The records whose epoch is greater than all before it and than ``last``: each epoch counts once, in order."""
    kept = []
    for record in records:
        if record is not None and record["epoch"] > last:
            kept.append(record)
            last = record["epoch"]
    return kept


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


def thin_curve(records: list[dict[str, Any]]) -> tuple[float, ...]:
    """Validation accuracies (0 to 1) of at most :data:`CURVE_POINTS` epochs evenly apart, first and last included."""
    if not records:
        return ()
    at = np.linspace(0, len(records) - 1, min(len(records), CURVE_POINTS)).round().astype(int)
    return tuple(round(records[one]["val_accuracy"], 4) for one in at)
