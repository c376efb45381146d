"""Unlike the training images: when a network should rather not answer.

A network always answers with one of its classes. The detector here gives an image a score that is high if the network
has seen nothing like it in training, and flags an image above a threshold that 5 % of held-out images exceed.

The score is the sum of three terms, each in standard deviations of the held-out images and at least −2, so that no term
finds an image so usual that the others do not count:

- the energy −log Σ exp(logit) (Liu et al., arXiv:2010.03759);
- for stages 1 and 2, the logarithm of the squared Mahalanobis distance of each channel's mean and standard deviation
  from those of the training images (after Lee et al., arXiv:1807.03888, with one Gaussian for all classes).

It was chosen by measurement among ten scores: ``benchmarks/unlike.py``, docs/unlike.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.cifar10 import Cifar10
from core.images.classify import Classifier
from core.inspect.features import Activations, Computation, Features, Part, Shelf

#: The share of held-out images that the threshold flags.
FALSE_RATE = 0.05
#: The stages of the network whose channels are compared, counted from 0.
COMPARED = (0, 1)
#: The least that a term counts, in standard deviations.
LEAST = -2.0
_NAME = "unlike"


def energy(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return −log Σ exp(logit) of each row of (n, k): low where the network recognises something."""
    largest = logits.max(1).astype(np.float64)
    return -(largest + np.log(np.exp(logits - largest[:, None]).sum(1)))


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal distribution in d dimensions: ``mean`` float64 (d,), ``whitening`` (d, d) so that its square is Σ⁻¹."""

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float32]) -> "Gaussian":
        """Return the distribution of the rows of ``values`` (n, d).

        A millionth of the mean variance is added to each direction, or a dead channel would make distances infinite.
        """
        exact = values.astype(np.float64)
        mean = exact.mean(0)
        covariance = (exact - mean).T @ (exact - mean) / len(exact)
        floor = max(1e-6 * float(np.trace(covariance)) / len(mean), 1e-12)
        variances, directions = np.linalg.eigh(covariance)
        return cls(mean, directions / np.sqrt(np.maximum(variances, 0) + floor))

    def distance(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the squared Mahalanobis distance of each row of ``values`` (n, d) from the mean: float64 (n,)."""
        squares: NDArray[np.float64] = (((values - self.mean) @ self.whitening) ** 2).sum(1)
        return squares


@dataclass(frozen=True, eq=False)
class Detector:
    """The score of a run's network and its threshold.

    ``centre`` and ``scale``: float64 (3,), mean and standard deviation of the three terms over ``held_out`` images of
    the set ``part``, whose 95 % quantile of the score is the ``threshold``.
    """

    gaussians: tuple[Gaussian, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    threshold: float
    part: Part
    held_out: int

    @classmethod
    def fit(cls, training: Activations, held_out: Activations, part: Part) -> "Detector":
        """Return the detector for a network from what it makes of its training images and of held-out ones."""
        gaussians = tuple(Gaussian.fit(training.stages[stage]) for stage in COMPARED)
        terms = _terms(gaussians, held_out)
        centre, scale = terms.mean(0), np.maximum(terms.std(0), 1e-9)
        scores = _sum(terms, centre, scale)
        return cls(gaussians, centre, scale, float(np.quantile(scores, 1 - FALSE_RATE)), part, len(held_out))

    def score(self, seen: Activations) -> NDArray[np.float64]:
        """Return the score of each image, float64 (n,): higher is less like the training images."""
        return _sum(_terms(self.gaussians, seen), self.centre, self.scale)

    def unlike(self, seen: Activations) -> NDArray[np.bool_]:
        """Return whether each image is flagged: bool (n,)."""
        return self.score(seen) > self.threshold

    def arrays(self) -> dict[str, NDArray]:
        """Return the detector as arrays of some 40 kB, for :meth:`from_arrays`."""
        arrays: dict[str, NDArray] = {"centre": self.centre, "scale": self.scale}
        arrays["threshold"] = np.array([self.threshold])
        arrays["held_out"] = np.array([self.held_out, int(self.part == "test")])
        for at, gaussian in enumerate(self.gaussians):
            arrays[f"{at}.mean"], arrays[f"{at}.whitening"] = gaussian.mean, gaussian.whitening
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> "Detector":
        """Return the detector kept in arrays. Raises LookupError if they are not those of one."""
        gaussians = tuple(Gaussian(arrays[f"{at}.mean"], arrays[f"{at}.whitening"]) for at in range(len(COMPARED)))
        held_out, on_test = arrays["held_out"].tolist()
        part: Part = "test" if on_test else "validation"
        return cls(gaussians, arrays["centre"], arrays["scale"], float(arrays["threshold"][0]), part, held_out)


def _terms(gaussians: tuple[Gaussian, ...], seen: Activations) -> NDArray[np.float64]:
    """Return the three terms of the score, not yet scaled: float64 (n, 3)."""
    distances = [
        np.log(gaussian.distance(seen.stages[stage]) + 1e-12)
        for gaussian, stage in zip(gaussians, COMPARED, strict=True)
    ]
    return np.stack([energy(seen.logits), *distances], axis=1)


def _sum(terms: NDArray[np.float64], centre: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = np.maximum((terms - centre) / scale, LEAST).sum(1)
    return scores


# --- what is known of a run's training images ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Knowledge:
    """The features of a run's training images, and the detector for images unlike them."""

    training: Features
    detector: Detector


def kept_knowledge(shelf: Shelf) -> Knowledge | None:
    """Return what is kept for a run's weights; ``None`` if it has to be computed."""
    training, arrays = shelf.read_features("train"), shelf.read(_NAME)
    if training is None or arrays is None:
        return None
    try:
        return Knowledge(training, Detector.from_arrays(arrays))
    except LookupError:
        return None


class Survey:
    """What a network makes of its run's training images and of its held-out images, computed in steps and then kept.

    The threshold comes from the validation images, or from the test images of a run that holds none out.
    """

    def __init__(self, network: Classifier, data: Cifar10, shelf: Shelf):
        self.part: Part = "validation" if network.config.data.validation == "held-out" else "test"
        self._shelf = shelf
        self._training = Computation(network, data, "train")
        self._held_out = Computation(network, data, self.part)

    @property
    def images(self) -> int:
        """The number of images to compute."""
        return len(self._training.images) + len(self._held_out.images)

    @property
    def share(self) -> float:
        """The share that is computed, 0 to 1."""
        computed = sum(each.share * len(each.images) for each in (self._training, self._held_out))
        return computed / self.images

    @property
    def done(self) -> bool:
        """Whether all images are computed."""
        return self._training.done and self._held_out.done

    def advance(self) -> None:
        """Compute the next images."""
        (self._held_out if self._training.done else self._training).advance()

    def finish(self) -> Knowledge:
        """Return the knowledge, and keep it; computes what is missing."""
        detector = Detector.fit(self._training.result(), self._held_out.result(), self.part)
        features = self._training.features()
        self._shelf.write_features("train", features)
        self._shelf.write(_NAME, detector.arrays())
        return Knowledge(features, detector)
