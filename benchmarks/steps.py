"""Where a training step's time goes, and what share of the processor's arithmetic it uses.

    python -m benchmarks.steps [batch_size …]     # writes benchmarks/results/steps.md, quoted in the README

Steps of the trainer itself, seen by PyTorch's profiler, each operator's own time; "data" is what Trainer does to make a
batch (normalise, mirror, move), with all operators in it. The peak is that of matrix products of this precision and
number of threads; an image costs three times the network's forward multiply-accumulates, at two operations each.
Then two things one might do and ``fast`` does not: larger batches where pictures are small, and ``torch.compile``; and
one that core/__init__.py does: tensors in large pages.
"""

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.common import heading, keep_by_machine, measured_alone, publish, spread_text
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE
from core.cost.network import network_cost
from core.data.augment import draw
from core.jobs.probe import made_up_task
from core.training.environment import Environment, resolve
from core.training.trainer import Trainer

WARM_UP, STEPS = 4, 12
#: Of runs with large pages and without.
ROUNDS = 3
SIDES = range(16, IMAGE_SIZE + 1, 4)
#: Parts of a step by what an operator's name holds, the first that fits.
KINDS = {
    "convolution, backward": ("convolution_backward",),
    "convolution, forward": ("convolution",),
    "batch norm, backward": ("batch_norm_backward",),
    "batch norm, forward": ("batch_norm",),
    "ReLU and sums": ("relu", "threshold", "aten::add", "clamp"),
    "optimiser": ("Optimizer", "_fused_sgd", "_foreach", "aten::bmm", "aten::baddbmm"),
    "shortcut's padding and subsampling": ("constant_pad", "slice", "aten::fill_", "aten::zero_"),
    "copies between layouts and precisions": ("copy_", "aten::to", "contiguous", "clone"),
}


def peak_gflops(environment: Environment) -> float:
    """The best of a few matrix products, in 10⁹ operations a second."""
    environment.claim_threads()
    dtype = torch.bfloat16 if environment.precision == "bf16" else torch.float32
    a, b = (torch.randn(2048, 2048, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(8):
        began = time.perf_counter()
        a @ b
        best = max(best, 2 * 2048**3 / (time.perf_counter() - began) / 1e9)
    return best


class Profiled(Trainer):
    """A trainer whose making of batches is marked."""

    def _batch(self, *arguments: object, **named: object) -> torch.Tensor:
        with record_function("data"):
            return super()._batch(*arguments, **named)  # type: ignore[arg-type]


def parts(config: RunConfig, environment: Environment) -> tuple[dict[str, float], float]:
    """Shares of the profiled time by kind, and seconds of an unobserved step (median)."""
    trainer = Profiled(config, made_up_task(config, environment.torch_device), environment)
    records, times = trainer.train(), []
    for _ in range(WARM_UP + STEPS):
        began = time.perf_counter()
        next(records)
        times.append(time.perf_counter() - began)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(STEPS):
            next(records)
    averages = seen.key_averages()
    data = sum(one.cpu_time_total for one in averages if one.key == "data")
    spent: dict[str, float] = defaultdict(float)
    for one in averages:
        if one.key != "data":
            kind = next((kind for kind, names in KINDS.items() if any(name in one.key for name in names)), "all else")
            spent[kind] += one.self_cpu_time_total
    whole = sum(spent.values())
    shares = {kind: value / whole for kind, value in sorted(spent.items(), key=lambda item: -item[1])}
    return {**shares, "of all this, data": data / whole}, statistics.median(times[WARM_UP:])


def by_side(base: RunConfig, environment: Environment, batch_sizes: list[int]) -> list[str]:
    """Images per second of windows of each side, in turn: medians."""
    trainers = {
        size: Trainer(config, made_up_task(config, environment.torch_device), environment)
        for size in batch_sizes
        for config in [base.replace({"train.batch_size": size})]
    }
    lines = ["", f"| side of the pictures |{''.join(f' batch {size}, images/s |' for size in batch_sizes)}"]
    lines.append(f"|{' --- |' * (1 + len(batch_sizes))}")
    for side in SIDES:
        times: dict[int, list[float]] = {size: [] for size in batch_sizes}
        for at in range(WARM_UP + STEPS):
            for size, trainer in trainers.items():
                seconds = step_of(trainer, side)
                if at >= WARM_UP:
                    times[size].append(seconds)
        speeds = [f"{size / statistics.median(own):.0f}" for size, own in times.items()]
        lines.append(f"| {side} | {' | '.join(speeds)} |")
    return lines


def step_of(trainer: Trainer, side: int) -> float:
    """Seconds of one step on the first images, at that side."""
    draws = draw(trainer.config.augment, len(trainer.task.train), 0, 1)
    rows = draws.order[: trainer.config.train.batch_size]
    began = time.perf_counter()
    trainer._step(rows, draws, side)
    return time.perf_counter() - began


def compiled(base: RunConfig, environment: Environment) -> str:
    """What ``torch.compile`` makes of the same steps, in a sentence."""
    task = made_up_task(base, environment.torch_device)
    plain, other = (Trainer(base, task, environment) for _ in range(2))
    other.model = torch.compile(other.model, dynamic=False)  # type: ignore[assignment]
    began = time.perf_counter()
    step_of(other, IMAGE_SIZE)
    waited = time.perf_counter() - began
    ratios = []
    for at in range(WARM_UP + STEPS):
        ratio = step_of(plain, IMAGE_SIZE) / step_of(other, IMAGE_SIZE)
        if at >= WARM_UP:
            ratios.append(ratio)
    return (
        f"By `torch.compile` a step at batch {base.train.batch_size} is {spread_text(ratios, 2)} times as fast, after "
        f"{waited:.0f} s of compiling for each size of picture."
    )


def large_pages() -> str:
    """What large pages bring to whole training at batch 128, each run in a process of its own, in a sentence."""
    ratios = []
    for _ in range(ROUNDS):
        with_them, without = (
            measured_alone("throughput", "--ours", "128", THP_MEM_ALLOC_ENABLE=one)["training"] for one in ("1", "0")
        )
        ratios.append(with_them / without)
    return f"With tensors in large pages, as here, training at batch 128 is {spread_text(ratios, 2)} times as fast."


def main(batch_sizes: list[int]) -> None:
    """Measure, print and write."""
    base = PRESETS["he2016"].config.replace({"train.lr": 1e-6, "data.normalization": "channel"})
    environment = resolve(base)
    peak, cost = peak_gflops(environment), network_cost(base)
    found = {size: parts(base.replace({"train.batch_size": size}), environment) for size in batch_sizes}
    head = ["part of a step", *(f"batch {size}" for size in batch_sizes)]
    lines = [
        f"{heading(environment.precision, f'{environment.threads} threads')}, n = {STEPS} steps each; "
        f"a matrix product reaches {peak:.0f} GFLOP/s",
        "",
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
    ]
    names = dict.fromkeys(name for shares, _ in found.values() for name in shares)
    last = "of all this, data"
    for name in [*(one for one in names if one != last), last]:
        lines.append(f"| {name} | " + " | ".join(f"{shares.get(name, 0):.1%}" for shares, _ in found.values()) + " |")
    speeds = [size / seconds for size, (_, seconds) in found.items()]
    lines.append("| images per second | " + " | ".join(f"{one:.0f}" for one in speeds) + " |")
    used = [6 * cost.macs * one / 1e9 / peak for one in speeds]
    lines.append("| share of the matrix product's speed | " + " | ".join(f"{one:.0%}" for one in used) + " |")
    lines += by_side(base, environment, batch_sizes)
    with tempfile.TemporaryDirectory() as folder:  # what an earlier run has compiled would hide the wait
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        lines += ["", compiled(base, environment), "", large_pages()]
    print("\n".join(lines))
    keep_by_machine("steps", "\n".join(lines))
    publish("speed", "steps", "\n".join(lines))


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]] or [32, 128, 256])
