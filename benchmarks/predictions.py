"""Measure how long it takes to read the predictions of many runs, and what a run pays for keeping them.

    python -m benchmarks.predictions [--runs 100] [--repeats 5]     # writes results/predictions.md and docs/speed.md

Makes finished runs with made-up answers for 5,000 held-out and 10,000 test images, of the best and of the last epoch.
Then measures, in this process: reading those of all runs by a new server, by a server that has read them, and after one
of them changed. The files were just written, so they are in the system's memory and no disk is measured.

The end of a run is measured with an untrained network of the preset `fast`: the evaluation of the best and the last
network on the test images, which every run needs for its result, and everything else that predictions add to it: the
best network's evaluation on the held-out images, making the file and writing it to the disk.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.common import RESULTS, heading, publish, spread_text
from core.base.text import filesize
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.config.sections import TRAIN_IMAGES
from core.data.task import load_task
from core.model.resnet import make_network
from core.runs.predictions import PREDICTIONS, Answers, Part, Predictions, predictions_bytes
from core.runs.store import RunStore
from core.training.environment import resolve, threads
from core.training.evaluation import predict
from tests.made import made_run

CONFIG = PRESETS["fast"].config
EPOCHS = (CONFIG.train.epochs - 1, CONFIG.train.epochs)


def made_up(config: RunConfig, seed: int) -> Predictions:
    """Return random answers for as many images as the run has."""
    draw, sizes, k = np.random.default_rng(seed), config.data.sizes(), len(config.data.classes)
    parts: tuple[tuple[Part, int, int], ...] = (("test", TRAIN_IMAGES, sizes.test), ("validation", 0, sizes.validation))
    kept = []
    for part, first, count in parts:
        labels, images = draw.integers(0, k, count), first + np.arange(count)
        for epoch in EPOCHS:
            logits = draw.normal(0, 4, (count, k)).astype(np.float32)
            kept.append(Answers(part, epoch, images, labels, logits, logits.argmax(1)))
    return Predictions(config.data.classes, *EPOCHS, False, tuple(kept))


def make_runs(store: RunStore, count: int) -> list[str]:
    """Make finished runs with predictions; return their ids."""
    run_ids = []
    for seed in range(count):
        config = CONFIG.replace({"train.seed": seed})
        run_ids.append(made_run(store, epochs=2, config=config))
        store.run(run_ids[-1]).write_predictions(predictions_bytes(made_up(config, seed), config))
    return run_ids


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def reading(root: Path, run_ids: list[str], repeats: int) -> list[tuple[str, list[float]]]:
    """Return what was read and its times in seconds."""
    server = RunStore(root)

    def read(store: RunStore) -> None:
        if len(store.many_predictions(run_ids)) != len(run_ids):
            raise SystemExit("Some predictions could not be read.")

    new = [seconds(lambda: read(RunStore(root))) for _ in range(repeats)]
    read(server)
    again = [seconds(lambda: read(server)) for _ in range(repeats)]
    changed = []
    for at in range(repeats):
        run = server.run(run_ids[at % len(run_ids)])
        run.write_predictions(run.checksums.read(PREDICTIONS))
        changed.append(seconds(lambda: read(server)))
    return [("by a new server", new), ("again, no change", again), ("again, one run changed", changed)]


def end_of_a_run(store: RunStore, run_id: str, repeats: int) -> tuple[list[float], list[float]]:
    """Return the seconds of the evaluation of two networks on the test images, and those that predictions add to it."""
    environment, predictions = resolve(CONFIG), made_up(CONFIG, 0)
    task = load_task(CONFIG, environment.torch_device)
    network = make_network(CONFIG, torch.Generator().manual_seed(0))
    network.to(environment.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def test_both() -> None:
        for _ in EPOCHS:
            predict(network, task.test.images, task.normalization, environment)

    def add_predictions() -> None:
        predict(network, task.validation.images, task.normalization, environment)
        store.run(run_id).write_predictions(predictions_bytes(predictions, CONFIG))

    with threads(environment.threads):
        test_both()  # the first time, kernels are prepared
        times = [(seconds(test_both), seconds(add_predictions)) for _ in range(repeats)]
    tested, added = zip(*times, strict=True)
    return list(tested), list(added)


def table(runs: int, repeats: int) -> str:
    """Measure everything; return the results as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        with mock.patch("os.fsync"):
            run_ids = make_runs(store, runs)
        size = (store.run(run_ids[0]).path / PREDICTIONS).stat().st_size
        rows = reading(store.root, run_ids, repeats)
        tested, added = end_of_a_run(store, run_ids[0], repeats)
    share = [100 * extra / test for extra, test in zip(added, tested, strict=True)]
    images = CONFIG.data.sizes().test + CONFIG.data.sizes().validation
    lines = [
        heading(f"n = {repeats}"),
        "",
        f"| predictions of {runs} runs ({images:,} images, two epochs, {filesize(size)} each) | seconds |",
        "| --- | --- |",
        *(f"| read {what} | {spread_text(times, 3)} |" for what, times in rows),
        "",
        "At the end of a run, evaluating the best and the last network on the test images takes "
        f"{spread_text(tested, 1)} s. Keeping predictions adds {spread_text(added, 1)} s ({spread_text(share)} %): "
        "the best network answers for the held-out images, and the file is written. A run whose last epoch is its best "
        "adds only the file.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, metavar="N", help="number of runs (default: 100)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="repetitions (default: 5)")
    parser.add_argument("--print-only", action="store_true", help="do not write the results")
    args = parser.parse_args()
    text = table(args.runs, args.repeats)
    print(text)
    if not args.print_only:
        (RESULTS / "predictions.md").write_text(text, encoding="utf-8")
        publish("speed", "predictions", text)


if __name__ == "__main__":
    main()
