"""Whether precision ``auto`` chooses the faster one, how soon, and whether the precision changes the accuracy.

    python -m benchmarks.precision [--rounds 5]     # writes results/precision.md and the README's part

Steps of the trainer in fp32 and bf16, in turn; what ``auto`` chose is compared with the faster of the two in the same
round. The accuracies are those that benchmarks/time_to_accuracy.py has noted of one recipe and seed in both precisions
(``python -m benchmarks.time_to_accuracy fast-10 --precision fp32``), wherever each was trained.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator

from benchmarks.readme import put
from benchmarks.step_cost import shaped, step_seconds
from benchmarks.throughput import told
from benchmarks.time_to_accuracy import notes, trained_epochs
from core.presets import PRESETS
from core.settings import PROJECT
from core.training.environment import processor_name, resolve

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


def accuracies() -> Iterator[str]:
    """For each preset and number of epochs of which a seed is noted in both precisions, a sentence of such seeds."""
    found: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    machines: dict[tuple[str, int, str], dict[str, None]] = {}  # the sentence says where, they may differ
    for name in PRESETS:
        for one in notes(name):
            precisions = found.setdefault((name, trained_epochs(one)), {precision: {} for precision in PRECISIONS})
            machine, _, precision = one["machine"].rpartition(", ")
            precisions[precision][one["seed"]] = one["accuracy"]
            machines.setdefault((name, trained_epochs(one), precision), {})[machine] = None
    for (name, epochs), precisions in found.items():
        fp32, bf16 = (precisions[one] for one in PRECISIONS)
        if seeds := sorted(fp32.keys() & bf16.keys()):
            differences = [100 * (bf16[seed] - fp32[seed]) for seed in seeds]
            error = (
                f" ± {statistics.stdev(differences) / len(seeds) ** 0.5:.2f} (standard error)" if len(seeds) > 1 else ""
            )
            where = {one: " or ".join(machines[name, epochs, one]) for one in PRECISIONS}
            yield (
                f"`{name}` in {epochs} epochs, test accuracy of the last, seeds {', '.join(map(str, seeds))}: "
                f"fp32 {', '.join(f'{fp32[seed]:.2%}' for seed in seeds)} on {where['fp32']}; "
                f"bf16 {', '.join(f'{bf16[seed]:.2%}' for seed in seeds)} on {where['bf16']}. "
                f"bf16 − fp32: {statistics.mean(differences):+.2f}{error} percentage points, "
                f"seed by seed {', '.join(f'{one:+.2f}' for one in differences)}."
            )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
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
    for sentence in accuracies():
        lines += ["", sentence]
        print(sentence)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    put("precision", "\n".join(lines))


if __name__ == "__main__":
    main()
