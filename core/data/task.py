"""The task a run learns: its images as bytes on the training device, its labels, how inputs are normalised."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.data.split import split


@dataclass(frozen=True)
class Part:
    """``images``: uint8 (N, 3, 32, 32); ``labels``: int64 (N,), 0…k-1 in the order of the task's classes;
    ``indices``: int64 (N,), where each image stands among CIFAR-10's 60,000."""

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
        """uint8 (N, 3, 32, 32) → float32 of the same shape."""
        return (images.to(torch.float32) / 255 - self.mean) / self.std

    def to(self, device: torch.device) -> "Normalization":
        """The same on ``device``."""
        return Normalization(self.mean.to(device), self.std.to(device))


@dataclass(frozen=True)
class Task:
    """What a run learns from and is judged by. ``validation`` is the test part where none is held out."""

    classes: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    normalization: Normalization


def make_task(config: RunConfig, images: NDArray[np.uint8], labels: NDArray[np.int64], device: torch.device) -> Task:
    """The task of a checked ``config``, from CIFAR-10's 60,000 ``images`` (N, 3, 32, 32) and ``labels`` (N,)."""
    parts = split(config, labels)
    new_label = np.full(len(CLASSES), -1, dtype=np.int64)
    for at, name in enumerate(config.data.classes):
        new_label[CLASSES.index(name)] = at

    def part(indices: NDArray[np.int64]) -> Part:
        return Part(
            torch.from_numpy(images[indices]).to(device),
            torch.from_numpy(new_label[labels[indices]]).to(device),
            indices,
        )

    train, test = part(parts.train), part(parts.test)
    validation = part(parts.validation) if config.data.validation == "held-out" else test
    return Task(config.data.classes, train, validation, test, normalization(config, images[parts.train]).to(device))


def normalization(config: RunConfig, images: NDArray[np.uint8]) -> Normalization:
    """Mean (and deviation) of the training images (N, 3, 32, 32) the weights are fitted to."""
    if config.data.normalization == "pixel-mean":
        mean = images.mean(axis=0, dtype=np.float64) / 255
        return Normalization(_float32(mean), torch.ones(3, 1, 1))
    # From counts of the 256 byte values: exact, and without a float copy of all images. A few thousand images at a
    # time, because bincount makes eight bytes of each.
    counts = np.zeros((3, 256))
    for some in np.array_split(images, -(-len(images) // 4_000)):
        counts += [np.bincount(some[:, channel].ravel(), minlength=256) for channel in range(3)]
    share, values = counts / counts.sum(axis=1, keepdims=True), np.arange(256) / 255
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return Normalization(_float32(mean[:, None, None]), _float32(np.maximum(std, 1e-3)[:, None, None]))


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
