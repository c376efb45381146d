"""What each trick of ``fast`` gains: the recipe, shortened, with one trick at a time the other way, seed by seed.

    python -m benchmarks.tricks [--seeds 2] [--write] [TRICK …]   # writes core/tricks.json and docs/tricks.md

Every run is trained on 40,000 of the 50,000 training images and judged, at its last epoch, on the 10,000 others,
which are held out; the test images are not touched, so that a recipe can be chosen by these figures. Lines of what is
finished are kept in benchmarks/results/tricks.jsonl and not trained again while recipe and machine are the same.

The time is not that of these runs, which lie hours apart on a machine whose speed may change: the recipe with and
without the trick trains on a few images, in turn, and what is compared is the time of their steps.
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
#: Epochs, training images and rounds by which the steps are timed.
TIMED = {"train.epochs": 8, "data.train_size": 660, "data.validation_size": 20}
ROUNDS = 5


def base() -> RunConfig:
    """``fast``, shortened."""
    sizes = {"data.validation_size": 10_000, "train.epochs": EPOCHS}
    return preset("fast").config.replace(sizes)


def trained(config: RunConfig) -> dict[str, Any]:
    """Train ``config`` to its end: ``accuracy`` and ``loss`` on the held-out images, ``seconds``."""
    environment = resolve(config)
    data = cifar10.load()
    trainer = Trainer(config, make_task(config, data.images, data.labels, environment.torch_device), environment)
    for record in trainer.train():
        if isinstance(record, EpochRecord):
            print(f"    epoch {record.epoch}: {record.val_accuracy:.2%}, {record.seconds:.0f} s", flush=True)
    last = trainer.history[-1]
    where = f"{machine_text(environment)}, {time.strftime('%Y-%m-%d')}"
    return {"accuracy": last.val_accuracy, "loss": last.val_loss, "seconds": last.seconds, "machine": where}


def seconds_per_image(config: RunConfig) -> float:
    """Of training steps, over all sizes of window; what follows an epoch's last step is not counted."""
    environment, data = resolve(config), cifar10.load()
    trainer = Trainer(config, make_task(config, data.images, data.labels, environment.torch_device), environment)
    for _ in trainer.train():
        pass
    return statistics.mean(1 / one.images_per_second for one in trainer.history)


def time_shares(trick: Trick) -> list[float]:
    """Time of the steps with the trick as a ratio to that without, round by round."""
    ours = base().replace(TIMED)
    pair = [ours, ours.replace(trick.other)] if trick.in_fast else [ours.replace(trick.other), ours]
    rounds = [[seconds_per_image(one) for one in pair] for _ in range(ROUNDS + 1)]
    return [round(with_it / without, 3) for with_it, without in rounds[1:]]  # the first warms up


def known() -> dict[str, dict[str, Any]]:
    """Runs finished on such a machine, by their config's signature: another's precision and chance differ."""
    lines = DONE.read_text(encoding="utf-8").splitlines() if DONE.is_file() else []
    here = machine_text(resolve(base()))
    return {one["signature"]: one for one in map(json.loads, lines) if one["machine"].startswith(here)}


def outcome(config: RunConfig, name: str) -> dict[str, Any]:
    """Of a run that is finished, or is trained now."""
    signature = config.signature()
    if (found := known().get(signature)) is not None:
        return found
    print(f"  {name}, seed {config.train.seed}", flush=True)
    found = {"signature": signature, "trick": name, "seed": config.train.seed, **trained(config)}
    with DONE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")
    return found


def compared(tricks: list[Trick], seeds: int) -> Iterator[tuple[Trick, dict[str, list[float]]]]:
    """Each trick's points of accuracy, a number for each seed, and share of the time, one for each round."""
    for trick in tricks:
        points = []
        for seed in range(seeds):
            config = base().replace({"train.seed": seed})
            ours, other = outcome(config, "the recipe"), outcome(config.replace(trick.other), trick.name)
            with_it, without = (ours, other) if trick.in_fast else (other, ours)
            points.append(round(100 * (with_it["accuracy"] - without["accuracy"]), 2))
        yield trick, {"points": points, "time": time_shares(trick)}


def write() -> None:
    """The page, of what was measured on this machine: how, a table, all cards. Trains nothing."""
    measured_gains.cache_clear()
    gains, finished, sizes = measured_gains(), known(), base().data.sizes()
    if gains.keys() != {trick.name for trick in TRICKS} or base().signature() not in finished:
        raise SystemExit(
            f"Not all tricks are measured on {machine_text(resolve(base()))}, as it trains now; a busy machine may "
            "choose another precision. Run it without --write to train what is missing."
        )
    seeds = len(next(iter(gains.values())).points)
    signatures = {
        base().replace({**changes, "train.seed": seed}).signature()
        for changes in ({}, *(trick.other for trick in TRICKS))
        for seed in range(seeds)
    }
    machines = dict.fromkeys(one["machine"] for signature, one in finished.items() if signature in signatures)
    accuracy = finished[base().signature()]["accuracy"]
    chance = 100 * (2 * accuracy * (1 - accuracy) / sizes.validation / seeds) ** 0.5
    which = "seed 0" if seeds == 1 else f"seeds 0 to {seeds - 1}"
    how = (
        f"`fast` with {EPOCHS} epochs of {sizes.train:,} images, accuracy of the last on {sizes.validation:,} held "
        f"out ones, {which}; {'; '.join(machines)}. The choice of images gives a difference a standard "
        f"error of {chance:.1f} points (as if each run were judged on its own images, so at most), "
        "and the seed adds its own: gains of that size may be chance"
    )
    lines = ["# Tricks of fast training", "", f"Measured by `python -m benchmarks.tricks`: {how}.", ""]
    lines += ["| trick | in `fast` | gain, percentage points | time of the steps | beyond two standard errors |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for trick in TRICKS:
        gain = gains[trick.name]
        points = statistics.mean(gain.points)
        used, beyond = ("yes" if one else "no" for one in (trick.in_fast, abs(points) > 2 * chance))
        lines.append(f"| {trick.name} | {used} | {points:+.2f} | {spread_text(list(gain.time), 2)} | {beyond} |")
    lines.append("")
    lines += [line for trick in TRICKS for line in (f"## {trick.name}", "", card(trick), "")]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Train what is missing; write figures after each trick, and the page after all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tricks", nargs="*", help="their names; without any, all")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="only write the page anew, of what was measured")
    args = parser.parse_args()
    if args.write:
        write()
        return
    gains: dict[str, Any] = {}
    wanted = [one for one in TRICKS if not args.tricks or one.name in args.tricks]
    for trick, gain in compared(wanted, args.seeds):
        gains[trick.name] = gain
        print(f"{trick.name}: {gain}", flush=True)
        if len(wanted) == len(TRICKS):
            MEASURED.write_text(json.dumps({"recipe": recipe(), "gains": gains}, indent=1) + "\n", encoding="utf-8")
    if len(wanted) == len(TRICKS):
        write()


if __name__ == "__main__":
    main()
