"""Effects among several groups of runs: differences, trends, and whether any of it is more than chance.

Numbers in, numbers out, like :mod:`core.stats.intervals`, for more than two sides. Each group (a *cell*) is the mean
of some
runs that differ in the seed, all tested on the same images, and its variance has two parts that add:

- the luck of the seed, σ²/n, σ estimated from the runs: pooled over all cells, but for the error of a difference or a
  slope where each has five seeds or more and can speak for itself;
- the choice of images, p(1 − p)/m, the same for every seed of the cell, so it is not divided by n.

Cells tested on the same images share much of the second part, and it would cancel in a difference; how much is not
known from accuracies alone, so it is counted in full. That errs on the side of seeing no effect.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from core.stats.intervals import LEVEL, Interval, Spread

#: From so many seeds in every cell on, each cell's own deviation makes the error of a difference or a slope.
OWN_DEVIATION = 5
#: What sums of equal figures may differ by.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A difference or a slope with its standard error ``se``; ``freedom`` may be infinite."""

    value: float
    se: float
    freedom: float

    def interval(self, level: float = LEVEL) -> Interval:
        """Student's interval."""
        half = float(stdtrit(min(self.freedom, 1e9), (1 + level) / 2)) * self.se
        return Interval(self.value - half, self.value + half)

    @property
    def p(self) -> float:
        """Two-sided p-value of a true value of zero."""
        if self.se == 0:
            return float(abs(self.value) < _ROUNDING)
        return 2 * float(stdtr(min(self.freedom, 1e9), -abs(self.value) / self.se))


@dataclass(frozen=True)
class Noise:
    """The variance of each cell's mean, by cause: ``seeds``, with its degrees of freedom, and ``images``.

    ``freedom`` is one number if the deviation is ``pooled``, else one a cell.
    """

    seeds: np.ndarray
    images: np.ndarray
    freedom: np.ndarray
    pooled: bool

    @property
    def variance(self) -> np.ndarray:
        """Of each cell's mean."""
        return self.seeds + self.images

    def combined_freedom(self, weights: np.ndarray) -> float:
        """Degrees of freedom of the variance of Σ weight · mean.

        F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2
        (1946), 110–114; the images' part is known and has infinitely many.
        """
        parts = weights**2 * self.seeds
        doubt = parts.sum() ** 2 / self.freedom[0] if self.pooled else (parts**2 / self.freedom).sum()
        total = (weights**2 * self.variance).sum()
        return math.inf if doubt == 0 else float(total**2 / doubt)

    def with_one_deviation(self) -> "Noise":
        """The same with the deviation pooled: weights by it do not lean on cells that look steady by luck."""
        if self.pooled:
            return self
        n, freedom = self.freedom + 1, self.freedom.sum()
        return Noise((self.freedom * self.seeds * n).sum() / freedom / n, self.images, np.array([freedom]), pooled=True)

    def contrast(self, means: np.ndarray, weights: np.ndarray) -> Estimate:
        """Σ weight · mean, of independent cells."""
        se = math.sqrt(float((weights**2 * self.variance).sum()))
        return Estimate(float(weights @ means), se, self.combined_freedom(weights))


def pooled_deviation(cells: Sequence[Spread]) -> tuple[float, int] | None:
    """The deviation over seeds that all cells share and its degrees of freedom; ``None`` if no cell has two runs."""
    freedom = sum(cell.n - 1 for cell in cells)
    squares = math.fsum(cell.sd**2 * (cell.n - 1) for cell in cells if cell.sd is not None)
    return (math.sqrt(squares / freedom), freedom) if freedom else None


def noise_by_seeds(cells: Sequence[Spread]) -> Noise | None:
    """The luck of the seed alone; ``None`` if no cell has two runs, for then nothing is known of it."""
    n, none = np.array([cell.n for cell in cells]), np.zeros(len(cells))
    if min(n) >= OWN_DEVIATION:
        variances = np.array([(cell.sd or 0.0) ** 2 for cell in cells])
        return Noise(variances / n, none, n - 1.0, pooled=False)
    pooled = pooled_deviation(cells)
    if pooled is None:
        return None
    return Noise(pooled[0] ** 2 / n, none, np.array([float(pooled[1])]), pooled=True)


def noise_by_images(cells: Sequence[Spread], images: Sequence[int]) -> Noise:
    """The choice of images alone, for cells whose means are shares from 0 to 1.

    Two right and two wrong answers are added to each cell, so that a share of 1 does not look certain: A. Agresti and
    B. A. Coull, "Approximate is better than ‘exact’ for interval estimation of binomial proportions", The American
    Statistician 52 (1998), 119–126.
    """
    m = np.array(images, float)
    share = (np.array([cell.mean for cell in cells]) * m + 2) / (m + 4)
    return Noise(np.zeros(len(cells)), share * (1 - share) / m, np.array([1.0]), pooled=True)


def noise_of(cells: Sequence[Spread], images: Sequence[int]) -> Noise | None:
    """Both causes together; ``None`` if no cell has two runs."""
    seeds = noise_by_seeds(cells)
    if seeds is None:
        return None
    return Noise(seeds.seeds, noise_by_images(cells, images).images, seeds.freedom, seeds.pooled)


def difference(means: np.ndarray, noise: Noise, first: int, second: int) -> Estimate:
    """How far the cell at ``second`` lies above that at ``first``."""
    weights = np.zeros(len(means))
    weights[first] -= 1.0
    weights[second] += 1.0
    return noise.contrast(means, weights)


def slope(x: np.ndarray, means: np.ndarray, noise: Noise) -> Estimate:
    """The line of weighted least squares through the cells: its rise for one unit of ``x``, which must vary."""
    weights = _trust(noise.with_one_deviation())
    away = x - (weights * x).sum() / weights.sum()
    return noise.contrast(means, weights * away / (weights * away**2).sum())


def any_difference(means: np.ndarray, noise: Noise) -> float:
    """p-value of all cells having the same true mean: the F test for means of known or estimated variance.

    With one deviation for all cells, however many seeds they have: where each has its own, as in Welch's test, ten
    cells of five seeds without any effect are told to differ at the level of 5 % in 9 of 100 studies.
    """
    noise = noise.with_one_deviation()
    k, variance = len(means), noise.variance
    if not variance.any():
        return float(np.ptp(means) < _ROUNDING)
    weights = _trust(noise)
    centre = (weights * means).sum() / weights.sum()
    between = float((weights * (means - centre) ** 2).sum()) / (k - 1)
    freedom = noise.combined_freedom(np.full(k, 1.0))
    return float(fdtrc(k - 1, min(freedom, 1e9), between))


def _trust(noise: Noise) -> np.ndarray:
    """Each cell's weight: one over its variance; equal weights if some cell has none."""
    variance = noise.variance
    return 1 / variance if variance.all() else np.ones(len(variance)) / (variance.mean() or 1.0)
