"""Measure what each trick of the preset ``fast`` gains, by switching it the other way in a shortened recipe.

    python -m benchmarks.tricks [--seeds 2] [--write] [TRICK …]   # writes core/config/tricks.json and docs/tricks.md

Every run trains on 40,000 of the 50,000 training images and is evaluated, after its last epoch, on the other 10,000.
The test images are not used, so that these figures can be used to choose a recipe. Finished runs are recorded in
benchmarks/results/tricks.jsonl and are not trained again while recipe and machine are the same.

The times do not come from these runs, which are hours apart on a machine whose speed may change. Instead the recipe
with and without the trick trains on a few images, in turn, and the times of their steps are compared.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.common import machine_text, spread_text
from core.base.paths import PROJECT
from core.config.presets import preset
from core.config.run_config import RunConfig
from core.config.tricks import MEASURED, TRICKS, Trick, card, recipe
from core.config.tricks import gains as measured_gains
from core.data import cifar10
from core.data.task import make_task
from core.records import EpochRecord
from core.training.environment import resolve
from core.training.trainer import Trainer

DONE = PROJECT / "benchmarks" / "results" / "tricks.jsonl"
PAGE = PROJECT / "docs" / "tricks.md"
EPOCHS = 12
#: Epochs and images of the short runs that time the steps, and how often each pair of runs is timed.
TIMED = {"train.epochs": 8, "data.train_size": 660, "data.validation_size": 20}
ROUNDS = 5


def base() -> RunConfig:
    """Return the shortened recipe ``fast``."""
    sizes = {"data.validation_size": 10_000, "train.epochs": EPOCHS}
    return preset("fast").config.replace(sizes)


def train(config: RunConfig) -> dict[str, Any]:
    """Train ``config`` to its end; return accuracy and loss on the held-out images, the seconds, and the machine."""
    environment = resolve(config)
    data = cifar10.load()
    trainer = Trainer(config, make_task(config, data.images, data.labels, environment.torch_device), environment)
    for record in trainer.train():
        if isinstance(record, EpochRecord):
            print(f"    epoch {record.epoch}: {record.val_accuracy:.2%}, {record.seconds:.0f} s", flush=True)
    last = trainer.history[-1]
    machine = f"{machine_text(environment)}, {time.strftime('%Y-%m-%d')}"
    return {"accuracy": last.val_accuracy, "loss": last.val_loss, "seconds": last.seconds, "machine": machine}


def seconds_per_image(config: RunConfig) -> float:
    """Return the mean seconds per image of training steps over all crop sizes, without the evaluations."""
    environment, data = resolve(config), cifar10.load()
    trainer = Trainer(config, make_task(config, data.images, data.labels, environment.torch_device), environment)
    for _ in trainer.train():
        pass
    return statistics.mean(1 / record.images_per_second for record in trainer.history)


def time_ratios(trick: Trick) -> list[float]:
    """Return the time of the steps with the trick divided by that without it, for each round."""
    ours = base().replace(TIMED)
    pair = [ours, ours.replace(trick.other)] if trick.in_fast else [ours.replace(trick.other), ours]
    rounds = [[seconds_per_image(config) for config in pair] for _ in range(ROUNDS + 1)]
    return [round(with_it / without, 3) for with_it, without in rounds[1:]]  # the first round warms up


def recorded_runs() -> list[dict[str, Any]]:
    """Return the recorded runs, the oldest first."""
    return [json.loads(line) for line in DONE.read_text(encoding="utf-8").splitlines()] if DONE.is_file() else []


def runs_on(machine: str) -> dict[str, dict[str, Any]]:
    """Return the recorded runs of a kind of machine (from ``machine_text``) by the signature of their config."""
    return {run["signature"]: run for run in recorded_runs() if run["machine"].startswith(machine)}


def outcome(config: RunConfig, name: str) -> dict[str, Any]:
    """Return the recorded run of ``config``, or train and record it."""
    signature = config.signature()
    if (recorded := runs_on(machine_text(resolve(base()))).get(signature)) is not None:
        return recorded
    print(f"  {name}, seed {config.train.seed}", flush=True)
    run = {"signature": signature, "trick": name, "seed": config.train.seed, **train(config)}
    with DONE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")
    return run


def measured(tricks: list[Trick], seeds: int) -> Iterator[tuple[Trick, dict[str, list[float]]]]:
    """Yield each trick with its gain in percentage points for each seed, and its time ratio for each round."""
    for trick in tricks:
        points = []
        for seed in range(seeds):
            config = base().replace({"train.seed": seed})
            ours, other = outcome(config, "the recipe"), outcome(config.replace(trick.other), trick.name)
            with_it, without = (ours, other) if trick.in_fast else (other, ours)
            points.append(round(100 * (with_it["accuracy"] - without["accuracy"]), 2))
        yield trick, {"points": points, "time": time_ratios(trick)}


def write() -> None:
    """Write the page from the gains that were measured last, on any machine, without training.

    Raises SystemExit if a trick has not been measured.
    """
    measured_gains.cache_clear()
    gains = measured_gains()
    recipes = [run for run in recorded_runs() if run["signature"] == base().signature()]
    if not recipes or gains.keys() != {trick.name for trick in TRICKS}:
        raise SystemExit(
            "Not all tricks were measured with today's recipe. Run without --write to train what is missing."
        )
    seeds = len(next(iter(gains.values())).points)
    error = standard_error(recipes[-1]["accuracy"], seeds)
    machine = recipes[-1]["machine"].rpartition(", ")[0]  # without the date
    lines = [
        "# Tricks of fast training",
        "",
        f"Measured by `python -m benchmarks.tricks`: {method(runs_on(machine), seeds, error)}",
        "",
        "| trick | used in `fast` | gain, percentage points | time of the steps | larger than two standard errors |",
        "| --- | --- | --- | --- | --- |",
    ]
    for trick in TRICKS:
        gain = gains[trick.name]
        points = statistics.mean(gain.points)
        used, clear = ("yes" if yes else "no" for yes in (trick.in_fast, abs(points) > 2 * error))
        lines.append(f"| {trick.name} | {used} | {points:+.2f} | {spread_text(list(gain.time), 2)} | {clear} |")
    lines.append("")
    lines += [line for trick in TRICKS for line in (f"## {trick.name}", "", card(trick), "")]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def standard_error(accuracy: float, seeds: int) -> float:
    """Return the standard error of a gain due to the sampling of validation images, in percentage points.

    An upper bound: it treats the two runs as if each were evaluated on images of its own.
    """
    return 100 * (2 * accuracy * (1 - accuracy) / base().data.sizes().validation / seeds) ** 0.5


def method(runs: dict[str, dict[str, Any]], seeds: int, error: float) -> str:
    """Return the sentences on how the gains were measured with ``runs``, which are given by signature."""
    signatures = {
        base().replace({**changes, "train.seed": seed}).signature()
        for changes in ({}, *(trick.other for trick in TRICKS))
        for seed in range(seeds)
    }
    machines = dict.fromkeys(run["machine"] for signature, run in runs.items() if signature in signatures)
    sizes = base().data.sizes()
    seed_text = "seed 0" if seeds == 1 else f"seeds 0 to {seeds - 1}"
    return (
        f"`fast` with {EPOCHS} epochs of {sizes.train:,} images, accuracy after the last epoch on {sizes.validation:,} "
        f"held-out images, {seed_text}; {'; '.join(machines)}. Because of the sampling of the held-out images, a gain "
        f"has a standard error of at most {error:.1f} percentage points; seed-to-seed variation comes on top. Gains of "
        "that size may be chance. A time of 0.70 means that steps with the trick take 70 % of the time without it."
    )


def main() -> None:
    """Train what is missing; write tricks.json after each trick, and the page after the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tricks", nargs="*", help="names of tricks; without any, all")
    parser.add_argument("--seeds", type=int, default=2, help="train seeds 0 to N − 1")
    parser.add_argument("--write", action="store_true", help="only write the page from what was measured")
    args = parser.parse_args()
    if args.write:
        write()
        return
    gains: dict[str, Any] = {}
    wanted = [trick for trick in TRICKS if not args.tricks or trick.name in args.tricks]
    for trick, gain in measured(wanted, args.seeds):
        gains[trick.name] = gain
        print(f"{trick.name}: {gain}", flush=True)
        if len(wanted) == len(TRICKS):
            MEASURED.write_text(json.dumps({"recipe": recipe(), "gains": gains}, indent=1) + "\n", encoding="utf-8")
    if len(wanted) == len(TRICKS):
        write()


if __name__ == "__main__":
    main()
