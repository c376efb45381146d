"""Measure what the fused operator for training on the CPU gains: whole runs with it, without it, and the plain loop.

    python -m benchmarks.fused [rounds]     # writes benchmarks/results/fused.md and docs/speed.md

In every round, for each batch size, three processes take turns: a complete run as the app trains it with PyTorch's
operators ("stock"), the same run with the operator of core/model/fused.cpp ("fused"), and the plain loop
(benchmarks/plain.py) with the number of loader processes that is fastest on this machine. Keep the machine free of
other load: a slow drift cancels in the ratio of a round, a sudden load does not.
"""

import sys

from benchmarks.common import (
    RULE,
    best_workers,
    heading,
    keep_by_machine,
    measured_alone,
    plain_speed,
    publish,
    spread_text,
)
from core.config.presets import PRESETS
from core.model import fused
from core.training.environment import resolve

#: Training images per epoch of the plain loop, by batch size; those of the runs are in benchmarks/throughput.py.
IMAGES = {128: 6_400, 32: 3_200}


def main(rounds: int) -> None:
    """Measure, print and write."""
    if not fused.load():
        raise SystemExit("The fused operator is not compiled. Run `python -m core.model.fused` first.")
    environment = resolve(PRESETS["fast"].config)
    lines = [
        f"{heading(environment.precision, f'{environment.threads} threads')}, n = {rounds} rounds: training images per "
        "second, median (lowest–highest)",
        "",
        "| batch size | fused | stock | plain loop | fused / stock | fused / plain loop | stock / plain loop |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for batch_size, images in IMAGES.items():
        workers = best_workers(batch_size, images)
        speeds: dict[str, list[float]] = {"fused": [], "stock": [], "plain": []}
        for turn in range(rounds):
            kernels = ("fused", "stock") if turn % 2 == 0 else ("stock", "fused")
            for name in kernels:
                arguments = ("--ours", str(batch_size), name, environment.precision)
                speeds[name].append(measured_alone("throughput", *arguments)["training"])
            speeds["plain"].append(plain_speed(batch_size, workers, images))
        cells = [str(batch_size), *(spread_text(speeds[name]) for name in ("fused", "stock"))]
        cells.append(f"{spread_text(speeds['plain'])}, {workers} workers")
        for ours, reference in (("fused", "stock"), ("fused", "plain"), ("stock", "plain")):
            ratios = [a / b for a, b in zip(speeds[ours], speeds[reference], strict=True)]
            cells.append(spread_text(ratios, 2))
        lines.append(f"| {' | '.join(cells)} |")
        print("\n".join(lines), flush=True)
    publish("speed", "fused", keep_by_machine("fused", "\n".join(lines)).replace(RULE, "\n\n"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
