"""What another program costs a training run, with our OpenMP spin count and with the default one.

Each figure is the speed of real training steps (preset quick) in a process of its own for a few seconds, while another
program keeps one core busy for none, a fifth (like a page that refreshes) or most of the time. The kinds run in turn,
so that drifts of the machine affect all of them; the table gives ratios to the median of "ours, alone".

    python -m benchmarks.contention [rounds]
"""

import os
import statistics
import subprocess
import sys
import time

from benchmarks.common import DEFAULT_ENVIRONMENT, heading, spread_text
from core import SPINS

SECONDS = 6.0
KINDS = {"ours": SPINS, "OpenMP's default": DEFAULT_ENVIRONMENT["GOMP_SPINCOUNT"]}
SHARES = (0.0, 0.2, 0.9)

BUSY = "import time\nwhile True:\n t = time.time()\n while time.time() - t < {0}: pass\n time.sleep(1 - {0})"


def train() -> None:
    """Train for a few seconds at the training thread's priority and print images per second."""
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
    for at, _ in enumerate(trainer.train()):
        if at == 5:  # the first steps also prepare kernels
            began, steps = time.perf_counter(), -1
        steps += 1
        if began and time.perf_counter() - began > SECONDS:
            break
    print(steps * config.train.batch_size / (time.perf_counter() - began))


def speed(spin: str, busy: float, precision: str) -> float:
    """Return the images per second of a new process."""
    other = subprocess.Popen([sys.executable, "-c", BUSY.format(busy)]) if busy else None
    try:
        command = [sys.executable, "-m", "benchmarks.contention", "--train", precision]
        environment = {**os.environ, "GOMP_SPINCOUNT": spin}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        if other:
            other.kill()
            other.wait()
    return float(answer.stdout)


def main(rounds: int) -> None:
    """Print the table."""
    from core.training.environment import faster_precision

    precision = faster_precision("cpu", os.cpu_count() or 1, 20, 16)
    kinds = [(name, busy) for busy in SHARES for name in KINDS]
    speeds: dict[tuple[str, float], list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            speeds[kind].append(speed(KINDS[kind[0]], kind[1], precision))
    reference = statistics.median(speeds["ours", 0.0])
    print(f"{heading(precision)}, n = {rounds} each\n")
    print("| spin count | other load | images/s, median (lowest–highest) | ratio |\n| --- | --- | --- | --- |")
    for name, busy in kinds:
        got = speeds[name, busy]
        load = f"one core busy {100 * busy:.0f} % of the time" if busy else "none"
        print(f"| {name} ({KINDS[name]}) | {load} | {spread_text(got)} | {statistics.median(got) / reference:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
