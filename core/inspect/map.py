"""A map of a run's test images in two dimensions, by what its network makes of them.

Images with similar penultimate features (:mod:`core.inspect.features`) lie near each other. PCA shows the two
directions in which the features differ most; distances mean something, but most of the variance may be in other
directions. t-SNE (van der Maaten & Hinton, JMLR 9, 2008; computed by scikit-learn) keeps near images near and shows
groups; distances between groups and their sizes mean little.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from core.base.errors import StoreError
from core.base.files import os_errors_as_store_errors, write_atomically
from core.base.paths import PROJECT
from core.data.cifar10 import Cifar10
from core.images.gallery import sheet

if TYPE_CHECKING:  # imports PyTorch, which takes seconds
    from core.inspect.features import Features, Part, Shelf

Method = Literal["pca", "t-sne"]
METHODS: dict[Method, str] = {"pca": "PCA", "t-sne": "t-SNE"}
#: Images on a t-SNE map: more take minutes with one thread.
TSNE_IMAGES = 2_500
#: Directions of the largest variance that t-SNE starts from; they hold nearly all of it.
TSNE_DIRECTIONS = 20
#: Images in one file of small images, and in one of its rows.
SHEET_IMAGES, SHEET_COLUMNS = 1_000, 40


@dataclass(frozen=True, eq=False)
class ImageMap:
    """Places of N images: ``rows`` int64 (N,), which of the features' images; ``places`` float32 (N, 2).

    ``explained``: for PCA the shares of the variance along the two axes, otherwise empty.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.float32]
    explained: tuple[float, ...] = ()


def principal(values: NDArray[np.float32], directions: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the coordinates float32 (n, directions) along the directions of largest variance, and all their shares.

    ``values``: float32 (n, d). The sign of a direction is such that its largest component is positive, so that the
    same features always give the same map.
    """
    exact = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    variances, axes = np.linalg.eigh(exact.T @ exact / len(exact))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0)
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    return (exact @ axes[:, :directions]).astype(np.float32), variances / max(variances.sum(), 1e-12)


def pca_map(features: "Features") -> ImageMap:
    """Return the map of all images along the two directions of largest variance."""
    places, shares = principal(features.values, 2)
    return ImageMap(np.arange(len(features)), places, tuple(map(float, shares[:2])))


def tsne_map(features: "Features", images: int = TSNE_IMAGES, seed: int = 0) -> ImageMap:
    """Return a t-SNE map of at most ``images`` images, drawn at random with ``seed``, which also fixes the layout.

    It runs with one thread and takes about 15 seconds for 2,500 images.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(features), min(images, len(features)), replace=False))
    reduced, _ = principal(features.values[rows], min(TSNE_DIRECTIONS, features.values.shape[1]))
    perplexity = min(30.0, (len(rows) - 1) / 3)
    with threadpool_limits(1):
        layout = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(reduced)
    return ImageMap(rows.astype(np.int64), layout.astype(np.float32))


def kept_map(shelf: "Shelf", features: "Features", part: "Part", method: Method) -> ImageMap | None:
    """Return the map of the features of a set; ``None`` for a t-SNE map that is not kept and has to be computed."""
    if method == "pca":
        return pca_map(features)
    arrays = shelf.read(f"{part}-tsne")
    if arrays is None or not {"rows", "places"} <= arrays.keys() or arrays["rows"].max() >= len(features):
        return None
    return ImageMap(arrays["rows"], arrays["places"])


def keep_map(shelf: "Shelf", part: "Part", image_map: ImageMap) -> None:
    """Keep a t-SNE map of a set of images: 16 bytes per image."""
    shelf.write(f"{part}-tsne", {"rows": image_map.rows, "places": image_map.places})


# --- the small images ---------------------------------------------------------------------------------------


def publish_sheets(data: Cifar10, images: Sequence[int] | NDArray[np.int64]) -> list[int]:
    """Write the small images of a map into the server's static folder; return the numbers of the files.

    File ``cifar10/50.png`` has the images 50,000 to 50,999 of CIFAR-10, 40 in a row, about 2.3 MB; a browser reads
    those it needs. They are the same for all runs and are made once. Returns no numbers if they cannot be written.
    """
    numbers = sorted({int(image) // SHEET_IMAGES for image in images})
    folder = PROJECT / "static" / "cifar10"
    try:
        with os_errors_as_store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            path = folder / f"{number}.png"
            if not path.is_file():
                first = number * SHEET_IMAGES
                file = io.BytesIO()
                pixels = sheet(data.images[first : first + SHEET_IMAGES], SHEET_COLUMNS)
                pixels.save(file, "PNG", compress_level=4)
                write_atomically(path, file.getvalue(), durable=False)
    except StoreError:
        return []
    return numbers
