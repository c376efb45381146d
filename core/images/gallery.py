"""Images of CIFAR-10 to look at: which there are of a class, many in one sheet, and what augmentation makes of them.

PyTorch, which takes seconds to import, is imported only when an image is augmented.
"""

import base64
import functools
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from core.base.text import counted
from core.config.run_config import RunConfig
from core.config.sections import ALL_IMAGES, CLASSES, IMAGE_SIZE, TRAIN_IMAGES, DataConfig
from core.data.cifar10 import Cifar10
from core.data.split import make_split

if TYPE_CHECKING:
    from core.data.task import Normalization

OfficialSet = Literal["all", "training", "test"]
#: CIFAR-10's official sets, by what a person calls them.
OFFICIAL_SETS: dict[OfficialSet, str] = {"all": "All", "training": "Training", "test": "Test"}

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]

# --- Which images -----------------------------------------------------------------------------------


def indices(labels: Indices, name: str | None = None, official: OfficialSet = "all") -> Indices:
    """Return the indices of a class's images (``None``: of all classes) among the 60,000, in rising order.

    ``labels``: int64 (60000,), in the official order.
    """
    chosen = np.ones(len(labels), bool) if name is None else labels == CLASSES.index(name)
    if official == "training":
        chosen[TRAIN_IMAGES:] = False
    elif official == "test":
        chosen[:TRAIN_IMAGES] = False
    return np.flatnonzero(chosen)


def position(images: Indices, index: int | None) -> int | None:
    """Return where ``index`` is in ``images`` (rising); ``None`` if it is not there."""
    at = int(np.searchsorted(images, -1 if index is None else index))
    return at if at < len(images) and images[at] == index else None


def image_in_link(text: str | None) -> int | None:
    """Return the index of an image named in a link; ``None`` if ``text`` is not such an index."""
    valid = text and text.isascii() and text.isdigit() and len(text) < 9 and int(text) < ALL_IMAGES
    return int(text) if text and valid else None


def description(data: Cifar10, index: int) -> str:
    """Return an image's number, class and official set: ``Image 1,234: dog, official training set``."""
    official = "training" if index < TRAIN_IMAGES else "test"
    return f"Image {index:,}: {CLASSES[data.labels[index]]}, official {official} set"


def trains_on(config: RunConfig, data: Cifar10, index: int) -> bool:
    """Return whether a run of ``config`` trains on the image."""
    return bool(np.isin(index, make_split(config, data.labels).train))


def sample_training_images(config: RunConfig, data: Cifar10, number: int) -> list[int]:
    """Return a few images of the training set, class by class in turn; the same every time."""
    train, names = make_split(config, data.labels).train, config.data.classes
    by_class = [train[data.labels[train] == CLASSES.index(name)] for name in names]
    turns = [divmod(at, len(names)) for at in range(number)]
    return [int(by_class[which][turn % len(by_class[which])]) for turn, which in turns]


# --- Images for a browser ---------------------------------------------------------------------------


def sheet(images: Pixels, columns: int) -> Image.Image:
    """Return many images as one RGB image, row by row.

    ``images``: uint8 (n, 3, 32, 32), n ≥ 1. Empty places in the last row are black.
    """
    rows = -(-len(images) // columns)
    places = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    places[: len(images)] = images
    height, width = images.shape[2:]
    pixels = places.reshape(rows, columns, 3, height, width).transpose(0, 3, 1, 4, 2)
    return Image.fromarray(pixels.reshape(rows * height, columns * width, 3))


def data_url(image: Image.Image, form: Literal["PNG", "JPEG"] = "PNG", **options: Any) -> str:
    """Return the image as a ``data:`` URL that a browser shows; ``options`` are those of Pillow's ``save``."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


# --- Augmentation -----------------------------------------------------------------------------------


def as_trained(config: RunConfig, data: Cifar10, images: Sequence[int], epochs: Sequence[int]) -> Pixels:
    """Return what a run of ``config`` sees of ``images`` in ``epochs`` (from 1): uint8 (epochs, images, 3, 32, 32).

    Computed by the training code with the run's own random numbers, then turned back from normalized values to
    colours. An image outside the training set is changed as an image inside it would be.
    """
    import torch
    import torch.nn.functional as F

    from core.data.augmentation import augment, plan_epoch
    from core.training.environment import one_thread

    train = make_split(config, data.labels).train
    wanted = np.asarray(images, np.int64)
    # An image outside the training set borrows the random numbers of another image: it has none of its own.
    place = np.minimum(np.searchsorted(train, wanted), len(train) - 1)
    rows = torch.from_numpy(np.where(train[place] == wanted, place, wanted % len(train)))
    with one_thread():
        normalization = _normalization(config.data, data)
        normalized = normalization(torch.from_numpy(data.images[wanted]))
        sizes = config.crop_sizes()
        shown = []
        for epoch in epochs:
            size = sizes[min(epoch, len(sizes)) - 1]
            plan = plan_epoch(config.augment, len(train), config.train.seed, epoch)
            before = (IMAGE_SIZE - size) // 2
            border = (before, IMAGE_SIZE - size - before) * 2  # a crop is shown in the middle of a full image
            shown.append(F.pad(augment(normalized, config.augment, plan, rows, size), border))
        colours = torch.stack(shown) * normalization.std + normalization.mean
        return (colours * 255).round().clamp(0, 255).to(torch.uint8).numpy()


@functools.lru_cache(maxsize=4)
def _normalization(config: DataConfig, data: Cifar10) -> "Normalization":
    """Return the run's normalization, estimated from every tenth training image: 0.1 seconds instead of one."""
    from core.data.task import normalization

    whole = RunConfig(data=config)
    return normalization(whole, data.images[make_split(whole, data.labels).train[::10]])


def augmentation_text(config: RunConfig) -> str:
    """Return how training images are changed, in a sentence; for a config without problems."""
    augment = config.augment
    steps = []
    if augment.flip == "random":
        steps.append("flipped with probability ½")
    elif augment.flip == "alternating":
        steps.append("flipped in every other epoch")
    fills = {
        "shift": "edge pixels repeated",
        "keras-shift": "edge pixels repeated",
        "crop": "filled with the mean colour",
        "reflect-crop": "edges mirrored",
    }
    if augment.translate != "none":
        pixels = augment.translate_pixels
        steps.append(f"moved by up to {counted(pixels, 'pixel')} ({fills[augment.translate]})")
    if augment.cutout:
        steps.append(f"blanked in a square of {augment.cutout} × {augment.cutout} pixels")
    if augment.grow_from < IMAGE_SIZE:
        size = augment.grow_from
        steps.append(
            f"cropped at random to {size} × {size} pixels, growing to full size by {augment.grow_until:.0%} of the run"
        )
    if augment.mix != "none":
        how = "added to another image" if augment.mix == "mixup" else "covered in part by another image"
        steps.append(f"{how} in the first {augment.mix_until:.0%} of the run (not drawn here)")
    return f"Each image is {'; '.join(steps)}." if steps else "No augmentation: every epoch shows the same images."


# --- The split --------------------------------------------------------------------------------------


def class_counts(config: RunConfig, labels: Indices) -> pd.DataFrame:
    """Return the number of images of each class (rows) in each set (columns) of a checked config.

    Columns: ``Training``, then ``Validation`` and ``Test``, or ``Test (also validates)`` if no images are held out;
    ``Unused`` are in no set.
    """
    parts = make_split(config, labels)
    sets = {"Training": parts.train, "Validation": parts.validation, "Test": parts.test}
    if config.data.validation == "test":
        sets = {"Training": parts.train, "Test (also validates)": parts.test}
    counts = {name: np.bincount(labels[images], minlength=len(CLASSES)) for name, images in sets.items()}
    table = pd.DataFrame(counts, index=list(CLASSES)).loc[list(config.data.classes)]
    table["Unused"] = ALL_IMAGES // len(CLASSES) - table.sum(axis=1)
    return table
