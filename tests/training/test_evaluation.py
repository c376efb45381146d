"""Evaluation against the definitions, on logits that are known."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.data.task import Normalization, Part
from core.training.environment import Environment
from core.training.evaluation import evaluate
from core.training.optimizer import make_optimizer, penalty
from tests.made import tiny_config

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 2] * 60)


class Reads(nn.Module):
    """Logits are three pixels of the picture."""

    def forward(self, x):
        return x[:, 0, 0, :3]


def part():
    images = torch.randint(0, 256, (600, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Part(images, LABELS, np.arange(600))


def test_figures_are_those_of_their_definitions():
    data, plain = part(), Normalization(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    logits = data.images[:, 0, 0, :3] / 255
    got = evaluate(Reads(), data, plain, Environment("cpu", "fp32", 1), label_smoothing=0.1)
    losses = F.cross_entropy(logits, LABELS, reduction="none")
    right = logits.argmax(1) == LABELS
    assert got.loss == pytest.approx(losses.mean().item(), rel=1e-6)
    assert got.smoothed_loss == pytest.approx(F.cross_entropy(logits, LABELS, label_smoothing=0.1).item(), rel=1e-5)
    assert got.accuracy == pytest.approx(right.float().mean().item())
    for label in range(3):
        assert got.accuracy_by_class[label] == pytest.approx(right[LABELS == label].float().mean().item())
        assert got.loss_by_class[label] == pytest.approx(losses[LABELS == label].mean().item(), rel=1e-5)
        for told in range(3):
            count = ((LABELS == label) & (logits.argmax(1) == told)).sum().item()
            assert got.confusion[label, told] == count
    assert got.to_dict()["images"] == 600


def test_the_penalty_is_half_the_decay_times_the_squares():
    weights = [torch.tensor([1.0, -2.0]), torch.tensor([[3.0]])]
    config = tiny_config("train.weight_decay=0.01").train
    assert penalty(config, weights) == pytest.approx(0.5 * 0.01 * 14)
    assert penalty(tiny_config("train.optimizer=adamw").train, weights) == 0


@pytest.mark.parametrize(("which", "pulled"), [("all", {0.01}), ("kernels", {0.01, 0.0})])
def test_decay_reaches_only_what_it_names(which, pulled):
    from core.model import resnet

    config = tiny_config("train.weight_decay=0.01", f"train.decay_on={which}").train
    model = resnet(8, width=4)
    optimizer = make_optimizer(config, model, torch.device("cpu"))
    assert {group["weight_decay"] for group in optimizer.param_groups} == pulled
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    assert len(parameters) == len(list(model.parameters()))
