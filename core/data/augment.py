"""What is done to training pictures, a batch at a time, as tensor operations on the training device.

All of an epoch's chance (order, mirrors, moves, blanks) is drawn before it begins, from a generator
seeded by the run's seed and the epoch's number. A run that goes on after epoch 7 therefore meets the
same epoch 8 as one that never stopped.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.config.sections import IMAGE_SIZE, AugmentConfig

_PADDING = {"shift": "replicate", "crop": "constant", "reflect-crop": "reflect"}


@dataclass(frozen=True)
class Draws:
    """One epoch's chance, a row for each of N training images.

    ``order``: int64 (N,), a permutation; ``mirror``: bool (N,); ``move``: int64 (N, 2), pixels down and
    right; ``blank``: int64 (N, 2), centre row and column of the cutout; ``corner``: float32 (N, 2), from 0 to 1,
    where a smaller window's upper left corner lies in the room it has.
    """

    order: Tensor
    mirror: Tensor
    move: Tensor
    blank: Tensor
    corner: Tensor

    def to(self, device: torch.device) -> "Draws":
        """The same draws on ``device``."""
        every = (self.order, self.mirror, self.move, self.blank, self.corner)
        return Draws(*(one.to(device) for one in every))


def generator(seed: int, epoch: int) -> torch.Generator:
    """A generator on the processor that only ``(seed, epoch)`` decides."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def draw(config: AugmentConfig, images: int, seed: int, epoch: int) -> Draws:
    """The chance of ``epoch`` (from 1) for that many images. Always drawn in full, so that switching one
    kind of augmentation off leaves the order and the other kinds as they were."""
    chance = generator(seed, epoch)
    order = torch.randperm(images, generator=chance)
    mirror = torch.rand(images, generator=chance) < 0.5
    reach = config.translate_pixels
    move = torch.randint(-reach, reach + 1, (images, 2), generator=chance)
    blank = torch.randint(0, 32, (images, 2), generator=chance)
    corner = torch.rand(images, 2, generator=chance)
    if config.flip == "alternating":
        # After Jordan, "94% on CIFAR-10 in 3.29 seconds" (arXiv:2404.00498): a coin per image, then every other epoch.
        mirror = (torch.rand(images, generator=generator(seed, 0)) < 0.5) ^ (epoch % 2 == 1)
    return Draws(order, mirror, move, blank, corner)


def augment(images_NCHW: Tensor, config: AugmentConfig, draws: Draws, rows: Tensor, side: int = IMAGE_SIZE) -> Tensor:
    """Normalised images (N, 3, 32, 32), float, changed as ``rows`` (int64 (N,)) of ``draws`` say, and of each a
    window of ``side`` pixels (N, 3, side, side).

    Where a picture moved away, ``crop`` leaves zeros, which after normalisation is the mean colour.
    """
    x = images_NCHW
    if config.flip != "none":
        x = torch.where(draws.mirror[rows, None, None, None], x.flip(3), x)
    if config.translate != "none":
        reach = config.translate_pixels
        x = _window(F.pad(x, (reach,) * 4, mode=_PADDING[config.translate]), reach - draws.move[rows], IMAGE_SIZE)
    if config.cutout:
        x = x * ~_blanked(draws.blank[rows], config.cutout)
    if side < IMAGE_SIZE:
        x = _window(x, (draws.corner[rows] * (IMAGE_SIZE - side + 1)).long().clamp(max=IMAGE_SIZE - side), side)
    return x


def _window(x: Tensor, corner: Tensor, side: int) -> Tensor:
    """The square of ``side`` pixels of each image (N, C, H, W) whose upper left pixel is ``corner`` (int64 (N, 2))."""
    places = torch.arange(side, device=x.device)
    down, right = (corner[:, axis, None] + places for axis in (0, 1))
    image = torch.arange(len(x), device=x.device)[:, None, None]
    # The gather puts channels last, the layout in which the network wants its batch.
    return x[image, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)


def _blanked(centre: Tensor, side: int) -> Tensor:
    """Mask (N, 1, 32, 32), true inside a square of ``side`` around each centre, cut at the picture's edge."""
    places = torch.arange(32, device=centre.device)
    first = centre - side // 2
    inside = [(places >= first[:, axis, None]) & (places < first[:, axis, None] + side) for axis in (0, 1)]
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
