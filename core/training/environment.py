"""What a run is computed with: device, precision and threads, resolved once and then kept."""

import contextlib
import functools
import itertools
import math
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision

from core.base.errors import LabError
from core.base.paths import PROJECT
from core.config.run_config import RunConfig
from core.model import resnet

#: The candidates of precision take so many steps in turn, and of each the fastest counts: what else the machine does
#: makes steps slower, never faster, and in turn it meets both. One that is clearly slower at once ends it early, and so
#: do these seconds.
PROBE_ROUNDS, PROBE_SECONDS = 8, 4.0
PROBE_BATCH = 32
CLEARLY, GIVE_UP = 4.0, 10.0
#: A choice of precision holds at most so long.
CHOICE_SECONDS = 600.0


@dataclass(frozen=True)
class Environment:
    """``device`` as PyTorch names it, ``precision`` fp32 or bf16, ``threads`` of the processor."""

    device: str
    precision: str
    threads: int

    @property
    def torch_device(self) -> torch.device:
        """The device as PyTorch's own object."""
        return torch.device(self.device)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Convolutions in bf16 where that is the precision; weights stay fp32."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.torch_device.type, dtype=torch.bfloat16)

    def claim_threads(self) -> None:
        """Give the calling thread the run's number of threads: the setting holds for the thread that makes it."""
        torch.set_num_threads(self.threads)

    def describe(self) -> dict[str, Any]:
        """For meta.json: the choice made, and versions, processor and commit that a reader may ask for."""
        return {
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "processor": processor_name(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "accelerator": torch.cuda.get_device_name() if self.device == "cuda" else None,
            "platform": platform.platform(),
            "commit": commit(),
        }


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread in the block: a second team of threads would compete with training for the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve(config: RunConfig, recorded: dict[str, Any] | None = None) -> Environment:
    """The environment of a run: as ``recorded`` when it began, else by its settings and this machine.

    Raises LabError when the device asked for is not here.
    """
    if recorded and {"device", "precision", "threads"} <= recorded.keys():
        environment = Environment(recorded["device"], recorded["precision"], recorded["threads"])
        _require(environment.device)
        if environment.precision not in ("fp32", "bf16") or environment.threads not in range(1, 1025):
            raise LabError(
                f"The run was begun with the precision “{environment.precision}” and {environment.threads} threads, "
                "says its meta.json; it takes fp32 or bf16, and 1 to 1,024 threads. Clone the run to start anew."
            )
        return environment
    device = config.train.device if config.train.device != "auto" else _best_device()
    _require(device)
    threads = config.train.threads or os.cpu_count() or 1
    precision: str = config.train.precision
    if precision == "auto":
        precision = faster_precision(device, threads, config.model.depth, config.model.width)
    return Environment(device, precision, threads)


def faster_precision(device: str, threads: int, depth: int, width: int) -> str:
    """``fp32`` or ``bf16``, whichever makes training steps faster here and now.

    Timed anew after :data:`CHOICE_SECONDS` at the latest: beside another program bf16 may be the slower by far, and a
    server that met it once should not train in fp32 ever after.
    """
    return _timed(device, threads, depth, width, int(time.monotonic() // CHOICE_SECONDS))


@functools.lru_cache(maxsize=8)
def _timed(device: str, threads: int, depth: int, width: int, period: int) -> str:
    """The choice of a ``period``, which is there for the cache alone."""
    if not _may_have_bf16(device):
        return "fp32"  # emulated it is never faster, and on a busy machine a short timing could say so
    steps = {one: _step(Environment(device, one, threads), depth, width) for one in ("fp32", "bf16")}
    least: dict[str, float] = {}
    began = time.monotonic()
    try:
        for one, step in steps.items():
            # The first also prepares kernels. Without bf16 instructions one step can take more than ten times as long.
            if step() > GIVE_UP * least.get("fp32", math.inf):
                return "fp32"
            least[one] = step()
        for _ in range(PROBE_ROUNDS):
            clear = max(least.values()) > CLEARLY * min(least.values())
            if clear or time.monotonic() - began > PROBE_SECONDS:
                break
            for one, step in steps.items():
                least[one] = min(least[one], step())
    except RuntimeError:  # no bf16 kernels for this device
        return "fp32"
    return "bf16" if least["bf16"] < least["fp32"] else "fp32"


def _may_have_bf16(device: str) -> bool:
    """Whether ``device`` computes in bf16 itself, as far as it tells; true where that is not known."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    if device == "cpu":
        with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as file:
            for line in file:
                name, _, flags = line.partition(":")
                if name.strip() in ("flags", "Features"):  # x86 has avx512_bf16 or amx_bf16, ARM bf16
                    return "bf16" in flags
    return True


def _step(environment: Environment, depth: int, width: int) -> Callable[[], float]:
    """A function that takes a training step on made-up pictures and tells its seconds."""
    environment.claim_threads()
    device = environment.torch_device
    chance = torch.Generator().manual_seed(0)
    model = resnet(depth, width=width, generator=chance).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(PROBE_BATCH, 3, 32, 32, generator=chance).to(device, memory_format=torch.channels_last)
    labels = torch.zeros(PROBE_BATCH, dtype=torch.int64, device=device)

    def step() -> float:
        began = time.perf_counter()
        with environment.autocast():
            logits = model(images)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        if device.type != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter() - began

    return step


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _require(device: str) -> None:
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not isinstance(device, str) or not here.get(device, False):
        there = ", ".join(name for name, available in here.items() if available)
        raise LabError(f"The device {device} is not available on this computer; available: {there}. "
                       "Clone the run and choose another device.")  # fmt: skip


@functools.cache
def processor_name() -> str:
    """The processor as the system names it. A virtual machine may tell no more than "AMD EPYC", which is the name of
    generations that differ twofold in speed; then with its family and model."""
    told: dict[str, str] = {}
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as file:
        for line in itertools.takewhile(str.strip, file):  # of the first core
            key, _, value = line.partition(":")
            told[key.strip()] = value.strip()
    name = told.get("model name") or platform.processor() or platform.machine()
    if any(map(str.isdigit, name)) or not {"cpu family", "model"} <= told.keys():
        return name
    return f"{name} (family {told['cpu family']}, model {told['model']})"


@functools.cache
def commit() -> str | None:
    """The commit of this code, with ``+`` if files differ from it; ``None`` outside a repository."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None
