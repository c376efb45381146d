"""Check that two checkouts train the same networks, bit for bit.

``python -m docs.tools.same_weights OTHER_CHECKOUT [--images 2000] [--epochs 2] [--without FIELD …]`` trains a few short
runs with this checkout and with the other one. It compares every tensor in ``last.pt`` and ``best.safetensors`` with
``torch.equal``, and every other value in them, in ``metrics.jsonl`` and in ``result.json`` except times. ``--without``
leaves out fields that one of the checkouts does not record; ``predictions.safetensors`` is compared if both write it.
It prints a table and the first differences, and exits with 0 if everything is equal, with 1 if anything differs or a
run cannot be trained.

Both checkouts train with this interpreter, two threads and a fixed precision, so on one machine equal code gives equal
bits. Only the command line is used, so any two checkouts can be compared, whatever their modules are called. It needs
the CIFAR-10 images (``resnet-lab data``) and takes one to three minutes on two cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open

THIS_CHECKOUT = Path(__file__).resolve().parents[2]
THREADS = 2
#: Images for validation and for testing, besides those for training.
EVALUATION_IMAGES = 500
#: Fields of an epoch that depend on the clock. They must be there; all other fields must be equal.
TIMES = ("seconds", "images_per_second")
PREDICTIONS = "predictions.safetensors"
#: Differences printed for each file.
SHOWN = 3


class Run(NamedTuple):
    """A short run to train with both checkouts."""

    preset: str
    precision: str
    settings: tuple[str, ...]


class Comparison(NamedTuple):
    """How many tensors and other values of a file were compared, and a line for each difference."""

    tensors: int
    values: int
    differences: list[str]


def runs(images: int) -> list[Run]:
    """Return the runs to train, each with ``images`` training images and a learning rate that changes."""
    held_out = (f"data.train_size={images + EVALUATION_IMAGES}", f"data.validation_size={EVALUATION_IMAGES}")
    return [
        Run("report", "fp32", (f"data.train_size={images}", "train.milestones=1,2,3,4")),
        Run("fast", "fp32", held_out),
        Run("fast", "bf16", held_out),
        Run("he2016", "fp32", (*held_out, "train.milestones=1,2")),
    ]


def main() -> int:
    """Train the runs with both checkouts, print what was compared, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m docs.tools.same_weights", description="Check that two checkouts train the same networks."
    )
    parser.add_argument("checkout", type=Path, metavar="OTHER_CHECKOUT", help="folder with another version")
    parser.add_argument("--images", type=int, default=2_000, metavar="N", help="training images (default: 2000)")
    parser.add_argument("--epochs", type=int, default=2, metavar="N", help="epochs, at least 2 (default: 2)")
    parser.add_argument("--without", nargs="+", default=[], metavar="FIELD", help="fields that are not compared")
    args = parser.parse_args()
    other = args.checkout.resolve()
    if not (other / "core").is_dir():
        parser.error(f"{args.checkout} is not a checkout: it has no folder core")
    if args.epochs < 2:
        parser.error("--epochs must be at least 2: the learning rate warms up for one epoch")

    differences = []
    print(f"{'run':<12}  {'file':<16}  {'tensors':>7}  {'values':>6}  {'different':>9}", flush=True)
    for run in runs(args.images):
        name = f"{run.preset} {run.precision}"
        with tempfile.TemporaryDirectory(prefix="same-weights-") as scratch:
            ours = train(THIS_CHECKOUT, run, args.epochs, Path(scratch, "ours"))
            theirs = train(other, run, args.epochs, Path(scratch, "theirs"))
            for file, read in FILES.items():
                there = [(folder / file).exists() for folder in (ours, theirs)]
                if not any(there) or (file == PREDICTIONS and not all(there)):  # earlier versions do not write it
                    continue
                comparison = compare(read(ours / file), read(theirs / file), args.without)
                counts = (comparison.tensors, comparison.values, len(comparison.differences))
                print(f"{name:<12}  {file:<16}  {counts[0]:>7}  {counts[1]:>6}  {counts[2]:>9}", flush=True)
                differences += [f"{name}, {file}: {text}" for text in shortened(comparison.differences)]
    print("\n" + ("\n".join(differences) if differences else "All runs are equal."))
    return int(bool(differences))


def train(checkout: Path, run: Run, epochs: int, folder: Path) -> Path:
    """Train a run with a checkout's command line in ``folder`` and return the run's own folder.

    Exits with a message if the command fails.
    """
    settings = [
        f"train.epochs={epochs}",
        f"train.precision={run.precision}",
        f"train.threads={THREADS}",
        "train.device=cpu",
        f"data.test_size={EVALUATION_IMAGES}",
        *run.settings,
    ]
    options = [word for setting in settings for word in ("--set", setting)]
    folder.mkdir()
    began = time.monotonic()
    command = [sys.executable, "-m", "core", "train", "--preset", run.preset, *options, "--json"]
    done = subprocess.run(command, cwd=checkout, env=environment(folder), capture_output=True, text=True, check=False)
    print(f"{checkout}: {run.preset} {run.precision} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if done.returncode:
        sys.exit(f"{checkout} could not train the run {run.preset} {run.precision}:\n{done.stderr}")
    return folder / json.loads(done.stdout)["runs"][0]["id"]


def environment(runs_folder: Path) -> dict[str, str]:
    """Return the environment of a command: this one, with a runs folder, without what could import other code."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    return {**inherited, "RESNET_LAB_RUNS": str(runs_folder), "OMP_NUM_THREADS": str(THREADS)}


# --- reading a run's files ------------------------------------------------------------------------


def read_state(path: Path) -> Any:
    """Return the content of a last.pt, without the run and the configuration that it names."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value for name, value in state.items() if name not in ("run", "config")}


def read_weights(path: Path) -> Any:
    """Return the tensors and the metadata of a safetensors file, without the configuration that it names."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        metadata = {name: value for name, value in file.metadata().items() if name != "config"}
        return {"metadata": metadata, "tensors": tensors}


def read_epochs(path: Path) -> Any:
    """Return the epochs in a metrics.jsonl."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_result(path: Path) -> Any:
    """Return the test evaluation in a result.json; a run that validates on the test images has none."""
    return json.loads(path.read_text()) if path.exists() else None


FILES: dict[str, Callable[[Path], Any]] = {
    "last.pt": read_state,
    "best.safetensors": read_weights,
    "metrics.jsonl": read_epochs,
    "result.json": read_result,
    PREDICTIONS: read_weights,
}


# --- comparing ------------------------------------------------------------------------------------


def compare(ours: Any, theirs: Any, without: Collection[str] = ()) -> Comparison:
    """Compare two contents leaf by leaf, but not the fields ``without``."""
    left, right = dict(leaves(ours, without)), dict(leaves(theirs, without))
    differences = [f"{path} is missing in the other checkout" for path in left if path not in right]
    differences += [f"{path} is missing in this checkout" for path in right if path not in left]
    shared = [path for path in left if path in right]
    differences += [text for path in shared if (text := difference(path, left[path], right[path]))]
    tensors = sum(isinstance(value, torch.Tensor) for value in left.values())
    return Comparison(tensors, len(left) - tensors, differences)


def leaves(content: Any, without: Collection[str] = (), path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of everything in ``content`` that holds nothing further, with times blanked out.

    Fields called as in ``without`` are left out.
    """
    if isinstance(content, dict) and content:
        for name, value in content.items():
            below = f"{path}[{name!r}]"
            if name not in without:
                yield from [(below, "a time")] if name in TIMES else leaves(value, without, below)
    elif isinstance(content, list | tuple) and content:
        for index, value in enumerate(content):
            yield from leaves(value, without, f"{path}[{index}]")
    else:
        yield path, content


def difference(path: str, ours: Any, theirs: Any) -> str | None:
    """Return what differs between two leaves in words, or ``None``."""
    if isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            return f"{path} is {ours.dtype} {tuple(ours.shape)} here, {theirs.dtype} {tuple(theirs.shape)} there"
        if torch.equal(ours, theirs):
            return None
        gap = (ours.double() - theirs.double()).abs().max().item()
        return f"{path} differs in {int((ours != theirs).sum())} of {ours.numel()} numbers, by up to {gap:.3g}"
    same = type(ours) is type(theirs) and (ours == theirs or (ours != ours and theirs != theirs))
    return None if same else f"{path} is {str(ours)[:60]} here, {str(theirs)[:60]} there"


def shortened(differences: list[str]) -> list[str]:
    """Return the first differences, and a line that counts the rest."""
    rest = len(differences) - SHOWN
    return [*differences[:SHOWN], *([f"{rest} more differences"] if rest > 0 else [])]


if __name__ == "__main__":
    sys.exit(main())
