"""A 3×3 convolution of 16 channels on a GPU, as a Triton kernel.

Stage 1 of ResNet-20 has 16 channels, fewer than cuDNN's kernels are made for: they take about ten times what the bytes
of its feature maps need. Here a program holds the 16 output channels of a block of pixels and adds nine matrix
products, one for each pixel of the kernel.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

#: Channels that the kernel is for, and pixels of a program.
CHANNELS, _PIXELS = 16, 128


@triton.jit(do_not_specialize=("pixels", "height", "width", "has_bias"))
def _kernel(
    x, weight, bias, y, pixels, height, width, has_bias,
    BACKWARD: tl.constexpr, C: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Convolve ``x``; with ``BACKWARD``, with the kernel turned by 180° and its two channels exchanged."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = (pixel // width) % height, pixel % width
    channel = tl.arange(0, C)
    total = tl.zeros((BLOCK, C), tl.float32)
    for tap in tl.static_range(9):
        down, right = tap // 3 - 1, tap % 3 - 1
        inside = (row + down >= 0) & (row + down < height) & (column + right >= 0) & (column + right < width)
        place = (pixel + down * width + right)[:, None] * C + channel[None, :]
        values = tl.load(x + place, mask=(inside & (pixel < pixels))[:, None], other=0.0)
        if BACKWARD:  # rows are output channels, columns input channels
            factors = tl.load(weight + channel[:, None] * 9 * C + (8 - tap) * C + channel[None, :])
        else:
            factors = tl.load(weight + channel[None, :] * 9 * C + tap * C + channel[:, None])
        total += tl.dot(values, factors)
    if has_bias:
        total += tl.load(bias + channel)[None, :].to(tl.float32)
    tl.store(y + pixel[:, None] * C + channel[None, :], total, mask=(pixel < pixels)[:, None])


def suits(module: nn.Conv2d, images: Tensor) -> bool:
    """Return whether :func:`convolve` can compute what ``module`` does with ``images``."""
    shape = (CHANNELS, CHANNELS, 3, 3)
    geometry = module.stride, module.padding, module.dilation, module.groups
    is_half = images.dtype == module.weight.dtype == torch.bfloat16
    return images.is_cuda and is_half and module.weight.shape == shape and geometry == ((1, 1), (1, 1), (1, 1), 1)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, backward: bool = False) -> Tensor:
    """Return the convolution of ``x`` (N, 16, h, w), bf16, with ``weight`` (16, 16, 3, 3), of the same size.

    With ``backward``, the gradient of the input from ``x``, the gradient of the output.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    weight = weight.contiguous(memory_format=torch.channels_last)
    images, channels, height, width = x.shape
    pixels = images * height * width
    y = torch.empty_like(x)
    _kernel[(triton.cdiv(pixels, _PIXELS),)](
        *(x, weight, x if bias is None else bias, y, pixels, height, width, int(bias is not None)),
        BACKWARD=backward,
        C=channels,
        BLOCK=_PIXELS,
        num_warps=4,
    )
    return y
