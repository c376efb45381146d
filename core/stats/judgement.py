"""Judge groups of runs: which effect they show, how sure it is, and what may be claimed.

Two runs, two groups of seeds and all values of a study are judged by the same function with the same test
(:mod:`core.stats.joint`). The sentences for a person are written by :mod:`core.stats.finding`.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np

from core.stats.intervals import LEVEL, Interval, Spread, spread, wilson
from core.stats.joint import Sample, power
from core.stats.paired import Correctness, image_covariance, on_shared_images

#: ``real``: larger than seeds and test images explain; ``on these images``: larger than the seeds explain;
#: ``for these seeds``: larger than the test images explain, seeds unknown; ``not shown``: chance could explain it.
Verdict = Literal["real", "on these images", "for these seeds", "not shown"]
#: What an interval or a p-value counts.
Counted = Literal["seeds and images", "seeds", "images", "nothing"]
#: How probable it should be that a true difference is found, where seeds are planned.
POWER = 0.8
#: The most seeds in a group that are planned.
MOST_SEEDS = 50


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs that differ in the seed alone: ``results`` has one accuracy (0 to 1) or loss (nats) per run, measured on
    ``images`` test images. ``name`` is what a sentence calls the group. ``correct`` says which images each run gets
    right, where that is known."""

    name: str
    results: tuple[float, ...]
    images: int
    correct: Correctness | None = field(default=None, repr=False, compare=False)

    @property
    def spread(self) -> Spread:
        """Mean, deviation and number of the results."""
        return spread(self.results)

    @property
    def image_interval(self) -> Interval:
        """The 95 % interval of the mean accuracy by sampling of the test images alone (Wilson)."""
        return wilson(min(max(self.spread.mean, 0.0), 1.0), self.images)


AnyGroup = TypeVar("AnyGroup", bound=Group)


def image_by_image(groups: Sequence[AnyGroup]) -> list[AnyGroup] | None:
    """Return the groups with their accuracies on the images that all share, to be compared image by image.

    ``None`` if it is not known of all which images they get right, or if they share too few.
    """
    known = [group.correct for group in groups if group.correct is not None]
    shared = on_shared_images(known) if len(known) == len(groups) else None
    if shared is None:
        return None
    return [
        replace(group, results=correct.accuracies, images=len(correct.images), correct=correct)
        for group, correct in zip(groups, shared, strict=True)
    ]


@dataclass(frozen=True)
class Trend:
    """The rise of the line through all groups, with a 95 % interval: per doubling, or over the whole range."""

    rise: float
    interval: Interval
    per_doubling: bool


@dataclass(frozen=True)
class Variances:
    """What the results of ``groups`` groups vary by.

    ``seeds`` is the variance of one run over seeds, ``images`` that of the difference of two groups by sampling of the
    images, which more seeds do not reduce. ``level`` is the confidence that a difference has to reach.
    """

    groups: int
    seeds: float
    images: float
    level: float = LEVEL

    def power(self, difference: float, seeds: int) -> float:
        """Return how probable it is that a true ``difference`` of two groups with so many seeds each is found."""
        return power(difference, self.seeds, self.images, self.groups, seeds, self.level)

    def seeds_for(self, difference: float) -> int | None:
        """Return the fewest seeds in each group that find a true ``difference`` with :data:`POWER`.

        ``None`` if :data:`MOST_SEEDS` do not.
        """
        numbers = range(2, MOST_SEEDS + 1)
        place = bisect_left(numbers, True, key=lambda seeds: self.power(difference, seeds) >= POWER)
        return numbers[place] if place < len(numbers) else None


@dataclass(frozen=True)
class Judgement:
    """What groups of runs show. ``low`` and ``high`` are the groups at the ends, by position.

    ``difference`` is the mean of ``high`` minus that of ``low``, with its 95 % ``interval``, which counts ``counted``
    (``None`` if nothing can be counted). ``p`` is the p-value of no effect among all groups. ``ahead`` is the
    probability that the end with the larger mean truly has the larger one: the one-sided confidence in it, which is
    above 0.975 if ``interval`` excludes zero. ``freedom`` is the number of runs beyond the first of each group.
    ``variances`` are ``None`` if they are unknown, since no group has two runs; ``paired`` says whether the groups were
    compared image by image.
    """

    low: int
    high: int
    difference: float
    interval: Interval | None
    counted: Counted
    p: float | None
    verdict: Verdict
    freedom: int
    ahead: float | None = None
    trend: Trend | None = None
    variances: Variances | None = None
    paired: bool = False

    @cached_property
    def seeds_needed(self) -> int | None:
        """How many seeds in every group would find a true difference of this size with :data:`POWER`; ``None`` if
        unknown, or more than :data:`MOST_SEEDS`."""
        return None if self.variances is None else self.variances.seeds_for(self.difference)


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
    With several ``comparisons`` on one page each has to meet a stricter test (Bonferroni). Groups whose runs are known
    to be right or wrong on the same images (:func:`image_by_image`) are compared image by image.
    """
    shared = _covariance(groups) if count_images else None
    sample = Sample.of([group.results for group in groups], [group.images for group in groups], shared)
    counting = sample if count_images else sample.seeds_alone
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
    elif counted == "seeds and images" and p_value(sample.seeds_alone) < 1 - LEVEL:
        verdict = "on these images"
    order = np.argsort(-sample.means if lower_is_better else sample.means, kind="stable")
    low, high = (0, len(groups) - 1) if numbers is not None else (int(order[0]), int(order[-1]))
    # The worst and the best were picked from all pairs, so each pair gets its share of the allowed error.
    pairs = 1 if numbers is not None else math.comb(len(groups), 2)
    level = 1 - (1 - LEVEL) / pairs
    effect = counting.difference(low, high)
    ahead = None if counted == "nothing" else 1 - min(1.0, pairs * float(effect.p)) / 2
    variances = None
    if sample.freedom:
        stricter = 1 - (1 - level) / comparisons
        variances = Variances(len(groups), sample.pooled_variance.item(), float(effect.images), stricter)
    trend = None
    if places is not None and len(groups) > 2 and counted != "nothing":
        line = counting.slope(places)
        trend = Trend(float(line.value), line.interval(), per_doubling)
    return Judgement(
        low,
        high,
        float(effect.value),
        None if counted == "nothing" else effect.interval(level),
        counted,
        p,
        verdict,
        sample.freedom,
        ahead,
        trend,
        variances,
        shared is not None,
    )


def _covariance(groups: Sequence[Group]) -> np.ndarray | None:
    """Return the covariance of the means by their images, if all groups are known to be right or wrong on the same."""
    known = [group.correct for group in groups if group.correct is not None]
    if len(known) < len(groups) or any(not np.array_equal(known[0].images, other.images) for other in known):
        return None
    return image_covariance([group.correct for group in known])


#: The most that may be claimed of a difference, by what the test counts.
_CLAIMS: dict[Counted, Verdict] = {"seeds and images": "real", "seeds": "on these images", "images": "for these seeds"}


def _places(numbers: Sequence[float]) -> tuple[np.ndarray, bool]:
    """Return where numbers lie for a trend, and whether one step is a doubling: it is where all are positive."""
    values = np.array(numbers, float)
    if values.min() > 0:
        return np.log2(values), True
    return (values - values.min()) / np.ptp(values), False
