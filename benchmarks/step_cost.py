"""Measure what a training step of different networks costs, and compare it with ``step_work`` of core/cost/network.py.

    python -m benchmarks.step_cost [train.threads=1 train.precision=fp32 …]

Each network trains a few steps on random images with the trainer itself. The networks take turns for several rounds,
and the median over all steps counts. With one thread the script reads the processor time of the thread, which other
programs affect little; with more threads the machine must be idle otherwise. It prints a Markdown table with ratios to
the first network, then the weights of ``step_work`` that fit these times best.
"""

import statistics
import sys
import time

import numpy as np
from scipy.optimize import nnls

from benchmarks.common import network_config, step_seconds
from core.base.machine import core_count
from core.config.run_config import RunConfig
from core.cost.network import network_cost, step_work
from core.training.environment import resolve

#: Depth, width, shortcut and batch size; ratios refer to the first.
SHAPES = (
    (20, 16, "A", 32),
    (8, 16, "A", 128),
    (32, 8, "report", 64),
    (20, 16, "report", 128),
    (20, 16, "B", 128),
    (20, 16, "A", 8),
    (20, 16, "A", 512),
    (20, 8, "A", 128),
    (20, 32, "A", 64),
    (56, 16, "A", 64),
    (44, 8, "A", 32),
    (20, 4, "A", 64),
    (8, 64, "A", 32),
    (20, 24, "A", 64),
    (8, 8, "report", 32),
)
ROUNDS, STEPS = 3, 4


def terms(config: RunConfig) -> list[float]:
    """Return the terms that ``step_work`` weights: multiply-accumulates, activations, images, and layers × threads."""
    cost, batch = network_cost(config), config.train.batch_size
    threads = config.train.threads or core_count()
    return [batch * cost.macs, batch * cost.blocked, batch, threads * config.model.depth]


def main() -> None:
    """Measure, print the table and the fitted weights."""
    configs = [network_config(sys.argv[1:], shape) for shape in SHAPES]
    environment = resolve(configs[0])
    clock = time.thread_time if environment.threads == 1 else time.perf_counter
    times: list[list[float]] = [[] for _ in configs]
    for _ in range(ROUNDS):
        for config, own in zip(configs, times, strict=True):
            own += step_seconds(config, clock, STEPS)
    medians = [statistics.median(own) for own in times]
    print(f"{environment.precision}, {environment.threads} threads, n = {ROUNDS * STEPS} steps each\n")
    print("| network | ms per step (lowest–highest) | ratio | step_work's ratio | measured / step_work |")
    print("| --- | --- | --- | --- | --- |")
    for config, shape, own, median in zip(configs, SHAPES, times, medians, strict=True):
        ratio, expected = median / medians[0], step_work(config) / step_work(configs[0])
        name = "{} layers, width {}, {}, batch {}".format(*shape)
        milliseconds = f"{1e3 * median:.1f} ({1e3 * min(own):.1f}–{1e3 * max(own):.1f})"
        print(f"| {name} | {milliseconds} | {ratio:.2f} | {expected:.2f} | {ratio / expected:.2f} |")
    print_fit(configs, medians)


def print_fit(configs: list[RunConfig], seconds: list[float]) -> None:
    """Print the weights with the least relative errors, in multiply-accumulates (MACs)."""
    rows = np.array([terms(config) for config in configs]) / np.array(seconds)[:, None]
    weights, _ = nnls(rows, np.ones(len(rows)))
    fitted = rows @ weights
    _, activation, image, layer = weights / (weights[0] or 1)
    print(f"\nBest fit, in MACs: {activation:.0f} per activation, {image / 1e6:.1f} million per image,")
    print(f"{layer / 1e6:.1f} million per layer and thread; fitted / measured {fitted.min():.2f} to {fitted.max():.2f}")


if __name__ == "__main__":
    main()
