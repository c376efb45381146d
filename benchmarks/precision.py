"""Whether precision ``auto`` chooses the faster one, how soon, and whether the precision changes the accuracy.

    python -m benchmarks.precision [--rounds 5]     # writes results/precision.md and the README's part

Steps of the trainer in fp32 and bf16, in turn; what ``auto`` chose is compared with the faster of the two in the same
round. The accuracies are those that benchmarks/time_to_accuracy.py has noted of one recipe and seed in both precisions
(``python -m benchmarks.time_to_accuracy fast-10 --precision fp32``) on one machine.
"""

import argparse
import statistics
import time
from collections.abc import Iterator

from benchmarks.common import (
    RULE,
    accuracy_notes,
    heading,
    keep_by_machine,
    network_config,
    publish,
    spread_text,
    step_seconds,
    trained_epochs,
)
from core.config.presets import PRESETS
from core.training.environment import resolve

PRECISIONS = ("fp32", "bf16")
BATCHES = (32, 128)


def speeds(batch_size: int) -> dict[str, float]:
    """Images per second in each precision, by the fastest of a few steps, as ``auto`` counts them."""
    shape = (20, 16, "A", batch_size)
    return {
        one: batch_size / min(step_seconds(network_config([f"train.precision={one}"], shape), time.perf_counter))
        for one in PRECISIONS
    }


def accuracies() -> Iterator[str]:
    """For each preset and number of epochs of which one machine noted a seed in both precisions, a sentence of such
    seeds."""
    found: dict[tuple[str, int, str], dict[str, dict[int, float]]] = {}
    for name in PRESETS:
        for one in accuracy_notes(name):
            machine, _, precision = one["machine"].rpartition(", ")
            precisions = found.setdefault((name, trained_epochs(one), machine), {each: {} for each in PRECISIONS})
            precisions[precision][one["seed"]] = one["accuracy"]
    for (name, epochs, machine), precisions in found.items():
        fp32, bf16 = (precisions[one] for one in PRECISIONS)
        if seeds := sorted(fp32.keys() & bf16.keys()):
            differences = [100 * (bf16[seed] - fp32[seed]) for seed in seeds]
            error = (
                f" ± {statistics.stdev(differences) / len(seeds) ** 0.5:.2f} (standard error)" if len(seeds) > 1 else ""
            )
            yield (
                f"`{name}` in {epochs} epochs on {machine}, test accuracy of the last, seeds "
                f"{', '.join(map(str, seeds))}: fp32 {', '.join(f'{fp32[seed]:.2%}' for seed in seeds)}; "
                f"bf16 {', '.join(f'{bf16[seed]:.2%}' for seed in seeds)}. "
                f"bf16 − fp32: {statistics.mean(differences):+.2f}{error} percentage points, "
                f"seed by seed {', '.join(f'{one:+.2f}' for one in differences)}."
            )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    began = time.perf_counter()
    chosen = resolve(network_config([], (20, 16, "A", 32))).precision
    decided = time.perf_counter() - began
    lines = [
        f"{heading()}; median (least–most), "
        f"{args.rounds} rounds. `auto` chose {chosen} in {decided:.1f} s (wanted < 5).",
        "",
        "| batch | fp32, images/s | bf16, images/s | auto to the faster (wanted ≥ 0.97) |",
        "| --- | --- | --- | --- |",
    ]
    for batch_size in BATCHES:
        rounds = [speeds(batch_size) for _ in range(args.rounds)]
        cells = [spread_text([one[precision] for one in rounds]) for precision in PRECISIONS]
        ratio = spread_text([one[chosen] / max(one.values()) for one in rounds], 2)
        lines.append(f"| {batch_size} | {' | '.join(cells)} | {ratio} |")
    print("\n".join(lines), flush=True)
    speed = keep_by_machine("precision", "\n".join(lines)).replace(RULE, "\n\n")
    sentences = list(accuracies())
    print("\n".join(sentences))
    publish("speed", "precision", "\n\n".join([speed, *sentences]))


if __name__ == "__main__":
    main()
