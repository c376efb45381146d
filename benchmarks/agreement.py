"""How often a study and the report of one truth are said to disagree, and how often a true difference is found.

    python -m benchmarks.agreement [--studies N]

Simulates a study of five values and the report's single runs, on test images of their own, with the report's four
repeats drawn anew each time, and asks :func:`core.study.agreement.compare`. Writes benchmarks/results/agreement.md and
docs/report.md.
"""

import argparse
from collections import Counter

import numpy as np
import pandas as pd

from benchmarks.common import RESULTS, publish
from core.config.sections import CLASSES
from core.published.arithmetic import Repeats, repeats
from core.published.points import Point, points_of
from core.study.agreement import Kind, compare
from core.study.outcomes import ValueGroup

#: Seeds of ours per value.
SEEDS = (1, 2, 3, 5)
#: Deviations over seeds, as shares of 1: half of the report's repeats', theirs, and half more.
DEVIATIONS = tuple(round(factor * repeats().sd, 4) for factor in (0.5, 1.0, 1.5))
#: How much larger our effect is than the report's, as shares of 1.
GAPS = (0.0, 0.01, 0.02, 0.03)
IMAGES = 10_000
_X = "data.train_size"
_TRUTH = np.linspace(0.892, 0.914, 5)


def simulated(rng: np.random.Generator, seeds: int, *, gap: float = 0.0, sd: float, images: int = IMAGES) -> Kind:
    """Return the verdict on effects that differ by ``gap``; ``sd`` is the deviation over seeds, ``seeds`` are ours."""

    def results(means: np.ndarray, runs: int) -> np.ndarray:
        shift = rng.normal(0, np.sqrt(means * (1 - means) / images))  # all runs share the images
        return (means + shift)[:, None] + rng.normal(0, sd, (len(means), runs))

    points = points_of(CLASSES, _X)
    ours = results(_TRUTH + gap * np.linspace(0, 1, 5), seeds)
    theirs = results(_TRUTH, 1)[:, 0]
    groups = [
        ValueGroup(name=str(point.value), results=tuple(row), images=images, value=point.value, runs=pd.DataFrame())
        for point, row in zip(points, ours.tolist(), strict=True)
    ]
    published = [
        Point(point.figure, point.task, point.path, point.value, images, float(accuracy), point.loss)
        for point, accuracy in zip(points, theirs, strict=True)
    ]
    known = repeats()
    chance = Repeats(known.epochs, tuple(rng.normal(known.mean, sd, len(known.epochs)).tolist()), known.losses)
    found = compare(groups, _X, "accuracy", published, chance=chance)
    assert found is not None
    return found.kind


def shares(studies: int, seeds: int, gap: float, sd: float) -> dict[Kind, float]:
    """Return the share of each verdict among ``studies`` simulated ones."""
    rng = np.random.default_rng([studies, seeds, round(1e5 * gap), round(1e5 * sd)])
    counts = Counter(simulated(rng, seeds, gap=gap, sd=sd) for _ in range(studies))
    return {kind: count / studies for kind, count in counts.items()}


def table(studies: int) -> str:
    """Return the shares as Markdown."""
    rows = [
        "| seeds | deviation over seeds | true difference | disagrees | direction only | agrees | undecided |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for seeds in SEEDS:
        for sd in DEVIATIONS:
            for gap in GAPS:
                if gap and (seeds == 1 or sd != DEVIATIONS[1]):
                    continue
                found = shares(studies, seeds, gap, sd)
                kinds: tuple[Kind, ...] = ("disagrees", "direction", "size", "undecided")
                cells = [str(seeds), f"{100 * sd:.2f} points", f"{100 * gap:.0f} points"]
                cells += [f"{100 * found.get(kind, 0.0):.1f} %" for kind in kinds]
                rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Simulate, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--studies", type=int, default=1_000, metavar="N", help="studies per row (default: 1000)")
    studies = parser.parse_args().studies
    text = (
        f"{studies:,} simulated studies per row, {IMAGES:,} test images per value and side. The report's true effect "
        f"is {100 * (_TRUTH[-1] - _TRUTH[0]):.1f} points; ours is larger by the true difference.\n\n{table(studies)}"
    )
    (RESULTS / "agreement.md").write_text(f"{text}\n", encoding="utf-8")
    publish("report", "agreement", text)
    print(text)


if __name__ == "__main__":
    main()
