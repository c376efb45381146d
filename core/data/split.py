"""Which of the 60,000 images train, validate and test: a function of the config alone, the same on every machine.

The images of each class are put in an order that depends only on the split seed and the class. Sets are taken from
fixed ends of that order, so that a larger training set contains the smaller one, and a test or validation set of
fixed size is the same for every training size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.config.run_config import RunConfig
from core.config.sections import CLASSES, TRAIN_IMAGES, shares


@dataclass(frozen=True)
class Split:
    """Indices (int64) into the 60,000 images; ``validation`` is the test set if none is held out."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def make_split(config: RunConfig, labels: NDArray[np.int64]) -> Split:
    """Return the split of a checked ``config``; the classes of a set differ by one image at most.

    ``labels``: int64 (60000,), in CIFAR-10's official order, training images first.
    """
    sizes, k = config.data.sizes(), len(config.data.classes)
    held_out = shares(sizes.validation, k)
    training = shares(sizes.train + sizes.validation, k)
    testing = shares(sizes.test, k, odd_last=True)
    train, validation, test = [], [], []
    for index, name in enumerate(config.data.classes):
        front, back = _ordered(config, labels, CLASSES.index(name))
        validation.append(front[: held_out[index]])
        train.append(front[held_out[index] : training[index]])
        test.append(back[: testing[index]])
    train_set, validation_set, test_set = (np.sort(np.concatenate(images)) for images in (train, validation, test))
    return Split(train_set, validation_set if sizes.validation else test_set, test_set)


def _ordered(config: RunConfig, labels: NDArray[np.int64], label: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a class's images in the split's order, twice: from where training and from where testing starts."""
    order = np.random.default_rng([config.data.split_seed, label]).permutation(np.flatnonzero(labels == label))
    if config.data.split == "pooled":
        return order, order[::-1]
    return order[order < TRAIN_IMAGES], order[order >= TRAIN_IMAGES]
