"""Measure whether several runs at once finish sooner than the same runs one after the other.

    python -m benchmarks.side_by_side [ROUNDS]           # 3 rounds; on two cores about 6 minutes each
    python -m benchmarks.side_by_side [ROUNDS] --tiny    # the same with a thousandth of the images, to try the script

A round trains the same short runs from the queue in each way, in turn: on a CPU two runs one after the other with all
threads, then both at once with half of them each; on a GPU eight runs, 1, 2, 4 and 8 at once. The runs follow the
recipe of the preset fast with a tenth of its epochs, on all ten classes at batch size 128, and on the pair deer and dog
at batch size 32. The worker trains them, in threads of this process, with everything a run does: validation after each
epoch, saved states, the final test. Time counts from the start of the first run to the end of the last. Each way is
printed when it is measured.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence

import torch

from benchmarks.common import heading, keep_by_machine, spread_text
from core.base.machine import core_count
from core.base.text import counted
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost.together import cores_each
from core.data import cifar10
from core.jobs.places import Here
from core.jobs.runner import run
from core.jobs.worker import Worker
from core.runs.store import RunStore
from core.training.environment import resolve

PAIR = ("deer", "dog")


def recipes(tiny: bool) -> dict[str, RunConfig]:
    """Return the configs by name; their precision is chosen, so that no run times it."""
    fast = PRESETS["fast"].config
    tenth = fast.replace({"train.epochs": max(1, round(fast.train.epochs / 10))})
    if tiny:
        sizes = {"data.train_size": 228, "data.validation_size": 100, "data.test_size": 100}
        tenth = tenth.replace({**sizes, "train.epochs": 2, "model.depth": 8})
    pair = {"data.classes": PAIR, "train.batch_size": 32}
    if not tiny:
        pair |= {"data.train_size": None, "data.validation_size": 1_000, "data.test_size": None}
    configs = {"ten classes, batch size 128": tenth, "deer or dog, batch size 32": tenth.replace(pair)}
    return {
        name: config.replace({"train.precision": resolve(config).precision}).checked()
        for name, config in configs.items()
    }


def images_per_second(config: RunConfig, runs: int, at_once: int) -> float:
    """Train so many ``runs`` with consecutive seeds from the queue, ``at_once``; return trained images per second."""
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        run_ids = [store.create(config.replace({"train.seed": seed})) for seed in range(runs)]
        worker = Worker(store, Here(lambda: at_once))
        worker.start()
        while any(store.run(run_id).status().active for run_id in run_ids):
            if worker.trouble:
                raise SystemExit(worker.trouble)
            time.sleep(0.1)
        worker.stop()
        ended = [store.run(run_id).stored_status() for run_id in run_ids]
        if any(status.state != "finished" for status in ended):
            raise SystemExit(next(filter(None, (status.error for status in ended)), "A run did not finish."))
        seconds = max(status.finished_at or 0.0 for status in ended) - min(status.started_at or 0.0 for status in ended)
        images = sum(record.images for run_id in run_ids for record in store.run(run_id).records()[-1:])
    return images / seconds


def warm_up(config: RunConfig) -> None:
    """Train once on few images, so that no measured run loads code or prepares kernels."""
    few = {"data.train_size": 400, "data.validation_size": 100, "data.test_size": 100, "train.epochs": 2}
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        run(store, store.create(config.replace(few)))


def measure(configs: dict[str, RunConfig], ways: Sequence[int], runs: int, rounds: int) -> dict[str, list[list[float]]]:
    """Return images/s by config: for each round, one number for each way."""
    speeds: dict[str, list[list[float]]] = {name: [] for name in configs}
    for number in range(rounds):
        for name, config in configs.items():
            order = ways if number % 2 == 0 else ways[::-1]  # a machine that warms up or slows down favours neither
            by_way = dict[int, float]()
            for way in order:
                by_way[way] = images_per_second(config, runs, way)
                print(f"round {number + 1}, {name}, {way} at once: {by_way[way]:,.0f} images/s", flush=True)
            speeds[name].append([by_way[way] for way in ways])
    return speeds


def table(speeds: dict[str, list[list[float]]], ways: Sequence[int], runs: int) -> str:
    """Return images/s of all runs together, and how many times sooner they finish than one after the other."""
    rounds = counted(len(next(iter(speeds.values()))), "round")
    lines = [
        f"Trained images per second of {runs} runs together: median of {rounds} (lowest–highest). The ratio is "
        "that within a round, to one run at a time.",
        "",
        "| runs | at once | threads each | images/s in all | ratio to one at a time |",
        "| --- | --: | --: | --: | --: |",
    ]
    for name, by_round in speeds.items():
        for at, way in enumerate(ways):
            values = [values[at] for values in by_round]
            ratios = [values[at] / values[0] for values in by_round]
            ratio = spread_text(ratios, 2) if at else "1"
            lines.append(f"| {name} | {way} | {cores_each(way)} | {spread_text(values)} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print a table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="few images, and no file is written")
    args = parser.parse_args()
    cifar10.require()
    gpu = torch.cuda.is_available()
    if not gpu and core_count() < 2:
        raise SystemExit("This needs two cores: with one, there is nothing to share.")
    ways, runs = ((1, 2, 4, 8), 8) if gpu else ((1, 2), 2)
    configs = recipes(args.tiny)
    for config in configs.values():
        warm_up(config)
    speeds = measure(configs, ways, runs, args.rounds)
    first = next(iter(configs.values()))
    device = torch.cuda.get_device_name() if gpu else f"{core_count()} usable cores"
    text = f"{heading(device, first.train.precision)}\n\n{table(speeds, ways, runs)}"
    print(text if args.tiny else keep_by_machine("side_by_side", text))


if __name__ == "__main__":
    main()
