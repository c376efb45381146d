"""The paired test on simulated studies whose truth is known: how often it is wrong, how much it finds.

    python -m benchmarks.paired [--studies 4000]     # about 10 min; writes results/paired.md and docs/statistics.md

Every study is simulated image by image. A network is right on an image if a normal number is large enough, which is the
sum of what makes the image easy for every network, for every network of its group, and for this network alone. The
first two make networks fail on the same images, as real ones do.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from core.stats.joint import Sample
from core.stats.paired import image_covariance

#: Images are simulated in 32 bits: a study of 10,000 images and six runs takes about 2 ms.
_REAL = np.float32


@dataclass(frozen=True)
class Truth:
    """How studies are drawn: ``seeds`` and true ``accuracies`` (0 to 1) of each group, and ``images`` of a test set.

    ``within`` and ``between`` are correlations of the normal numbers of two networks on an image: of one group, and of
    two groups. ``seed_sd`` is the deviation of a network's accuracy over endless images (0 to 1).
    """

    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    images: int = 10_000
    within: float = 0.90
    between: float = 0.88
    seed_sd: float = 0.001

    def study(self, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
        """Return for each group bool (seeds, images): whether the network is right on the image."""
        m = self.images
        common = np.sqrt(self.between) * rng.standard_normal(m, _REAL)
        groups = []
        for n, accuracy in zip(self.seeds, self.accuracies, strict=True):
            threshold = ndtri(1 - accuracy)
            height = np.exp(-(threshold**2) / 2) / np.sqrt(2 * np.pi)  # of the density: accuracy per unit of threshold
            shift = self.seed_sd / height * rng.standard_normal((n, 1))
            own = np.sqrt(self.within - self.between) * rng.standard_normal(m, _REAL)
            alone = np.sqrt(1 - self.within) * rng.standard_normal((n, m), _REAL)
            groups.append(alone + (common + own) > (threshold - shift).astype(_REAL))
        return groups


def sample(correct: list[NDArray[np.bool_]], *, paired: bool) -> Sample:
    """Return the accuracies of one study, with the covariance of the shared images or with each group's own."""
    results, images = [runs.mean(1).tolist() for runs in correct], [runs.shape[1] for runs in correct]
    return Sample.of(results, images, image_covariance(correct) if paired else None)


def samples(truth: Truth, studies: int, seed: int = 0) -> tuple[Sample, Sample]:
    """Return ``studies`` simulated studies, compared image by image and not."""
    rng = np.random.default_rng(seed)
    each = [sample(truth.study(rng), paired=True) for _ in range(studies)]
    means, variances = (np.stack([getattr(one, name) for one in each]) for name in ("means", "variances"))
    shared = np.stack([one.shared for one in each if one.shared is not None])
    paired = Sample(means, variances, each[0].counts, each[0].images, shared)
    return paired, replace(paired, shared=None)
