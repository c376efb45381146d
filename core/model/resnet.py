"""ResNet for 32×32 images, after He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition"
(arXiv:1512.03385), section 4.2: a 3×3 convolution, three stages of n basic blocks with 16, 32 and 64
channels at 32×32, 16×16 and 8×8, global average pooling, one linear layer: 6n+2 layers with weights.

Three kinds of shortcut where the shape changes:

- ``A``: every second pixel, the missing channels zero, half of them before and half after; no weights.
- ``B``: 1×1 convolution of stride 2 with batch norm.
- ``report``: as in the published study (Keras's example): 1×1 convolution of stride 2 without batch
  norm; every convolution has a bias; batch norm with momentum 0.01 and ε 1e-3; He-normal weights in
  all layers, the last too.

Tensors of the state dict come in the order of a forward pass (stem, blocks: conv, norm, conv, norm,
shortcut; classifier), so that weights published for CIFAR ResNets load by position.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHORTCUTS = ("A", "B", "report")


def resnet(
    depth: int = 20,
    num_classes: int = 10,
    width: int = 16,
    shortcut: str = "A",
    generator: torch.Generator | None = None,
) -> "ResNet":
    """A network of ``depth`` = 6n+2 layers; ``width`` channels in its first stage.

    First weights come from ``generator`` (None: PyTorch's global one, which other threads
    share). Raises ValueError for another depth or shortcut, or sizes below one.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is 6n+2: 8, 14, 20, 32, 44, 56, 110; not {depth}")
    if shortcut not in SHORTCUTS:
        raise ValueError(f"shortcut is one of {', '.join(SHORTCUTS)}; not {shortcut}")
    if num_classes < 1 or width < 1:
        raise ValueError("num_classes and width are at least 1")
    return ResNet((depth - 2) // 6, num_classes, width, shortcut, generator)


class ResNet(nn.Module):
    """Logits (N, num_classes) from normalised images (N, 3, 32, 32)."""

    def __init__(
        self, blocks_per_stage: int, num_classes: int, width: int, shortcut: str, generator: torch.Generator | None
    ):
        super().__init__()
        self.conv = conv(3, width, 3, 1, shortcut)
        self.norm = norm(width, shortcut)
        channels = [width] + [width << stage for stage in range(3) for _ in range(blocks_per_stage)]
        self.blocks = nn.Sequential(*(Block(c_in, c_out, shortcut) for c_in, c_out in itertools.pairwise(channels)))
        self.classifier = nn.Linear(channels[-1], num_classes)
        for module in self.modules():
            initialize(module, shortcut, generator)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(images_NCHW)), inplace=True)
        x = self.blocks(x)
        return self.classifier(x.mean(dim=(2, 3)))


class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut; halves the resolution where the channels change."""

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
        y += self.shortcut(x)  # in place, as the ReLU: no more memory than the norm's output
        return F.relu(y, inplace=True)


class SubsampleAndPad(nn.Module):
    """Shortcut A: every second pixel, and zero channels around to reach ``c_out``."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.before = (c_out - c_in) // 2
        self.after = c_out - c_in - self.before

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


def projection(c_in: int, c_out: int, shortcut: str) -> nn.Module:
    """The shortcut of a block that changes the shape."""
    if shortcut == "A":
        return SubsampleAndPad(c_in, c_out)
    straight = conv(c_in, c_out, 1, 2, shortcut)
    return straight if shortcut == "report" else nn.Sequential(straight, norm(c_out, shortcut))


def conv(c_in: int, c_out: int, size: int, stride: int, shortcut: str) -> nn.Conv2d:
    """A convolution that keeps the picture's size but for its stride; the report's have a bias."""
    if shortcut == "report" and stride == 2 and size == 3:
        return SameConv2d(c_in, c_out, size, stride, bias=True)
    return nn.Conv2d(c_in, c_out, size, stride, padding=size // 2, bias=shortcut == "report")


class SameConv2d(nn.Conv2d):
    """A 3×3 convolution of stride 2 padded as Keras's ``same``: on an even side, only right and below."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 1, 0, 1)))


def norm(channels: int, shortcut: str) -> nn.BatchNorm2d:
    """Batch norm with PyTorch's constants, or the report's (Keras's momentum 0.99 is 0.01 here)."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01) if shortcut == "report" else nn.BatchNorm2d(channels)


def initialize(module: nn.Module, shortcut: str, generator: torch.Generator | None) -> None:
    """He-normal convolutions (arXiv:1502.01852), PyTorch's uniform classifier; the report's are all Keras's
    truncated He-normal, the last layer too, with biases of zero."""
    if shortcut == "report" and isinstance(module, nn.Conv2d | nn.Linear):
        fan_in = module.weight[0].numel()
        # Keras divides by the deviation of a unit normal cut at two, so that the cut one has the asked for.
        std = (2 / fan_in) ** 0.5 / 0.87962566103423978
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
    elif isinstance(module, nn.Linear):
        bound = module.in_features**-0.5
        nn.init.uniform_(module.weight, -bound, bound, generator=generator)
        nn.init.uniform_(module.bias, -bound, bound, generator=generator)


def decayed(model: nn.Module, which: str) -> list[nn.Parameter]:
    """The parameters that weight decay pulls to zero: ``all``, ``weights`` (no norms, no biases) or ``kernels``."""
    if which == "all":
        return list(model.parameters())
    kinds = (nn.Conv2d,) if which == "kernels" else (nn.Conv2d, nn.Linear)
    return [module.get_parameter("weight") for module in model.modules() if isinstance(module, kinds)]
