"""TODO: core.cost.network."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE

#: As in core/training/evaluation.py, which the pages do without.
EVALUATION_BATCH = 100


#: Numbers that an optimiser keeps for each weight.
MOMENTS = {"sgd": 1, "muon": 1, "adam": 2, "adamw": 2}


#: Channels that a processor's convolutions take at once.
BLOCK = 16


#: Code that is read from the disk when the first run trains.
PROGRAM_BYTES = 30_000_000


@dataclass(frozen=True)
class Cost:
    """Of one 32×32 picture: multiply-accumulates ``macs``, ``activations`` (numbers that leave the convolutions) and
    ``blocked``, these with each layer's channels filled up to whole blocks of :data:`BLOCK`; of the network: trainable
    ``parameters``, and ``widest``, the most numbers leaving one layer."""

    macs: int
    activations: int
    blocked: int
    parameters: int
    widest: int


def network_cost(config: RunConfig) -> Cost:
    """The cost of a checked config's network, by counting; the layer table counts the same on the real one."""
    model, k = config.model, len(config.data.classes)
    biased = model.shortcut == "report"
    macs = activations = blocked = parameters = 0
    for c_in, c_out, size, side, normed in _convolutions(model.depth, model.width, model.shortcut):
        weights = c_in * c_out * size**2
        macs += weights * side**2
        activations += c_out * side**2
        blocked += math.ceil(c_out / BLOCK) * BLOCK * side**2
        parameters += weights + biased * c_out + normed * 2 * c_out
    features = 4 * model.width
    return Cost(macs + features * k, activations, blocked, parameters + features * k + k, model.width * 32**2)


def _convolutions(depth: int, width: int, shortcut: str) -> Iterable[tuple[int, int, int, int, bool]]:
    """Channels in and out, kernel size, side of the output, and whether a batch norm follows."""
    yield 3, width, 3, 32, True
    c_in = width
    for stage in range(3):
        c_out, side = width << stage, 32 >> stage
        for _ in range((depth - 2) // 6):
            yield c_in, c_out, 3, side, True
            yield c_out, c_out, 3, side, True
            if c_in != c_out and shortcut != "A":
                yield c_in, c_out, 1, side, shortcut == "B"
            c_in = c_out


def step_work(config: RunConfig, batch_size: int | None = None) -> float:
    """What a training step costs, in units that matter only relative to another step's.

    Beside the arithmetic, every number that leaves a convolution is normed, rectified, kept and gone through again
    on the way back; the processor takes channels in blocks, so that 8 of them cost as much as 16. A picture is made
    ready and augmented. And each layer costs something whatever the batch, which more threads do not share. The
    weights, in multiply-accumulates, were fitted to fifteen networks by benchmarks/step_cost.py (two threads, fp32,
    0.86 to 1.15 of what was measured), which tells how well they fit elsewhere: one thread waits less for memory, and
    there the second weight came out at a quarter.
    """
    cost, batch = network_cost(config), batch_size or config.train.batch_size
    threads = config.train.threads or os.cpu_count() or 1
    return batch * (cost.macs + 412 * cost.blocked + 5.6e6) + 11.2e6 * threads * config.model.depth


def area_shares(config: RunConfig) -> list[float]:
    """What a training picture of each epoch costs beside a whole one, about: its share of the area."""
    return [(side / IMAGE_SIZE) ** 2 for side in config.crop_sizes()]


def memory_bytes(config: RunConfig) -> int:
    """Memory of a checked config's run on its device, in bytes: what it holds, and its greediest moment.

    Held are the images as bytes, 3,072 each, for each weight 4 bytes as such, as gradient and in the
    optimiser (twice for Adam), and once more if averaged, and the parts of the program that only training needs. The
    moment is the larger of two. Training: for each picture of the batch every number that leaves a convolution twice,
    as such and after norm and ReLU, kept for the way back; three of the widest layer on that way; the input four
    times; all of it and a quarter, which the allocator wastes and does not give back; and in the evaluation after it,
    for each picture of its batch, eight of the widest layer: four live, and as many again in the convolutions' own
    layout. Getting ready: a copy of the training images. A number takes 4 bytes, 2 in bf16. `python -m
    benchmarks.estimate memory` compares with measured peaks.
    """
    cost, train, sizes = network_cost(config), config.train, config.data.sizes()
    width = 2 if train.precision == "bf16" else 4
    pixels = 3 * 32 * 32
    copies = 2 + MOMENTS[train.optimizer] + (train.averaging != "off")
    held = (sizes.train + sizes.validation + sizes.test) * pixels + 4 * copies * cost.parameters
    step = train.batch_size * ((2 * cost.activations + 3 * cost.widest) * width + 4 * 4 * pixels)
    training = 5 * step // 4 + EVALUATION_BATCH * 8 * cost.widest * width
    ready = sizes.train * pixels
    return PROGRAM_BYTES + held + max(training, ready)


def memory_in_words(size: int) -> str:
    """``410 MB`` or ``2.3 GB``, to two figures."""
    if size >= 999.5e6:
        return f"{size / 1e9:.1f} GB"
    digits = max(len(str(round(size / 1e6))) - 2, 0)
    return f"{round(size / 1e6, -digits):.0f} MB"
