"""Slices: parts of the images that share a property, and how accurate a network is on each.

- **Near-duplicates**: images with a near-duplicate in the run's training set (:mod:`core.inspect.duplicates`), and the
  images without one.
- **Brightness** and **contrast**: fifths of the images by mean and by standard deviation of luma.

A slice may be harder because it has more images of hard classes. The difference of a slice to the other images is
therefore taken within each class and averaged (Mantel and Haenszel): it is the difference at the same mix of classes.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from core.base.text import p_words, percent, percent_range
from core.config.run_config import RunConfig
from core.data.cifar10 import Cifar10
from core.data.split import make_split
from core.inspect.duplicates import twins
from core.runs.predictions import Answers
from core.stats.finding import ACCURACY, Finding
from core.stats.intervals import LEVEL, Interval, holm, wilson

Row = Mapping[Hashable, Any]
Cut = Literal["duplicates", "brightness", "contrast"]
#: The ways to cut the images into slices, and what they are called.
CUTS: dict[Cut, str] = {"duplicates": "Near-duplicates", "brightness": "Brightness", "contrast": "Contrast"}
#: Names of fifths, from the lowest values to the highest.
FIFTHS: dict[Cut, tuple[str, ...]] = {
    "brightness": ("darkest fifth", "darker fifth", "middle fifth", "brighter fifth", "brightest fifth"),
    "contrast": ("lowest fifth", "lower fifth", "middle fifth", "higher fifth", "highest fifth"),
}
TWIN, NO_TWIN = "with a near-duplicate", "without one"
#: Weights of red, green and blue in luma: Recommendation ITU-R BT.601.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Slice:
    """Some of the answers: bool (N,) ``members``. ``range``: the values of brightness or contrast in it."""

    name: str
    members: NDArray[np.bool_]
    range: Interval | None = None


@dataclass(frozen=True)
class Difference:
    """How much more accurate a network is on a slice than on the other images at the same mix of classes (−1 to 1),
    with its 95 % interval and the p-value of no difference."""

    value: float
    interval: Interval
    p: float


# --- which images -----------------------------------------------------------------------------------


def brightness_and_contrast(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation (float32, N; 0 to 255) of the luma of ``images``, uint8 (N, 3, 32, 32)."""
    luma = np.einsum("nchw,c->nhw", images.astype(np.float32), LUMA)
    return luma.mean((1, 2)), luma.std((1, 2))


def fifths(values: NDArray[np.floating], names: Sequence[str]) -> list[Slice]:
    """Return five slices of (almost) equal size from the lowest ``values`` (N,) to the highest; equal values stay
    together. A slice may be empty where many values are equal."""
    place = np.searchsorted(np.quantile(values, (0.2, 0.4, 0.6, 0.8)), values, side="right")
    slices = []
    for number, name in enumerate(names):
        members = place == number
        inside = values[members]
        ends = Interval(float(inside.min()), float(inside.max())) if len(inside) else None
        slices.append(Slice(name, members, ends))
    return slices


def slices_by(cut: Cut, answers: Answers, config: RunConfig, data: Cifar10) -> list[Slice]:
    """Return the slices of a run's answers; ``config`` is the run's, because its split decides what is a duplicate."""
    if cut == "duplicates":
        found = twins(answers.images, make_split(config, data.labels).train)
        members = np.isin(answers.images, found["image"])
        return [Slice(TWIN, members), Slice(NO_TWIN, ~members)]
    brightness, contrast = brightness_and_contrast(data.images[answers.images])
    return fifths(brightness if cut == "brightness" else contrast, FIFTHS[cut])


# --- how accurate -----------------------------------------------------------------------------------


def measured(answers: Answers, slices: Sequence[Slice]) -> pd.DataFrame:
    """Return a row for each slice that is not empty.

    Columns: ``slice``, ``images`` and ``correct`` (numbers), ``accuracy`` (0 to 1) with its 95 % interval ``low`` to
    ``high`` (Wilson), ``difference`` to the other images at the same mix of classes with its 95 % interval
    ``difference_low`` to ``difference_high``, and ``p``. Where there are more than two slices, the p-values are
    corrected for their number (:func:`core.stats.intervals.holm`). Without other images there is no difference: NaN.
    """
    shown = [each for each in slices if each.members.any()]
    differences = [difference(answers, each.members) for each in shown]
    p = [each.p for each in differences]
    corrected = holm(p) if len(p) > 2 else p
    rows = []
    for each, gap, value in zip(shown, differences, corrected, strict=True):
        n, correct = int(each.members.sum()), int(answers.correct[each.members].sum())
        interval = wilson(correct / n, n)
        rows.append((each.name, n, correct, correct / n, *interval, gap.value, *gap.interval, value))
    columns = ["slice", "images", "correct", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "difference", "difference_low", "difference_high", "p"])


def difference(answers: Answers, members: NDArray[np.bool_]) -> Difference:
    """Return the difference in accuracy between ``members``, bool (N,), and all other answers, within classes.

    The average of the classes' differences with the weights of N. Mantel and W. Haenszel (Journal of the National
    Cancer Institute 22 (1959), 719–748), whose test gives p; its variance is that of T. Sato, "On the variance
    estimator for the Mantel–Haenszel risk difference", Biometrics 45 (1989), 1323–1324.
    """
    k = answers.logits.shape[1]
    inside, outside = (np.bincount(answers.labels[side], minlength=k) for side in (members, ~members))
    right = answers.correct
    hits, others = (np.bincount(answers.labels[side & right], minlength=k) for side in (members, ~members))
    both = (inside > 0) & (outside > 0)  # a class with one kind of image says nothing
    if not both.any():
        return Difference(np.nan, Interval(np.nan, np.nan), np.nan)
    n1, n0, x1, x0 = (counts[both].astype(float) for counts in (inside, outside, hits, others))
    n = n1 + n0
    weight = (n1 * n0 / n).sum()
    value = ((x1 * n0 - x0 * n1) / n).sum() / weight
    p_term = ((n1**2 * x0 - n0**2 * x1 + n1 * n0 * (n0 - n1) / 2) / n**2).sum()
    q_term = ((x1 * (n0 - x0) + x0 * (n1 - x1)) / (2 * n)).sum()
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * np.sqrt(max(value * p_term + q_term, 0.0)) / weight
    interval = Interval(max(-1.0, value - half), min(1.0, value + half))
    return Difference(float(value), interval, _no_difference(n1, n0, x1, x0))


def _no_difference(n1: NDArray, n0: NDArray, x1: NDArray, x0: NDArray) -> float:
    """Return the p-value of Mantel and Haenszel's test, without continuity correction; 1 if all answers are alike."""
    n, right = n1 + n0, x1 + x0
    variance = (n1 * n0 * right * (n - right) / (n**2 * np.maximum(n - 1, 1))).sum()
    if not variance:
        return 1.0
    return float(chdtrc(1, (x1 - n1 * right / n).sum() ** 2 / variance))


def slice_table(answers: Answers, config: RunConfig, data: Cifar10) -> pd.DataFrame:
    """Return :func:`measured` for all cuts under each other, with the column ``cut`` in front."""
    tables = [measured(answers, slices_by(name, answers, config, data)).assign(cut=name) for name in CUTS]
    table = pd.concat(tables, ignore_index=True)
    return table[["cut", *table.columns.drop("cut")]]


# --- what it shows ----------------------------------------------------------------------------------


def finding(cut: Cut, answers: Answers, table: pd.DataFrame) -> Finding:
    """Return what :func:`measured` shows of a run's slices, in plain English."""
    return _duplicates_finding(answers, table) if cut == "duplicates" else _fifths_finding(cut, answers, table)


def _duplicates_finding(answers: Answers, table: pd.DataFrame) -> Finding:
    images, everyone = f"{answers.part} images", f"all {len(answers):,} {answers.part} images"
    rows = {str(row["slice"]): row for row in table.to_dict("records")}
    if TWIN not in rows:
        return Finding(
            headline=f"None of these {images} has a near-duplicate in the training set.",
            summary=f"Accuracy on {everyone}: {percent(answers.accuracy)}.",
        )
    twin = rows[TWIN]
    count = f"{twin['images']:,.0f} of {len(answers):,} {images} have a near-duplicate in the training set"
    if NO_TWIN not in rows:
        return Finding(headline=f"{count}.", summary=f"Accuracy on them: {_accuracy(twin)}.")
    without = rows[NO_TWIN]
    added = round(100 * (answers.accuracy - without["accuracy"]), 2)
    effect = f"add {added:.2f} points to" if added > 0 else f"take {-added:.2f} points from"
    return Finding(
        headline=f"Near-duplicates {effect if added else 'do not change'} this accuracy.",
        summary=f"Without them it is {_accuracy(without)}, with them {percent(answers.accuracy)}; {count}.",
        details=(
            f"On the {images} with a near-duplicate: {_accuracy(twin)}. Compared with the other images of the same "
            f"classes: {_difference(twin)}.",
        ),
    )


def _fifths_finding(cut: Cut, answers: Answers, table: pd.DataFrame) -> Finding:
    clear = [row for row in table.to_dict("records") if row["p"] < 1 - LEVEL]
    what = "brightness" if cut == "brightness" else "contrast"
    if not clear:
        return Finding(
            headline=f"No clear effect of {what}: chance could explain the differences.",
            summary=f"Accuracy on all {len(answers):,} {answers.part} images: {percent(answers.accuracy)}.",
        )
    row = max(clear, key=lambda row: abs(row["difference"]))
    name = f"The images of the {row['slice']}" + (" in contrast" if cut == "contrast" else "")
    return Finding(
        headline=f"{name} are {'easier' if row['difference'] > 0 else 'harder'}.",
        summary=f"Accuracy on them: {_accuracy(row)}. Compared with the other images of the same classes: "
        f"{_difference(row)}.",
    )


def _accuracy(row: Row) -> str:
    return f"{percent(row['accuracy'])} (95 % interval {percent_range(row['low'], row['high'])})"


def _difference(row: Row) -> str:
    interval = Interval(row["difference_low"], row["difference_high"])
    p = p_words(row["p"])
    return f"{ACCURACY.signed_text(row['difference'])} (95 % interval {ACCURACY.interval_text(interval)}; {p})"
