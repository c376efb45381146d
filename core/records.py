"""What training tells while it goes on: a record a batch, a record an epoch."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BatchRecord:
    """Where an epoch stands after a batch. ``loss`` (nats per image) and ``accuracy`` (0–1) are running
    means over the epoch's augmented batches; ``seconds_left`` is for the whole run."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    lr: float
    images_per_second: float
    seconds_left: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class EpochRecord:
    """A finished epoch. Losses in nats per image, accuracies from 0 to 1; ``objective`` is what is minimised:
    cross-entropy (of smoothed labels, if they are) plus the L2 penalty. Train figures are running means over
    augmented batches. ``seconds`` of work since the run began, evaluation included, pauses left out."""

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

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; one line of metrics.jsonl."""
        return asdict(self)
