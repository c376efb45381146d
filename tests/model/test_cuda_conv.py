"""The convolution of 16 channels for a GPU, run by Triton's interpreter on the CPU."""

import os

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("triton", reason="Triton has no package for this system")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("with a GPU, `python -m benchmarks.gpu agree` compares the compiled kernels", allow_module_level=True)

from core.model import cuda_conv


def relative(ours: Tensor, theirs: Tensor) -> float:
    return ((ours.double() - theirs).norm() / theirs.norm()).item()


@pytest.mark.parametrize("shape", [(2, 16, 8, 8), (3, 16, 5, 7)])
def test_it_agrees_with_double_precision(shape):
    """In fp16: Triton's interpreter has no matrix products in bf16."""
    rng = torch.Generator().manual_seed(0)
    x, gradient = (torch.randn(*shape, generator=rng).half() for _ in range(2))
    weight, bias = (0.1 * torch.randn(16, 16, 3, 3, generator=rng)).half(), torch.randn(16, generator=rng).half()
    exact = nn.Conv2d(16, 16, 3, padding=1).double()
    with torch.no_grad():
        exact.weight.copy_(weight)
        exact.bias.copy_(bias)
    inputs = x.double().requires_grad_()
    y = exact(inputs)
    (of_inputs,) = torch.autograd.grad(y, inputs, gradient.double())
    assert relative(cuda_conv.convolve(x, weight, bias), y) < 1e-3
    assert relative(cuda_conv.convolve(gradient, weight, backward=True), of_inputs) < 1e-3
    assert relative(cuda_conv.convolve(x, weight), y - bias.double()[:, None, None]) < 1e-3


def test_it_suits_nothing_on_the_cpu():
    conv = nn.Conv2d(16, 16, 3, padding=1).to(torch.bfloat16)
    assert not cuda_conv.suits(conv, torch.zeros(1, 16, 8, 8, dtype=torch.bfloat16))
