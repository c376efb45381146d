"""Compare the training speed with a typical PyTorch loop and with Keras.

    python -m benchmarks.throughput [rounds]     # writes benchmarks/results/throughput.md and docs/speed.md

"Ours" is a complete run as the app trains it, with augmentation, metrics and progress. The evaluation after the epoch
is timed separately. The plain loop is benchmarks/plain.py with the number of loader processes that is fastest on this
machine. Keras trains the report's recipe (benchmarks/keras_report.py) if KERAS_PYTHON is the path of a Python with
Keras. In every round each of them runs in a process of its own, in turn. Keep the machine free of other load: a slow
drift cancels in the ratio of a round, a sudden load does not.
"""

import json
import os
import subprocess
import sys
import tempfile

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
from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.jobs.runner import run
from core.runs.store import RunStore
from core.training.environment import resolve

#: Training images per epoch, by batch size.
IMAGES = {128: 6_400, 32: 3_200}


def ours(batch_size: int, kernels: str = "", precision: str = "") -> dict[str, float]:
    """Return images per second in the second of two epochs, and the seconds to evaluate the 10,000 test images.

    ``kernels`` (``stock`` or ``fused``) and ``precision`` (``fp32`` or ``bf16``) are by default those of a new run.
    """
    changes = {
        "data.train_size": IMAGES[batch_size],
        "data.validation": "test",
        "data.normalization": "channel",
        "train.batch_size": batch_size,
        "train.epochs": 2,
        "train.schedule": "constant",
    }
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        given = {"kernels": kernels, "precision": precision}
        environment = {name: value for name, value in given.items() if value}
        run_id = store.create(PRESETS["he2016"].config.replace(changes), environment=environment)
        status = run(store, run_id)
        if status.state != "finished":
            raise SystemExit(status.error)
        metrics = store.metrics(run_id)
    last = metrics.iloc[-1]
    epoch = last["seconds"] - metrics.iloc[0]["seconds"]
    return {"training": last["images_per_second"], "evaluation": epoch - IMAGES[batch_size] / last["images_per_second"]}


def keras_speed(python: str, batch_size: int) -> float:
    """Return the images per second of Keras with the report's recipe."""
    command = [python, str(PROJECT / "benchmarks" / "keras_report.py"), str(batch_size)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(answer.stdout.splitlines()[-1])


def main(rounds: int) -> None:
    """Measure, print and write."""
    keras = os.environ.get("KERAS_PYTHON")
    first_line = heading(resolve(PRESETS["fast"].config).precision)
    lines = [
        f"{first_line}, n = {rounds} rounds: training images per second, median (lowest–highest)",
        "",
        "| batch size | ours | plain loop | ours / plain loop | Keras, the report's recipe | ours / Keras |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    evaluations = []
    for batch_size, images in IMAGES.items():
        workers = best_workers(batch_size, images)
        speeds: dict[str, list[float]] = {"ours": [], "plain": [], "keras": []}
        for _ in range(rounds):
            measured = measured_alone("throughput", "--ours", str(batch_size))
            speeds["ours"].append(measured["training"])
            evaluations.append(measured["evaluation"])
            speeds["plain"].append(plain_speed(batch_size, workers, images))
            if keras:
                speeds["keras"].append(keras_speed(keras, batch_size))
        ratios = {
            name: [ours / theirs for ours, theirs in zip(speeds["ours"], values, strict=True)]
            for name, values in speeds.items()
            if values
        }
        cells = [str(batch_size), spread_text(speeds["ours"]), f"{spread_text(speeds['plain'])}, {workers} workers"]
        cells += [spread_text(ratios["plain"], 2)]
        cells += [spread_text(speeds["keras"]), spread_text(ratios["keras"], 2)] if keras else ["not installed", "–"]
        lines.append(f"| {' | '.join(cells)} |")
        print("\n".join(lines), flush=True)
    lines += ["", f"Evaluating 10,000 images takes {spread_text(evaluations, 1)} s."]
    print(lines[-1])
    publish("speed", "throughput", keep_by_machine("throughput", "\n".join(lines)).replace(RULE, "\n\n"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        print(json.dumps(ours(int(sys.argv[2]), *sys.argv[3:])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
