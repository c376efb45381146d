"""Two networks on the same images: right for both, for one, for neither, and whether the difference may be chance.

The two are two runs, or two epochs of one run. Only images that both answered are compared. Predictions are kept for
test and held-out images alone, so neither of the two was trained on any of them, also where two runs split the images
differently.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri

from core.base.text import counted, p_words, percent
from core.runs.predictions import Answers
from core.stats.finding import MEASURES
from core.stats.intervals import LEVEL, Interval, holm

#: Which of the two is right on an image.
Agreement = Literal["both", "first", "second", "neither"]
AGREEMENTS: tuple[Agreement, ...] = ("both", "first", "second", "neither")


@dataclass(frozen=True, eq=False)
class Pair:
    """The answers of two networks for the same n images, in the same order; see :func:`pair`."""

    first: Answers
    second: Answers

    def __len__(self) -> int:
        return len(self.first)

    @property
    def both(self) -> tuple[Answers, Answers]:
        """The answers of the first and of the second."""
        return self.first, self.second

    @cached_property
    def counts(self) -> dict[Agreement, int]:
        """How many images both get right, only the first, only the second, neither."""
        return {name: int(self.holds(name).sum()) for name in AGREEMENTS}

    def holds(self, agreement: Agreement) -> NDArray[np.bool_]:
        """Return for which images this is so: bool (n,)."""
        first, second = self.first.correct, self.second.correct
        chosen = {"both": first & second, "first": first & ~second, "second": ~first & second}
        return chosen[agreement] if agreement in chosen else ~first & ~second

    def places(self, agreement: Agreement) -> NDArray[np.int64]:
        """Return the places of these images, int64: first those on whose true class the networks differ most."""
        rows = np.arange(len(self))
        of_truth = [each.probabilities[rows, each.labels] for each in self.both]
        found = np.flatnonzero(self.holds(agreement))
        return found[np.argsort(-np.abs(of_truth[0] - of_truth[1])[found], kind="stable")]

    @property
    def difference(self) -> float:
        """Accuracy of the first minus that of the second on these images, −1 to 1."""
        return (self.counts["first"] - self.counts["second"]) / len(self)

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the difference."""
        return paired_interval(self.counts["first"], self.counts["second"], len(self))

    @property
    def p_value(self) -> float:
        """The p-value of "both are equally accurate": :func:`mcnemar`."""
        return mcnemar(self.counts["first"], self.counts["second"])


def pair(first: Answers, second: Answers) -> Pair | None:
    """Return both answers on the images that both have, or ``None`` if there is none."""
    images, ours, theirs = np.intersect1d(first.images, second.images, assume_unique=True, return_indices=True)
    return Pair(first.at(ours), second.at(theirs)) if len(images) else None


def mcnemar(first: int, second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    ``first`` images are right for the first network only, ``second`` for the second only. If both are equally accurate,
    each of these images falls on either side with probability ½: the test of Q. McNemar, "Note on the sampling error of
    the difference between correlated proportions or percentages", Psychometrika 12 (1947), 153–157, with the binomial
    distribution in place of its normal approximation.
    """
    return min(1.0, 2 * float(bdtr(min(first, second), first + second, 0.5)))


def paired_interval(first: int, second: int, n: int, level: float = LEVEL) -> Interval:
    """Return the interval of a difference of two accuracies on the same ``n`` images; counts as in :func:`mcnemar`.

    The adjusted Wald interval: D. G. Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data", Journal of Educational and Behavioral Statistics 37 (2012), 479–488.
    """
    p, q = (first + 1) / (n + 2), (second + 1) / (n + 2)
    half = float(ndtri((1 + level) / 2)) * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return Interval(max(-1.0, float(p - q - half)), min(1.0, float(p - q + half)))


def verdict(pair: Pair, names: tuple[str, str]) -> tuple[str, str]:
    """Return which of the two is right more often, in a sentence, and the numbers behind it.

    ``names``: what the two are called in a sentence, such as "the first run".
    """
    difference, interval, p = pair.difference, pair.interval, pair.p_value
    if p >= 1 - LEVEL:
        claim = f"No clear difference on these {counted(len(pair), 'image')}: chance could explain it."
    else:
        better, worse = names if difference > 0 else names[::-1]
        claim = f"On these images, {better} is right more often than {worse}."
    shares = [f"{name} is right on {percent(each.accuracy)}" for name, each in zip(names, pair.both, strict=True)]
    measure = MEASURES["accuracy"]
    return claim, (
        f"{shares[0][0].upper()}{shares[0][1:]}, {shares[1]}: a difference of {measure.signed_text(difference)} "
        f"(95 % interval {measure.interval_text(interval)}; exact McNemar test, "
        f"{p_words(p)})."
    )


def class_differences(pair: Pair, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return a row for each class with images, the largest difference of recall first.

    Columns: ``class``, ``images``, ``first`` and ``second`` (recall, 0 to 1), ``difference`` with ``low`` and ``high``
    (95 % interval), ``only_first`` and ``only_second`` (images), ``p`` (:func:`mcnemar`) and ``p_holm``, which counts
    that all classes are looked at (:func:`core.stats.intervals.holm`).
    """
    rows = []
    only_first, only_second = pair.holds("first"), pair.holds("second")
    for label, name in enumerate(classes):
        of_class = pair.first.labels == label
        if not (n := int(of_class.sum())):
            continue
        b, c = int(only_first[of_class].sum()), int(only_second[of_class].sum())
        recalls = (float(each.correct[of_class].mean()) for each in pair.both)
        rows.append((name, n, *recalls, (b - c) / n, *paired_interval(b, c, n), b, c, mcnemar(b, c)))
    names = ("class", "images", "first", "second", "difference", "low", "high", "only_first", "only_second", "p")
    table = pd.DataFrame(rows, columns=names)
    table["p_holm"] = holm(table["p"].tolist())
    return table.sort_values("difference", key=lambda values: -values.abs(), kind="stable", ignore_index=True)


def pair_table(pair: Pair, places: NDArray[np.int64], classes: tuple[str, ...]) -> pd.DataFrame:
    """Return a row for each image at ``places``: its number, its class, and both answers with their confidence."""
    names = np.array(classes)
    table = pd.DataFrame({"image": pair.first.images[places], "label": names[pair.first.labels[places]]})
    for which, answers in (("first", pair.first), ("second", pair.second)):
        table[f"{which}_predicted"] = names[answers.predicted[places]]
        table[f"{which}_confidence (0-1)"] = answers.confidence[places]
    return table
