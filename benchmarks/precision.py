"""Measure whether precision ``auto`` chooses the faster precision, how soon, and whether precision changes accuracy.

    python -m benchmarks.precision [--rounds 5]     # writes results/precision.md and docs/speed.md

Times training steps in fp32 and bf16, in turn, and compares what ``auto`` chose with the faster precision of the same
round. The accuracies are those that benchmarks/time_to_accuracy.py recorded for the same preset, seed and machine in
both precisions (``python -m benchmarks.time_to_accuracy fast-10 --precision fp32``).
"""

import argparse
import statistics
import time
from collections.abc import Iterator

from benchmarks.common import (
    RULE,
    accuracy_notes,
    heading,
    held_out,
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
    """Return images per second by precision, from the fastest of a few steps, as ``auto`` compares them."""
    shape = (20, 16, "A", batch_size)
    configs = {precision: network_config([f"train.precision={precision}"], shape) for precision in PRECISIONS}
    return {
        precision: batch_size / min(step_seconds(config, time.perf_counter)) for precision, config in configs.items()
    }


def accuracy_sentences() -> Iterator[str]:
    """Yield a sentence for each preset and number of epochs that one machine trained in both precisions."""
    recorded: dict[tuple[str, int, int | None, str], dict[str, dict[int, float]]] = {}
    for name in PRESETS:
        for note in accuracy_notes(name):
            machine, _, precision = note["machine"].rpartition(", ")
            key = (name, trained_epochs(note), held_out(note), machine)
            by_precision = recorded.setdefault(key, {precision: {} for precision in PRECISIONS})
            by_precision[precision][note["seed"]] = note["accuracy"]
    for (name, epochs, images, machine), by_precision in recorded.items():
        fp32, bf16 = (by_precision[precision] for precision in PRECISIONS)
        if seeds := sorted(fp32.keys() & bf16.keys()):
            yield (
                f"`{name}` with {epochs} epochs and {images:,} images held out on {machine}, test accuracy after the "
                "last epoch, seeds "
                f"{', '.join(map(str, seeds))}: fp32 {', '.join(f'{fp32[seed]:.2%}' for seed in seeds)}; "
                f"bf16 {', '.join(f'{bf16[seed]:.2%}' for seed in seeds)}. "
                f"{difference_text([100 * (bf16[seed] - fp32[seed]) for seed in seeds])}"
            )


def difference_text(differences: list[float]) -> str:
    """Return the mean of bf16 − fp32, its standard error if there are two seeds, and each seed's difference."""
    error = ""
    if len(differences) > 1:
        error = f" ± {statistics.stdev(differences) / len(differences) ** 0.5:.2f} (standard error)"
    each = ", ".join(f"{difference:+.2f}" for difference in differences)
    return f"bf16 − fp32: {statistics.mean(differences):+.2f}{error} percentage points; each seed: {each}."


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each precision")
    args = parser.parse_args()
    began = time.perf_counter()
    chosen = resolve(network_config([], (20, 16, "A", 32))).precision
    seconds = time.perf_counter() - began
    lines = [
        f"{heading()}; median (lowest–highest), {args.rounds} rounds. "
        f"`auto` chose {chosen} in {seconds:.1f} s (goal: < 5).",
        "",
        "| batch size | fp32, images/s | bf16, images/s | speed of `auto` / faster precision (goal: ≥ 0.97) |",
        "| --- | --- | --- | --- |",
    ]
    for batch_size in BATCHES:
        rounds = [speeds(batch_size) for _ in range(args.rounds)]
        cells = [spread_text([values[precision] for values in rounds]) for precision in PRECISIONS]
        ratio = spread_text([values[chosen] / max(values.values()) for values in rounds], 2)
        lines.append(f"| {batch_size} | {' | '.join(cells)} | {ratio} |")
    print("\n".join(lines), flush=True)
    speed = keep_by_machine("precision", "\n".join(lines)).replace(RULE, "\n\n")
    sentences = list(accuracy_sentences())
    print("\n".join(sentences))
    publish("speed", "precision", "\n\n".join([speed, *sentences]))


if __name__ == "__main__":
    main()
