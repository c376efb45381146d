"""Intervals, mean and deviation over seeds, and p-values of several tests. Accuracies are shares from 0 to 1."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

#: Coverage of every interval that is not given another; a difference is real at p < 1 − LEVEL.
LEVEL = 0.95


class Interval(NamedTuple):
    """The range from ``low`` to ``high``, in the unit of the estimate."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Return whether ``value`` lies inside or on an end."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n − 1) of ``n`` values; ``sd`` is ``None`` for one value."""

    n: int
    mean: float
    sd: float | None


def spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of ``values``. Raises ValueError without values."""
    if not values:
        raise ValueError("the mean needs at least one value")
    n, mean = len(values), math.fsum(values) / len(values)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else None
    return Spread(n, mean, sd)


def wilson(share: float, n: int, level: float = LEVEL) -> Interval:
    """Return the interval of a probability, of which ``share`` (0 to 1) was observed in ``n`` trials.

    The score interval: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927), 209–212.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    scale, centre = 1 + z * z / n, share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding must not put a share of 0 or 1 outside its own interval.
    return Interval(max(0.0, min(share, (centre - half) / scale)), min(1.0, max(share, (centre + half) / scale)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values (0 to 1) corrected for their number, in the same order; NaN stays NaN and is not counted.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979),
    65–70.
    """
    corrected, largest = list(map(float, p_values)), 0.0
    known = [place for place, p in enumerate(corrected) if not math.isnan(p)]
    known.sort(key=corrected.__getitem__)
    for rank, place in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * corrected[place]))
        corrected[place] = largest
    return corrected
