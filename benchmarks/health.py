"""Measure what it costs to record the health of a training (core/training/health.py).

    python -m benchmarks.health [--epochs 5] [--set SETTING …]

Writes results/health.md and docs/speed.md. A run of each of two presets trains its first epochs on CIFAR-10. The time
spent in measuring is added up and divided by the time of the same epoch: two whole runs differ from one another by more
than that. In the first epochs of ``fast`` the crops are small, and in ``quick`` an epoch is short: both make the share
larger than it is in most runs.
"""

import argparse
import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from benchmarks.common import heading, keep_by_machine, publish, spread_text
from core.config.presets import preset
from core.data.task import load_task
from core.records import EpochRecord
from core.training.environment import Environment, resolve
from core.training.health import HealthMeter
from core.training.trainer import Trainer

PRESETS = ("quick", "fast")
#: Everything that HealthMeter does.
CALLS = ("begin_epoch", "_before_step", "_after_step", "_count_dead", "read")


class Stopwatch:
    """Adds up the time that is spent in measuring the health."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Measure every call from outside."""
        with contextlib.ExitStack() as stack:
            for name in CALLS:
                stack.enter_context(mock.patch.object(HealthMeter, name, self._timed(getattr(HealthMeter, name))))
            yield

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def shares(name: str, settings: list[str], epochs: int) -> tuple[Environment, list[float], list[float]]:
    """Train the first ``epochs`` of a preset on the CPU; return the seconds of each, and the share spent in measuring.

    The first epoch also prepares kernels and memory, so it is trained in addition and not counted.
    """
    config = preset(name).config.replace({"train.device": "cpu"}).set_from_text(settings)
    config = config.replace({"train.epochs": max(config.train.epochs, epochs + 1)}).checked()
    environment = resolve(config)
    trainer = Trainer(config, load_task(config, environment.torch_device), environment)
    watch = Stopwatch()
    seconds, spent = [0.0], [0.0]
    with watch.running():
        for record in trainer.train():
            if isinstance(record, EpochRecord):
                seconds.append(record.seconds)
                spent.append(watch.seconds)
                if record.epoch > epochs:
                    break
    lengths = [later - earlier for earlier, later in itertools.pairwise(seconds[1:])]
    measured = [later - earlier for earlier, later in itertools.pairwise(spent[1:])]
    return environment, lengths, [part / whole for part, whole in zip(measured, lengths, strict=True)]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="epochs of each preset (default: 5)")
    parser.add_argument("--set", action="append", default=[], metavar="SETTING", help="change a setting of the presets")
    args = parser.parse_args()
    rows = [
        ("preset", "seconds per epoch", "recording health, median (lowest–highest)", "n"),
        ("---", "---", "---", "---"),
    ]
    costs: list[float] = []
    for name in PRESETS:
        environment, seconds, parts = shares(name, args.set, args.epochs)
        percents = [100 * part for part in parts]
        costs.append(statistics.median(percents))
        cost = f"{spread_text(percents, 2)} % of the epoch"
        rows.append((f"`{name}`", spread_text(seconds, 1), cost, str(len(percents))))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    changed = f", with {' '.join(args.set)}" if args.set else ""
    head = heading(f"{environment.threads} threads", environment.precision)
    text = f"{head}{changed}: recording health takes {max(costs):.2f} % of an epoch at most.\n\n{table}\n"
    print(text)
    publish("speed", "health", keep_by_machine("health", text))


if __name__ == "__main__":
    main()
