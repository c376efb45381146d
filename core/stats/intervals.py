"""How sure an accuracy is: intervals for shares, for their difference, and for means over seeds.

Plain numbers in, plain numbers out. Two sources of doubt are kept apart everywhere: which images were
tested (binomial: :func:`wilson`, :func:`newcombe`), and which seed was drawn (:func:`welch`,
:func:`next_run`). All intervals are two-sided; ``level`` is their coverage, 0.95 unless told. Quantiles
are scipy's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.special import ndtri, stdtrit

LEVEL = 0.95


class Interval(NamedTuple):
    """From ``low`` to ``high``, in the unit of what it is an interval of."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """Distance of the ends."""
        return self.high - self.low

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies inside or on an end."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n − 1) of ``n`` values; ``sd`` is ``None`` for one value."""

    n: int
    mean: float
    sd: float | None


def spread(values: Sequence[float]) -> Spread:
    """Mean and deviation of at least one value; ValueError for none."""
    if not values:
        raise ValueError("there is no mean of no values")
    n, mean = len(values), math.fsum(values) / len(values)
    sd = math.sqrt(math.fsum((one - mean) ** 2 for one in values) / (n - 1)) if n > 1 else None
    return Spread(n, mean, sd)


def wilson(share: float, n: int, level: float = LEVEL) -> Interval:
    """Interval of a probability of which ``share`` (0 to 1) was seen in ``n`` trials.

    The score interval: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", Journal of the American Statistical Association 22 (1927), 209–212.
    """
    z = float(ndtri((1 + level) / 2))
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding must not leave a share of 0 or 1 outside its own interval.
    return Interval(
        max(0.0, min(share, (centre - half) / (1 + z * z / n))), min(1.0, max(share, (centre + half) / (1 + z * z / n)))
    )


def newcombe(first: float, n_first: int, second: float, n_second: int, level: float = LEVEL) -> Interval:
    """Interval of the difference ``first − second`` of two shares seen in independent trials.

    The hybrid score interval without continuity correction, method 10 of R. G. Newcombe, "Interval
    estimation for the difference between independent proportions: comparison of eleven methods",
    Statistics in Medicine 17 (1998), 873–890. Of two networks tested on the same images it is usually too
    wide: they tend to be wrong about the same ones.
    """
    one, other = wilson(first, n_first, level), wilson(second, n_second, level)
    difference = first - second
    return Interval(
        difference - math.hypot(first - one.low, other.high - second),
        difference + math.hypot(one.high - first, second - other.low),
    )


def welch(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Interval:
    """Interval of the difference of two means, ``first − second``, from at least two values each.

    Deviations may differ; degrees of freedom after B. L. Welch, "The generalization of ‘Student's’
    problem when several different population variances are involved", Biometrika 34 (1947), 28–35.
    Values that do not vary at all give an interval of no width. ValueError for fewer than two values.
    """
    one, other = spread(first), spread(second)
    if one.sd is None or other.sd is None:
        raise ValueError("a deviation takes at least two values on each side")
    a, b = one.sd**2 / one.n, other.sd**2 / other.n
    difference = one.mean - other.mean
    if a + b == 0:
        return Interval(difference, difference)
    freedom = (a + b) ** 2 / (a**2 / (one.n - 1) + b**2 / (other.n - 1))
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(a + b)
    return Interval(difference - half, difference + half)


def next_run(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Where one more value from the same normal distribution is expected, given at least two.

    The prediction interval mean ± t(n − 1) · sd · √(1 + 1/n): G. J. Hahn and W. Q. Meeker, "Statistical
    Intervals", Wiley (1991). ValueError for fewer than two.
    """
    seen = spread(values)
    if seen.sd is None:
        raise ValueError("a deviation takes at least two values")
    half = float(stdtrit(seen.n - 1, (1 + level) / 2)) * seen.sd * math.sqrt(1 + 1 / seen.n)
    return Interval(seen.mean - half, seen.mean + half)
