"""The stages of benchmarks/gpu.py that measure steps and speeds; no run is kept.

Each writes its table to a :class:`Report`. With ``tiny`` they try themselves, on any device.
"""

import contextlib
import copy
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.data.augmentation import plan_epoch
from core.data.task import Task, load_task
from core.jobs import runner
from core.jobs.probe import random_task
from core.model import fused
from core.records import EpochRecord
from core.runs.store import RunStore
from core.training import step
from core.training.environment import Environment
from core.training.graphs import Replayed, claim_device
from core.training.trainer import Trainer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
#: Arithmetic of a training step of ResNet-20 per image, and what its tensors move if no two operations are fused.
FLOP_PER_IMAGE, BYTES_PER_IMAGE = 0.246e9, 5.6e6
#: How convolutions are chosen: cuDNN's flags ``deterministic`` and ``benchmark``.
CHOICES = {"the same bits each time": (True, False), "any": (False, False), "any, found by trying": (False, True)}


class Report:
    """A part of gpu.md, written anew with each line."""

    def __init__(self, path: Path):
        self.path, self.lines = path, list[str]()

    def add(self, *lines: str) -> None:
        """Add lines, print them and write the file."""
        self.lines += lines
        print("\n".join(lines), flush=True)
        self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")


@contextlib.contextmanager
def attempt(report: Report) -> Iterator[None]:
    """Go on after whatever is raised in the block, and say what it was."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        report.add(f"Failed: {type(error).__name__}: {str(error)[:500]}")


def machine_text() -> str:
    """Return the name of the GPU, or of the device that takes its place, and the version of PyTorch."""
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    return f"One {name}, PyTorch {torch.__version__}, {time.strftime('%Y-%m-%d')}"


def synchronize() -> None:
    """Wait for the GPU."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def new_trainer(config: RunConfig, precision: str = "bf16", device: str = DEVICE) -> Trainer:
    """Return a trainer on random images."""
    kernels = "fused" if fused.available(device) else "stock"
    environment = Environment(device, precision, os.cpu_count() or 1, kernels)
    return Trainer(config, random_task(config, environment.torch_device), environment)


#: Settings that make each network of these stages tiny, and those in use.
TINY, SMALLER = ["model.depth=8", "model.width=2"], list[str]()


def recipe(*settings: str) -> RunConfig:
    """Return the recipe of He et al. with changes."""
    return PRESETS["he2016"].config.set_from_text([*settings, *SMALLER]).checked()


def batch_sizes(tiny: bool) -> tuple[int, ...]:
    """Return the batch sizes that are measured."""
    return (32,) if tiny else (128, 32, 512)


@functools.cache
def all_images() -> Task:
    """Return the task of all images."""
    return load_task(recipe("data.validation=test"), torch.device("cpu"))


def warm(report: Report, tiny: bool) -> None:
    """Compile the kernels, once for all stages, and read the images."""
    report.add(machine_text())
    for precision in ("bf16", "fp32"):
        with attempt(report):
            began = time.perf_counter()
            trainer = new_trainer(recipe("train.batch_size=128"), precision)
            begin_epoch(trainer)
            for batch in (1, 2, 3):
                trainer.steps.take(batch)
            loss = trainer.steps.read().loss
            report.add("", f"Kernels for {precision}: {time.perf_counter() - began:.1f} s; loss {loss:.4f}.")
    began = time.perf_counter()
    images = len(all_images().train)
    report.add("", f"{images:,} training images read in {time.perf_counter() - began:.1f} s.")


# --- agreement ------------------------------------------------------------------------------------


def agree(report: Report, tiny: bool) -> None:
    """Compare 50 steps with the CPU, and resumed trainings with straight ones."""
    steps = 4 if tiny else 50
    config = recipe("train.epochs=1", "train.batch_size=128", "data.normalization=channel", "train.lr=0.05")
    weights, losses = {}, {}
    for name, device, precision in (("cpu", "cpu", "fp32"), ("gpu", DEVICE, "fp32"), ("bf16", DEVICE, "bf16")):
        trainer = new_trainer(config, precision, device)
        begin_epoch(trainer)
        for batch in range(1, steps + 1):
            trainer.steps.take(batch)
        losses[name], weights[name] = trainer.steps.read().loss, trainer.weights()
    report.add("", "## Agreement", "")
    for name in ("gpu", "bf16"):
        report.add(
            f"- {steps} steps at batch 128, {name} against the CPU in fp32: mean loss {losses[name]:.6f} and "
            f"{losses['cpu']:.6f}; weights differ by {distance(weights[name], weights['cpu']):.2e} (relative norm)."
        )
    for optimizer in ("adam", "sgd", "muon"):
        with attempt(report):
            resumes(report, optimizer, tiny)


def resumes(report: Report, optimizer: str, tiny: bool) -> None:
    """Compare a training with a second one and with a resumed one."""
    extra = ["train.lr=0.001"] if optimizer == "adam" else []
    config = recipe(
        *("train.epochs=3", f"train.optimizer={optimizer}", "train.averaging=ema", "train.averaging_start=2"),
        *("augment.grow_from=24", "augment.mix=cutmix", "train.batch_size=96", *extra),
    )
    # 60 times as many images as this batch size, so that the last batch is smaller.
    task = random_task(config.replace({"train.batch_size": 10 if tiny else 100}), torch.device(DEVICE))
    environment = Environment(DEVICE, "bf16", 1, "fused" if fused.available(DEVICE) else "stock")
    straight, again, begun, resumed = (Trainer(config, task, environment) for _ in range(4))
    for trainer in (straight, again):
        list(trainer.train())
    for record in begun.train():
        if isinstance(record, EpochRecord) and record.epoch == 2:
            break
    resumed.load(copy.deepcopy(begun.state()))
    list(resumed.train())
    report.add(
        f"- {optimizer}, bf16, 3 epochs with averaging, growing crops and CutMix: a second training differs from "
        f"the first by {distance(again.weights(), straight.weights()):.1e}, one resumed after epoch 2 by "
        f"{distance(resumed.weights(), straight.weights()):.1e}; last train loss "
        f"{straight.history[-1].train_loss:.4f}."
    )


def begin_epoch(trainer: Trainer) -> None:
    """Prepare the first epoch of a trainer."""
    plan = plan_epoch(trainer.config.augment, len(trainer.task.train), 0, 1)
    rates = [trainer.config.train.lr] * trainer.batches
    trainer.steps.begin_epoch(plan, rates, 32, trainer.config.mixes(1), averages=False)


def distance(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """Return ‖ours − theirs‖ / ‖theirs‖ over all tensors."""
    pairs = [(ours[name].double(), theirs[name].double()) for name in theirs]
    return float(
        (sum((a - b).square().sum() for a, b in pairs) / sum(b.square().sum() for _, b in pairs)) ** 0.5  # type: ignore[operator, union-attr]
    )


# --- speed ----------------------------------------------------------------------------------------


def speed(report: Report, tiny: bool) -> None:
    """Time whole runs beside the plain loop, and the two floors."""
    peak, bandwidth = ceilings()
    report.add(
        "",
        "## Speed",
        "",
        f"Matrix products in bf16 reach {peak / 1e12:.0f} TFLOP/s and copies {bandwidth / 1e12:.2f} TB/s (read and "
        f"written). An image needs {FLOP_PER_IMAGE / 1e9} GFLOP and, unfused, about {BYTES_PER_IMAGE / 1e6} MB, so no "
        f"version trains more than {peak / FLOP_PER_IMAGE:,.0f} images/s, and none without fusion more than "
        f"{bandwidth / BYTES_PER_IMAGE:,.0f}.",
        "",
        "| batch size | whole run, images/s | steps alone | plain loop | whole run / plain loop |",
        "| --- | --- | --- | --- | --- |",
    )
    for batch_size in batch_sizes(tiny):
        with attempt(report):
            trainer = new_trainer(recipe(f"train.batch_size={batch_size}"))
            alone = count_steps(trainer, 0.2 if tiny else 0.7) * batch_size
            whole = whole_run_speed(batch_size, tiny)
            typical = plain_speed(batch_size, tiny)
            report.add(f"| {batch_size} | {whole:,.0f} | {alone:,.0f} | {typical:,.0f} | {whole / typical:.1f} |")


def ceilings() -> tuple[float, float]:
    """Return the fastest matrix product in bf16, FLOP/s, and the fastest copy, bytes read and written per second."""
    side, size = (8192, 2**30) if DEVICE == "cuda" else (512, 2**22)
    a, b = (torch.randn(side, side, dtype=torch.bfloat16, device=DEVICE) for _ in range(2))
    source = torch.randn(size // 4, device=DEVICE)
    target = torch.empty_like(source)
    return 2 * side**3 / seconds_of(lambda: a @ b), 2 * size / seconds_of(lambda: target.copy_(source))


def seconds_of(work: Callable[[], object], repeats: int = 10) -> float:
    """Return the median seconds of ``work`` on the device."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        synchronize()
        began = time.perf_counter()
        work()
        synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def take_epoch(trainer: Trainer) -> None:
    """Take the steps of an epoch, and wait for them."""
    begin_epoch(trainer)
    for batch in range(1, trainer.batches + 1):
        trainer.steps.take(batch)
    trainer.steps.read()


def count_steps(trainer: Trainer, seconds: float, first: int = 2) -> float:
    """Return the steps per second of ``trainer``, after ``first`` epochs that are not counted."""
    for _ in range(first):
        take_epoch(trainer)
    began, taken = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        take_epoch(trainer)
        taken += trainer.batches
    return taken / (time.perf_counter() - began)


def whole_run_speed(batch_size: int, tiny: bool) -> float:
    """Return the images per second of the epochs of a run after its first, with evaluations and all files."""
    images = 400 if tiny else len(all_images().train)
    config = recipe(
        *("data.validation=test", "data.normalization=channel", f"train.batch_size={batch_size}"),
        *(f"train.epochs={3 if tiny else 9 if batch_size > 32 else 4}", "train.schedule=constant"),
        *(f"train.device={DEVICE}", "train.precision=bf16", f"data.train_size={images // 10 * 10}"),
        *(["data.test_size=100"] if tiny else []),
    )
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        status = runner.run(store, store.create(config), on_epoch=lambda _: ends.append(time.perf_counter()))
    if status.state != "finished":
        raise RuntimeError(status.error)
    return (len(ends) - 1) * config.data.sizes().train / (ends[-1] - ends[0])


def plain_speed(batch_size: int, tiny: bool) -> float:
    """Return the images per second of the plain loop with as many loader processes as there are cores."""
    workers, images = os.cpu_count() or 1, batch_size * (8 if tiny else 200 if batch_size == 32 else 90)
    command = [sys.executable, "-m", "benchmarks.plain", str(batch_size), str(workers), str(images), DEVICE]
    return json.loads(last_line(command))["training"]


def last_line(command: list[str]) -> str:
    """Return the last line that a command prints."""
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT)
    return answer.stdout.splitlines()[-1]


# --- convolutions that give the same bits each time -------------------------------------------------


def convolutions(report: Report, tiny: bool) -> None:
    """Time steps with each of :data:`CHOICES`, in a process of its own: PyTorch keeps what it chose for a process."""
    columns = [f"batch {batch_size}, images/s" for batch_size in batch_sizes(tiny)]
    report.add(
        "", "## Convolutions", "", f"| convolutions | {' | '.join(columns)} |", "|" + " --- |" * (1 + len(columns))
    )
    for name in list(CHOICES)[:1] if tiny else CHOICES:
        with attempt(report):
            command = [sys.executable, "-m", "benchmarks.gpu_speed", name, *(["tiny"] if tiny else [])]
            rates: list[float] = json.loads(last_line(command))
            report.add(f"| {name} | {' | '.join(f'{rate:,.0f}' for rate in rates)} |")


def convolution_rates(choice: str, tiny: bool) -> list[float]:
    """Return the images per second of steps at each of :func:`batch_sizes`, for one of :data:`CHOICES`."""

    def claim(device: torch.device) -> None:
        claim_device(device)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = CHOICES[choice]

    with mock.patch("core.training.trainer.claim_device", claim):
        trainers = {size: new_trainer(recipe(f"train.batch_size={size}")) for size in batch_sizes(tiny)}
    return [count_steps(trainer, 0.1 if tiny else 0.7) * size for size, trainer in trainers.items()]


# --- variants of a step ---------------------------------------------------------------------------


def variants(report: Report, tiny: bool, compile_it: bool = False) -> None:
    """Time a step with and without each means of making it fast, and list the kernels that take the time."""
    report.add("", "## Variants of a step", "", "| batch size | variant | images/s | seconds to prepare |")
    report.add("| --- | --- | --- | --- |")
    seconds = 0.2 if tiny else 1.0

    def compiled(trainer: Trainer) -> None:
        trainer.steps.model = torch.compile(trainer.model, dynamic=False)  # type: ignore[assignment]

    def as_it_is(_: Trainer) -> None:
        pass

    usual, sizes = contextlib.nullcontext, batch_sizes(tiny)
    stock = partial(mock.patch.object, fused, "available", lambda device: False)
    autocast = partial(mock.patch.object, step, "HalfNetwork", lambda *_: None)
    without_graph = partial(mock.patch.object, Replayed, "__call__", lambda self, kind: self._function(kind))
    cases: list[tuple[int, str, list[Any], Callable[[Trainer], None], list[str]]] = [
        *((batch, "as it is", [usual], as_it_is, []) for batch in sizes),
        (128, "as it is, Muon", [usual], as_it_is, ["train.optimizer=muon"]),
        (128, "as it is, Adam", [usual], as_it_is, ["train.optimizer=adam", "train.lr=0.001"]),
        *((batch, "PyTorch's operators and autocast", [stock, autocast], as_it_is, []) for batch in sizes),
        (128, "PyTorch's operators and autocast, no CUDA graph", [stock, autocast, without_graph], as_it_is, []),
        *((batch, "torch.compile", [stock, autocast], compiled, []) for batch in sizes),
    ]
    for batch_size, name, contexts, prepare, settings in cases:
        if (prepare is compiled) != compile_it or batch_size not in sizes:
            continue
        with contextlib.ExitStack() as stack, attempt(report):
            for context in contexts:
                stack.enter_context(context())
            began = time.perf_counter()
            trainer = new_trainer(recipe(f"train.batch_size={batch_size}", *settings))
            prepare(trainer)
            rate = count_steps(trainer, seconds)
            prepared = time.perf_counter() - began - seconds
            report.add(f"| {batch_size} | {name} | {rate * batch_size:,.0f} | {prepared:.1f} |")
    if not compile_it:
        with attempt(report):
            report.add("", "Kernels of steps at batch 128:", "", *kernels())


def kernels(steps: int = 10) -> list[str]:
    """Return a table of the kernels that take most of the time of a step."""
    trainer = new_trainer(recipe("train.batch_size=128"))
    count_steps(trainer, 0.1)
    begin_epoch(trainer)
    with torch.profiler.profile() as profiler:
        for batch in range(1, steps + 1):
            trainer.steps.take(batch)
        synchronize()
    rows = [event for event in profiler.key_averages() if event.self_device_time_total > 0]
    rows.sort(key=lambda event: -event.self_device_time_total)
    whole, count = sum(row.self_device_time_total for row in rows), sum(row.count for row in rows)
    lines = [f"{count / steps:.0f} kernels and {whole / steps:,.0f} µs a step", ""]
    lines += ["| kernel | calls a step | µs a step | share |", "| --- | --- | --- | --- |"]
    for row in rows[:25]:
        share = row.self_device_time_total / whole
        name = row.key.replace("|", "/")[:90]
        lines.append(f"| {name} | {row.count / steps:.1f} | {row.self_device_time_total / steps:.0f} | {share:.1%} |")
    return lines


# --- several runs at once -------------------------------------------------------------------------


def share(report: Report, tiny: bool) -> None:
    """Time several trainers at once, each in a thread of its own."""
    report.add("", "## Several runs at once", "", "| batch size | runs | images/s in all | of one |")
    report.add("| --- | --- | --- | --- |")
    counts = (1, 2) if tiny else (1, 2, 4, 8)
    for batch_size in batch_sizes(tiny)[:2]:
        with attempt(report):
            rates = shared_rates(recipe(f"train.batch_size={batch_size}"), counts, 0.2 if tiny else 1.5)
            for runs, rate in zip(counts, rates, strict=True):
                report.add(f"| {batch_size} | {runs} | {rate * batch_size:,.0f} | {rate / rates[0]:.2f} |")


def shared_rates(config: RunConfig, counts: tuple[int, ...], seconds: float) -> list[float]:
    """Return the steps per second in all of as many trainers at once as ``counts`` says, the highest last.

    All are prepared before the first is timed.
    """
    barrier = threading.Barrier(counts[-1], timeout=120)

    def work(number: int) -> list[float]:
        rates = []
        try:
            trainer = new_trainer(config)
            take_epoch(trainer)
            for runs in counts:
                barrier.wait()
                rates.append(count_steps(trainer, seconds, first=1) if number < runs else 0.0)
        except BaseException:
            traceback.print_exc()
            barrier.abort()  # nobody waits for this thread
            raise
        return rates

    with ThreadPoolExecutor(counts[-1]) as pool:
        return [sum(rates) for rates in zip(*pool.map(work, range(counts[-1])), strict=True)]


if __name__ == "__main__":
    SMALLER[:] = TINY if "tiny" in sys.argv else []
    print(json.dumps(convolution_rates(sys.argv[1], "tiny" in sys.argv)))
