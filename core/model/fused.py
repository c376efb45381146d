"""The fused operator for training: compiling core/model/fused.cpp for the CPU, loading it, and calling it.

    python -m core.model.fused     # compiles it where a C++ compiler is; `make setup` does this

The compiled file is kept in a folder of the user, under a name with the version of PyTorch, the instructions of the
processor and a hash of the source. Training only loads it and never compiles: without the file, everything is computed
with PyTorch's own operators.
"""

import contextlib
import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import BatchNorm2d

from core.base.errors import LabError, SettingError
from core.base.paths import compiled_folder

SOURCE = Path(__file__).with_suffix(".cpp")
#: Seconds after which the compiler is stopped. It takes about half a minute.
PATIENCE = 900.0
#: GCC and Clang options for the instructions that PyTorch uses on this processor, as PyTorch itself is compiled.
INSTRUCTIONS = {
    "AVX512": "-DCPU_CAPABILITY_AVX512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c",
    "AVX2": "-DCPU_CAPABILITY_AVX2 -mavx2 -mfma -mf16c",
}
_OPTIONS = "-std=c++20 -O3 -fPIC -fvisibility=hidden -fno-math-errno -fno-trapping-math -w"

_in_use = threading.local()


class CannotCompile(LabError):
    """The fused operator cannot be compiled on this computer."""


# --- compiling ------------------------------------------------------------------------------------


def instructions() -> str:
    """Return the instructions that the operator is compiled for: PyTorch's name for them, ``+bf16`` if it has those."""
    capability = torch.backends.cpu.get_cpu_capability()
    if capability not in INSTRUCTIONS:
        return f"{platform.machine()}-DEFAULT"
    return f"{capability}+bf16" if capability == "AVX512" and torch.cpu._is_avx512_bf16_supported() else capability


def compiled_file() -> Path:
    """Return where the operator of this source, version of PyTorch and processor is kept once it is compiled."""
    source = hashlib.sha256(SOURCE.read_bytes() + _options(instructions()).encode()).hexdigest()[:12]
    return compiled_folder() / f"fused-{torch.__version__}-{instructions()}-{source}.so"


def compile_operator() -> Path:
    """Compile the operator, unless that is done, and return its file. It takes about half a minute.

    Uses the C++ compiler in the environment variable ``CXX``, or ``c++``. Raises CannotCompile.
    """
    target = compiled_file()
    if target.exists():
        return target
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    if shutil.which(compiler[0]) is None:
        raise CannotCompile(f"there is no C++ compiler ({compiler[0]}) on this computer")
    pytorch = Path(torch.__file__).parent
    headers = pytorch / "include"
    includes = ["-isystem", str(headers), "-isystem", str(headers / "torch" / "csrc" / "api" / "include")]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made, linked = Path(folder) / "fused.o", Path(folder) / "fused.so"
            options = shlex.split(_options(instructions()))
            _call([*compiler, *options, *includes, "-c", str(SOURCE), "-o", str(made)])
            # Linked without OpenMP, so that its functions are those of the library that PyTorch has loaded already.
            undefined = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
            libraries = [f"-L{pytorch / 'lib'}", "-ltorch_cpu", "-lc10"]
            _call([*compiler, "-shared", *undefined, str(made), "-o", str(linked), *libraries])
            linked.replace(target)
    except OSError as error:
        raise CannotCompile(f"{target.parent} cannot be written: {error.strerror}") from error
    return target


def _options(instructions: str) -> str:
    capability, _, bf16 = instructions.partition("+")
    flags = INSTRUCTIONS.get(capability, "")
    name = capability if capability in INSTRUCTIONS else "DEFAULT"
    openmp = "-Xpreprocessor -fopenmp" if sys.platform == "darwin" else "-fopenmp"
    return f"{_OPTIONS} {openmp} -DCPU_CAPABILITY={name} {flags}{' -mavx512bf16' if bf16 else ''}"


def _call(command: list[str]) -> None:
    """Run the compiler. Raises CannotCompile with its first error."""
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE, errors="replace")
    except subprocess.TimeoutExpired as error:
        raise CannotCompile(f"{command[0]} did not finish within {PATIENCE:.0f} seconds") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line] or error.stderr.splitlines()
        raise CannotCompile(f"{command[0]} failed: {lines[0].strip() if lines else 'no message'}") from error


# --- using ----------------------------------------------------------------------------------------


@functools.cache
def load() -> bool:
    """Load the operator if it is compiled; return whether it can be used. The answer holds for this process."""
    try:
        file = compiled_file()
    except SettingError:  # a user without a home folder
        return False
    if not file.exists():
        return False
    try:
        torch.ops.load_library(file)
    except OSError:  # made for other libraries, or damaged
        return False
    return True


def available(device: str) -> bool:
    """Return whether the operator can be used on ``device``: on the CPU if it is compiled, on CUDA if Triton is there,
    which compiles it when it is first used.
    """
    return load() if device == "cpu" else device == "cuda" and importlib.util.find_spec("triton") is not None


@contextlib.contextmanager
def fused_operators(device: str) -> Iterator[None]:
    """Let networks that train on ``device`` in the block, in this thread, use the fused operator."""
    before = getattr(_in_use, "device", None)
    _in_use.device = device if available(device) else None
    try:
        yield
    finally:
        _in_use.device = before


def usable(images: Tensor, norms: Iterable[nn.Module], passed_over: Iterable[nn.Module]) -> bool:
    """Return whether a network's forward pass may use the operator.

    It may while it trains within :func:`fused_operators` for its device. ``norms`` are the network's batch norms,
    which the operator computes in place of the modules, and ``passed_over`` other modules that are then not called:
    each of them must be as :mod:`core.model.resnet` made it, and nobody may look at its output with a hook.
    """
    if getattr(_in_use, "device", None) != images.device.type or not torch.is_grad_enabled():
        return False
    if torch.compiler.is_compiling():
        return False
    norms = list(norms)
    ordinary = all(
        type(norm) is BatchNorm2d and norm.training and norm.momentum is not None and norm.running_mean is not None
        for norm in norms
    )
    return ordinary and not any(map(_hooked, (*norms, *passed_over)))


def _hooked(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def norm_add_relu(x: Tensor, norm: BatchNorm2d, residual: Tensor | None = None, *, twice: bool = False) -> list[Tensor]:
    """Return ``relu(norm(x) + residual)``, (N, c, h, w), and update the running statistics of ``norm`` as it would.

    With ``twice`` the result comes as two tensors that share memory, one for each place that uses it: their gradients
    are added within the backward pass.
    """
    if x.is_cuda:
        from core.model.cuda_norm import norm_add_relu  # needs Triton

        return norm_add_relu(x, norm, residual, twice=twice)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    operator = torch.ops.resnet_lab.norm_add_relu
    statistics = norm.running_mean, norm.running_var, norm.momentum, norm.eps
    return operator(x, norm.weight, norm.bias, residual, *statistics, twice)


def first_call() -> None:
    """Call the operator on a few numbers. To be done in each thread before it sets its number of threads.

    The library is linked apart from PyTorch. At its first call in a thread it gives this thread the number of threads
    that was set last anywhere in the process.
    """
    norm_add_relu(torch.zeros(2, 16, 1, 1), BatchNorm2d(16))


def main() -> int:
    """Compile the operator and print what became of it; return 0 also where it cannot be compiled."""
    if not compiled_file().exists():
        print("Compiling the fused operator for training on the CPU (about half a minute, once) …", flush=True)
    try:
        compile_operator()
    except CannotCompile as error:
        print(f"The fused operator was not compiled: {error}. Training works without it, more slowly.")
        return 0
    if load():
        print("The fused operator for training on the CPU is ready.")
    else:
        print(f"The fused operator cannot be loaded: delete {compiled_file()} and repeat. Training works without it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
