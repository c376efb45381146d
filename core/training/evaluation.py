"""How good a network is on a set of images, overall and class by class."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.data.task import ImageSet, Normalization
from core.training.environment import Environment
from core.training.schedule import EVALUATION_BATCH, GPU_EVALUATION_BATCH


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`evaluate` and :func:`evaluation_of`.

    Losses in nats per image, accuracies from 0 to 1. ``smoothed_loss`` is the cross-entropy against smoothed labels;
    ``loss_by_class`` and ``accuracy_by_class`` have one mean per true class; ``confusion``: int64 (k, k), a row per
    true class.
    """

    loss: float
    smoothed_loss: float
    accuracy: float
    loss_by_class: list[float]
    accuracy_by_class: list[float]
    confusion: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Return the values of result.json, JSON-ready."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "loss_by_class": self.loss_by_class,
            "accuracy_by_class": self.accuracy_by_class,
            "confusion": self.confusion.tolist(),
            "images": int(self.confusion.sum()),
        }


def evaluation_batch(device: torch.device) -> int:
    """Return how many images are evaluated at once."""
    return EVALUATION_BATCH if device.type == "cpu" else GPU_EVALUATION_BATCH


def predict(model: nn.Module, images: Tensor, normalization: Normalization, environment: Environment) -> Tensor:
    """Return logits, float32 (N, k), of uint8 images (N, 3, 32, 32), without augmentation."""
    model.eval()
    logits = []
    with torch.inference_mode():
        for batch in images.split(evaluation_batch(images.device)):
            x = normalization(batch).contiguous(memory_format=torch.channels_last)
            with environment.autocast():
                logits.append(model(x))
    return torch.cat(logits).float()


def evaluate(
    model: nn.Module,
    images: ImageSet,
    normalization: Normalization,
    environment: Environment,
    label_smoothing: float = 0.0,
) -> Evaluation:
    """Evaluate ``model`` on ``images``; leaves it in evaluation mode."""
    logits = predict(model, images.images, normalization, environment)
    return evaluation_of(logits, images.labels, label_smoothing)


def evaluation_of(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Evaluation:
    """Return the evaluation of ``logits``, float32 (N, k), for images of the classes ``labels``, int64 (N,)."""
    # Summed on the CPU, in float64, which Apple's accelerator does not have.
    logits, labels = logits.cpu(), labels.cpu()
    k = logits.shape[1]
    losses = F.cross_entropy(logits, labels, reduction="none").double()
    smoothed = losses.mean()
    if label_smoothing:
        smoothed = F.cross_entropy(logits.double(), labels, label_smoothing=label_smoothing)
    confusion = torch.bincount(labels * k + logits.argmax(1), minlength=k * k).reshape(k, k)
    counts = confusion.sum(1).double()
    loss_sums = torch.zeros(k, dtype=torch.float64).index_add_(0, labels, losses)
    return Evaluation(
        loss=losses.mean().item(),
        smoothed_loss=smoothed.item(),
        accuracy=confusion.diagonal().sum().item() / len(labels),
        loss_by_class=(loss_sums / counts).tolist(),
        accuracy_by_class=(confusion.diagonal() / counts).tolist(),
        confusion=confusion,
    )
