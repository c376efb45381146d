"""Calibration: whether a network is right as often as it is confident, and what a temperature changes.

The probability of an answer is its confidence. A network is calibrated if, of its answers with confidence 80 %, 80 %
are right. C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.

The diagram needs the bins, so the calibration error is computed from them; the tests hold it to torchmetrics, whose
import would take seconds in a page.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from core.base.text import percent
from core.runs.predictions import Answers
from core.stats.intervals import LEVEL, Interval, wilson

#: Bins of equal width from 0 to 1, as in the paper.
BINS = 15
#: Resamples of a bootstrap.
RESAMPLES = 1_000
#: The range of temperatures that is searched.
TEMPERATURES = (0.02, 50.0)


@dataclass(frozen=True, eq=False)
class Reliability:
    """The answers by confidence, in :data:`BINS` bins of equal width.

    ``counts``: int64 (15,), answers in each bin; ``confidence`` and ``accuracy``: float64 (15,), their means from 0 to
    1, NaN for an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy, each bin by its answers."""
        distance = np.abs(self.confidence - self.accuracy)
        return float(np.nansum(distance * self.counts) / self.counts.sum())


@dataclass(frozen=True)
class Calibration:
    """How well probabilities fit the facts, on n images.

    ``accuracy`` and ``confidence`` (its mean) are from 0 to 1. ``ece`` is the expected calibration error: the mean
    distance of confidence and accuracy over the bins, weighted by their answers, 0 to 1, with its 95 % interval.
    ``nll`` is the mean negative log-likelihood of the true class, in nats (the cross-entropy); ``brier`` the mean
    squared distance of the probabilities from the truth, summed over the classes, 0 to 2 (G. W. Brier, Monthly Weather
    Review 78 (1950), 1–3).
    """

    accuracy: float
    confidence: float
    ece: float
    ece_interval: Interval
    nll: float
    brier: float

    @property
    def excess(self) -> float:
        """Mean confidence minus accuracy: above 0, the network is more confident than it is right."""
        return self.confidence - self.accuracy


def reliability(answers: Answers) -> Reliability:
    """Return the reliability diagram of the answers. A confidence on an edge of two bins belongs to the upper one."""
    bins = _bins(answers)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        confidence, accuracy = (
            np.bincount(bins, weights, BINS) / counts for weights in (answers.confidence, answers.correct)
        )
    return Reliability(counts, confidence, accuracy)


def calibration(answers: Answers) -> Calibration:
    """Return the calibration of the answers."""
    return Calibration(
        accuracy=answers.accuracy,
        confidence=float(answers.confidence.mean()),
        ece=reliability(answers).error,
        ece_interval=ece_interval(answers),
        nll=nll(answers),
        brier=brier(answers),
    )


def verdict(found: Calibration, n: int) -> str:
    """Return in a sentence whether a network is too confident on average; ``n`` images.

    Too confident or too careful only if mean confidence is outside the accuracy's 95 % interval (Wilson).
    """
    confidence, accuracy = percent(found.confidence), percent(found.accuracy)
    if wilson(found.accuracy, n).holds(found.confidence):
        return f"On average, the network is as confident as it is right: {confidence} and {accuracy}."
    how = "too confident" if found.excess > 0 else "too careful"
    return f"The network is {how}: its mean confidence is {confidence}, its accuracy {accuracy}."


def nll(answers: Answers) -> float:
    """Return the mean negative log-likelihood of the true class in nats: the cross-entropy."""
    shifted = answers.logits.astype(np.float64) - answers.logits.max(1, keepdims=True)
    of_truth = shifted[np.arange(len(answers)), answers.labels]
    return float((np.log(np.exp(shifted).sum(1)) - of_truth).mean())


def brier(answers: Answers) -> float:
    """Return the Brier score for several classes, 0 to 2."""
    distances = answers.probabilities.copy()
    distances[np.arange(len(answers)), answers.labels] -= 1
    return float((distances**2).sum(1).mean())


def ece_interval(answers: Answers, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the interval of the calibration error that endless images would give, by a bootstrap over the images.

    The error of a sample is too large on average, because chance moves each bin away from its truth, so the quantiles
    of resamples are no interval: for a calibrated network they never hold 0. Instead, resamples are drawn around bins
    whose distances are all scaled by one factor, and the interval has the errors for which the observed one is neither
    in the upper nor in the lower tail (J. Carpenter, "Test inversion bootstrap confidence intervals", Journal of the
    Royal Statistical Society B 61 (1999), 159–172). A resample moves each bin by a normal number with the variance that
    resampling the images gives. How often it holds the truth is in docs/inspect.md (``benchmarks.calibration``). The
    same ``seed`` gives the same interval.
    """
    n, bins, gap = len(answers), _bins(answers), answers.confidence - answers.correct
    distance = np.bincount(bins, gap, BINS) / n
    variance = np.bincount(bins, gap**2, BINS) / n**2 - distance**2 / n
    noise = np.random.default_rng(seed).normal(size=(resamples, BINS)) * np.sqrt(variance.clip(0))
    observed = np.abs(distance).sum()

    def beyond(factor: float, share: float) -> float:
        """Return how far a quantile of resamples lies above the observed error."""
        return float(np.quantile(np.abs(factor * distance + noise).sum(1), share) - observed)

    def end(share: float) -> float:
        if beyond(0.0, share) >= 0:
            return 0.0
        highest = 2.0  # here the quantile is above the observed error, unless an error of 1 is reached
        while beyond(highest, share) < 0:
            highest *= 2
        return min(1.0, float(brentq(beyond, 0.0, highest, (share,)) * observed))

    return Interval(end((1 + level) / 2), end((1 - level) / 2))


def fitted_temperature(validation: Answers) -> float:
    """Return the temperature that minimises the negative log-likelihood of these answers.

    They must be held-out images: neither those of the training nor those that the result is measured on. Raises
    ValueError if no temperature is best: for answers that are all right, or no better than chance.
    """
    low, high = np.log(TEMPERATURES)
    best = minimize_scalar(
        lambda power: nll(at_temperature(validation, float(np.exp(power)))), bounds=(low, high), method="bounded"
    )
    if validation.correct.all() or not low + 0.01 < best.x < high - 0.01:
        raise ValueError("no temperature is best")
    return float(np.exp(best.x))


def at_temperature(answers: Answers, temperature: float) -> Answers:
    """Return the answers with their logits divided by ``temperature`` (> 0); which classes they are is unchanged."""
    return replace(answers, logits=(answers.logits / temperature).astype(np.float32))


def _bins(answers: Answers) -> NDArray[np.int64]:
    """Return each answer's bin, int64 (N,), 0…14, as torchmetrics puts it."""
    edges = np.linspace(0, 1, BINS + 1)
    return np.minimum(np.searchsorted(edges, answers.confidence, side="right") - 1, BINS - 1)
