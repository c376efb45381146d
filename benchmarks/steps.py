"""Measure where the time of a training step goes, and what share of the processor's arithmetic it uses.

    python -m benchmarks.steps [batch_size …]     # writes benchmarks/results/steps.md and docs/speed.md

Profiles steps of the trainer with PyTorch's profiler and counts each operator's own time. "data" is all that the
trainer does to make a batch (normalize, flip, translate). The peak is the speed of matrix products in this precision
and with these threads; an image costs three times the multiply-accumulates of a forward pass, two operations each.
Then it measures two options that ``fast`` does not use, larger batches for smaller images and ``torch.compile``, and an
option that core/__init__.py sets: tensors in large memory pages.
"""

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.common import heading, keep_by_machine, measured_alone, publish, spread_text
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE
from core.cost.network import network_cost
from core.data.augmentation import plan_epoch
from core.jobs.probe import random_task
from core.training.environment import Environment, resolve
from core.training.trainer import Trainer

WARM_UP, STEPS = 4, 12
#: Pairs of runs with and without large memory pages.
ROUNDS = 3
#: Image sizes to time, in pixels.
SIZES = range(16, IMAGE_SIZE + 1, 4)
#: Row of the time that preparing batches takes; the other rows contain it.
DATA = "included above: data"
#: Kinds of work by words in an operator's name; the first kind that matches counts.
KINDS = {
    "convolution, backward": ("convolution_backward",),
    "convolution, forward": ("convolution",),
    "batch norm, backward": ("batch_norm_backward",),
    "batch norm, forward": ("batch_norm",),
    "ReLU and additions": ("relu", "threshold", "aten::add", "clamp"),
    "optimizer": ("Optimizer", "_fused_sgd", "_foreach", "aten::bmm", "aten::baddbmm"),
    "padding and subsampling of shortcuts": ("constant_pad", "slice", "aten::fill_", "aten::zero_"),
    "copies between layouts and precisions": ("copy_", "aten::to", "contiguous", "clone"),
}


def peak_gflops(environment: Environment) -> float:
    """Return the speed of the fastest of a few matrix products, in 10⁹ operations per second."""
    environment.claim_threads()
    dtype = torch.bfloat16 if environment.precision == "bf16" else torch.float32
    a, b = (torch.randn(2048, 2048, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(8):
        began = time.perf_counter()
        a @ b
        best = max(best, 2 * 2048**3 / (time.perf_counter() - began) / 1e9)
    return best


def marked(batch: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return ``batch`` so that its time is marked in the profile."""

    def marked_batch(*args: object) -> torch.Tensor:
        with record_function("data"):
            return batch(*args)

    return marked_batch


def profiled(config: RunConfig, environment: Environment) -> tuple[dict[str, float], float]:
    """Return the share of the profiled time of each kind of work, and the median seconds of a step without profiler."""
    trainer = Trainer(config, random_task(config, environment.torch_device), environment)
    trainer.steps.batch = marked(trainer.steps.batch)  # type: ignore[method-assign]
    records, times = trainer.train(), []
    for _ in range(WARM_UP + STEPS):
        began = time.perf_counter()
        next(records)
        times.append(time.perf_counter() - began)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(STEPS):
            next(records)
    operators = profiler.key_averages()
    data = sum(operator.cpu_time_total for operator in operators if operator.key == "data")
    spent: dict[str, float] = defaultdict(float)
    for operator in operators:
        if operator.key != "data":
            spent[_kind(operator.key)] += operator.self_cpu_time_total
    total = sum(spent.values())
    shares = {kind: value / total for kind, value in sorted(spent.items(), key=lambda item: -item[1])}
    return {**shares, DATA: data / total}, statistics.median(times[WARM_UP:])


def _kind(operator: str) -> str:
    return next((kind for kind, names in KINDS.items() if any(name in operator for name in names)), "other")


def speed_by_size(base: RunConfig, environment: Environment, batch_sizes: list[int]) -> list[str]:
    """Return a table of the median images per second for each size of image, with the batch sizes taking turns."""
    trainers = {
        size: Trainer(config, random_task(config, environment.torch_device), environment)
        for size in batch_sizes
        for config in [base.replace({"train.batch_size": size})]
    }
    lines = ["", f"| image size, pixels |{''.join(f' batch {size}, images/s |' for size in batch_sizes)}"]
    lines.append(f"|{' --- |' * (1 + len(batch_sizes))}")
    for pixels in SIZES:
        times: dict[int, list[float]] = {size: [] for size in batch_sizes}
        for step in range(WARM_UP + STEPS):
            for size, trainer in trainers.items():
                seconds = time_step(trainer, pixels)
                if step >= WARM_UP:
                    times[size].append(seconds)
        speeds = [f"{size / statistics.median(own):.0f}" for size, own in times.items()]
        lines.append(f"| {pixels} | {' | '.join(speeds)} |")
    return lines


def time_step(trainer: Trainer, pixels: int) -> float:
    """Return the seconds of a step on the first images, cropped to ``pixels`` × ``pixels``."""
    plan = plan_epoch(trainer.config.augment, len(trainer.task.train), 0, 1)
    rates = [trainer.config.train.lr] * trainer.batches
    trainer.steps.begin_epoch(plan, rates, pixels, mixes=False, averages=False)
    began = time.perf_counter()
    trainer.steps.take(1)
    return time.perf_counter() - began


def compile_text(base: RunConfig, environment: Environment) -> str:
    """Return a sentence on the speed of the same steps with ``torch.compile``."""
    task = random_task(base, environment.torch_device)
    plain, compiled = (Trainer(base, task, environment) for _ in range(2))
    compiled.steps.model = torch.compile(compiled.model, dynamic=False)  # type: ignore[assignment]
    began = time.perf_counter()
    time_step(compiled, IMAGE_SIZE)
    waited = time.perf_counter() - began
    ratios = [time_step(plain, IMAGE_SIZE) / time_step(compiled, IMAGE_SIZE) for _ in range(WARM_UP + STEPS)]
    return (
        f"With `torch.compile`, a step with batch size {base.train.batch_size} is {spread_text(ratios[WARM_UP:], 2)} "
        f"times as fast, after {waited:.0f} s of compilation for each image size."
    )


def large_pages_text() -> str:
    """Return a sentence on the speed of whole runs with and without large memory pages, each in its own process."""
    ratios = []
    for _ in range(ROUNDS):
        large, small = (
            measured_alone("throughput", "--ours", "128", THP_MEM_ALLOC_ENABLE=enabled)["training"]
            for enabled in ("1", "0")
        )
        ratios.append(large / small)
    return (
        "With tensors in large memory pages, which this program enables, training with batch size 128 is "
        f"{spread_text(ratios, 2)} times as fast."
    )


def main(batch_sizes: list[int]) -> None:
    """Measure, print and write."""
    base = PRESETS["he2016"].config.replace({"train.lr": 1e-6, "data.normalization": "channel"})
    environment = resolve(base)
    peak, cost = peak_gflops(environment), network_cost(base)
    profiles = {size: profiled(base.replace({"train.batch_size": size}), environment) for size in batch_sizes}
    header = ["share of a step", *(f"batch {size}" for size in batch_sizes)]
    lines = [
        f"{heading(environment.precision, f'{environment.threads} threads')}, n = {STEPS} steps each; "
        f"a matrix product reaches {peak:.0f} GFLOP/s",
        "",
        f"| {' | '.join(header)} |",
        f"|{' --- |' * len(header)}",
    ]
    kinds = dict.fromkeys(kind for shares, _ in profiles.values() for kind in shares if kind != DATA)
    for kind in (*kinds, DATA):
        shares = [f"{shares.get(kind, 0):.1%}" for shares, _ in profiles.values()]
        lines.append(f"| {kind} | {' | '.join(shares)} |")
    speeds = [size / seconds for size, (_, seconds) in profiles.items()]
    lines.append("| images per second | " + " | ".join(f"{speed:.0f}" for speed in speeds) + " |")
    used = [6 * cost.macs * speed / 1e9 / peak for speed in speeds]
    lines.append("| share of the matrix product's speed | " + " | ".join(f"{share:.0%}" for share in used) + " |")
    lines += speed_by_size(base, environment, batch_sizes)
    with tempfile.TemporaryDirectory() as folder:  # an earlier run's compiled code would hide the wait
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        lines += ["", compile_text(base, environment), "", large_pages_text()]
    print("\n".join(lines))
    keep_by_machine("steps", "\n".join(lines))
    publish("speed", "steps", "\n".join(lines))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [32, 128, 256])
