"""How good the expected time and memory are: three different small runs, predicted and then taken.

    python -m benchmarks.estimate [time|memory] [train.threads=1 …]

Time: each config is predicted twice, from a probe of its own network (what "Measure on this machine" does) and
by scaling the probe of the first; then it is trained in a temporary folder. Beside the whole run its parts are
compared, so that what is wrong can be told: the training steps, the evaluations after each epoch, and the rest
(getting ready, and the test at the end). Wanted are 25 % on a machine that does nothing else; other work makes
runs slower than any estimate. Settings apply to all three; one thread disturbs and is disturbed less.

Memory: each config is trained in a process of its own, and the peak above what the process held before (the
program and the 184 MB of all images, which are not the run's) is compared with the formula. Linux only.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

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

CONFIGS = {
    "20 layers, batch 32": PRESETS["quick"].config,
    "8 layers, batch 128": RunConfig().set_from_text(
        ["model.depth=8", "data.train_size=12000", "data.validation_size=2000", "augment.translate=crop",
         "train.epochs=3", "train.warmup_epochs=1"]
    ),
    "32 layers, width 8, the report's": PRESETS["report"].config.set_from_text(
        ["model.depth=32", "model.width=8", "data.train_size=6000", "data.test_size=1000", "train.epochs=3",
         "train.batch_size=64"]
    ),
}  # fmt: skip


def trained(config: RunConfig, store: RunStore) -> tuple[str, Status]:
    """A finished run of ``config``, and how it stands."""
    run_id = store.create(config)
    status = run(store, run_id)
    if status.state != "finished":
        raise SystemExit(f"A run did not finish: {status.error}")
    return run_id, status


def parts_taken(store: RunStore, run_id: str, config: RunConfig, status: Status) -> list[float]:
    """Seconds of the whole run, of its training steps, of its evaluations and of the rest."""
    metrics, sizes = store.metrics(run_id), config.data.sizes()
    steps = float((sizes.train / metrics["images_per_second"]).sum())
    epochs = float(metrics["seconds"].iloc[-1])
    whole = (status.finished_at or 0.0) - (status.started_at or 0.0)
    return [whole, steps, epochs - steps, whole - epochs]


def parts_predicted(config: RunConfig, speed: Speed) -> list[float]:
    """The same, from a speed of this very network."""
    sizes, train = config.data.sizes(), config.train
    steps = train.epochs * sizes.train / speed.training
    evaluations = train.epochs * (sizes.validation or sizes.test) / speed.evaluation
    whole = run_seconds(config, speed)
    return [whole, steps, evaluations, whole - steps - evaluations]


def compare_time(settings: list[str]) -> None:
    """Print what was predicted and what was taken."""
    configs = {name: config.set_from_text(settings).checked() for name, config in CONFIGS.items()}
    print(
        f"Seconds, and taken / predicted; {START_SECONDS:g} s are counted for getting ready. Rest: taken, predicted.\n"
    )
    print("| config | scaled | measured | taken | / scaled | / measured | steps | evaluations | rest |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        store, first = RunStore(Path(folder) / "all"), RunStore(Path(folder) / "first")
        remember(first, measure(next(iter(configs.values())), store))
        for name, config in configs.items():
            measure(config, store)
            scaled = estimate(config, first).seconds or 0.0
            predicted = parts_predicted(config, probes(store)[0])
            run_id, status = trained(config, store)
            taken = parts_taken(store, run_id, config, status)
            store.trash.put(run_id)  # the next is predicted from probes alone
            ratios = [f"{one / other:.2f}" for one, other in zip(taken[:3], predicted[:3], strict=True)]
            cells = [f"{scaled:.1f}", f"{predicted[0]:.1f}", f"{taken[0]:.1f}", f"{taken[0] / scaled:.2f}", *ratios]
            print(f"| {name} | {' | '.join(cells)} | {taken[3]:.1f}, {predicted[3]:.1f} |", flush=True)


def compare_memory(settings: list[str]) -> None:
    """Print the formula's bytes and the peaks of processes that train nothing else."""
    print("| config | formula | measured peak | measured / formula |\n| --- | --- | --- | --- |", flush=True)
    for name, config in CONFIGS.items():
        wanted = memory_bytes(config.set_from_text(settings).checked())
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.estimate", "--peak", name, *settings],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        peak = int(told.stdout)
        print(f"| {name} | {wanted / 1e6:.0f} MB | {peak / 1e6:.0f} MB | {peak / wanted:.2f} |", flush=True)


def peak(name: str, settings: list[str]) -> int:
    """Bytes that training this config adds to the memory of this process, at its greediest moment."""
    config = CONFIGS[name].set_from_text(settings).replace({"train.epochs": 1, "train.warmup_epochs": 0.0}).checked()
    cifar10.load()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts anew from here
    with tempfile.TemporaryDirectory() as folder:
        trained(config, RunStore(folder))
    return _resident("VmHWM") - before


def _resident(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def main() -> None:
    """Print one part, or both."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--peak"]:
        print(peak(arguments[1], arguments[2:]))
        return
    wanted = [one for one in arguments if "=" not in one] or ["time", "memory"]
    settings = [one for one in arguments if "=" in one]
    if "time" in wanted:
        compare_time(settings)
    if "memory" in wanted:
        compare_memory(settings)


if __name__ == "__main__":
    main()
