"""Training speed against the loop most people would write, taken in turn in the same run: ratios, with their spread.

    python -m benchmarks.throughput [rounds]     # writes benchmarks/results/throughput.md, quoted in the README

Ours is a whole run as the app makes it: augmentation, metrics, progress, everything but the evaluation after the epoch,
which is timed by itself. The plain loop is benchmarks/plain.py, with as many loader processes as serve it best here,
and with four, as the scripts it is written after are shared. Keras trains the report's own recipe
(benchmarks/keras_report.py) if KERAS_PYTHON names a Python that has it. Each of them runs in a process of its own, one
after the other, in every round; the machine must do nothing else, and what drifts slowly cancels in a round's ratio.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

from benchmarks.readme import put
from core.presets import PRESETS
from core.runner import run
from core.settings import PROJECT
from core.store import RunStore
from core.training.environment import Environment, processor_name, resolve

RESULTS = PROJECT / "benchmarks" / "results" / "throughput.md"
PICTURES = {128: 6_400, 32: 3_200}
#: Loader processes of the scripts that are shared (akamaster/pytorch_resnet_cifar10).
SHARED_WORKERS = 4
#: What core/__init__.py sets, as it is where nobody sets it.
AS_IT_COMES = {"GOMP_SPINCOUNT": "300000", "THP_MEM_ALLOC_ENABLE": "0"}


def ours(batch_size: int) -> dict[str, float]:
    """Images per second of the second of two epochs, and of evaluating the 10,000 test images."""
    config = PRESETS["he2016"].config.replace({
        "data.train_size": PICTURES[batch_size], "data.validation": "test", "train.batch_size": batch_size,
        "train.epochs": 2, "train.schedule": "constant", "data.normalization": "channel",
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        run_id = store.create(config)
        if run(store, run_id).state != "finished":
            raise SystemExit(store.status(run_id).error)
        metrics = store.metrics(run_id)
    last = metrics.iloc[-1]
    whole = last["seconds"] - metrics.iloc[0]["seconds"]
    return {
        "training": last["images_per_second"],
        "evaluation": whole - PICTURES[batch_size] / last["images_per_second"],
    }


def plain(batch_size: int, workers: int) -> dict[str, float]:
    """The second epoch of the plain loop."""
    from benchmarks.plain import train

    epochs = train(PICTURES[batch_size], batch_size, workers, os.cpu_count() or 1)
    next(epochs)
    return {"training": next(epochs)}


def of(*words: str, **settings: str) -> dict[str, float]:
    """What a fresh process of this script measured, with these settings in its environment. The plain loop has torch
    as it comes, not as core/__init__.py sets it."""
    command = [sys.executable, "-m", "benchmarks.throughput", "--one", *words]
    settings = {**(AS_IT_COMES if words[0] == "plain" else {}), **settings}
    told = subprocess.run(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(told.stdout.splitlines()[-1])


def plain_speed(batch_size: int, workers: int) -> float:
    """Images per second of the plain loop in a process of its own."""
    return of("plain", str(batch_size), str(workers))["training"]


def best_workers(batch_size: int) -> int:
    """Loader processes with which the plain loop is fastest here."""
    return max((0, 2, 4), key=lambda workers: plain_speed(batch_size, workers))


def machine(environment: Environment) -> str:
    """What trains, in a few words; speeds and what chance makes of a seed are only compared within one."""
    return f"{processor_name()}, {environment.threads} threads, {environment.precision}"


def told(values: list[float], digits: int = 0) -> str:
    """Median and extremes."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def keras(python: str, batch_size: int) -> float:
    """Images per second of the report's recipe in Keras."""
    words = [python, str(PROJECT / "benchmarks" / "keras_report.py"), str(batch_size)]
    answer = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(answer.splitlines()[-1])


def main(rounds: int) -> None:
    """Measure, print and write."""
    environment = resolve(PRESETS["fast"].config)
    lines = [
        f"{processor_name()}, {os.cpu_count()} cores, {environment.precision}, {time.strftime('%Y-%m-%d')}, "
        f"n = {rounds} rounds: images per second of training, and what ours are to them, median (least–most)",
        "",
        "| batch | what | images per second | ours to it |",
        "| --- | --- | --- | --- |",
    ]
    evaluations = []
    for batch_size in PICTURES:
        best, python = best_workers(batch_size), os.environ.get("KERAS_PYTHON")
        others = {
            f"the plain loop, {workers} loader processes, {why}": partial(plain_speed, batch_size, workers)
            for workers, why in ((SHARED_WORKERS, "as it is shared"), (best, "the best number here"))
        }
        if python:
            others["Keras, the report's recipe"] = partial(keras, python, batch_size)
        own: list[float] = []
        found: dict[str, list[float]] = {name: [] for name in others}
        for _ in range(rounds):
            one = of("ours", str(batch_size))
            own.append(one["training"])
            evaluations.append(one["evaluation"])
            for name, speed in others.items():
                found[name].append(speed())
        lines.append(f"| {batch_size} | ours | {told(own)} | |")
        for name, speeds in found.items():
            ratios = [a / b for a, b in zip(own, speeds, strict=True)]
            lines.append(f"| {batch_size} | {name} | {told(speeds)} | {told(ratios, 2)} |")
        print("\n".join(lines), flush=True)
    lines += ["", f"Evaluating 10,000 images: {told(evaluations, 1)} s."]
    print(lines[-1])
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    put("throughput", "\n".join(lines))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        kind, size, *rest = sys.argv[2:]
        print(json.dumps(ours(int(size)) if kind == "ours" else plain(int(size), int(rest[0]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
