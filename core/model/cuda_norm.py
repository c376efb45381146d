"""The fused operator for training on a GPU: batch norm, addition and ReLU in two passes each way, as Triton kernels.

PyTorch starts six kernels for what happens between two convolutions, and five on the way back; each reads and writes
the whole feature map. Here the first pass sums over the channels and the second one normalises, adds and cuts off at
zero; on the way back the first pass cuts off the gradient and sums, the second one gives the gradient of the input. As
partial sums are added in a fixed order, the same input gives the same bits.

Feature maps are (N, c, h, w) with channels last in memory, which the kernels see as N·h·w rows of c values.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

#: Values that a program of a kernel holds at once, with how many warps, and how many programs there are at most.
_VALUES, _WARPS, _PROGRAMS = 4_096, 8, 256

#: Arguments that are only read when a kernel runs. Triton would compile a kernel anew, a second each time, for a number
#: that is 1 or a multiple of 16, and each size of a batch or an image would have other such numbers.
_SIZES = ("rows", "blocks", "programs", "has_residual", "twice", "keep")


@triton.jit(do_not_specialize=_SIZES)
def _sums_kernel(x, partial, rows, blocks, C: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr):
    """Sum x − x[0] and its square over the rows of this program: ``partial`` (programs, 2, C)."""
    program, channels = tl.program_id(0), tl.arange(0, BLOCK_C)
    valid = channels < C
    shift = tl.load(x + channels, mask=valid, other=0.0).to(tl.float32)
    first = tl.zeros((BLOCK_M, BLOCK_C), tl.float32)
    second = tl.zeros((BLOCK_M, BLOCK_C), tl.float32)
    for block in range(blocks):
        row = (program * blocks + block) * BLOCK_M + tl.arange(0, BLOCK_M)
        inside = (row < rows)[:, None] & valid[None, :]
        value = tl.load(x + row[:, None] * C + channels[None, :], mask=inside, other=0.0).to(tl.float32)
        value = tl.where(inside, value - shift[None, :], 0.0)
        first += value
        second += value * value
    place = partial + program * 2 * C + channels
    tl.store(place, tl.sum(first, 0), mask=valid)
    tl.store(place + C, tl.sum(second, 0), mask=valid)


@triton.jit
def _combined(partial, programs, C: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr):
    """Return the two sums over all programs, (BLOCK_C,) each."""
    channels, index = tl.arange(0, BLOCK_C), tl.arange(0, BLOCK_P)
    inside = (index < programs)[:, None] & (channels < C)[None, :]
    place = partial + index[:, None] * 2 * C + channels[None, :]
    first = tl.sum(tl.load(place, mask=inside, other=0.0), 0)
    second = tl.sum(tl.load(place + C, mask=inside, other=0.0), 0)
    return first, second


@triton.jit
def _relu(value):
    """Return the larger of ``value`` and 0. Keeps NaN, which ``tl.maximum`` turns to 0: a diverged training shows."""
    return tl.where(value <= 0.0, 0.0, value)


@triton.jit(do_not_specialize=_SIZES)
def _apply_kernel(
    x, residual, y, weight, bias, running_mean, running_var, counter, saved, partial,
    rows, blocks, programs, has_residual, eps, momentum,
    C: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """Normalise, add the residual and cut off at zero. The first program updates the running statistics and keeps mean
    and 1/deviation in ``saved`` (2, C).
    """
    program, channels = tl.program_id(0), tl.arange(0, BLOCK_C)
    valid = channels < C
    shift = tl.load(x + channels, mask=valid, other=0.0).to(tl.float32)
    first, second = _combined(partial, programs, C, BLOCK_P, BLOCK_C)
    offset = first / rows
    mean = shift + offset
    variance = _relu(second / rows - offset * offset)
    inverse = 1.0 / tl.sqrt(variance + eps)
    if program == 0:
        tl.store(saved + channels, mean, mask=valid)
        tl.store(saved + C + channels, inverse, mask=valid)
        old_mean = tl.load(running_mean + channels, mask=valid, other=0.0)
        old_var = tl.load(running_var + channels, mask=valid, other=0.0)
        unbiased = variance * (rows / tl.maximum(rows - 1.0, 1.0))
        tl.store(running_mean + channels, old_mean + momentum * (mean - old_mean), mask=valid)
        tl.store(running_var + channels, old_var + momentum * (unbiased - old_var), mask=valid)
        tl.store(counter, tl.load(counter) + 1)
    scale = tl.load(weight + channels, mask=valid, other=0.0).to(tl.float32) * inverse
    add = tl.load(bias + channels, mask=valid, other=0.0).to(tl.float32) - mean * scale
    for block in range(blocks):
        row = (program * blocks + block) * BLOCK_M + tl.arange(0, BLOCK_M)
        inside = (row < rows)[:, None] & valid[None, :]
        place = row[:, None] * C + channels[None, :]
        value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32) * scale[None, :] + add[None, :]
        if has_residual:
            value += tl.load(residual + place, mask=inside, other=0.0).to(tl.float32)
        tl.store(y + place, _relu(value), mask=inside)


@triton.jit(do_not_specialize=_SIZES)
def _gradient_sums_kernel(
    x, y, dy, dy_again, g, saved, partial, rows, blocks, twice, keep,
    C: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Cut off the gradient where the output is zero, and sum it and its product with the normalised input over the
    rows of this program: ``partial`` (programs, 2, C). With ``keep`` the gradient is written to ``g``.
    """
    program, channels = tl.program_id(0), tl.arange(0, BLOCK_C)
    valid = channels < C
    mean = tl.load(saved + channels, mask=valid, other=0.0)
    inverse = tl.load(saved + C + channels, mask=valid, other=0.0)
    first = tl.zeros((BLOCK_M, BLOCK_C), tl.float32)
    second = tl.zeros((BLOCK_M, BLOCK_C), tl.float32)
    for block in range(blocks):
        row = (program * blocks + block) * BLOCK_M + tl.arange(0, BLOCK_M)
        inside = (row < rows)[:, None] & valid[None, :]
        place = row[:, None] * C + channels[None, :]
        value = tl.load(dy + place, mask=inside, other=0.0).to(tl.float32)
        if twice:
            value += tl.load(dy_again + place, mask=inside, other=0.0).to(tl.float32)
        value = tl.where(tl.load(y + place, mask=inside, other=0.0).to(tl.float32) != 0.0, value, 0.0)
        if keep:
            tl.store(g + place, value, mask=inside)
        normal = (tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - mean[None, :]) * inverse[None, :]
        first += value
        second += value * normal
    place_of_sums = partial + program * 2 * C + channels
    tl.store(place_of_sums, tl.sum(first, 0), mask=valid)
    tl.store(place_of_sums + C, tl.sum(second, 0), mask=valid)


@triton.jit(do_not_specialize=_SIZES)
def _gradient_kernel(
    x, y, dy_again, g, dx, dweight, dbias, weight, saved, partial, rows, blocks, programs, twice, keep,
    C: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the input; the first program writes those of weight and bias. With ``keep``, ``g`` has
    the gradient that is cut off already.
    """
    program, channels = tl.program_id(0), tl.arange(0, BLOCK_C)
    valid = channels < C
    mean = tl.load(saved + channels, mask=valid, other=0.0)
    inverse = tl.load(saved + C + channels, mask=valid, other=0.0)
    first, second = _combined(partial, programs, C, BLOCK_P, BLOCK_C)
    if program == 0:
        tl.store(dbias + channels, first, mask=valid)
        tl.store(dweight + channels, second, mask=valid)
    scale = tl.load(weight + channels, mask=valid, other=0.0).to(tl.float32) * inverse
    first, second = first / rows, second / rows
    for block in range(blocks):
        row = (program * blocks + block) * BLOCK_M + tl.arange(0, BLOCK_M)
        inside = (row < rows)[:, None] & valid[None, :]
        place = row[:, None] * C + channels[None, :]
        value = tl.load(g + place, mask=inside, other=0.0).to(tl.float32)  # g is dy, unless it was kept
        if not keep:
            if twice:
                value += tl.load(dy_again + place, mask=inside, other=0.0).to(tl.float32)
            value = tl.where(tl.load(y + place, mask=inside, other=0.0).to(tl.float32) != 0.0, value, 0.0)
        normal = (tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - mean[None, :]) * inverse[None, :]
        tl.store(dx + place, scale[None, :] * (value - first[None, :] - normal * second[None, :]), mask=inside)


class _Grid:
    """How the rows of a feature map are shared among the programs of a kernel."""

    def __init__(self, x: Tensor):
        self.channels = x.shape[1]
        self.rows = x.numel() // self.channels
        self.block_c = triton.next_power_of_2(self.channels)
        self.block_m = max(1, _VALUES // self.block_c)
        whole = triton.cdiv(self.rows, self.block_m)
        self.blocks = triton.cdiv(whole, _PROGRAMS)
        self.programs = triton.cdiv(whole, self.blocks)

    def sizes(self) -> dict[str, int]:
        """Return the constants that all kernels take."""
        return {"C": self.channels, "BLOCK_M": self.block_m, "BLOCK_C": self.block_c, "num_warps": _WARPS}


class _NormAddRelu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None, norm: nn.BatchNorm2d, twice: bool
    ) -> tuple[Tensor, ...]:
        x = x.contiguous(memory_format=torch.channels_last)
        if residual is not None:
            residual = residual.contiguous(memory_format=torch.channels_last)
        grid = _Grid(x)
        y = torch.empty_like(x)
        partial = x.new_empty(grid.programs, 2, grid.channels, dtype=torch.float32)
        saved = x.new_empty(2, grid.channels, dtype=torch.float32)
        launch = (grid.programs,)
        _sums_kernel[launch](x, partial, grid.rows, grid.blocks, **grid.sizes())
        _apply_kernel[launch](
            *(x, x if residual is None else residual, y, weight, bias, norm.running_mean, norm.running_var),
            *(norm.num_batches_tracked, saved, partial, grid.rows, grid.blocks, grid.programs),
            *(int(residual is not None), norm.eps, norm.momentum),
            BLOCK_P=_PROGRAMS,
            **grid.sizes(),
        )
        ctx.save_for_backward(x, y, weight, saved)
        ctx.has_residual = residual is not None
        ctx.set_materialize_grads(False)
        return (y, y.detach()) if twice else (y,)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, y, weight, saved = ctx.saved_tensors
        given = [g.contiguous(memory_format=torch.channels_last) for g in gradients if g is not None]
        if not given:
            return (None,) * 6
        grid, twice = _Grid(x), len(given) == 2
        partial = x.new_empty(grid.programs, 2, grid.channels, dtype=torch.float32)
        keep = ctx.has_residual
        g, dx = (torch.empty_like(x) if keep else given[0]), torch.empty_like(x)
        dweight, dbias = torch.empty_like(weight), torch.empty_like(weight)
        launch, flags = (grid.programs,), (int(twice), int(keep))
        _gradient_sums_kernel[launch](
            *(x, y, given[0], given[-1], g, saved, partial, grid.rows, grid.blocks, *flags), **grid.sizes()
        )
        _gradient_kernel[launch](
            *(x, y, given[-1], g, dx, dweight, dbias, weight, saved, partial),
            *(grid.rows, grid.blocks, grid.programs, *flags),
            BLOCK_P=_PROGRAMS,
            **grid.sizes(),
        )
        return dx, dweight, dbias, (g if keep else None), None, None


def norm_add_relu(
    x: Tensor, norm: nn.BatchNorm2d, residual: Tensor | None = None, *, twice: bool = False
) -> list[Tensor]:
    """Return relu(norm(x) + residual) in training mode, and update the running statistics of ``norm``.

    ``x`` and ``residual``: (N, c, h, w), bf16 or fp32, on a GPU. With ``twice`` the result comes as two tensors that
    share memory, whose gradients are added on the way back.
    """
    return list(_NormAddRelu.apply(x, norm.weight, norm.bias, residual, norm, twice))
