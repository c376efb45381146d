"""Training speed against the loop most people would write, taken in turn in the same run: ratios, with their spread.

    python -m benchmarks.throughput [rounds]     # writes benchmarks/results/throughput.md, quoted in the README

Ours is a whole run as the app makes it: augmentation, metrics, progress, everything but the evaluation after the
epoch, which is timed by itself. The plain loop is benchmarks/plain.py, with as many loader processes as serve it best
here. Keras trains the report's own recipe (benchmarks/keras_report.py) if KERAS_PYTHON names a Python that has it. Each
of them runs in a process of its own, one after the other, in every round; the machine must do nothing else, and what
drifts slowly cancels in a round's ratio.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.readme import RULE, keep, put
from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.jobs.runner import run
from core.runs.store import RunStore
from core.training.environment import Environment, processor_name, resolve

PICTURES = {128: 6_400, 32: 3_200}
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


def best_workers(batch_size: int) -> int:
    """Loader processes with which the plain loop is fastest here."""
    return max((0, 2, 4), key=lambda workers: of("plain", str(batch_size), str(workers))["training"])


def machine(environment: Environment) -> str:
    """What trains, in a few words; speeds and what chance makes of a seed are only compared within one."""
    return f"{processor_name()}, {environment.threads} threads, {environment.precision}"


def told(values: list[float], digits: int = 0) -> str:
    """Median and extremes."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def main(rounds: int) -> None:
    """Measure, print and write."""
    environment = resolve(PRESETS["fast"].config)
    keras = os.environ.get("KERAS_PYTHON")
    lines = [
        f"{processor_name()}, {os.cpu_count()} cores, {environment.precision}, {time.strftime('%Y-%m-%d')}, "
        f"n = {rounds} rounds: images per second of training, median (least–most)",
        "",
        "| batch | ours | the plain loop | ours / plain | Keras, the report's recipe | ours / Keras |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    evaluations = []
    for batch_size in PICTURES:
        workers = best_workers(batch_size)
        found: dict[str, list[float]] = {"ours": [], "plain": [], "keras": []}
        for _ in range(rounds):
            one = of("ours", str(batch_size))
            found["ours"].append(one["training"])
            evaluations.append(one["evaluation"])
            found["plain"].append(of("plain", str(batch_size), str(workers))["training"])
            if keras:
                words = [keras, str(PROJECT / "benchmarks" / "keras_report.py"), str(batch_size)]
                answer = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
                found["keras"].append(float(answer.splitlines()[-1]))
        ratios = [a / b for a, b in zip(found["ours"], found["plain"], strict=True)]
        cells = [str(batch_size), told(found["ours"]), f"{told(found['plain'])}, {workers} workers", told(ratios, 2)]
        if keras:
            cells += [
                told(found["keras"]),
                told([a / b for a, b in zip(found["ours"], found["keras"], strict=True)], 2),
            ]
        else:
            cells += ["not installed", "–"]
        lines.append(f"| {' | '.join(cells)} |")
        print("\n".join(lines), flush=True)
    lines += ["", f"Evaluating 10,000 images: {told(evaluations, 1)} s."]
    print(lines[-1])
    put("throughput", keep("throughput", "\n".join(lines)).replace(RULE, "\n\n"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        kind, size, *rest = sys.argv[2:]
        print(json.dumps(ours(int(size)) if kind == "ours" else plain(int(size), int(rest[0]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
