"""What a network costs in arithmetic and memory, counted from its layers."""

import functools
import math
from dataclasses import dataclass

from core.base.machine import core_count
from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE, ModelConfig
from core.model.layers import list_layers
from core.training.schedule import EVALUATION_BATCH

#: Numbers that an optimiser keeps for each weight.
MOMENTS = {"sgd": 1, "muon": 1, "adam": 2, "adamw": 2}
#: Channels that a processor's convolutions compute at once.
BLOCK = 16
#: Code that is loaded when the first run trains.
PROGRAM_BYTES = 30_000_000


@dataclass(frozen=True)
class Cost:
    """The cost of a network. ``parameters`` counts the trainable ones; the rest is per image of 32×32 pixels.

    ``macs`` are multiply-accumulates, ``activations`` the outputs of all convolutions, ``blocked`` the same with each
    layer's channels rounded up to whole blocks of :data:`BLOCK`, ``widest`` the outputs of the largest layer.
    """

    macs: int
    activations: int
    blocked: int
    parameters: int
    widest: int


def network_cost(config: RunConfig) -> Cost:
    """Return the cost of a checked config's network."""
    return _network_cost(config.model, len(config.data.classes))


@functools.lru_cache(maxsize=256)
def _network_cost(model: ModelConfig, classes: int) -> Cost:
    layers = list_layers(model, classes)
    convolutions = [layer for layer in layers if layer.kind == "Conv2d"]
    outputs = [layer.c_out * layer.side**2 for layer in convolutions]
    return Cost(
        macs=sum(layer.macs for layer in layers),
        activations=sum(outputs),
        blocked=sum(math.ceil(layer.c_out / BLOCK) * BLOCK * layer.side**2 for layer in convolutions),
        parameters=sum(layer.parameters for layer in layers),
        widest=max(outputs),
    )


def step_work(config: RunConfig, batch_size: int | None = None) -> float:
    """Return the cost of a training step, in units that have a meaning only relative to another step's.

    Besides the arithmetic, each output of a convolution is normalised, rectified, stored and read again in the
    backward pass; channels are computed in blocks, so 8 cost as much as 16. Each image is loaded and augmented. Each
    layer costs something whatever the batch size, which more threads do not share. The weights, in
    multiply-accumulates, were fitted to fifteen networks by benchmarks/step_cost.py (two threads, fp32; 0.86 to 1.15
    of the measured times). With one thread the second weight is about a quarter.
    """
    cost, batch = network_cost(config), batch_size or config.train.batch_size
    threads = config.train.threads or core_count()
    return batch * (cost.macs + 412 * cost.blocked + 5.6e6) + 11.2e6 * threads * config.model.depth


def crop_shares(config: RunConfig) -> list[float]:
    """Return about what a training image of each epoch costs relative to a whole one: the crop's share of its area."""
    return [(size / IMAGE_SIZE) ** 2 for size in config.crop_sizes()]


def memory_bytes(config: RunConfig) -> int:
    """Return the memory of a checked config's run on its device, in bytes: what it holds, plus its peak.

    Held are the images (3,072 bytes each); the weights, gradients, optimiser state (twice for Adam) and averages (4
    bytes per parameter each); and code that only training loads. The peak is the larger of two. Preparing: a copy of
    the training images. Training: per image of the batch the outputs of all convolutions twice (before and after norm
    and ReLU), three times the widest layer and four times the input, plus a quarter that the allocator wastes; and
    per image of an evaluation batch eight times the widest layer. A number has 4 bytes, 2 in bf16.
    ``python -m benchmarks.estimate memory`` compares with measured peaks.
    """
    cost, train, sizes = network_cost(config), config.train, config.data.sizes()
    number_bytes = 2 if train.precision == "bf16" else 4
    pixels = 3 * IMAGE_SIZE**2
    copies = 2 + MOMENTS[train.optimizer] + (train.averaging != "off")
    held = (sizes.train + sizes.validation + sizes.test) * pixels + 4 * copies * cost.parameters
    step = train.batch_size * ((2 * cost.activations + 3 * cost.widest) * number_bytes + 4 * 4 * pixels)
    training = 5 * step // 4 + EVALUATION_BATCH * 8 * cost.widest * number_bytes
    return PROGRAM_BYTES + held + max(training, sizes.train * pixels)


def memory_text(size: int) -> str:
    """Return ``410 MB`` or ``2.3 GB``, to two digits."""
    if size >= 999.5e6:
        return f"{size / 1e9:.1f} GB"
    digits = max(len(str(round(size / 1e6))) - 2, 0)
    return f"{round(size / 1e6, -digits):.0f} MB"
