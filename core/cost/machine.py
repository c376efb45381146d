"""Whether a run fits this machine: the memory and the cores that there are, also of a container or a GPU."""

import contextlib
import functools
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from core.base.errors import LabError
from core.base.machine import core_count, free_memory, installed_memory, memory_limits
from core.base.text import counted
from core.config.run_config import RunConfig
from core.cost.network import memory_bytes, memory_text

#: Share of the memory from which a run may be too big: an estimate is not exact, and other programs need memory too.
TIGHT = 0.7
#: Seconds after which a GPU is asked again how much memory is free.
GPU_SECONDS = 3.0


@dataclass(frozen=True)
class Fit:
    """What to say about a run on this machine: ``notes``, and why it is ``too_big`` to start unless confirmed."""

    notes: tuple[str, ...] = ()
    too_big: str = ""


def fit(config: RunConfig) -> Fit:
    """Return how a run of a checked ``config`` fits this machine."""
    return _fit(memory_bytes(config), config.train.device, config.train.threads)


def fit_all(configs: Iterable[RunConfig]) -> Fit:
    """Return how runs of checked ``configs``, one after the other, fit: what :func:`fit` says of the largest."""
    largest = max(configs, key=memory_bytes, default=None)
    return fit(largest) if largest else Fit()


def require_fit(configs: Iterable[RunConfig], *, confirmed: bool) -> tuple[str, ...]:
    """Return the notes of :func:`fit_all`. Raises LabError if a run is too big, unless the person ``confirmed`` it."""
    fits = fit_all(configs)
    if fits.too_big and not confirmed:
        raise LabError(f"{fits.too_big} To train it anyway, add --yes.")
    return (*fits.notes, fits.too_big) if fits.too_big else fits.notes


def _fit(needed: int, device: str, threads: int | None) -> Fit:
    notes: list[str] = []
    limit, cores = memory_limit(device), core_count()
    if (device == "cuda" and not _may_have_cuda()) or (device == "mps" and sys.platform != "darwin"):
        notes.append(f"This computer has no device {device}, so a run fails here. Choose the device auto or cpu.")
    if threads and threads > cores:
        notes.append(
            f"{counted(threads, 'thread')} on {counted(cores, 'core')} wait for each other, and train more slowly than "
            f"{cores} would. Use at most {cores}, or “all”."
        )
    if limit and needed > limit:
        return Fit(
            tuple(notes),
            f"A run needs about {memory_text(needed)} of memory, but there are only {memory_text(limit)}: the system "
            "will most likely end it. Use a smaller batch, width or depth.",
        )
    if limit and needed > TIGHT * limit:
        notes.append(
            f"A run needs about {memory_text(needed)} of the {memory_text(limit)} of memory. Close other programs, or "
            "use a smaller batch."
        )
    return Fit(tuple(notes))


def memory_limit(device: str) -> int | None:
    """Return the bytes of memory that a run on ``device`` can have; ``None`` if the system does not tell."""
    gpu = _gpu_memory() if device in ("auto", "cuda") else None
    if gpu:
        return gpu
    limits = [size for size in (installed_memory(), *memory_limits()) if size]
    return min(limits, default=None)


def free_memory_of(device: str) -> int | None:
    """Return the bytes of memory that are free for a run on ``device``; ``None`` if the system does not tell.

    For a GPU, what it said at most :data:`GPU_SECONDS` ago.
    """
    if device == "cuda" and has_gpu():
        return _nvidia("memory.free", int(time.monotonic() // GPU_SECONDS))
    return free_memory()


def has_gpu() -> bool:
    """Return whether PyTorch can train on an NVIDIA GPU here. PyTorch is not imported."""
    return _gpu_memory() is not None


def _may_have_cuda() -> bool:
    """Return whether there may be a GPU that PyTorch calls CUDA: an NVIDIA one, or one of AMD's, which is not asked."""
    with contextlib.suppress(PackageNotFoundError):
        return "+rocm" in version("torch") or has_gpu()
    return True


def _gpu_memory() -> int | None:
    """Return the memory of the first NVIDIA GPU that PyTorch can use; ``None`` without one."""
    return _nvidia("memory.total", 0)


@functools.lru_cache(maxsize=4)
def _nvidia(what: str, period: int) -> int | None:
    """Ask the driver for ``what`` the first GPU has, in bytes; ``period`` only makes the cache expire."""
    try:
        if version("torch").endswith("+cpu"):
            return None
        command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.split()
    except (PackageNotFoundError, OSError, subprocess.SubprocessError):
        return None
    return int(answer[0]) << 20 if answer and answer[0].isdecimal() else None
