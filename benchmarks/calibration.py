"""How often the intervals of Inspect hold the truth: calibration error and F1 score, on simulated answers.

    python -m benchmarks.calibration [--repeats 500]   # about 3 min; writes results/calibration.md and docs/inspect.md

A simulated network's logits are normal numbers, and the true class is drawn from their softmax at a temperature: at 1
the network is calibrated, above it too confident, below it too careful. "Mixed" is too confident below 70 % and too
careful above. The true error is that of a million answers, with the true probability of each in place of whether it
was right.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, heading, publish
from core.inspect.calibration import BINS, ece_interval, reliability
from core.inspect.classes import f1_interval
from core.runs.predictions import Answers

CLASSES, SPREAD = 10, 4.0
#: What a simulated network's probabilities really are: the temperature, or two of them for "mixed".
TRUTHS: dict[str, tuple[float, float]] = {
    "calibrated": (1.0, 1.0),
    "temperature 1.03": (1.03, 1.03),
    "temperature 1.1": (1.1, 1.1),
    "temperature 1.3": (1.3, 1.3),
    "temperature 0.8": (0.8, 0.8),
    "mixed": (1.25, 0.85),
}


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of logits (n, k)."""
    powers = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    return powers / powers.sum(1, keepdims=True)


def simulated(n: int, truth: tuple[float, float], rng: np.random.Generator) -> tuple[Answers, NDArray[np.float64]]:
    """Return ``n`` answers, and the true probability that each is right."""
    logits = rng.normal(0, SPREAD, (n, CLASSES)).astype(np.float32)
    unsure, sure = (softmax(logits / np.float32(temperature)) for temperature in truth)
    chances = np.where(softmax(logits).max(1, keepdims=True) < 0.7, unsure, sure)
    labels = (chances.cumsum(1) > rng.random((n, 1))).argmax(1)
    predicted = logits.argmax(1)
    return Answers("test", 1, np.arange(n), labels, logits, predicted), chances[np.arange(n), predicted]


def true_error(truth: tuple[float, float], rng: np.random.Generator) -> float:
    """Return the calibration error of endless answers, from a million."""
    answers, chances = simulated(1_000_000, truth, rng)
    bins = np.minimum((answers.confidence * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(bins, answers.confidence - chances, BINS)).sum() / len(answers))


def calibration_rows(repeats: int) -> Iterator[str]:
    """Yield a table of the intervals of the calibration error."""
    yield "| network | images | true error | mean observed error | held by the 95 % interval | mean width |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, truth in TRUTHS.items():
        rng = np.random.default_rng(0)
        error = true_error(truth, rng)
        for images in (500, 2_000, 10_000):
            drawn = [simulated(images, truth, rng)[0] for _ in range(repeats)]
            intervals = [ece_interval(answers, seed=number) for number, answers in enumerate(drawn)]
            held = np.mean([interval.holds(error) for interval in intervals])
            observed = np.mean([reliability(answers).error for answers in drawn])
            width = np.mean([interval.high - interval.low for interval in intervals])
            yield f"| {name} | {images:,} | {error:.4f} | {observed:.4f} | {100 * held:.1f} % | {width:.4f} |"


def f1_rows(repeats: int) -> Iterator[str]:
    """Yield a table of the intervals of an F1 score; each class has as many test images as CIFAR-10's has."""
    yield "| images of each class | recall | called so by mistake | true F1 | held by the 95 % interval |"
    yield "| --- | --- | --- | --- | --- |"
    rng = np.random.default_rng(0)
    for images in (100, 1_000):
        for recall, mistaken in ((0.95, 0.005), (0.85, 0.02), (0.6, 0.05)):
            truth = 2 * recall / (1 + recall + (CLASSES - 1) * mistaken)
            right = rng.binomial(images, recall, repeats)
            wrong = images - right + rng.binomial((CLASSES - 1) * images, mistaken, repeats)
            held = np.mean([f1_interval(int(a), int(b)).holds(truth) for a, b in zip(right, wrong, strict=True)])
            yield f"| {images:,} | {100 * recall:.0f} % | {100 * mistaken:.1f} % | {truth:.3f} | {100 * held:.1f} % |"


def main() -> None:
    """Simulate, print and keep the tables."""
    parser = argparse.ArgumentParser(description="How often the intervals of Inspect hold the truth.")
    parser.add_argument("--repeats", type=int, default=500, help="simulated networks in each row (default 500)")
    repeats = parser.parse_args().repeats
    lines = [heading(f"{repeats} networks in each row, 20 times as many for F1"), ""]
    for rows in (calibration_rows(repeats), f1_rows(20 * repeats)):
        for line in rows:
            print(line, flush=True)
            lines.append(line)
        lines.append("")
    text = "\n".join(lines)
    (RESULTS / "calibration.md").write_text(text, encoding="utf-8")
    publish("inspect", "intervals", text)


if __name__ == "__main__":
    main()
