"""Muon for convolutions: steps of which every direction is equally long.

After Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), and its use for CIFAR-10 in
airbench94_muon. PyTorch's own ``torch.optim.Muon`` takes matrices alone, one at a time, and computes in bf16, even
where the processor has no instructions for it; this one takes kernels as they are, those of one shape together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

#: Of the quintic iteration, and how often it is applied; singular values end between 0.7 and 1.2.
COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest semi-orthogonal matrices to ``matrices`` (B, m, n): U·S'·Vᵀ with S' near one.

    Newton and Schulz's iteration x ← (aI + bG + cG²)·x, G = x·xᵀ, with Jordan's coefficients, which are steepest at
    zero and do not quite converge. A step's factor p is a polynomial in G, so that the next G is p·G·p: the iteration
    needs the small square matrices alone, and x once at its end.
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
    """Momentum whose sum is made orthogonal before it is applied; afterwards a kernel of ``c_out`` filters is scaled
    to the norm √c_out, so that its size says nothing and weight decay has nothing to do.

    ``kernels`` are (c_out, c_in, h, w) and count as matrices (c_out, c_in·h·w).
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float, momentum: float = 0.6, nesterov: bool = True):
        super().__init__(kernels, {"lr": lr, "momentum": momentum, "nesterov": nesterov})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients at hand."""
        assert closure is None, "this optimiser does not compute losses itself"
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for kernel in group["params"]:
                if kernel.grad is not None:
                    alike[kernel.shape].append(kernel)
            for kernels in alike.values():
                sums = torch.stack([self._momentum(one, group).flatten(1) for one in kernels])
                for kernel, direction in zip(kernels, orthogonal(sums), strict=True):
                    kernel.sub_(direction.view(kernel.shape), alpha=group["lr"])
                    kernel.mul_(len(kernel) ** 0.5 / kernel.norm())

    def _momentum(self, kernel: nn.Parameter, group: dict[str, Any]) -> Tensor:
        state, gradient = self.state[kernel], kernel.grad
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        kept: Tensor = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        return gradient.add(kept, alpha=group["momentum"]) if group["nesterov"] else kept
