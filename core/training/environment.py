"""What a run is computed with: device, precision and threads, chosen once per run and then kept."""

import contextlib
import functools
import itertools
import math
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from core.base.errors import LabError
from core.base.machine import core_count
from core.base.memory import keep_freed_memory
from core.base.paths import PROJECT
from core.config.run_config import RunConfig
from core.model import fused
from core.model.resnet import ResNet

#: To choose a precision, both take up to PROBE_ROUNDS steps in turn, and the fastest step of each counts: other
#: programs make steps slower, never faster. It ends early after PROBE_SECONDS, when one precision is CLEARLY (so many
#: times) slower, or when the first step in bf16 takes GIVE_UP times as long as one in fp32.
PROBE_ROUNDS, PROBE_SECONDS = 8, 4.0
PROBE_BATCH = 32
CLEARLY, GIVE_UP = 4.0, 10.0
#: Seconds after which the precision is chosen again.
CHOICE_SECONDS = 600.0


@dataclass(frozen=True)
class Environment:
    """What a run is computed with.

    ``device``: cpu, cuda or mps; ``precision``: fp32 or bf16; ``threads``: number of CPU threads; ``kernels``: fused,
    if training uses the operator of :mod:`core.model.fused`, or stock for PyTorch's operators alone.
    """

    device: str
    precision: str
    threads: int
    kernels: str = "stock"

    @property
    def torch_device(self) -> torch.device:
        """The device as a PyTorch object."""
        return torch.device(self.device)

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute in the precision and with the kernels in the block; weights stay in fp32."""
        bf16 = self.precision != "fp32"
        with self.operators(), torch.autocast(self.torch_device.type, torch.bfloat16, enabled=bf16):
            yield

    def operators(self) -> contextlib.AbstractContextManager[None]:
        """Compute with the kernels in the block."""
        return fused.fused_operators(self.device) if self.kernels == "fused" else contextlib.nullcontext()

    def claim_threads(self) -> None:
        """Set the number of threads for the calling thread (PyTorch keeps it per thread), and keep freed memory."""
        torch.get_num_threads()  # the first call in a thread may set the number, too
        if self.kernels == "fused" and fused.load():
            fused.first_call()
        torch.set_num_threads(self.threads)
        keep_freed_memory()

    def describe(self) -> dict[str, Any]:
        """Return what meta.json records: device, precision, threads and kernels, versions, processor and commit."""
        return {
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "kernels": self.kernels,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": version("torchvision"),  # importing it takes a second
            "processor": processor_name(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "accelerator": torch.cuda.get_device_name() if self.device == "cuda" else None,
            "platform": platform.platform(),
            "commit": commit(),
        }


def one_thread() -> contextlib.AbstractContextManager[None]:
    """Compute with one thread in a block: a second team of threads would compete with training for the cores."""
    return threads(1)


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Compute with ``number`` threads in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve(config: RunConfig, recorded: dict[str, Any] | None = None, cores: int | None = None) -> Environment:
    """Return the environment ``recorded`` when the run began, or choose one by its settings and this machine.

    ``cores``: how many threads “all” means, by default as many as this process has cores.

    If only a precision is recorded, it is what ``auto`` chose for the runs that this one is compared with. It is chosen
    again, except for bf16 on a machine that would only emulate it. If only kernels are recorded, they are used.

    Raises LabError for a device or kernels that this machine does not have.
    """
    recorded = recorded or {}
    if {"device", "precision", "threads"} <= recorded.keys():
        kernels = recorded.get("kernels", "stock")  # runs from before there was a choice
        environment = Environment(recorded["device"], recorded["precision"], recorded["threads"], kernels)
        _require(environment.device, kernels)
        if environment.precision not in ("fp32", "bf16") or environment.threads not in range(1, 1025):
            raise LabError(
                f"The run's meta.json records precision “{environment.precision}” and threads “{environment.threads}”; "
                "allowed are fp32 or bf16 and 1 to 1,024 threads. Copy the settings into a new run."
            )
        return environment
    device = config.train.device if config.train.device != "auto" else _available_devices()[0]
    kernels = recorded.get("kernels") or ("fused" if fused.available(device) else "stock")
    _require(device, kernels)
    threads = config.train.threads or cores or core_count()
    precision: str = config.train.precision
    if precision == "auto":
        shared = recorded.get("precision")
        if shared == "fp32" or (shared == "bf16" and _may_have_bf16(device)):
            return Environment(device, shared, threads, kernels)
        precision = faster_precision(device, threads, config.model.depth, config.model.width, kernels)
    return Environment(device, precision, threads, kernels)


# --- choosing a precision -------------------------------------------------------------------------


def faster_precision(device: str, threads: int, depth: int, width: int, kernels: str = "stock") -> str:
    """Return ``fp32`` or ``bf16``, whichever makes training steps faster on this machine now.

    The choice holds for :data:`CHOICE_SECONDS` at most: while another program computes, bf16 may be much slower, and
    a server should not train in fp32 for ever because of that.
    """
    return _choose_precision(device, threads, depth, width, kernels, int(time.monotonic() // CHOICE_SECONDS))


@functools.lru_cache(maxsize=8)
def _choose_precision(device: str, threads: int, depth: int, width: int, kernels: str, period: int) -> str:
    """Time both precisions; ``period`` only makes the cache expire."""
    if not _may_have_bf16(device):
        return "fp32"  # emulated bf16 is never faster, but a short timing on a busy machine could say so
    if device == "cuda":
        return "bf16"  # single steps would measure how fast the CPU starts kernels
    steps = {name: _step(Environment(device, name, threads, kernels), depth, width) for name in ("fp32", "bf16")}
    fastest: dict[str, float] = {}
    began = time.monotonic()
    try:
        for name, step in steps.items():
            # The first step also prepares kernels. Without bf16 instructions it can take more than ten times as long.
            if step() > GIVE_UP * fastest.get("fp32", math.inf):
                return "fp32"
            fastest[name] = step()
        for _ in range(PROBE_ROUNDS):
            clear = max(fastest.values()) > CLEARLY * min(fastest.values())
            if clear or time.monotonic() - began > PROBE_SECONDS:
                break
            for name, step in steps.items():
                fastest[name] = min(fastest[name], step())
    except RuntimeError:  # PyTorch has no bf16 kernels for this device
        return "fp32"
    return "bf16" if fastest["bf16"] < fastest["fp32"] else "fp32"


def _may_have_bf16(device: str) -> bool:
    """Return whether ``device`` has bf16 instructions; true where that is not known."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = _cpuinfo().get("flags") or _cpuinfo().get("Features")  # x86 has avx512_bf16 or amx_bf16, ARM bf16
    return "bf16" in flags if device == "cpu" and flags else True


def _step(environment: Environment, depth: int, width: int) -> Callable[[], float]:
    """Return a function that takes a training step on random images and returns its seconds."""
    environment.claim_threads()
    device = environment.torch_device
    generator = torch.Generator().manual_seed(0)
    model = ResNet(depth, width=width, generator=generator)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(PROBE_BATCH, 3, 32, 32, generator=generator).to(device, memory_format=torch.channels_last)
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


# --- this machine ---------------------------------------------------------------------------------


def _available_devices() -> list[str]:
    """Return the devices of this machine, the fastest first."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [device for device, is_available in available.items() if is_available]


def _require(device: str, kernels: str) -> None:
    """Raise LabError if this machine does not have ``device`` or ``kernels``."""
    if device not in _available_devices():
        raise LabError(
            f"The device {device} is not available on this computer; available: {', '.join(_available_devices())}. "
            "Copy the settings into a new run and choose another device."
        )
    if kernels not in ("stock", "fused"):
        raise LabError(
            f"The run's meta.json records the kernels “{kernels}”; allowed are stock and fused. Copy the settings into "
            "a new run."
        )
    if kernels == "fused" and not fused.available(device):
        remedy = "Compile it with `python -m core.model.fused`" if device == "cpu" else "Install the package triton"
        raise LabError(
            "The run was trained with the fused operator, which is not available on this computer in this version. "
            f"{remedy} and restart the program, or copy the settings into a new run."
        )


def _cpuinfo() -> dict[str, str]:
    """Return what Linux says about the first core, by name; empty on other systems."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as file:
        lines = (line.partition(":") for line in itertools.takewhile(str.strip, file))
        return {name.strip(): value.strip() for name, _, value in lines}
    return {}


@functools.cache
def processor_name() -> str:
    """Return the processor's name.

    On a virtual machine the name may be just "AMD EPYC", which covers generations that differ twofold in speed; its
    family and model are then added.
    """
    cpu = _cpuinfo()
    name = cpu.get("model name") or platform.processor() or platform.machine()
    if any(map(str.isdigit, name)) or not {"cpu family", "model"} <= cpu.keys():
        return name
    return f"{name} (family {cpu['cpu family']}, model {cpu['model']})"


@functools.cache
def commit() -> str | None:
    """Return the commit of this code, with ``+`` if files differ from it; ``None`` outside a repository."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None
