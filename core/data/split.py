"""Which of the 60,000 images train, validate and test: decided by the config alone, the same everywhere.

Within a class the images are put in an order that only the split seed and the class decide. Parts are
taken from fixed ends of that order, so that a larger training part contains the smaller one, and the
fixed test or validation part is the same whatever the training size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.config.run_config import RunConfig
from core.config.sections import CLASSES, TRAIN_IMAGES


@dataclass(frozen=True)
class Parts:
    """Indices (int64) into the 60,000 images, training images first. Without a held-out part,
    ``validation`` is the test part itself."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split(config: RunConfig, labels: NDArray[np.int64]) -> Parts:
    """The parts of ``config`` (checked), stratified: classes differ by one image at most.

    ``labels``: int64 (60000,), CIFAR-10's official order, training images first.
    """
    sizes, k = config.data.sizes(), len(config.data.classes)
    held_out = shares(sizes.validation, k)
    training = shares(sizes.train + sizes.validation, k)
    # The test part's odd images go to the last classes: with a full pool the first are used up.
    testing = shares(sizes.test, k)[::-1]
    train, validation, test = [], [], []
    for at, name in enumerate(config.data.classes):
        front, back = _ordered(config, labels, CLASSES.index(name))
        validation.append(front[: held_out[at]])
        train.append(front[held_out[at] : training[at]])
        test.append(back[: testing[at]])
    parts = [np.sort(np.concatenate(part)) for part in (train, validation, test)]
    return Parts(parts[0], parts[1] if sizes.validation else parts[2], parts[2])


def shares(total: int, k: int) -> list[int]:
    """``total`` images over ``k`` classes, as evenly as whole images go; the first classes get the odd ones."""
    return [total // k + (at < total % k) for at in range(k)]


def _ordered(config: RunConfig, labels: NDArray[np.int64], label: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One class's images in the split's order: those for training from the front, those for testing."""
    order = np.random.default_rng([config.data.split_seed, label]).permutation(np.flatnonzero(labels == label))
    if config.data.split == "pooled":
        return order, order[::-1]
    return order[order < TRAIN_IMAGES], order[order >= TRAIN_IMAGES]
