"""A network that computes in bf16 with weights of its own, beside the one in fp32 that is trained and kept.

Autocast converts each weight before its convolution, and each gradient after it: two small kernels for every layer.
Here all weights are converted by one kernel before a step, and all gradients by one after it; rounding is the same.
The gradients of a convolution's weights, for which nothing else waits, are computed in a lane of their own.
"""

import copy
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from core.training.graphs import lane

#: Lanes that the gradients of the weights take in turn.
LANES = 4


class HalfNetwork:
    """Computes what ``network`` computes under autocast in bf16. Batch norms are shared with it and stay in fp32.

    With ``own_kernels``, convolutions of 16 channels on CUDA use :mod:`core.model.cuda_conv`.
    """

    def __init__(self, network: nn.Module, own_kernels: bool = True):
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        self.network = copy.deepcopy(network, {id(norm): norm for norm in norms})
        shared = {id(parameter) for norm in norms for parameter in norm.parameters()}
        self._whole, self._half = [], []
        for whole, half in zip(network.parameters(), self.network.parameters(), strict=True):
            if id(whole) not in shared:
                half.data = half.data.to(torch.bfloat16)
                self._whole.append(whole)
                self._half.append(half)
        convolutions = [module for module in self.network.modules() if isinstance(module, nn.Conv2d)]
        for number, module in enumerate(convolutions):
            module._conv_forward = partial(_convolve, module, number % LANES, own_kernels)  # type: ignore[method-assign]
        self._gradients = tuple(torch.empty_like(whole) for whole in self._whole)

    @torch.no_grad()
    def refresh(self) -> None:
        """Take the weights of the network in fp32, and forget the gradients."""
        torch._foreach_copy_(tuple(self._half), tuple(self._whole))
        for half in self._half:
            half.grad = None

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits (N, k), bf16, of normalised images (N, 3, s, s) of any type."""
        return self.network(images.to(torch.bfloat16))

    @torch.no_grad()
    def give_gradients(self) -> None:
        """Give the gradients, when all lanes are joined, to the network in fp32."""
        torch._foreach_copy_(self._gradients, tuple(cast(Tensor, half.grad) for half in self._half))
        for whole, gradient in zip(self._whole, self._gradients, strict=True):
            whole.grad = gradient


def _convolve(
    module: nn.Conv2d, number: int, own_kernels: bool, images: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    return _Convolution.apply(images, weight, bias, module, number, own_kernels)


def _small(module: nn.Conv2d, images: Tensor) -> bool:
    """Return whether a kernel of ours convolves ``images`` with ``module``."""
    if not images.is_cuda:
        return False
    from core.model import cuda_conv  # needs Triton

    return cuda_conv.suits(module, images)


class _Convolution(torch.autograd.Function):
    """A convolution that leaves the gradients of its weights with the module, instead of handing them on."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, module: nn.Conv2d, number: int, own_kernels: bool
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.module, ctx.lane, ctx.small = module, number, own_kernels and _small(module, images)
        if ctx.small:
            from core.model import cuda_conv

            return cuda_conv.convolve(images, weight, bias)
        return torch.conv2d(images, weight, bias, module.stride, module.padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, None, None, None]:
        images, weight = ctx.saved_tensors
        module: nn.Conv2d = ctx.module
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        sizes = None if module.bias is None else list(module.bias.shape)

        def gradients(*wanted: bool) -> tuple[Tensor, Tensor, Tensor]:
            geometry = module.stride, module.padding, module.dilation, False, [0, 0], module.groups
            return torch.ops.aten.convolution_backward(gradient, images, weight, sizes, *geometry, wanted)

        with lane(ctx.lane, images, gradient):
            _, module.weight.grad, of_bias = gradients(False, True, sizes is not None)
        if module.bias is not None:
            module.bias.grad = of_bias
        of_images = None
        if ctx.needs_input_grad[0] and ctx.small:
            from core.model import cuda_conv

            of_images = cuda_conv.convolve(gradient, weight, backward=True)
        elif ctx.needs_input_grad[0]:
            of_images, _, _ = gradients(True, False, False)
        return of_images, None, None, None, None, None
