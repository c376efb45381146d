"""Runs on the same images: how far the accuracies of groups can differ by the sampling of images that all groups share.

Let X = 1 where the run with seed s of group g is right on image i, and 0 where it is wrong. Seeds and images are
crossed, as readers and cases are in the evaluation of diagnostic tests, so X is analysed in the same way:

    X[g, s, i] = accuracy[g] + image[g, i] + seed[g, s] + rest[g, s, i]

The three random parts are uncorrelated. The means over n[g] runs and m images then have

    covariance(mean[g], mean[h]) = C[g, h] / m                                         for two groups g and h,
    variance(mean[g]) = C[g, g] / m + V(seed[g]) / n[g] + V(rest[g]) / (n[g] · m),

where C is the covariance of the groups' image effects: of the probability, over seeds, to be right on an image. Errors
that the groups share are in C[g, h] and cancel in a difference. The last two terms of a variance are what accuracies of
single runs vary by, and :mod:`core.stats.joint` estimates their sum from these accuracies, together with the degrees of
freedom that belong to it. This module estimates C / m, without bias:

- C[g, h] is the covariance over images of the shares of each group's runs that are right;
- for C[g, g], the variance of that share over images is too large by V(rest) / n[g]. V(rest) is the mean square of the
  interaction of seeds and images, pooled over the groups with two runs or more, and is taken away.

This is the variance of B. D. Gallas, "One-shot estimate of MRMC variance: AUC", Academic Radiology 13 (2006), 353–362,
and of A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007), 386–411, for several groups. With
one run in each group there is nothing to take away: the variance of the difference of two runs is that of McNemar's
test, (b + c − (b − c)²/m) / m² with b images that only the first and c that only the second gets right.

As D. G. Bonett and R. M. Price add one image to b and to c ("Adjusted Wald confidence interval for a difference of
binomial proportions based on paired data", Journal of Educational and Behavioral Statistics 37 (2012), 479–488), here
one run of each group is right alone on one image more. Two runs with equal answers are then not certainly equally good.

What is measured with it, without and with a true difference, is in docs/statistics.md (``benchmarks.paired``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

#: The fewest images that all groups must share to be compared image by image, unless they share all of them.
FEWEST_SHARED = 500


@dataclass(frozen=True, eq=False)
class Correctness:
    """Which images each of the n runs of a group gets right.

    ``images``: int64 (m,), numbers that tell images apart, rising; ``correct``: bool (n, m).
    """

    images: NDArray[np.int64]
    correct: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Sequence[tuple[NDArray[np.int64], NDArray[np.bool_]]]) -> "Correctness":
        """Return that of ``runs`` on the images that all of them answered; each has its images (rising) and whether it
        is right on them."""
        images = _shared([images for images, _ in runs])
        return cls(images, np.stack([correct[np.searchsorted(own, images)] for own, correct in runs]))

    def on(self, images: NDArray[np.int64]) -> "Correctness":
        """Return that on some of the images."""
        return Correctness(images, self.correct[:, np.searchsorted(self.images, images)])

    @property
    def accuracies(self) -> tuple[float, ...]:
        """The accuracy of each run, 0 to 1."""
        return tuple(map(float, self.correct.mean(1)))


def on_shared_images(groups: Sequence[Correctness]) -> list[Correctness] | None:
    """Return the groups on the images that all of them share, or ``None`` if these are too few to compare."""
    images = _shared([group.images for group in groups])
    all_shared = all(len(images) == len(group.images) for group in groups)
    if len(images) < 2 or (len(images) < FEWEST_SHARED and not all_shared):
        return None
    return [group.on(images) for group in groups]


def image_covariance(groups: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Return the covariance (k, k) of the groups' mean accuracies by sampling of the m images that they share.

    ``groups``: for each of k groups bool (n, m), n runs. Positive definite.
    """
    m = groups[0].shape[1]
    shares = np.stack([correct.mean(0) for correct in groups])  # (k, m)
    covariance = np.atleast_2d(np.cov(shares))
    covariance -= np.diag([interaction(groups) / len(correct) for correct in groups])
    values, vectors = np.linalg.eigh(covariance)
    covariance = (vectors * values.clip(0)) @ vectors.T  # an unbiased variance can be estimated below zero
    alone = np.diag([1 / len(correct) ** 2 for correct in groups])  # one more image, which one run alone gets right
    return (covariance + alone / m) / m


def interaction(groups: Sequence[NDArray[np.bool_]]) -> float:
    """Return V(rest): the mean square of the interaction of seeds and images, within groups; 0 with one run each."""
    squares = freedom = 0.0
    for correct in groups:
        n, m = correct.shape
        total = correct.sum()
        # Σ (X − mean of the image − mean of the run + mean)², multiplied out; X² = X.
        by_image, by_run = (correct.sum(0) ** 2).sum() / n, (correct.sum(1) ** 2).sum() / m
        squares += float(total - by_image - by_run + total**2 / (n * m))
        freedom += (n - 1) * (m - 1)
    return max(squares, 0.0) / max(freedom, 1.0)


def _shared(images: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the numbers that are in all arrays, rising."""
    if all(np.array_equal(images[0], other) for other in images[1:]):
        return images[0]
    return reduce(np.intersect1d, images)
