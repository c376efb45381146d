"""Muon against PyTorch's own on matrices."""

import pytest
import torch
from torch import nn

from core.training.muon import Muon, orthogonal


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 16, 27), (2, 64, 64), (2, 27, 16)])
def test_singular_values_end_near_one_along_the_same_directions(shape):
    matrices = random(*shape)
    result = orthogonal(matrices)
    assert result.shape == matrices.shape
    values = torch.linalg.svdvals(result)
    assert 0.65 < values.quantile(0.05)  # the smallest of a square matrix are all but zero before
    assert values.max() < 1.25
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ result @ v.mT  # diagonal in the basis of the matrix itself
    assert (inner - torch.diag_embed(inner.diagonal(dim1=1, dim2=2))).abs().max() < 1e-3


def test_steps_agree_with_pytorchs_muon_but_for_the_norm():
    ours, theirs = (
        nn.Parameter(random(16, 3, 3, 3).contiguous(memory_format=layout))
        for layout in (torch.channels_last, torch.contiguous_format)
    )
    flat = nn.Parameter(theirs.detach().flatten(1).clone())
    muon = Muon([ours], lr=0.05, momentum=0.6)
    reference = torch.optim.Muon([flat], lr=0.05, momentum=0.6, weight_decay=0.0, nesterov=True)
    for step in range(4):
        gradient = random(16, 3, 3, 3, seed=step + 1)
        ours.grad = gradient.contiguous(memory_format=torch.channels_last)
        flat.grad = gradient.flatten(1)
        muon.step()
        reference.step()
        flat.data.mul_(4.0 / flat.norm())  # √16 filters
    assert ours.norm().item() == pytest.approx(4.0, rel=1e-5)
    # PyTorch's computes in bf16, which has three digits.
    torch.testing.assert_close(ours.detach().flatten(1), flat.detach(), rtol=0.05, atol=0.02)
    assert torch.nn.functional.cosine_similarity(ours.detach().flatten(), flat.detach().flatten(), dim=0) > 0.9995


def test_kernels_of_one_shape_take_the_same_steps_together_and_alone():
    first, second = (nn.Parameter(random(8, 4, 3, 3, seed=seed)) for seed in (1, 2))
    alone = nn.Parameter(first.detach().clone())
    together, single = Muon([first, second], lr=0.1), Muon([alone], lr=0.1)
    for step in range(3):
        first.grad = alone.grad = random(8, 4, 3, 3, seed=10 + step)
        second.grad = random(8, 4, 3, 3, seed=20 + step)
        together.step()
        single.step()
    torch.testing.assert_close(first, alone)
