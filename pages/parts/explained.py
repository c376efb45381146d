"""What Classify and Inspect both show of an image: where a network looks, and the training images nearest to it."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.config.sections import CLASSES
from core.data import cifar10
from pages.parts.components.image_grid import image_grid

if TYPE_CHECKING:
    from core.inspect.unlike import Knowledge

NEAREST = 6
#: What a flagged image says, on every page.
UNLIKE = "Unlike the training images"
UNLIKE_HELP = (
    "The network has seen nothing like this image in training, so its answer means little. 5 % of held-out images are "
    "flagged too, and many other things are not: a flag is a warning, and no flag is no guarantee."
)


def heat_image(image: NDArray[np.uint8], heat: NDArray[np.float32], caption: str, alt: str, side: int) -> None:
    """Show an image under a map. ``image``: uint8 (3, 32, 32); ``heat``: float32 (32, 32), −1 to 1."""
    from core.inspect.explain import overlay

    st.image(overlay(image, heat, 2 * side), caption, width=side, output_format="PNG", alt=alt)


def unlike_flag() -> None:
    """Say that an image is unlike the training images."""
    st.badge(UNLIKE, icon=":material/help:", color="orange", help=UNLIKE_HELP)


def nearest_images(
    known: "Knowledge", features: NDArray[np.float32], key: str, columns: int, widest: int, *, captions: bool = True
) -> list[str]:
    """Show the training images nearest to an image with these penultimate ``features``, float32 (d,).

    Return their classes, which are their ``captions`` too unless the images are too small for them. Raises DataError
    without CIFAR-10.
    """
    data = cifar10.load()
    images, similarity = (found[0] for found in known.training.nearest(features[None], NEAREST))
    names = [CLASSES[label] for label in data.labels[images]]
    image_grid(
        data.images[images],
        [
            f"Training image {image:,}: {name}, cosine similarity {value:.2f}"
            for image, name, value in zip(images, names, similarity, strict=True)
        ],
        key,
        f"Nearest training images: {', '.join(names)}",
        captions=names if captions else None,
        columns=columns,
        widest=widest,
    )
    return names
