"""The task a run learns: its images as bytes on the training device, their labels, and how inputs are normalised."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.split import make_split


@dataclass(frozen=True)
class ImageSet:
    """A training, validation or test set.

    ``images``: uint8 (N, 3, 32, 32); ``labels``: int64 (N,), 0…k-1 in the order of the task's classes; ``indices``:
    int64 (N,), the images' places among CIFAR-10's 60,000.
    """

    images: Tensor
    labels: Tensor
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Normalization:
    """``(pixels/255 − mean) / std``; both float32, (3, 1, 1) or (3, 32, 32)."""

    mean: Tensor
    std: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise uint8 (N, 3, 32, 32) to float32 of the same shape."""
        return (images.to(torch.float32) / 255 - self.mean) / self.std

    def to(self, device: torch.device) -> "Normalization":
        """Return the normalisation on ``device``."""
        return Normalization(self.mean.to(device), self.std.to(device))


@dataclass(frozen=True)
class Task:
    """What a run is trained, validated and tested on; ``validation`` is the test set if none is held out."""

    classes: tuple[str, ...]
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    normalization: Normalization


def load_task(config: RunConfig, device: torch.device) -> Task:
    """Return the task of a checked ``config``. Raises DataError if CIFAR-10 is not on this computer."""
    data = cifar10.load()
    return make_task(config, data.images, data.labels, device)


def make_task(config: RunConfig, images: NDArray[np.uint8], labels: NDArray[np.int64], device: torch.device) -> Task:
    """Return the task of a checked ``config`` from CIFAR-10's ``images`` (60000, 3, 32, 32) and ``labels`` (60000,)."""
    split = make_split(config, labels)
    new_label = np.full(len(CLASSES), -1, dtype=np.int64)
    for index, name in enumerate(config.data.classes):
        new_label[CLASSES.index(name)] = index

    def image_set(indices: NDArray[np.int64]) -> ImageSet:
        return ImageSet(
            torch.from_numpy(images[indices]).to(device),
            torch.from_numpy(new_label[labels[indices]]).to(device),
            indices,
        )

    train, test = image_set(split.train), image_set(split.test)
    validation = image_set(split.validation) if config.data.validation == "held-out" else test
    return Task(config.data.classes, train, validation, test, normalization(config, images[split.train]).to(device))


def normalization(config: RunConfig, images: NDArray[np.uint8]) -> Normalization:
    """Return the mean (and standard deviation) of the training ``images`` (N, 3, 32, 32)."""
    if config.data.normalization == "pixel-mean":
        mean = images.mean(axis=0, dtype=np.float64) / 255
        return Normalization(_float32(mean), torch.ones(3, 1, 1))
    # From counts of the 256 values: exact, and without a float copy of all images. In chunks, because bincount
    # converts its input to 8 bytes per pixel.
    counts = np.zeros((3, 256))
    for chunk in np.array_split(images, -(-len(images) // 4_000)):
        counts += [np.bincount(chunk[:, channel].ravel(), minlength=256) for channel in range(3)]
    share, values = counts / counts.sum(axis=1, keepdims=True), np.arange(256) / 255
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return Normalization(_float32(mean[:, None, None]), _float32(np.maximum(std, 1e-3)[:, None, None]))


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
