"""Judge groups of runs: which effect they show, how sure it is, and what may be claimed.

Two runs, two groups of seeds and all values of a study are judged by the same function with the same test
(:mod:`core.stats.joint`). The sentences for a person are written by :mod:`core.stats.finding`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from core.stats.intervals import LEVEL, Interval, Spread, spread, wilson
from core.stats.joint import Estimate, Sample

#: ``real``: larger than seeds and test images explain; ``on these images``: larger than the seeds explain;
#: ``for these seeds``: larger than the test images explain, seeds unknown; ``not shown``: chance could explain it.
Verdict = Literal["real", "on these images", "for these seeds", "not shown"]
#: What an interval or a p-value counts.
Counted = Literal["seeds and images", "seeds", "images", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs that differ in the seed alone: ``results`` has one accuracy (0 to 1) or loss (nats) per run, measured on
    ``images`` test images. ``name`` is what a sentence calls the group."""

    name: str
    results: tuple[float, ...]
    images: int

    @property
    def spread(self) -> Spread:
        """Mean, deviation and number of the results."""
        return spread(self.results)

    @property
    def image_interval(self) -> Interval:
        """The 95 % interval of the mean accuracy by sampling of the test images alone (Wilson)."""
        return wilson(min(max(self.spread.mean, 0.0), 1.0), self.images)


@dataclass(frozen=True)
class Trend:
    """The rise of the line through all groups, with a 95 % interval: per doubling, or over the whole range."""

    rise: float
    interval: Interval
    per_doubling: bool


@dataclass(frozen=True)
class Judgement:
    """What groups of runs show. ``low`` and ``high`` are the groups at the ends, by position.

    ``difference`` is the mean of ``high`` minus that of ``low``, with its 95 % ``interval``, which counts ``counted``
    (``None`` if nothing can be counted). ``p`` is the p-value of no effect among all groups. ``freedom`` is the number
    of runs beyond the first of each group, ``seeds_needed`` how many seeds in every group would make a difference of
    this size clear (``None`` if more than 20, or unknown).
    """

    low: int
    high: int
    difference: float
    interval: Interval | None
    counted: Counted
    p: float | None
    verdict: Verdict
    freedom: int
    trend: Trend | None = None
    seeds_needed: int | None = None


def judge(
    groups: Sequence[Group],
    *,
    numbers: Sequence[float] | None = None,
    lower_is_better: bool = False,
    count_images: bool = True,
    comparisons: int = 1,
) -> Judgement:
    """Judge the differences among two groups or more.

    ``numbers`` are the groups' values, rising, where these are numbers: the ends are then the first and the last group,
    and a trend is tested. Otherwise the ends are the worst and the best group. ``count_images`` only for accuracies.
    With several ``comparisons`` on one page each has to meet a stricter test (Bonferroni).
    """
    sample = Sample.of([group.results for group in groups], [group.images for group in groups])
    seeds_alone = replace(sample, images=None)
    counting = sample if count_images else seeds_alone
    places, per_doubling = _places(numbers) if numbers is not None else (None, False)
    counted: Counted = "nothing"
    if sample.freedom:
        counted = "seeds and images" if count_images else "seeds"
    elif count_images:
        counted = "images"

    def p_value(some: Sample) -> float:
        return min(1.0, comparisons * float(some.p_value(places)))

    p = None if counted == "nothing" else p_value(counting)
    verdict: Verdict = "not shown"
    if p is not None and p < 1 - LEVEL:
        verdict = _CLAIMS[counted]
    elif counted == "seeds and images" and p_value(seeds_alone) < 1 - LEVEL:
        verdict = "on these images"
    order = np.argsort(-sample.means if lower_is_better else sample.means, kind="stable")
    low, high = (0, len(groups) - 1) if numbers is not None else (int(order[0]), int(order[-1]))
    # The worst and the best were picked from all pairs, so each pair gets its share of the allowed error.
    pairs = 1 if numbers is not None else math.comb(len(groups), 2)
    effect = counting.difference(low, high)
    trend = None
    if places is not None and len(groups) > 2 and counted != "nothing":
        line = counting.slope(places)
        trend = Trend(float(line.value), line.interval(), per_doubling)
    return Judgement(
        low,
        high,
        float(effect.value),
        None if counted == "nothing" else effect.interval(1 - (1 - LEVEL) / pairs),
        counted,
        p,
        verdict,
        sample.freedom,
        trend,
        _seeds_needed(counting, low, high) if sample.freedom else None,
    )


#: The most that may be claimed of a difference, by what the test counts.
_CLAIMS: dict[Counted, Verdict] = {"seeds and images": "real", "seeds": "on these images", "images": "for these seeds"}


def _places(numbers: Sequence[float]) -> tuple[np.ndarray, bool]:
    """Return where numbers lie for a trend, and whether one step is a doubling: it is where all are positive."""
    values = np.array(numbers, float)
    if values.min() > 0:
        return np.log2(values), True
    return (values - values.min()) / np.ptp(values), False


def _seeds_needed(sample: Sample, low: int, high: int, most: int = 20) -> int | None:
    """Return the fewest seeds in every group at which the difference between two groups would be clear."""
    images, seeds = sample.image_variance()[[low, high]].sum(), 2 * sample.pooled_variance.item()
    difference = sample.means[high] - sample.means[low]
    for n in range(2, most + 1):
        freedom = np.asarray(len(sample.counts) * (n - 1))
        if Estimate(difference, seeds / n, images, freedom).p < 1 - LEVEL:
            return n
    return None
