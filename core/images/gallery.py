"""Pictures of CIFAR-10 to look at: which there are of a class, many as one image, and what a run makes of them.

Nothing here knows of a page. PyTorch, which takes seconds to import, is imported when a picture is
augmented and not before.
"""

import base64
import functools
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from core.config.run_config import RunConfig
from core.config.sections import ALL_IMAGES, CLASSES, IMAGE_SIZE, TRAIN_IMAGES, DataConfig
from core.data.cifar10 import Cifar10
from core.data.split import split

if TYPE_CHECKING:
    from core.data.task import Normalization

Side = Literal["all", "training", "test"]
#: Official sides of CIFAR-10, as a person chooses among them.
OFFICIAL_SETS: dict[Side, str] = {"all": "All", "training": "Training", "test": "Test"}
PER_CLASS = ALL_IMAGES // len(CLASSES)

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]

# --- which pictures ---------------------------------------------------------------------------------


def indices(labels: Indices, name: str | None = None, side: Side = "all") -> Indices:
    """Where the pictures of a class (``None``: of all) stand among the 60,000, rising.

    ``labels``: int64 (60000,), in the official order.
    """
    chosen = np.ones(len(labels), bool) if name is None else labels == CLASSES.index(name)
    if side == "training":
        chosen[TRAIN_IMAGES:] = False
    elif side == "test":
        chosen[:TRAIN_IMAGES] = False
    return np.flatnonzero(chosen)


def official_set(index: int) -> str:
    """``training`` or ``test``: to which official side a picture belongs."""
    return "training" if index < TRAIN_IMAGES else "test"


def place(found: Indices, index: int | None) -> int | None:
    """At which place of ``found`` (rising) a picture stands; ``None`` if it is not among them."""
    at = int(np.searchsorted(found, -1 if index is None else index))
    return at if at < len(found) and found[at] == index else None


def image_in_link(text: str | None) -> int | None:
    """The picture a link names by its number; ``None`` for what is no picture's number."""
    return (
        int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 and int(text) < ALL_IMAGES else None
    )


def described(data: Cifar10, index: int) -> str:
    """A picture in words: ``Picture 1,234: dog, official training picture``."""
    return f"Picture {index:,}: {CLASSES[data.labels[index]]}, official {official_set(index)} picture"


# --- many as one image ------------------------------------------------------------------------------


def grid(images: Pixels, columns: int, scale: int = 1) -> Image.Image:
    """Pictures side by side as one RGB image, row by row, each enlarged ``scale`` times without smoothing.

    ``images``: uint8 (n, 3, 32, 32), n ≥ 1. Places left over in the last row are black.
    """
    rows = -(-len(images) // columns)
    places = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    places[: len(images)] = images
    height, width = images.shape[2:]
    sheet = places.reshape(rows, columns, 3, height, width).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * height, columns * width, 3)
    return Image.fromarray(sheet.repeat(scale, axis=0).repeat(scale, axis=1))


def png(image: Image.Image) -> str:
    """The image as a ``data:`` address that a browser shows."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


# --- what training makes of them --------------------------------------------------------------------


def as_trained(config: RunConfig, data: Cifar10, pictures: Sequence[int], epochs: Sequence[int]) -> Pixels:
    """What a run of ``config`` is shown of ``pictures`` in ``epochs`` (from 1): uint8 (epochs, pictures, 3, 32, 32).

    Made by training's own code with the run's own chance, then turned back from normalised values to
    colours. A picture outside the training part is changed as one inside it would be.
    """
    import torch
    import torch.nn.functional as F

    from core.data.augment import augment, draw

    train = split(config, data.labels).train
    wanted = np.asarray(pictures, np.int64)
    # A held-out or unused picture borrows the chance of another: it has none of its own.
    place = np.minimum(np.searchsorted(train, wanted), len(train) - 1)
    rows = torch.from_numpy(np.where(train[place] == wanted, place, wanted % len(train)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second team of threads would fight the training's for the cores
    try:
        normalization = _normalization(config.data, data)
        images = normalization(torch.from_numpy(data.images[wanted]))
        sides = config.crop_sizes()
        shown = []
        for epoch in epochs:
            side = sides[min(epoch, len(sides)) - 1]
            draws = draw(config.augment, len(train), config.train.seed, epoch)
            before = (IMAGE_SIZE - side) // 2
            border = (before, IMAGE_SIZE - side - before) * 2  # a crop is shown in the middle of a full image
            shown.append(F.pad(augment(images, config.augment, draws, rows, side), border))
        colours = torch.stack(shown) * normalization.std + normalization.mean
        return (colours * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    finally:
        torch.set_num_threads(threads)


def trains_on(config: RunConfig, data: Cifar10, index: int) -> bool:
    """Whether a run of ``config`` trains on the picture."""
    return bool(np.isin(index, split(config, data.labels).train))


@functools.lru_cache(maxsize=4)
def _normalization(config: DataConfig, data: Cifar10) -> "Normalization":
    """The run's normalisation, estimated from every tenth training picture: a tenth of a second instead of one."""
    from core.data.task import normalization

    whole = RunConfig(data=config)
    return normalization(whole, data.images[split(whole, data.labels).train[::10]])


def sample_training_images(config: RunConfig, data: Cifar10, number: int) -> list[int]:
    """A few pictures of the training part, of as many classes as there are places; the same every time."""
    train = split(config, data.labels).train
    names = config.data.classes
    chosen = []
    for at in range(number):
        of_class = train[data.labels[train] == CLASSES.index(names[at % len(names)])]
        chosen.append(int(of_class[(at // len(names)) % len(of_class)]))
    return chosen


def augmentation_text(config: RunConfig) -> str:
    """What is done to each training picture, in a sentence; for a config without problems."""
    augment = config.augment
    steps = []
    if augment.flip == "random":
        steps.append("mirrored in half of the epochs, by chance")
    elif augment.flip == "alternating":
        steps.append("mirrored in every other epoch")
    edges = {"shift": "the edge repeated", "crop": "the edge filled with the mean", "reflect-crop": "the edge mirrored"}
    if augment.translate != "none":
        reach = augment.translate_pixels
        steps.append(f"moved by up to {reach} pixel{'s' * (reach != 1)} each way, {edges[augment.translate]}")
    if augment.cutout:
        side = augment.cutout
        steps.append(f"blanked in a square of {side} × {side} pixels")
    if augment.grow_from < IMAGE_SIZE:
        side, until = augment.grow_from, augment.grow_until
        steps.append(
            f"cut to a random window of {side} × {side} pixels that grows to all of it by {until:.0%} of the run"
        )
    return f"Each picture is {'; '.join(steps)}." if steps else "No augmentation: every epoch shows the same pictures."


# --- splits -----------------------------------------------------------------------------------------


def class_counts(config: RunConfig, labels: Indices) -> pd.DataFrame:
    """Pictures of each class in each part of a checked config's split; a row a class, ``Left out`` last.

    Columns: ``Training``, then ``Validation`` and ``Test``, or ``Test (also validates)`` where no part
    is held out; ``Left out`` is in no part.
    """
    parts = split(config, labels)
    held_out = config.data.validation == "held-out"
    named = {"Training": parts.train, "Validation": parts.validation, "Test": parts.test}
    if not held_out:
        named = {"Training": parts.train, "Test (also validates)": parts.test}
    counts = {name: np.bincount(labels[part], minlength=len(CLASSES)) for name, part in named.items()}
    table = pd.DataFrame(counts, index=list(CLASSES)).loc[list(config.data.classes)]
    table["Left out"] = PER_CLASS - table.sum(axis=1)
    return table
