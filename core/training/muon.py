"""Muon for convolutions: momentum SGD whose steps are made orthogonal.

After Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), and its use for CIFAR-10 in
airbench94_muon. PyTorch's ``torch.optim.Muon`` takes only matrices, one at a time, and computes in bf16 even on a CPU
without bf16 instructions; this one takes kernels of any shape, all kernels of a shape together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from core.training.graphs import join_lanes, lane

#: Coefficients of the quintic iteration, and how often it is applied; singular values end between 0.7 and 1.2.
COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5


def orthogonal(matrices: Tensor) -> Tensor:
    """Return approximately the nearest semi-orthogonal matrices to ``matrices`` (B, m, n): U·S'·Vᵀ with S' near 1.

    Newton–Schulz iteration x ← (aI + bG + cG²)·x with G = x·xᵀ and Jordan's coefficients, which rise fastest at zero
    and do not quite converge. The factor p of a step is a polynomial in G, so the next G is p·G·p: the iteration
    needs only the small square matrices, and x once at the end.
    """
    a, b, c = COEFFICIENTS
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    x = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    gram = x @ x.mT
    product = torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device).expand_as(gram)
    for _ in range(ITERATIONS):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product, gram = factor @ product, factor @ gram @ factor
    x = product @ x
    return x if wide is matrices else x.mT


class Muon(torch.optim.Optimizer):
    """Momentum SGD that makes the step of each kernel orthogonal, then scales the kernel to the norm √c_out.

    ``kernels`` (c_out, c_in, h, w) are treated as matrices (c_out, c_in·h·w). As their norm is fixed, weight decay
    does not apply to them.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float, momentum: float = 0.6, nesterov: bool = True):
        super().__init__(kernels, {"lr": lr, "momentum": momentum, "nesterov": nesterov})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take one step along the current gradients."""
        assert closure is None, "closures are not supported"
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for kernel in group["params"]:
                if kernel.grad is not None:
                    by_shape[kernel.shape].append(kernel)
            for number, (shape, kernels) in enumerate(by_shape.items()):
                with lane(number):
                    matrices = torch.stack([kernel.flatten(1) for kernel in kernels])
                    matrices -= orthogonal(self._momenta(kernels, group)) * group["lr"]
                    matrices *= shape[0] ** 0.5 / matrices.norm(dim=(1, 2), keepdim=True)
                    torch._foreach_copy_(tuple(kernels), tuple(matrix.view(shape) for matrix in matrices))
        join_lanes()

    def _momenta(self, kernels: list[nn.Parameter], group: dict[str, Any]) -> Tensor:
        """Update the momenta of ``kernels`` of one shape; return the directions of the step, (B, c_out, c_in·h·w)."""
        gradients = tuple(kernel.grad for kernel in kernels if kernel.grad is not None)
        for kernel, gradient in zip(kernels, gradients, strict=True):
            if "momentum_buffer" not in self.state[kernel]:
                self.state[kernel]["momentum_buffer"] = torch.zeros_like(gradient)
        momenta = tuple(self.state[kernel]["momentum_buffer"] for kernel in kernels)
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, gradients)
        if group["nesterov"]:
            momenta = torch._foreach_add(gradients, momenta, alpha=group["momentum"])
        return torch.stack([momentum.flatten(1) for momentum in momenta])
