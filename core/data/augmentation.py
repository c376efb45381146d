"""Augmentation of training images, a batch at a time, as tensor operations on the training device.

All random choices of an epoch (order, flips, shifts, cutouts, crops) are made before it begins, by a generator seeded
with the run's seed and the epoch's number. A run resumed after epoch 7 therefore sees the same epoch 8 as a run that
never stopped.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.config.sections import IMAGE_SIZE, AugmentConfig

_PADDING = {"shift": "replicate", "keras-shift": "replicate", "crop": "constant", "reflect-crop": "reflect"}
#: Pixels beyond the largest move between which Keras drew before it rounded: 10 % of 32 pixels are 3.2.
_KERAS_MARGIN = 0.2


@dataclass(frozen=True)
class EpochPlan:
    """The random choices of one epoch, a row for each of N training images.

    ``order``: int64 (N,), a permutation; ``flip``: bool (N,); ``shift``: int64 (N, 2), pixels down and right;
    ``cutout``: int64 (N, 2), row and column of the centre of the blank square, or of the part that :func:`mix` pastes;
    ``corner``: float32 (N, 2), the upper left corner of a smaller crop, from 0 to 1 of the possible range; ``share``:
    float32 (N,), how much of an image stays its own when it is mixed with another.
    """

    order: Tensor
    flip: Tensor
    shift: Tensor
    cutout: Tensor
    corner: Tensor
    share: Tensor

    def to(self, device: torch.device) -> "EpochPlan":
        """Return the plan on ``device``."""
        return EpochPlan(*(getattr(self, field.name).to(device) for field in fields(self)))


def seeded_generator(seed: int, epoch: int) -> torch.Generator:
    """Return a generator on the CPU that depends on ``(seed, epoch)`` alone."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def plan_epoch(config: AugmentConfig, images: int, seed: int, epoch: int) -> EpochPlan:
    """Return the random choices of ``epoch`` (from 1) for that many images.

    All choices are always made, so that switching one kind of augmentation off does not change the order or the
    other kinds. ``keras-shift`` draws as the ``ImageDataGenerator`` of Keras 2.1 did with a range of 10 %: uniformly
    from −3.2 to 3.2 pixels, then to the nearest pixel, so that ±3 have the probability 0.109 and the other moves 0.156.
    """
    generator = seeded_generator(seed, epoch)
    order = torch.randperm(images, generator=generator)
    flip = torch.rand(images, generator=generator) < 0.5
    reach = config.translate_pixels
    shift = torch.randint(-reach, reach + 1, (images, 2), generator=generator)
    cutout = torch.randint(0, IMAGE_SIZE, (images, 2), generator=generator)
    corner = torch.rand(images, 2, generator=generator)
    if config.translate == "keras-shift":  # after the other choices, which are then those of ``shift``
        place = 2 * torch.rand(images, 2, generator=generator) - 1
        shift = (place * (reach + _KERAS_MARGIN)).round().long()
    if config.flip == "alternating":
        # After Jordan, "94% on CIFAR-10 in 3.29 seconds" (arXiv:2404.00498): random once, then every other epoch.
        flip = (torch.rand(images, generator=seeded_generator(seed, 0)) < 0.5) ^ (epoch % 2 == 1)
    share = torch.ones(images)
    if config.mix != "none":
        drawn = np.random.default_rng([seed, epoch]).beta(config.mix_alpha, config.mix_alpha, images)
        share = torch.from_numpy(drawn.astype(np.float32))
    return EpochPlan(order, flip, shift, cutout, corner, share)


def augment(images: Tensor, config: AugmentConfig, plan: EpochPlan, rows: Tensor, size: int = IMAGE_SIZE) -> Tensor:
    """Return normalised images (N, 3, 32, 32), float, augmented by ``rows`` (int64 (N,)) of ``plan``.

    The result is (N, 3, size, size). ``crop`` fills with zeros, which after normalisation is the mean colour.
    """
    x = images
    if config.flip != "none":
        x = torch.where(plan.flip[rows, None, None, None], x.flip(3), x)
    if config.translate != "none":
        reach = config.translate_pixels
        x = _crop(F.pad(x, (reach,) * 4, mode=_PADDING[config.translate]), reach - plan.shift[rows], IMAGE_SIZE)
    if config.cutout:
        x = x * ~_square(plan.cutout[rows], config.cutout)
    if size < IMAGE_SIZE:
        x = _crop(x, (plan.corner[rows] * (IMAGE_SIZE - size + 1)).long().clamp(max=IMAGE_SIZE - size), size)
    return x


def mix(images: Tensor, config: AugmentConfig, plan: EpochPlan, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mix each of the augmented ``images`` (N, 3, s, s) with the one before it in the batch, the first with the last.

    Returns the mixed images and how much of each is its own, float32 (N,), from 0 to 1: the weight of its own label.
    ``mixup`` adds the pixels of both, weighted by ``plan.share`` (Zhang et al., arXiv:1710.09412); ``cutmix`` pastes a
    rectangle of the other image, cut at the edges (Yun et al., arXiv:1905.04899).
    """
    share, partners = plan.share[rows], images.roll(1, 0)
    if config.mix == "mixup":
        weight = share[:, None, None, None]
        return weight * images + (1 - weight) * partners, share
    side = images.shape[-1]
    half = side * (1 - share).sqrt() / 2
    centre = (plan.cutout[rows].float() + 0.5) * side / IMAGE_SIZE
    pixels = torch.arange(side, device=images.device) + 0.5
    down, right = ((pixels - centre[:, axis, None]).abs() < half[:, None] for axis in (0, 1))
    pasted = (down[:, :, None] & right[:, None, :])[:, None]
    return torch.where(pasted, partners, images), 1 - pasted.float().mean(dim=(1, 2, 3))


def _crop(x: Tensor, corner: Tensor, size: int) -> Tensor:
    """Return a square of ``size`` pixels of each image (N, C, H, W); ``corner``: int64 (N, 2), its upper left pixel."""
    offsets = torch.arange(size, device=x.device)
    down, right = (corner[:, axis, None] + offsets for axis in (0, 1))
    image = torch.arange(len(x), device=x.device)[:, None, None]
    # Indexing puts channels last, the layout in which the network wants its batch.
    return x[image, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)


def _square(centre: Tensor, side: int) -> Tensor:
    """Return a mask (N, 1, 32, 32), true inside a square of ``side`` pixels around each centre, cut at the edges."""
    pixels = torch.arange(IMAGE_SIZE, device=centre.device)
    first = centre - side // 2
    inside = [(pixels >= first[:, axis, None]) & (pixels < first[:, axis, None] + side) for axis in (0, 1)]
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
