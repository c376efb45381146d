"""How a learning curve goes on: the probability that a run ends above a given accuracy.

After T. Domhan, J. T. Springenberg and F. Hutter, "Speeding up automatic hyperparameter optimization of deep neural
networks by extrapolation of learning curves", IJCAI 2015. Growth curves are fitted to the accuracies so far, and each
counts by how well it fits. The paper samples the parameters by MCMC; here they are fitted by least squares, with a
normal approximation of their uncertainty, which takes milliseconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtr

#: The smallest standard deviation of an accuracy from epoch to epoch that is believed.
LEAST_NOISE = 0.003
#: Added to the fit's curvature, relative to a parameter's range: what the data say nothing of keeps a finite variance.
_DAMPING = 1e-6
#: The fewest accuracies that a curve is fitted to.
LEAST_EPOCHS = 4

Curve = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Family:
    """A growth curve of the epoch (from 1) and its parameters, the first of which is the accuracy it tends to."""

    name: str
    curve: Curve
    low: tuple[float, ...]
    high: tuple[float, ...]
    starts: tuple[tuple[float, ...], ...]


#: Six of the paper's eleven curves, in the form that rises to its first parameter.
FAMILIES = (
    Family("pow3", lambda x, p: p[0] - p[1] * x ** -p[2], (0, 0, 0.05), (1, 2, 5), ((0.9, 0.5, 0.5), (0.9, 0.5, 2.0))),
    Family(
        "exp3", lambda x, p: p[0] - p[1] * np.exp(-p[2] * x), (0, 0, 1e-3), (1, 2, 5), ((0.9, 0.5, 0.1), (0.9, 1, 1))
    ),
    Family("ilog2", lambda x, p: p[0] - p[1] / np.log(x + 1), (0, 0), (1, 2), ((0.9, 0.3),)),
    Family(
        "log power",
        lambda x, p: p[0] / (1 + (x / np.exp(p[1])) ** -p[2]),
        (0, -5, 0.05),
        (1, 8, 5),
        ((0.9, 0.5, 1.0), (0.9, 2.0, 0.5)),
    ),
    Family(
        "mmf",
        lambda x, p: p[0] - (p[0] - p[1]) / (1 + (p[2] * x) ** p[3]),
        (0, 0, 1e-3, 0.1),
        (1, 1, 10, 5),
        ((0.9, 0.1, 0.5, 1.0),),
    ),
    Family(
        "weibull",
        lambda x, p: p[0] - (p[0] - p[1]) * np.exp(-((p[2] * x) ** p[3])),
        (0, 0, 1e-3, 0.1),
        (1, 1, 10, 5),
        ((0.9, 0.1, 0.3, 1.0),),
    ),
)


@dataclass(frozen=True)
class Forecast:
    """The accuracy at the last epoch as a mixture of normal distributions, one for each family that was fitted."""

    means: np.ndarray
    deviations: np.ndarray
    weights: np.ndarray

    def above(self, accuracy: float) -> float:
        """Return the probability (0 to 1) of an accuracy above ``accuracy``."""
        return float(self.weights @ ndtr((self.means - accuracy) / self.deviations))

    @property
    def mean(self) -> float:
        """The expected accuracy."""
        return float(self.weights @ self.means)


def forecast(accuracies: Sequence[float], epochs: int) -> Forecast | None:
    """Return what to expect after ``epochs`` epochs from the validation ``accuracies`` (0 to 1) of the first ones.

    ``None`` with fewer than :data:`LEAST_EPOCHS` accuracies.
    """
    y = np.asarray(accuracies, float)
    if len(y) < LEAST_EPOCHS:
        return None
    x, end = np.arange(1, len(y) + 1, dtype=float), np.array([float(epochs)])
    fitted = [_fitted(family, x, y, end) for family in FAMILIES]
    means, deviations, criteria = np.array(fitted).T
    weights = np.exp(-(criteria - criteria.min()) / 2)
    return Forecast(means, deviations, weights / weights.sum())


def _fitted(family: Family, x: np.ndarray, y: np.ndarray, end: np.ndarray) -> tuple[float, float, float]:
    """Return mean and deviation of a family's accuracy at ``end``, and its Bayesian information criterion."""
    low, high = np.array(family.low), np.array(family.high)

    def misfit(parameters: np.ndarray) -> np.ndarray:
        return family.curve(x, parameters) - y

    starts = [np.clip(start, low + 1e-6, high - 1e-6) for start in family.starts]
    best = min((least_squares(misfit, start, bounds=(low, high), max_nfev=200) for start in starts), key=_cost)
    freedom = max(len(x) - len(low), 1)
    noise = max(float(np.sqrt(2 * best.cost / freedom)), LEAST_NOISE)
    mean = float(family.curve(end, best.x)[0])
    steps = np.maximum(1e-5, 1e-5 * np.abs(best.x))
    slope = np.array([(family.curve(end, best.x + step)[0] - mean) / size for step, size in _steps(steps)])
    curvature = best.jac.T @ best.jac + _DAMPING * np.diag(1 / (high - low) ** 2)
    variance = float(slope @ np.linalg.solve(curvature, slope)) * noise**2
    criterion = 2 * best.cost / noise**2 + 2 * len(x) * np.log(noise) + len(low) * np.log(len(x))
    return min(max(mean, 0.0), 1.0), float(np.sqrt(variance + noise**2)), float(criterion)


def _cost(result: object) -> float:
    return float(result.cost)  # type: ignore[attr-defined]


def _steps(sizes: np.ndarray) -> list[tuple[np.ndarray, float]]:
    return [(size * axis, float(size)) for size, axis in zip(sizes, np.eye(len(sizes)), strict=True)]
