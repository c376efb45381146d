"""What a training step of different networks costs here, beside what core/cost/estimate.py makes of it.

    python -m benchmarks.step_cost [train.threads=1 train.precision=fp32 …]

Each network trains for some steps on made-up pictures, by the trainer itself; the networks are taken in turn,
several rounds, and the median of all steps counts. With one thread the processor's own clock is read, which other
programs disturb little; with more threads the machine must do nothing else. Printed is a Markdown table, ratios to
the first network, and last the weights that fit these times best, for step_work().
"""

import os
import statistics
import sys
import time

import numpy as np
from scipy.optimize import nnls

from benchmarks.common import network_config, step_seconds
from core.config.run_config import RunConfig
from core.cost.network import network_cost, step_work
from core.training.environment import resolve

#: Depth, width, shortcut, batch size; the first is what the others are compared with.
SHAPES = (
    (20, 16, "A", 32), (8, 16, "A", 128), (32, 8, "report", 64), (20, 16, "report", 128), (20, 16, "B", 128),
    (20, 16, "A", 8), (20, 16, "A", 512), (20, 8, "A", 128), (20, 32, "A", 64), (56, 16, "A", 64), (44, 8, "A", 32),
    (20, 4, "A", 64), (8, 64, "A", 32), (20, 24, "A", 64), (8, 8, "report", 32),
)  # fmt: skip
ROUNDS, STEPS = 3, 4


def parts(config: RunConfig) -> list[float]:
    """What the weights of step_work() are multiplied with: arithmetic, numbers that leave layers, pictures, layers."""
    cost, batch = network_cost(config), config.train.batch_size
    threads = config.train.threads or os.cpu_count() or 1
    return [batch * cost.macs, batch * cost.blocked, batch, threads * config.model.depth]


def main() -> None:
    """Measure, print, fit."""
    configs = [network_config(sys.argv[1:], shape) for shape in SHAPES]
    environment = resolve(configs[0])
    clock = time.thread_time if environment.threads == 1 else time.perf_counter
    times: list[list[float]] = [[] for _ in configs]
    for _ in range(ROUNDS):
        for config, found in zip(configs, times, strict=True):
            found += step_seconds(config, clock, STEPS)
    medians = [statistics.median(one) for one in times]
    print(f"{environment.precision}, {environment.threads} threads, n = {ROUNDS * STEPS} steps each\n")
    print("| network | ms a step (least–most) | ratio | as step_work has it | measured / that |")
    print("| --- | --- | --- | --- | --- |")
    for config, shape, found, median in zip(configs, SHAPES, times, medians, strict=True):
        ratio, told = median / medians[0], step_work(config) / step_work(configs[0])
        name = "{} layers, width {}, {}, batch {}".format(*shape)
        span = f"{1e3 * median:.1f} ({1e3 * min(found):.1f}–{1e3 * max(found):.1f})"
        print(f"| {name} | {span} | {ratio:.2f} | {told:.2f} | {ratio / told:.2f} |")
    rows = np.array([parts(config) for config in configs]) / np.array(medians)[:, None]
    weights, _ = nnls(rows, np.ones(len(rows)))  # relative errors count
    off = rows @ weights
    _, activations, pictures, layers = weights / (weights[0] or 1)
    print(f"\nbest fit, in MACs: {activations:.0f} for a number that leaves a layer, {pictures / 1e6:.1f} million for")
    print(f"a picture, {layers / 1e6:.1f} million for a layer and thread;")
    print(f"fitted / measured {off.min():.2f} to {off.max():.2f}")


if __name__ == "__main__":
    main()
