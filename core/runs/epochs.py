"""The epochs in a metrics.jsonl: reading a line, and thinning a curve."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields

import numpy as np

from core.base.strict_json import from_json
from core.records import EpochRecord
from core.runs.validate import is_figure, is_number

#: The columns of a run's epochs, see :class:`core.records.EpochRecord`.
METRICS = tuple(field.name for field in fields(EpochRecord))
_BY_CLASS = tuple(name for name in METRICS if name.endswith("_by_class"))
_NUMBERS = tuple(name for name in METRICS if name not in _BY_CLASS)
#: May be infinite or NaN, in the epoch in which training diverged.
_LOSSES = tuple(name for name in METRICS if name.endswith(("_loss", "_objective")))

CURVE_POINTS = 40
#: A hundred thousand epochs take half of this.
METRICS_BYTES = 256 * 2**20


def parse_record(line: bytes) -> EpochRecord | None:
    """Return the epoch in a line of metrics.jsonl, or ``None`` if the line is torn or damaged."""
    try:
        content = from_json(line)
    except ValueError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("epoch"), int) or content["epoch"] < 1:
        return None
    for name in _LOSSES:
        if content.get(name, 0) is None:  # null stands for NaN, which JSON lacks
            content[name] = math.nan
    for name in _NUMBERS:
        most = 1.0 if name.endswith("_accuracy") else math.inf
        if not (is_number(content.get(name)) if name in _LOSSES else is_figure(content.get(name), most)):
            return None
    for name in _BY_CLASS:
        values = content.setdefault(name, [])
        if not isinstance(values, list):
            return None
        content[name] = [math.nan if value is None else value for value in values]
        if not all(map(is_number, content[name])):
            return None
    return EpochRecord(*map(content.__getitem__, METRICS))


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
