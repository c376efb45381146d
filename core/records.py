"""What training reports while it runs: a record per batch and a record per epoch.

The fields of :class:`EpochRecord` are the columns of metrics.jsonl; nothing else names them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

#: The parts of a network that :attr:`EpochRecord.update_ratio` tells apart.
STAGES = ("stem", "stage 1", "stage 2", "stage 3", "classifier")
#: The fields of :class:`EpochRecord` that say how healthy the training is.
HEALTH = ("grad_norm", "update_ratio", "dead_relus")


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

    The last three fields say how healthy the training is; runs from before they were recorded lack them (``None``,
    empty). ``grad_norm`` and ``update_ratio`` are means over a few steps of the epoch (:mod:`core.training.health`).
    ``grad_norm`` is the norm of the gradient over all parameters, ``None`` if it overflowed. ``update_ratio`` is
    ‖Δw‖/‖w‖ of one step for each of :data:`STAGES`, over the kernels of its convolutions or the classifier's weights.
    ``dead_relus`` is the share (0 to 1) of ReLU channels that are zero everywhere for the first validation images.
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
    grad_norm: float | None = None
    update_ratio: list[float] = field(default_factory=list)
    dead_relus: float | None = None


def best(records: Sequence[EpochRecord]) -> EpochRecord:
    """Return the epoch of highest validation accuracy, the first of equals. Raises ValueError without records."""
    return max(records, key=lambda record: record.val_accuracy)
