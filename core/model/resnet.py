"""ResNet for 32×32 images, after He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition"
(arXiv:1512.03385), section 4.2: a 3×3 convolution, three stages of n basic blocks with 16, 32 and 64
channels at 32×32, 16×16 and 8×8 pixels, global average pooling, one linear layer: 6n+2 layers with weights.

Where a block changes the shape, its shortcut is one of three kinds:

- ``A``: keep every second pixel and add zero channels, half of them before and half after; no weights.
- ``B``: 1×1 convolution of stride 2 with batch norm.
- ``report``: as in the report (and Keras's example): 1×1 convolution of stride 2 without batch norm; all
  convolutions have a bias; batch norm has momentum 0.01 and ε 1e-3; all layers start from He-normal weights.
- ``keras``: like ``report``, with the initial weights that Keras drew when the report was written.

The state dict lists tensors in the order of a forward pass (stem; blocks: conv, norm, conv, norm,
shortcut; classifier), so that weights published for CIFAR ResNets load by position.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.config.run_config import RunConfig
from core.model import fused
from core.model.layers import KERAS_LIKE, block_channels


class ResNet(nn.Module):
    """Logits (N, num_classes) from normalised images (N, 3, 32, 32).

    ``depth`` is 6n+2; the first stage has ``width`` channels. Initial weights come from ``generator`` (by default
    PyTorch's global one, which all threads share). Raises ValueError for another depth or an unknown shortcut.
    """

    def __init__(
        self,
        depth: int = 20,
        num_classes: int = 10,
        width: int = 16,
        shortcut: str = "A",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f"depth must be 6n+2 (8, 14, 20, 32, 44, 56, 110), not {depth}")
        if shortcut not in ("A", "B", *KERAS_LIKE):
            raise ValueError(f"shortcut must be A, B, report or keras, not {shortcut}")
        self.conv = conv(3, width, 3, 1, shortcut)
        self.norm = norm(width, shortcut)
        self.blocks = nn.Sequential(*(Block(*channels, shortcut) for channels in block_channels(depth, width)))
        self.classifier = nn.Linear(4 * width, num_classes)
        for module in self.modules():
            initialize(module, shortcut, generator)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        x = self._fused(images_NCHW) if self._may_fuse(images_NCHW) else self._stock(images_NCHW)
        return self.classifier(x.mean(dim=(2, 3)))

    def _stock(self, images_NCHW: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(images_NCHW)), inplace=True)
        return self.blocks(x)

    def _fused(self, images_NCHW: Tensor) -> Tensor:
        """Compute the same with the operator of :mod:`core.model.fused`; a block's input comes as two tensors."""
        x = fused.norm_add_relu(self.conv(images_NCHW), self.norm, twice=True)
        *blocks, last = self._blocks()
        for block in blocks:
            x = block.fused(*x, twice=True)
        return last.fused(*x, twice=False)[0]

    def _may_fuse(self, images_NCHW: Tensor) -> bool:
        if not self.training:
            return False
        blocks = self._blocks()
        norms = [self.norm, *(norm for block in blocks for norm in (block.norm1, block.norm2))]
        return fused.usable(images_NCHW, norms, [self.blocks, *blocks])

    def _blocks(self) -> list["Block"]:
        return list(self.blocks.children())  # type: ignore[arg-type]


def make_network(config: RunConfig, generator: torch.Generator | None = None) -> ResNet:
    """Return the network of a config, on the CPU, with initial weights from ``generator``."""
    model = config.model
    return ResNet(model.depth, len(config.data.classes), model.width, model.shortcut, generator)


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut; halves the resolution where the number of channels changes."""

    def __init__(self, c_in: int, c_out: int, shortcut: str):
        super().__init__()
        stride = 1 if c_in == c_out else 2
        self.conv1 = conv(c_in, c_out, 3, stride, shortcut)
        self.norm1 = norm(c_out, shortcut)
        self.conv2 = conv(c_out, c_out, 3, 1, shortcut)
        self.norm2 = norm(c_out, shortcut)
        self.shortcut = nn.Identity() if stride == 1 else projection(c_in, c_out, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        y += self.shortcut(x)  # in place, like the ReLU: needs no memory beyond the norm's output
        return F.relu(y, inplace=True)

    def fused(self, x: Tensor, x_again: Tensor, *, twice: bool) -> list[Tensor]:
        """Compute the same from two tensors that share memory, so that the gradients of both uses of ``x`` are added
        by :func:`core.model.fused.norm_add_relu`. Returns two such tensors with ``twice``, else one.
        """
        (y,) = fused.norm_add_relu(self.conv1(x), self.norm1)
        return fused.norm_add_relu(self.conv2(y), self.norm2, self.shortcut(x_again), twice=twice)


class SubsampleAndPad(nn.Module):
    """Shortcut A: every second pixel, and zero channels on both sides up to ``c_out`` channels."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.before = (c_out - c_in) // 2
        self.after = c_out - c_in - self.before

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


def projection(c_in: int, c_out: int, shortcut: str) -> nn.Module:
    """Return the shortcut of a block that changes the shape."""
    if shortcut == "A":
        return SubsampleAndPad(c_in, c_out)
    projected = conv(c_in, c_out, 1, 2, shortcut)
    return projected if shortcut in KERAS_LIKE else nn.Sequential(projected, norm(c_out, shortcut))


def conv(c_in: int, c_out: int, kernel: int, stride: int, shortcut: str) -> nn.Conv2d:
    """Return a convolution that keeps the image's size except for its stride."""
    if shortcut in KERAS_LIKE and stride == 2 and kernel == 3:
        return SameConv2d(c_in, c_out, kernel, stride, bias=True)
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=shortcut in KERAS_LIKE)


class SameConv2d(nn.Conv2d):
    """A 3×3 convolution of stride 2 with Keras's ``same`` padding: for an even side, only right and below."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 1, 0, 1)))


def norm(channels: int, shortcut: str) -> nn.BatchNorm2d:
    """Return batch norm with PyTorch's constants, or the report's (Keras's momentum 0.99 is 0.01 in PyTorch)."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01) if shortcut in KERAS_LIKE else nn.BatchNorm2d(channels)


def initialize(module: nn.Module, shortcut: str, generator: torch.Generator | None) -> None:
    """Set a layer's initial weights: He-normal for convolutions (arXiv:1502.01852), uniform for the classifier.

    The report uses Keras's truncated He-normal for all layers, the last one too, with biases of zero. Until April 2018
    and later, Keras and TensorFlow truncated at two deviations without correcting for it, so that the weights had 0.88
    times the deviation of He et al. (keras-team/keras#8048 and #9963, tensorflow/tensorflow#19081). The report used
    TensorFlow 1.5, of January 2018: ``keras`` draws as they did, ``report`` with the correction.
    """
    if shortcut in KERAS_LIKE and isinstance(module, nn.Conv2d | nn.Linear):
        fan_in = module.weight[0].numel()
        std = (2 / fan_in) ** 0.5
        if shortcut == "report":
            # Divided by the deviation of a unit normal truncated at ±2, so that the result has the wanted one.
            std /= 0.87962566103423978
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
    elif isinstance(module, nn.Linear):
        bound = module.in_features**-0.5
        nn.init.uniform_(module.weight, -bound, bound, generator=generator)
        nn.init.uniform_(module.bias, -bound, bound, generator=generator)
