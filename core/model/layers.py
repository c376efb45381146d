"""The layers of a network, counted without building it: for the layer table, its cost and its memory.

:mod:`core.model.resnet` builds the same network with PyTorch; a test compares the two layer by layer.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE, ModelConfig

#: Shortcuts whose network is that of Keras's example: they differ in their initial weights alone.
KERAS_LIKE = ("report", "keras")


@dataclass(frozen=True)
class Layer:
    """One layer of a network for 32×32 images.

    ``name`` is the module's path in the network and ``kind`` its class in PyTorch. The layer turns ``c_in`` channels
    into ``c_out`` channels of ``side``×``side`` pixels. ``parameters`` counts the trainable ones, ``macs`` the
    multiply-accumulates of one image; normalisations, ReLUs and sums count as none.
    """

    name: str
    kind: str
    c_in: int
    c_out: int
    side: int
    kernel: int = 0
    stride: int = 1
    parameters: int = 0
    macs: int = 0

    @property
    def output(self) -> str:
        """The output's shape as text, e.g. ``16×32×32``."""
        return str(self.c_out) if self.kind == "Linear" else f"{self.c_out}×{self.side}×{self.side}"


def block_channels(depth: int, width: int) -> list[tuple[int, int]]:
    """Return the channels in and out of each residual block; where they differ, the block halves the resolution."""
    channels = [width << stage for stage in range(3) for _ in range((depth - 2) // 6)]
    return list(itertools.pairwise([width, *channels]))


def list_layers(model: ModelConfig, classes: int) -> list[Layer]:
    """Return the layers of a network in the order of a forward pass."""
    return list(_layers(model, classes))


def _layers(model: ModelConfig, classes: int) -> Iterator[Layer]:
    biased = model.shortcut in KERAS_LIKE

    def conv(name: str, c_in: int, c_out: int, side: int, kernel: int = 3, stride: int = 1) -> Layer:
        weights = c_in * c_out * kernel**2
        return Layer(name, "Conv2d", c_in, c_out, side, kernel, stride, weights + biased * c_out, weights * side**2)

    def norm(name: str, channels: int, side: int) -> Layer:
        return Layer(name, "BatchNorm2d", channels, channels, side, parameters=2 * channels)

    side = IMAGE_SIZE
    yield conv("conv", 3, model.width, side)
    yield norm("norm", model.width, side)
    for index, (c_in, c_out) in enumerate(block_channels(model.depth, model.width)):
        block, stride = f"blocks.{index}", 1 if c_in == c_out else 2
        side //= stride
        yield conv(f"{block}.conv1", c_in, c_out, side, stride=stride)
        yield norm(f"{block}.norm1", c_out, side)
        yield conv(f"{block}.conv2", c_out, c_out, side)
        yield norm(f"{block}.norm2", c_out, side)
        match stride, model.shortcut:
            case 2, "A":
                yield Layer(f"{block}.shortcut", "SubsampleAndPad", c_in, c_out, side, stride=2)
            case 2, "B":
                yield conv(f"{block}.shortcut.0", c_in, c_out, side, kernel=1, stride=2)
                yield norm(f"{block}.shortcut.1", c_out, side)
            case 2, _:
                yield conv(f"{block}.shortcut", c_in, c_out, side, kernel=1, stride=2)
    weights = 4 * model.width * classes
    yield Layer("classifier", "Linear", 4 * model.width, classes, 1, parameters=weights + classes, macs=weights)


def layer_table(config: RunConfig) -> pd.DataFrame:
    """Return one row per layer of a config's network.

    Columns: ``layer``, ``kind``, ``output``, ``parameters``, ``macs`` (see :class:`Layer`).
    """
    layers = list_layers(config.model, len(config.data.classes))
    rows = [(layer.name, layer.kind, layer.output, layer.parameters, layer.macs) for layer in layers]
    return pd.DataFrame(rows, columns=["layer", "kind", "output", "parameters", "macs"])
