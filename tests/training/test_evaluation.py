"""Evaluation against the definitions, on known logits."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.data.task import ImageSet, Normalization
from core.training.environment import Environment
from core.training.evaluation import evaluate

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 2] * 60)


class PixelsAsLogits(nn.Module):
    """Logits are three pixels of the image."""

    def forward(self, x):
        return x[:, 0, 0, :3]


def image_set():
    images = torch.randint(0, 256, (600, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageSet(images, LABELS, np.arange(600))


def test_results_agree_with_their_definitions():
    data, plain = image_set(), Normalization(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    logits = data.images[:, 0, 0, :3] / 255
    got = evaluate(PixelsAsLogits(), data, plain, Environment("cpu", "fp32", 1), label_smoothing=0.1)
    losses = F.cross_entropy(logits, LABELS, reduction="none")
    right = logits.argmax(1) == LABELS
    assert got.loss == pytest.approx(losses.mean().item(), rel=1e-6)
    assert got.smoothed_loss == pytest.approx(F.cross_entropy(logits, LABELS, label_smoothing=0.1).item(), rel=1e-5)
    assert got.accuracy == pytest.approx(right.float().mean().item())
    for label in range(3):
        assert got.accuracy_by_class[label] == pytest.approx(right[LABELS == label].float().mean().item())
        assert got.loss_by_class[label] == pytest.approx(losses[LABELS == label].mean().item(), rel=1e-5)
        for predicted in range(3):
            count = ((LABELS == label) & (logits.argmax(1) == predicted)).sum().item()
            assert got.confusion[label, predicted] == count
    assert got.to_dict()["images"] == 600
