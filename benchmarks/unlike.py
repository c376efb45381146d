"""Measure which score tells images of other things from those that a network was trained to recognise.

Each score's threshold flags 5 % of a run's validation images. Of the images in benchmarks/other_things.py one half
compares the scores, by the lowest share flagged over all networks and then by the mean; the other half measures the
score in use.
Without arguments the networks are the best reference runs of ten classes and of two.

    python -m benchmarks.unlike [RUN …] [--most N]
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, heading, publish
from benchmarks.other_things import EACH, Half, other_things, photographs
from core.base.paths import runs_folder
from core.base.text import percent, percent_range
from core.config.sections import ALL_IMAGES, CLASSES, TRAIN_IMAGES
from core.data import cifar10
from core.data.split import make_split
from core.images.classify import Classifier
from core.inspect.features import Activations, activations
from core.inspect.unlike import FALSE_RATE, Detector, Gaussian, energy
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.stats.intervals import wilson

Scores = NDArray[np.float64]
Score = Callable[[Activations], Scores]
#: Neighbours for the k-nearest-neighbour distance, as in its paper for CIFAR-10.
NEIGHBOURS = 50
USED = "energy + stages 1 and 2 (in use)"
HALVES: tuple[Half, ...] = ("choose", "measure")


@dataclass(frozen=True, eq=False)
class Measured:
    """What a network makes of all images that are needed; ``labels``: int64, of its training images.

    ``unknown``: CIFAR-10 test images of the classes that the network does not know, if there are any.
    """

    run: RunSummary
    network: Classifier
    training: Activations
    labels: NDArray[np.int64]
    validation: Activations
    test: Activations
    unknown: Activations | None
    others: dict[Half, dict[str, Activations]]


def measured(store: RunStore, run: RunSummary, most: int) -> Measured:
    """Return what a run's network makes of other things and of its own images, of each set at most ``most``."""
    network, data = Classifier.load(store, run.id), cifar10.load()
    split = make_split(network.config, data.labels)
    training = _drawn(split.train, most)
    names = [CLASSES[label] for label in data.labels[training]]
    unknown = ~np.isin(data.labels, [CLASSES.index(name) for name in network.classes])
    others = _drawn(np.flatnonzero(unknown & (np.arange(len(data.labels)) >= TRAIN_IMAGES)), most)
    return Measured(
        run,
        network,
        activations(network, data.images[training]),
        np.array([network.classes.index(name) for name in names]),
        activations(network, data.images[split.validation]),
        activations(network, data.images[_drawn(split.test, most)]),
        activations(network, data.images[others]) if len(others) else None,
        {half: {name: activations(network, images) for name, images in other_things(half).items()} for half in HALVES},
    )


def _drawn(images: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most ``most`` of the images, drawn at random and the same each time."""
    if len(images) <= most:
        return images
    return np.sort(np.random.default_rng(0).choice(images, most, replace=False))


# --- the scores ---------------------------------------------------------------------------------------


def scores(of: Measured) -> dict[str, Score]:
    """Return every score by its name; higher is less like the training images."""
    detector = Detector.fit(of.training, of.validation, "validation")
    stages = [Gaussian.fit(values) for values in of.training.stages]

    def stage(at: int) -> Score:
        return lambda seen: np.log(stages[at].distance(seen.stages[at]) + 1e-12)

    return {
        "largest probability": lambda seen: -_largest_probability(seen.logits),
        "energy": lambda seen: energy(seen.logits),
        "Mahalanobis, penultimate": mahalanobis(of),
        f"{NEIGHBOURS}th neighbour, penultimate": neighbours(of),
        "Mahalanobis, stage 1": stage(0),
        "Mahalanobis, stage 2": stage(1),
        "Mahalanobis, stage 3": stage(2),
        "stages 1 and 2": _sum(of, stage(0), stage(1)),
        "energy + stages 1 and 2, means only": _sum(of, lambda seen: energy(seen.logits), *_means_only(of)),
        USED: detector.score,
    }


def _largest_probability(logits: NDArray[np.float32]) -> Scores:
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return 1 / powers.sum(1)


def mahalanobis(of: Measured) -> Score:
    """Return the least squared Mahalanobis distance of the penultimate features to a class (Lee et al., 2018)."""
    values = of.training.features.astype(np.float64)
    means = np.stack([values[of.labels == label].mean(0) for label in range(len(of.network.classes))])
    common = Gaussian.fit((values - means[of.labels]).astype(np.float32))

    def score(seen: Activations) -> Scores:
        return np.min([common.distance((seen.features - mean).astype(np.float32)) for mean in means], axis=0)

    return score


def neighbours(of: Measured) -> Score:
    """Return the distance to the k-th nearest training image, features of length 1 (Sun et al., arXiv:2204.06507)."""

    def unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)

    known = unit(of.training.features).T

    def score(seen: Activations) -> Scores:
        parts = np.array_split(unit(seen.features), max(1, len(seen) // 500))
        return np.concatenate([-np.partition(part @ known, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS] for part in parts])

    return score


def _means_only(of: Measured) -> Iterator[Score]:
    for at in (0, 1):
        channels = of.training.stages[at].shape[1] // 2
        fitted = Gaussian.fit(of.training.stages[at][:, :channels])
        yield lambda seen, at=at, channels=channels, fitted=fitted: np.log(
            fitted.distance(seen.stages[at][:, :channels]) + 1e-12
        )


def _sum(of: Measured, *terms: Score) -> Score:
    """Return the sum of scores, each in standard deviations of the validation images."""
    centres = [(term(of.validation).mean(), term(of.validation).std()) for term in terms]
    return lambda seen: np.sum(
        [(term(seen) - mean) / std for term, (mean, std) in zip(terms, centres, strict=True)], axis=0
    )


# --- the tables ---------------------------------------------------------------------------------------


def rates(of: Measured, score: Score, half: Half) -> tuple[float, dict[str, NDArray[np.bool_]]]:
    """Return the share of test images that a score flags, and which images of each kind it flags."""
    threshold = np.quantile(score(of.validation), 1 - FALSE_RATE)
    flags = {name: score(seen) > threshold for name, seen in of.others[half].items()}
    return float((score(of.test) > threshold).mean()), flags


def choosing_table(networks: Sequence[Measured]) -> str:
    """Return how much each score flags of the half that chooses, and of each network's test images."""
    shares: dict[str, list[float]] = {}
    lines = []
    for of in networks:
        for name, score in scores(of).items():
            false, flags = rates(of, score, "choose")
            shares.setdefault(name, []).append(float(np.concatenate(list(flags.values())).mean()))
            lines.append((name, false))
    chosen = max(shares, key=lambda name: (min(shares[name]), sum(shares[name])))
    head = ["score", *(f"{_about(of)}: other things | {_about(of)}: test images" for of in networks)]
    rows = [_row(head), _row(["---", *["---:"] * 2 * len(networks)])]
    for name, flagged in shares.items():
        false_rates = [false for each, false in lines if each == name]
        values = [text for pair in zip(flagged, false_rates, strict=True) for text in map(percent, pair)]
        rows.append(_row([f"**{name}**" if name == chosen else name, *values]))
    images = EACH * len(networks[0].others["choose"])
    return (
        "\n".join(rows) + f"\n\nShares flagged: {images} images of other things in the half that chooses, and the test "
        "images. Bold: the highest by the lowest share over the networks, then by the mean."
    )


def measuring_table(networks: Sequence[Measured]) -> str:
    """Return what the score in use flags of the half that measures, by kind, and of the test images."""
    rows = [
        _row(["images", *(f"{_about(of)}: n | flagged | 95 % interval" for of in networks)]),
        _row(["---", *["---:"] * 3 * len(networks)]),
    ]
    found = [rates(of, scores(of)[USED], "measure") for of in networks]
    for name in networks[0].others["measure"]:
        rows.append(_row([name, *(_cells(flags[name]) for _, flags in found)]))
    together = [np.concatenate(list(flags.values())) for _, flags in found]
    rows.append(_row(["**all other things**", *map(_cells, together)]))
    tested = [
        np.arange(len(of.test)) < round(false * len(of.test)) for of, (false, _) in zip(networks, found, strict=True)
    ]
    rows.append(_row(["**the run's test images**", *map(_cells, tested)]))
    unknown = [_unknown_classes(of) for of in networks]
    rows.append(
        _row(["test images of the other classes", *(_cells(flags) if len(flags) else "– | – | –" for flags in unknown)])
    )
    return "\n".join(rows)


def _unknown_classes(of: Measured) -> NDArray[np.bool_]:
    """Return which CIFAR-10 test images of the classes that the network does not know are flagged."""
    if of.unknown is None:
        return np.zeros(0, bool)
    score = scores(of)[USED]
    return score(of.unknown) > np.quantile(score(of.validation), 1 - FALSE_RATE)


def photographs_table(networks: Sequence[Measured]) -> str:
    """Return what each network answers for a few photographs, and whether it is flagged."""
    shown = photographs()
    rows = [_row(["photograph", *map(_about, networks)]), _row(["---"] * (1 + len(networks)))]
    answers = []
    for of in networks:
        pixels = np.stack([image for image, _ in shown.values()])
        seen, score = activations(of.network, pixels), scores(of)[USED]
        flags = score(seen) > np.quantile(score(of.validation), 1 - FALSE_RATE)
        probabilities = of.network.probabilities(pixels)
        answers.append(
            [
                f"{of.network.classes[row.argmax()]} {percent(float(row.max()))}, "
                + ("**flagged**" if flag else "not flagged")
                for row, flag in zip(probabilities, flags, strict=True)
            ]
        )
    for at, (name, (_, text)) in enumerate(shown.items()):
        rows.append(_row([f"{name}: {text}", *(column[at] for column in answers)]))
    return "\n".join(rows)


def _sizes(of: Measured) -> str:
    return f"{_about(of)}: {len(of.training):,} training and {len(of.validation):,} validation images"


def _about(of: Measured) -> str:
    classes = of.network.classes
    return f"{len(classes)} classes" if len(classes) > 2 else " or ".join(classes)


def _cells(flags: NDArray[np.bool_]) -> str:
    share, n = float(flags.mean()), len(flags)
    return f"{n:,} | {percent(share)} | {percent_range(*wilson(share, n))}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


# --- from here on: the script ----------------------------------------------------------------------------


def default_runs(store: RunStore) -> list[RunSummary]:
    """Return the best finished reference run with held-out images of ten classes, and of two."""
    runs = [run for run in store.summaries() if run.meta.reference and run.finished and run.selected_on == "held-out"]
    return [max((run for run in runs if len(run.config.data.classes) == k), key=lambda run: run.rank) for k in (10, 2)]


def main() -> int:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="ids or names of runs (default: two reference runs)")
    parser.add_argument("--most", type=int, default=ALL_IMAGES, metavar="N", help="images of each set (default: all)")
    args = parser.parse_args()
    store = RunStore(runs_folder())
    runs = [store.summary(store.find(text)) for text in args.runs] or default_runs(store)
    if any(run.selected_on != "held-out" for run in runs):
        raise SystemExit("A run without validation images has no images for the threshold; choose others.")
    networks = [measured(store, run, args.most) for run in runs]
    about = "; ".join(f"{_about(of)}: run {of.run.id}, {of.run.headline.text()}" for of in networks if of.run.headline)
    text = "\n\n".join(
        [
            measuring_table(networks),
            "### How the score was chosen",
            choosing_table(networks),
            "### A few photographs",
            photographs_table(networks),
            f"{about}. {'; '.join(map(_sizes, networks))}. {heading()}.",
        ]
    )
    print(text)
    (RESULTS / "unlike.md").write_text(text + "\n", encoding="utf-8")
    publish("unlike", "unlike", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
