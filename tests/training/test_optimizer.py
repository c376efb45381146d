"""Which optimiser steps which parameters, and the penalty that weight decay stands for."""

import pytest
import torch
from torch import nn

from core.config.sections import TrainConfig
from core.model.resnet import ResNet
from core.training.optimizer import CombinedOptimizer, decayed_parameters, l2_penalty, make_optimizer

CPU = torch.device("cpu")


def test_muon_takes_the_kernels_and_sgd_all_else():
    model = ResNet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(optimizer="muon", lr=0.2, muon_lr=0.1, momentum=0.8, weight_decay=5e-4, nesterov=True)
    optimizer = make_optimizer(config, model, CPU)
    assert isinstance(optimizer, CombinedOptimizer)
    kernels, *rest = optimizer.param_groups
    assert all(weight.ndim == 4 for weight in kernels["params"])
    assert kernels["scale"] == 0.5
    assert all(weight.ndim < 4 for group in rest for weight in group["params"])
    assert [group["lr"] for group in rest] == [0.2]
    ids = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
    assert sorted(ids) == sorted(map(id, model.parameters()))


def test_the_penalty_counts_what_decay_acts_on():
    model = ResNet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(optimizer="muon", weight_decay=0.5)
    decayed = decayed_parameters(config, model)
    assert all(weight.ndim < 4 for weight in decayed)
    squares = sum(float((weight.detach() ** 2).sum()) for weight in model.parameters() if weight.ndim < 4)
    assert l2_penalty(config, decayed) == pytest.approx(0.25 * squares, rel=1e-5)


def test_without_decayed_parameters_there_is_no_penalty():
    model = ResNet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(optimizer="muon", decay_on="kernels", weight_decay=0.5)
    assert decayed_parameters(config, model) == []
    assert l2_penalty(config, []) == 0.0


def test_a_state_of_another_optimizer_is_refused():
    model = ResNet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    muon = make_optimizer(TrainConfig(optimizer="muon"), model, CPU)
    sgd = make_optimizer(TrainConfig(), model, CPU)
    with pytest.raises(KeyError):
        muon.load_state_dict(sgd.state_dict())


def test_the_penalty_is_half_the_decay_times_the_squares():
    weights = [nn.Parameter(torch.tensor([1.0, -2.0])), nn.Parameter(torch.tensor([[3.0]]))]
    assert l2_penalty(TrainConfig(weight_decay=0.01), weights) == pytest.approx(0.5 * 0.01 * 14)
    assert l2_penalty(TrainConfig(weight_decay=0.01, optimizer="adamw"), weights) == 0


@pytest.mark.parametrize(("decay_on", "count"), [("all", 273_066), ("weights", 270_896), ("kernels", 270_256)])
def test_decay_acts_on_the_parameters_it_names(decay_on, count):
    config, model = TrainConfig(weight_decay=0.01, decay_on=decay_on), ResNet(shortcut="report")
    optimizer = make_optimizer(config, model, CPU)
    counts = {
        group["weight_decay"]: sum(weight.numel() for weight in group["params"]) for group in optimizer.param_groups
    }
    assert counts.pop(0.01) == count
    assert sum(counts.values()) == 273_066 - count
