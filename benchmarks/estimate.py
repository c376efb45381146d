"""Compare the estimates of time and memory with three short runs of different networks.

    python -m benchmarks.estimate [time|memory] [train.threads=1 …]

Time: each config is estimated in two ways, by scaling the probe of the first network and from a probe of its network
(what "Measure on this machine" does). Then it is trained in a temporary folder. Besides the whole run, the table
compares its components, to show where an estimate is wrong: the training steps, the evaluations after each epoch, and
the rest (preparation, and the test at the end). The goal is 25 % on an otherwise idle machine; other load makes runs
slower than any estimate. Settings apply to all three configs; training with one thread is affected least by other load.

Memory: each config is trained in a process of its own. The peak above what the process held before (the program and the
184 MB of all images, which are not part of the run) is compared with the formula. Linux only.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost.estimate import START_SECONDS, estimate, run_seconds
from core.cost.network import memory_bytes
from core.cost.speed import Speed, probes, remember
from core.data import cifar10
from core.jobs.probe import measure
from core.jobs.runner import run
from core.runs.folder import Status
from core.runs.store import RunStore

_SHALLOW = {
    "model.depth": 8,
    "data.train_size": 12_000,
    "data.validation_size": 2_000,
    "augment.translate": "crop",
    "train.epochs": 3,
    "train.warmup_epochs": 1.0,
}
_NARROW = {
    "model.depth": 32,
    "model.width": 8,
    "data.train_size": 6_000,
    "data.test_size": 1_000,
    "train.epochs": 3,
    "train.batch_size": 64,
}
#: The first network's probe is the one that is scaled for the others.
CONFIGS = {
    "20 layers, batch 32": PRESETS["quick"].config,
    "8 layers, batch 128": RunConfig().replace(_SHALLOW),
    "32 layers, width 8, as in the report": PRESETS["report"].config.replace(_NARROW),
}


class Times(NamedTuple):
    """Seconds of a whole run and of its components."""

    total: float
    steps: float
    evaluations: float
    rest: float


def train(config: RunConfig, store: RunStore) -> tuple[str, Status]:
    """Train a run to its end; return its id and status. Raises SystemExit if it does not finish."""
    run_id = store.create(config)
    status = run(store, run_id)
    if status.state != "finished":
        raise SystemExit(f"Run {run_id} did not finish: {status.error}")
    return run_id, status


def actual_times(store: RunStore, run_id: str, config: RunConfig, status: Status) -> Times:
    """Return how long a finished run took."""
    metrics, sizes = store.metrics(run_id), config.data.sizes()
    steps = float((sizes.train / metrics["images_per_second"]).sum())
    epochs = float(metrics["seconds"].iloc[-1])
    total = (status.finished_at or 0.0) - (status.started_at or 0.0)
    return Times(total, steps, epochs - steps, total - epochs)


def estimated_times(config: RunConfig, speed: Speed) -> Times:
    """Return how long a run is expected to take, from the measured speed of its own network."""
    sizes, epochs = config.data.sizes(), config.train.epochs
    steps = epochs * sizes.train / speed.training
    evaluations = epochs * (sizes.validation or sizes.test) / speed.evaluation
    total = run_seconds(config, speed)
    return Times(total, steps, evaluations, total - steps - evaluations)


def compare_time(settings: list[str]) -> None:
    """Print a table of estimated and actual times."""
    configs = {name: config.set_from_text(settings).checked() for name, config in CONFIGS.items()}
    print(
        "Seconds. Scaled: estimated from the first network's probe. Probed: estimated from a probe of this network. "
        f"Steps and evaluations: actual / probed. Rest: actual, probed ({START_SECONDS:g} s of it for preparation).\n"
    )
    print("| config | scaled | probed | actual | actual / scaled | actual / probed | steps | evaluations | rest |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        store, first = RunStore(Path(folder) / "all"), RunStore(Path(folder) / "first")
        remember(first, measure(next(iter(configs.values())), store))
        for name, config in configs.items():
            measure(config, store)
            scaled = estimate(config, first).seconds or 0.0
            probed = estimated_times(config, probes(store)[0])
            run_id, status = train(config, store)
            actual = actual_times(store, run_id, config, status)
            store.trash.put(run_id)  # so that the next estimate uses probes only
            ratios = [took / expected for took, expected in zip(actual[:3], probed[:3], strict=True)]
            cells = [f"{scaled:.1f}", f"{probed.total:.1f}", f"{actual.total:.1f}", f"{actual.total / scaled:.2f}"]
            cells += [f"{ratio:.2f}" for ratio in ratios]
            print(f"| {name} | {' | '.join(cells)} | {actual.rest:.1f}, {probed.rest:.1f} |", flush=True)


def compare_memory(settings: list[str]) -> None:
    """Print a table of the formula's bytes and the peaks of processes that train nothing else."""
    print("| config | formula | measured peak | measured / formula |\n| --- | --- | --- | --- |", flush=True)
    for name, config in CONFIGS.items():
        expected = memory_bytes(config.set_from_text(settings).checked())
        command = [sys.executable, "-m", "benchmarks.estimate", "--peak", name, *settings]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT)
        peak = int(answer.stdout)
        print(f"| {name} | {expected / 1e6:.0f} MB | {peak / 1e6:.0f} MB | {peak / expected:.2f} |", flush=True)


def peak_bytes(name: str, settings: list[str]) -> int:
    """Train an epoch of a config; return by how many bytes the peak exceeds the memory used before."""
    config = CONFIGS[name].set_from_text(settings).replace({"train.epochs": 1, "train.warmup_epochs": 0.0}).checked()
    cifar10.load()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    with tempfile.TemporaryDirectory() as folder:
        train(config, RunStore(folder))
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Print the table of times, the table of memory, or both."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--peak"]:
        print(peak_bytes(arguments[1], arguments[2:]))
        return
    tables = [word for word in arguments if "=" not in word] or ["time", "memory"]
    settings = [word for word in arguments if "=" in word]
    if "time" in tables:
        compare_time(settings)
    if "memory" in tables:
        compare_memory(settings)


if __name__ == "__main__":
    main()
