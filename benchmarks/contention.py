"""Measure how much another program slows down training, with our OpenMP spin count, a tenth of it and the default.

Each value is the speed of real training steps (preset quick) in a process of its own for a few seconds, while another
program keeps one core busy for 0, 20 (like a page that refreshes) or 90 % of the time. All combinations run in turn, so
that a drift of the machine's speed affects each of them. Ratios refer to our spin count without other load.

    python -m benchmarks.contention [rounds]
"""

import os
import statistics
import subprocess
import sys
import time

from benchmarks.common import DEFAULT_ENVIRONMENT, heading, keep_by_machine, spread_text
from core import SPINS

#: How long each process trains.
SECONDS = 6.0
#: GOMP_SPINCOUNT by its name in the table.
SPIN_COUNTS = {
    "a tenth of ours": str(int(SPINS) // 10),
    "ours": SPINS,
    "OpenMP's default": DEFAULT_ENVIRONMENT["GOMP_SPINCOUNT"],
}
#: Shares of the time for which the other program keeps a core busy.
LOADS = (0.0, 0.2, 0.9)
#: The other program.
BUSY = "import time\nwhile True:\n t = time.time()\n while time.time() - t < {0}: pass\n time.sleep(1 - {0})"


def train() -> None:
    """Train for a few seconds with the priority of the worker thread; print the images per second."""
    from core.config.presets import PRESETS
    from core.data import cifar10
    from core.data.task import make_task
    from core.jobs.worker import yield_to_pages
    from core.training.environment import resolve
    from core.training.trainer import Trainer

    yield_to_pages()
    config, data = PRESETS["quick"].config, cifar10.load()
    environment = resolve(config, {"device": "cpu", "precision": sys.argv[2], "threads": os.cpu_count()})
    trainer = Trainer(config, make_task(config, data.images, data.labels, environment.torch_device), environment)
    began, steps = 0.0, 0
    for step, _ in enumerate(trainer.train()):
        if step == 5:  # the first steps also prepare kernels
            began, steps = time.perf_counter(), -1
        steps += 1
        if began and time.perf_counter() - began > SECONDS:
            break
    print(steps * config.train.batch_size / (time.perf_counter() - began))


def speed(spin_count: str, load: float, precision: str) -> float:
    """Return the images per second of a new training process while another program makes ``load``."""
    other = subprocess.Popen([sys.executable, "-c", BUSY.format(load)]) if load else None
    try:
        command = [sys.executable, "-m", "benchmarks.contention", "--train", precision]
        environment = {**os.environ, "GOMP_SPINCOUNT": spin_count}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        if other:
            other.kill()
            other.wait()
    return float(answer.stdout)


def main(rounds: int) -> None:
    """Print the tables of all machines; the new one is in benchmarks/results/contention.md."""
    from core.training.environment import faster_precision

    precision = faster_precision("cpu", os.cpu_count() or 1, 20, 16)
    combinations = [(name, load) for load in LOADS for name in SPIN_COUNTS]
    speeds: dict[tuple[str, float], list[float]] = {combination: [] for combination in combinations}
    for _ in range(rounds):
        for name, load in combinations:
            speeds[name, load].append(speed(SPIN_COUNTS[name], load, precision))
    reference = statistics.median(speeds["ours", 0.0])
    lines = [
        f"{heading(precision)}, n = {rounds} each\n",
        "| spin count | other load | images/s, median (lowest–highest) | ratio |\n| --- | --- | --- | --- |",
    ]
    for (name, load), values in speeds.items():
        load_text = f"a core busy {100 * load:.0f} % of the time" if load else "none"
        ratio = statistics.median(values) / reference
        lines.append(f"| {name} ({SPIN_COUNTS[name]}) | {load_text} | {spread_text(values)} | {ratio:.2f} |")
    print(keep_by_machine("contention", "\n".join(lines)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
