"""The joint test: do the means of groups of runs differ by more than chance, seeds and test images counted together?

The runs of a group differ in the seed alone and are tested on the same images. The mean of a group has two independent
errors, whose variances add:

- seed-to-seed variation, σ²/n for n runs. σ is estimated from the runs, pooled over all groups;
- sampling of the test images, p(1 − p)/m for m images. All runs of a group share the images: no division by n.

A few runs know σ only roughly: given their pooled variance s² with ν degrees of freedom, σ² is distributed as
νs²/χ²(ν). Each p-value here is the p-value for known σ, averaged over that distribution. This is R. A. Fisher's
solution of the Behrens–Fisher problem ("The fiducial argument in statistical inference", Annals of Eugenics 6 (1935),
391–398) with the variance of the images known. It equals Student's t and the F test where the images are endless, the
normal and the χ² test where the seeds do not vary, and errs on the safe side in between (G. K. Robinson, Annals of
Statistics 4 (1976), 963–971).

Measured without a true effect, at 2, 3 and 5 seeds, 2 to 10 groups, and seed variances of 0.1 to 64 times that of the
images (20,000 studies each): p < 0.05 in at most 5.2 % on independent images, and in at most 5.1 % on images that all
groups share. Welch–Satterthwaite degrees of freedom, used before, gave up to 7.9 %.

On shared images much of the sampling error cancels in a difference. How much is not known from accuracies alone, so it
is counted in full, which can only hide an effect. Where it is known which images each run gets right,
:mod:`core.stats.paired` gives the covariance of the means by their images, which is used in place of p(1 − p)/m. How
often the test is then wrong, and how much more it finds, is in docs/statistics.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import chdtrc, chdtri, ndtr, stdtrit

from core.stats.intervals import LEVEL, Interval, spread

#: With this many runs in every group, a contrast uses each group's own deviation instead of the pooled one.
OWN_DEVIATION = 5
#: Shares of the allowed error when groups are numbers: for the line through all, and for any difference (Bonferroni).
TREND_SHARE, ANY_SHARE = 3 / 4, 1 / 4

# Nodes of the average over σ², as quantiles u: Gauss–Legendre in t with u = 3t² − 2t³, which is flat at both ends, so
# that p-values are accurate to 1e-6.
_NODES, _WEIGHTS = leggauss(48)
_T = (_NODES + 1) / 2
_QUANTILES, _WEIGHTS = _T**2 * (3 - 2 * _T), 3 * _WEIGHTS * _T * (1 - _T)
_ROUNDING = 1e-24  # variance of equal numbers that rounding made different


@dataclass(frozen=True)
class Sample:
    """Groups of runs as numbers. The last axis of each array is the group; axes before it are further studies.

    ``variances`` are sample variances over the runs (n − 1; 0 for one run) and ``counts`` (k,) the numbers of runs.
    ``images`` (k,) are the numbers of test images of accuracies from 0 to 1, or ``None`` to count the seeds alone.
    ``shared`` (k, k) is the covariance of the means by the sampling of images that all groups share
    (:func:`core.stats.paired.image_covariance`); without it the images of each group count as its own.
    """

    means: np.ndarray
    variances: np.ndarray
    counts: np.ndarray
    images: np.ndarray | None = None
    shared: np.ndarray | None = None

    @classmethod
    def of(
        cls, results: Sequence[Sequence[float]], images: Sequence[int] | None = None, shared: np.ndarray | None = None
    ) -> "Sample":
        """Return the sample of one study from the results of each group's runs."""
        spreads = [spread(values) for values in results]
        return cls(
            np.array([group.mean for group in spreads]),
            np.array([(group.sd or 0.0) ** 2 for group in spreads]),
            np.array([group.n for group in spreads]),
            None if images is None else np.array(images),
            shared,
        )

    @property
    def seeds_alone(self) -> "Sample":
        """The sample without the sampling of images."""
        return replace(self, images=None, shared=None)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the pooled variance; 0 if no group has two runs, so that σ is unknown."""
        return int((self.counts - 1).sum())

    @property
    def pooled_variance(self) -> np.ndarray:
        """The variance over seeds that all groups share, with a last axis of 1; 0 if unknown."""
        return ((self.counts - 1) * self.variances).sum(-1, keepdims=True) / max(self.freedom, 1)

    def seed_variance(self) -> np.ndarray:
        """Return the variance of each mean by seed-to-seed variation, from the pooled deviation."""
        return self.pooled_variance / self.counts

    def image_variance(self) -> np.ndarray:
        """Return the variance of each mean by sampling of the test images; 0 where images are not counted.

        Two right and two wrong answers are added, so that an accuracy of 1 does not look certain: A. Agresti and
        B. A. Coull, The American Statistician 52 (1998), 119–126.
        """
        if self.images is None:
            return np.zeros_like(self.means)
        share = (self.means * self.images + 2) / (self.images + 4)
        return share * (1 - share) / self.images

    def image_covariance(self) -> np.ndarray:
        """Return the covariance (…, k, k) of the means by sampling of the test images."""
        if self.shared is not None:
            return self.shared
        return self.image_variance()[..., None] * np.eye(len(self.counts))

    def contrast(self, weights: np.ndarray) -> "Estimate":
        """Return Σ weight · mean."""
        freedom: Any = max(self.freedom, 1)
        by_seeds = weights**2 * self.seed_variance()
        if self.counts.min() >= OWN_DEVIATION:  # freedom: B. L. Welch, Biometrika 34 (1947), 28–35
            by_seeds = weights**2 * self.variances / self.counts
            shares = by_seeds / (by_seeds.sum(-1, keepdims=True) + _ROUNDING)
            freedom = 1 / np.maximum((shares**2 / (self.counts - 1)).sum(-1), 1 / (self.counts - 1).sum())
        images = np.einsum("...g,...gh,...h->...", weights, self.image_covariance(), weights)
        return Estimate((weights * self.means).sum(-1), by_seeds.sum(-1), images, np.asarray(freedom))

    def difference(self, low: int, high: int) -> "Estimate":
        """Return how far the mean of group ``high`` lies above that of group ``low``."""
        each = np.eye(len(self.counts))
        return self.contrast(each[high] - each[low])

    def slope(self, x: np.ndarray) -> "Estimate":
        """Return the rise for one unit of ``x`` (k,) of the weighted least squares line through all groups."""
        covariance = self.image_covariance()
        if self.shared is not None:  # what all groups share moves the line, and does not tilt it
            covariance = covariance - covariance.mean(-1, keepdims=True)
            covariance = covariance - covariance.mean(-2, keepdims=True)
        weights = 1 / (self.seed_variance() + np.diagonal(covariance, axis1=-2, axis2=-1) + _ROUNDING)
        centred = x - (weights * x).sum(-1, keepdims=True) / weights.sum(-1, keepdims=True)
        return self.contrast(weights * centred / (weights * centred**2).sum(-1, keepdims=True))

    def any_difference(self) -> np.ndarray:
        """Return the p-value of all groups having the same true mean (analysis of variance, pooled deviation)."""
        # In units in which the seeds give every mean the same variance, and along the axes on which the images' errors
        # are uncorrelated, every variance of the average is a sum.
        scale = np.sqrt(self.counts)
        images, axes = np.linalg.eigh(scale[:, None] * self.image_covariance() * scale)
        around = self.means - self.means.mean(-1, keepdims=True)
        means = np.einsum("...gj,...g->...j", axes, scale * around)[..., None]
        ones = np.einsum("...gj,g->...j", axes, scale)[..., None]
        seeds = self.pooled_variance[..., None] * _inflation(max(self.freedom, 1))
        weights = 1 / (seeds + images.clip(0)[..., None] + _ROUNDING)  # (…, k, quantile)
        centre = (weights * ones * means).sum(-2, keepdims=True) / (weights * ones**2).sum(-2, keepdims=True)
        return chdtrc(len(self.counts) - 1, (weights * (means - centre * ones) ** 2).sum(-2)) @ _WEIGHTS

    def p_value(self, x: np.ndarray | None = None) -> np.ndarray:
        """Return the p-value of no effect. ``x`` (k,) are the places of groups that are numbers, in any unit."""
        if len(self.counts) == 2:
            return self.difference(0, 1).p
        if x is None:
            return self.any_difference()
        return np.minimum(1.0, np.minimum(self.slope(x).p / TREND_SHARE, self.any_difference() / ANY_SHARE))


@dataclass(frozen=True)
class Estimate:
    """A contrast of means with the variances by ``seeds`` (with its degrees of freedom) and by ``images``."""

    value: np.ndarray
    seeds: np.ndarray
    images: np.ndarray
    freedom: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """The two-sided p-value of a true value of zero."""
        return self._tails(self.value)

    def interval(self, level: float = LEVEL) -> Interval:
        """Return the interval of the true value: all values with a p-value of 1 − ``level`` or more."""
        half = self.half_width(level)
        return Interval(float(self.value - half), float(self.value + half))

    def half_width(self, level: float = LEVEL, halvings: int = 32) -> np.ndarray:
        """Return half the width of :meth:`interval`, found by halving a range that holds it so often."""
        largest = stdtrit(self.freedom, (3 + level) / 4) * np.sqrt(self.seeds + self.images + _ROUNDING)
        low, high = np.zeros_like(largest), 2 * largest
        for _ in range(halvings):
            middle = (low + high) / 2
            inside = self._tails(middle) > 1 - level
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return (low + high) / 2

    def _tails(self, distance: Any) -> np.ndarray:
        """Return the probability of an error larger than ``distance`` on either side."""
        distance, seeds, images = np.asarray(distance), np.asarray(self.seeds), np.asarray(self.images)
        variance = seeds[..., None] * _inflation(self.freedom) + images[..., None] + _ROUNDING
        return 2 * ndtr(-np.abs(distance)[..., None] / np.sqrt(variance)) @ _WEIGHTS


def power(
    difference: float, seed_variance: float, image_variance: float, groups: int, seeds: int, level: float = LEVEL
) -> float:
    """Return how probable it is that a true ``difference`` of two groups is found: that it gives p < 1 − ``level``.

    ``seed_variance`` is that of one run, ``image_variance`` that of the difference by sampling of the images, which no
    seed reduces; ``seeds`` (2 or more) are in each of ``groups`` groups, over which the deviation is pooled.
    """
    freedom = np.asarray(groups * (seeds - 1))
    by_seeds, images = 2 * seed_variance / seeds, np.asarray(image_variance)
    estimated = by_seeds / _inflation(freedom)  # at the quantiles of the estimate's distribution
    half = Estimate(np.asarray(difference), estimated, images, freedom).half_width(level, halvings=14)
    error = np.sqrt(by_seeds + image_variance + _ROUNDING)
    found = ndtr((abs(difference) - half) / error) + ndtr((-abs(difference) - half) / error)
    return float(found @ _WEIGHTS)


def _inflation(freedom: Any) -> np.ndarray:
    """Return σ²/s² at the quantiles of its distribution, along a new last axis."""
    freedom = np.asarray(freedom, float)[..., None]
    return freedom / chdtri(freedom, _QUANTILES)
