"""The fused operator for a GPU, run by Triton's interpreter on the CPU, against a computation in double precision."""

import copy
import itertools
import os

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("triton", reason="Triton has no package for this system")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("with a GPU, `python -m benchmarks.gpu agree` compares the compiled kernels", allow_module_level=True)

from core.model import cuda_norm

LAST = torch.channels_last


@pytest.fixture(scope="module")
def module():
    """The module, with blocks so small that several programs share a feature map."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_norm, "_VALUES", 512)
        patch.setattr(cuda_norm, "_PROGRAMS", 8)
        yield cuda_norm


def relative(ours: Tensor, theirs: Tensor) -> float:
    return ((ours.double() - theirs).norm() / theirs.norm()).item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize(("channels", "residual", "twice"), [(16, True, True), (24, False, False), (7, True, False)])
def test_it_agrees_with_double_precision(module, dtype, channels, residual, twice):
    rng = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    shape = (4, channels, 9, 7)
    x = (2 * draw(*shape) + 3).to(dtype).contiguous(memory_format=LAST).requires_grad_()
    added = draw(*shape).to(dtype).contiguous(memory_format=LAST).requires_grad_() if residual else None
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.weight.copy_(1 + 0.3 * draw(channels))
        norm.bias.copy_(draw(channels))
    exact = copy.deepcopy(norm).double()
    inputs = [x, norm.weight, norm.bias, *([added] if added is not None else [])]

    outputs = module.norm_add_relu(x, norm, added, twice=twice)
    assert [output.dtype for output in outputs] == [dtype] * (1 + twice)
    factors = [draw(*shape) for _ in outputs]
    ours = torch.autograd.grad(sum((y.float() * f).sum() for y, f in zip(outputs, factors, strict=True)), inputs)

    whole = [tensor.detach().double().requires_grad_() for tensor in (x, *([added] if added is not None else []))]
    y = F.relu(exact(whole[0]) + (whole[1] if residual else 0))
    exact_inputs = [whole[0], exact.weight, exact.bias, *whole[1:]]
    theirs = torch.autograd.grad((y * sum(factors).double()).sum(), exact_inputs)

    limit = 1e-6 if dtype == torch.float32 else 1e-2
    assert all(relative(output, y) < limit for output in outputs)
    for gradient, reference in zip(ours, theirs, strict=True):
        assert relative(gradient, reference) < limit
    for name in ("running_mean", "running_var"):
        assert relative(getattr(norm, name), getattr(exact, name)) < 1e-6
    assert int(norm.num_batches_tracked) == 1


def test_values_far_from_zero_lose_no_digits(module):
    """Their squares have no room for the variance in fp32."""
    x = 1_000 + torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=LAST)
    norm = nn.BatchNorm2d(8)
    (y,) = module.norm_add_relu(x, norm)
    exact = F.relu(nn.BatchNorm2d(8).double()(x.double()))
    assert relative(y, exact) < 1e-4


def test_the_same_input_gives_the_same_bits(module):
    x = torch.randn(3, 16, 8, 8, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=LAST)
    results = [module.norm_add_relu(x, nn.BatchNorm2d(16))[0] for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in itertools.pairwise(results))


def test_a_training_that_diverged_shows(module):
    """As with PyTorch's operators, NaN goes through, forward and backward."""
    x = torch.ones(2, 8, 4, 4).contiguous(memory_format=LAST)
    x[1, 3, 2, 2] = torch.nan
    x.requires_grad_()
    norm = nn.BatchNorm2d(8)
    (y,) = module.norm_add_relu(x, norm)
    assert y.isnan().any(dim=(0, 2, 3)).tolist() == [channel == 3 for channel in range(8)]
    y.sum().backward()
    assert norm.weight.grad.isnan().tolist() == [channel == 3 for channel in range(8)]
    assert x.grad[:, 3].isnan().all()
