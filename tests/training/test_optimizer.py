"""Muon against PyTorch's own on matrices, and who steps what when it is together with SGD."""

import pytest
import torch
from torch import nn

from core.config.sections import TrainConfig
from core.model import resnet
from core.training.muon import Muon, orthogonal
from core.training.optimizer import Together, make_optimizer, penalty, pulled_to_zero

CPU = torch.device("cpu")


def chance(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 16, 27), (2, 64, 64), (2, 27, 16)])
def test_singular_values_end_near_one_along_the_same_directions(shape):
    matrices = chance(*shape)
    found = orthogonal(matrices)
    assert found.shape == matrices.shape
    values = torch.linalg.svdvals(found)
    assert 0.65 < values.quantile(0.05)  # the smallest of a square matrix are all but zero before
    assert values.max() < 1.25
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ found @ v.mT  # diagonal in the basis of the matrix itself
    assert (inner - torch.diag_embed(inner.diagonal(dim1=1, dim2=2))).abs().max() < 1e-3


def test_steps_agree_with_pytorchs_muon_but_for_the_norm():
    ours, theirs = (nn.Parameter(chance(16, 3, 3, 3).contiguous(memory_format=layout)) for layout in
                    (torch.channels_last, torch.contiguous_format))  # fmt: skip
    flat = nn.Parameter(theirs.detach().flatten(1).clone())
    muon = Muon([ours], lr=0.05, momentum=0.6)
    reference = torch.optim.Muon([flat], lr=0.05, momentum=0.6, weight_decay=0.0, nesterov=True)
    for step in range(4):
        gradient = chance(16, 3, 3, 3, seed=step + 1)
        ours.grad = gradient.contiguous(memory_format=torch.channels_last)
        flat.grad = gradient.flatten(1)
        muon.step()
        reference.step()
        flat.data.mul_(4.0 / flat.norm())  # √16 filters
    assert ours.norm().item() == pytest.approx(4.0, rel=1e-5)
    # PyTorch's computes in bf16, which has three digits.
    torch.testing.assert_close(ours.detach().flatten(1), flat.detach(), rtol=0.05, atol=0.02)
    assert torch.nn.functional.cosine_similarity(ours.detach().flatten(), flat.detach().flatten(), dim=0) > 0.9995


def test_kernels_of_one_shape_are_stepped_as_they_would_be_alone():
    first, second = (nn.Parameter(chance(8, 4, 3, 3, seed=seed)) for seed in (1, 2))
    alone = nn.Parameter(first.detach().clone())
    together, single = Muon([first, second], lr=0.1), Muon([alone], lr=0.1)
    for step in range(3):
        first.grad = alone.grad = chance(8, 4, 3, 3, seed=10 + step)
        second.grad = chance(8, 4, 3, 3, seed=20 + step)
        together.step()
        single.step()
    torch.testing.assert_close(first, alone)


def test_muon_takes_the_kernels_and_sgd_all_else():
    model = resnet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(optimizer="muon", lr=0.2, muon_lr=0.1, momentum=0.8, weight_decay=5e-4, nesterov=True)
    optimizer = make_optimizer(config, model, CPU)
    assert isinstance(optimizer, Together)
    kernels, *rest = optimizer.param_groups
    assert all(one.ndim == 4 for one in kernels["params"])
    assert kernels["scale"] == 0.5
    assert all(one.ndim < 4 for group in rest for one in group["params"])
    assert [group["lr"] for group in rest] == [0.2]
    every = [id(one) for group in optimizer.param_groups for one in group["params"]]
    assert sorted(every) == sorted(map(id, model.parameters()))


def test_the_penalty_is_of_what_decay_acts_on():
    model = resnet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(optimizer="muon", weight_decay=0.5)
    pulled = pulled_to_zero(config, model)
    assert all(one.ndim < 4 for one in pulled)
    squares = sum(float((one.detach() ** 2).sum()) for one in model.parameters() if one.ndim < 4)
    assert penalty(config, pulled) == pytest.approx(0.25 * squares, rel=1e-5)


def test_without_anything_to_decay_there_is_no_penalty():
    model = resnet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(optimizer="muon", decay_on="kernels", weight_decay=0.5)
    assert pulled_to_zero(config, model) == []
    assert penalty(config, []) == 0.0


def test_a_state_of_another_optimizer_is_refused():
    model = resnet(8, 10, 4, generator=torch.Generator().manual_seed(0))
    muon = make_optimizer(TrainConfig(optimizer="muon"), model, CPU)
    sgd = make_optimizer(TrainConfig(), model, CPU)
    with pytest.raises(KeyError):
        muon.load_state_dict(sgd.state_dict())
