"""Whether precision ``auto`` chooses the faster one, how soon, and whether the precision changes the accuracy.

    python -m benchmarks.precision [--rounds 5] [--seeds 3]     # writes results/precision.md and the README's part

Steps of the trainer in fp32 and bf16, in turn; what ``auto`` chose is compared with the faster of the two in the same
round. The accuracies are of ``quick``, test images, last epoch, the same seeds in both precisions. Without bf16
instructions bf16 is emulated: slower, and the accuracies as true.
"""

import argparse
import os
import statistics
import time

from benchmarks.readme import put
from benchmarks.step_cost import shaped, step_seconds
from benchmarks.throughput import told
from core.config import RunConfig
from core.data import cifar10
from core.data.task import make_task
from core.presets import preset
from core.settings import PROJECT
from core.training.environment import processor_name, resolve
from core.training.evaluation import evaluate
from core.training.trainer import Trainer

RESULTS = PROJECT / "benchmarks" / "results" / "precision.md"
PRECISIONS = ("fp32", "bf16")
BATCHES = (32, 128)


def speeds(batch_size: int) -> dict[str, float]:
    """Images per second in each precision, by the fastest of a few steps, as ``auto`` counts them."""
    shape = (20, 16, "A", batch_size)
    return {
        one: batch_size / min(step_seconds(shaped([f"train.precision={one}"], shape), time.perf_counter))
        for one in PRECISIONS
    }


def accuracy(config: RunConfig) -> float:
    """Test accuracy after the last epoch."""
    environment, data = resolve(config), cifar10.load()
    task = make_task(config, data.images, data.labels, environment.torch_device)
    trainer = Trainer(config, task, environment)
    for _ in trainer.train():
        pass
    return evaluate(trainer.judged, task.test, task.normalization, environment).accuracy


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    began = time.perf_counter()
    chosen = resolve(shaped([], (20, 16, "A", 32))).precision
    decided = time.perf_counter() - began
    lines = [
        f"{processor_name()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}; median (least–most), "
        f"{args.rounds} rounds. `auto` chose {chosen} in {decided:.1f} s (wanted < 5).",
        "",
        "| batch | fp32, images/s | bf16, images/s | auto to the faster (wanted ≥ 0.97) |",
        "| --- | --- | --- | --- |",
    ]
    for batch_size in BATCHES:
        rounds = [speeds(batch_size) for _ in range(args.rounds)]
        cells = [told([one[precision] for one in rounds]) for precision in PRECISIONS]
        ratio = told([one[chosen] / max(one.values()) for one in rounds], 2)
        lines.append(f"| {batch_size} | {' | '.join(cells)} | {ratio} |")
    print("\n".join(lines), flush=True)
    if args.seeds:
        quick = preset("quick").config
        found: dict[str, list[float]] = {one: [] for one in PRECISIONS}
        for seed in range(args.seeds):
            for one in PRECISIONS:
                found[one].append(accuracy(quick.replace({"train.seed": seed, "train.precision": one})))
                print(f"  seed {seed} {one}: {found[one][-1]:.2%}", flush=True)
        differences = [100 * (b - a) for a, b in zip(found["fp32"], found["bf16"], strict=True)]
        each = {one: ", ".join(f"{value:.2%}" for value in values) for one, values in found.items()}
        lines += [
            "",
            f"`quick`, test accuracy of the last epoch, seeds 0–{args.seeds - 1}: fp32 {each['fp32']}; bf16 "
            f"{each['bf16']}. bf16 − fp32 of each seed: {statistics.mean(differences):+.2f} percentage points on "
            f"average ({', '.join(f'{one:+.2f}' for one in differences)}).",
        ]
        print(lines[-1])
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    put("precision", "\n".join(lines))


if __name__ == "__main__":
    main()
