"""What training reports while it runs: a record per batch and a record per epoch.

The fields of :class:`EpochRecord` are the columns of metrics.jsonl; nothing else names them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Moment(NamedTuple):
    """A few seconds of training within an epoch: the mean loss and accuracy of the batches since the moment before.

    ``position`` is in epochs since the start of the run: 2.25 is after a quarter of the third epoch.
    """

    position: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class BatchRecord:
    """The state of an epoch after a batch.

    ``loss`` (nats per image) and ``accuracy`` (0 to 1) are running means over the epoch's augmented batches.
    ``seconds_left`` is an estimate for the whole run. ``moments`` are those of this epoch and of the one before; the
    recorder adds them.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    lr: float
    images_per_second: float
    seconds_left: float
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True)
class EpochRecord:
    """A finished epoch. Losses are in nats per image, accuracies from 0 to 1.

    ``epoch`` counts from 1; ``step`` and ``images`` count from the start of the run. ``seconds`` is the training time
    since the start, evaluation included and pauses excluded. ``train_…`` are running means over augmented batches.
    ``…_objective`` is what training minimises: cross-entropy (of smoothed labels, if used) plus the L2 penalty.
    """

    epoch: int
    step: int
    images: int
    seconds: float
    lr: float
    images_per_second: float
    train_loss: float
    train_objective: float
    train_accuracy: float
    val_loss: float
    val_objective: float
    val_accuracy: float
    val_loss_by_class: list[float]
    val_accuracy_by_class: list[float]


def best(records: Sequence[EpochRecord]) -> EpochRecord:
    """Return the epoch of highest validation accuracy, the first of equals. Raises ValueError without records."""
    return max(records, key=lambda record: record.val_accuracy)
