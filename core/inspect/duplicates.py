"""Near-duplicates: images of CIFAR-10 that are the same photograph, found by comparing pixels.

Two images are near-duplicates if one becomes the other by mirroring, a shift of a few pixels, a zoom, and a change of
brightness, contrast or colour. :func:`search` finds them in three steps:

1. **Candidates.** Images reduced to 8 × 8 pixels, without their mean colour, are compared by matrix products: all with
   all, as they are and mirrored, moved by a pixel in both directions. Each keeps the :data:`CANDIDATES` most similar.
2. **A rough alignment** of each candidate at 16 × 16 pixels, mirrored and not: 3 zooms and 9 shifts, then 5 and 25.
3. **An alignment** at 32 × 32 pixels in zoom and shift, horizontal and vertical, in steps down to an eighth of a pixel.

A photograph may have more copies than candidates, so two images with a common near-duplicate are compared as well
(:func:`with_common_copies`).

Steps 2 and 3 compare gradients, the differences of neighbouring pixels. Pixels themselves correlate in any two photos
of a horse on a meadow; edges and textures are in the same places only in the same photo. The distance of a pair is
1 − the correlation of the aligned gradients: 0 for equal pixels, about 0.5 for similar photos.

All 60,000 images were compared once: duplicates.csv has the result, written by ``python -m benchmarks.duplicates``.
Which of these pairs join a run's test and training images depends on the run's split: :func:`twins`.
"""

import functools
import itertools
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.config.sections import ALL_IMAGES, TRAIN_IMAGES

PAIRS = Path(__file__).with_suffix(".csv")
#: Pairs at most this far apart are near-duplicates. benchmarks/results/duplicates.md says why.
THRESHOLD = 0.15
#: Pairs up to this distance are in the file, so that the threshold can be judged.
KEPT = 0.3

#: Candidates of each image.
CANDIDATES = 8
#: Step 2, twice: zooms, shifts (in pixels of 16 × 16), and the least correlation of pairs that are aligned further.
_ROUGH = (
    ((0.85, 1.0, 1.18), (-1.0, 0.0, 1.0), 0.5),
    ((0.82, 0.91, 1.0, 1.1, 1.22), (-1.5, -0.75, 0.0, 0.75, 1.5), 0.6),
)
#: Step 3: zooms and shifts to start from, and the least correlation there of pairs that are aligned further.
_ZOOMS, _SHIFTS, _START = (0.88, 0.94, 1.0, 1.06, 1.13), tuple(map(float, range(-3, 4))), 0.42
#: Steps of the alignment: of the zoom, and of the shift in pixels.
_STEPS = ((0.06, 1.0), (0.03, 0.5), (0.015, 0.25), (0.0075, 0.125))
#: A pair that is further apart after the second step is not aligned further.
_HOPELESS = 0.4
#: Pixels at each edge of an image that are not compared, at 16 × 16 and at 32 × 32: shifts move others out of sight.
_ROUGH_MARGIN, _MARGIN = 2, 3

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


class Pair(NamedTuple):
    """Two images by their places among the 60,000, the lower first, and how far apart they are (0 to 2).

    ``mirrored``: the first looks like the mirror image of the second.
    """

    first: int
    second: int
    distance: float
    mirrored: bool


# --- the result -----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def pairs() -> pd.DataFrame:
    """Return the near-duplicates among the 60,000 images, the closest first, with the columns of :class:`Pair`."""
    table = pd.read_csv(PAIRS)
    return table[table["distance"] <= THRESHOLD].sort_values("distance", kind="stable", ignore_index=True)


def twins(test: Indices, train: Indices) -> pd.DataFrame:
    """Return the images of ``test`` that have a near-duplicate in ``train``, each with its closest one.

    Columns: ``image`` and ``twin`` (places among the 60,000), ``distance`` and ``mirrored``; the closest pair first.
    """
    table = pairs()
    both = [
        table.rename(columns={"first": "image", "second": "twin"}),
        table.rename(columns={"second": "image", "first": "twin"}),
    ]
    joined = pd.concat(both)[["image", "twin", "distance", "mirrored"]]
    joined = joined[joined["image"].isin(test) & joined["twin"].isin(train)]
    joined = joined.sort_values(["distance", "image", "twin"], ignore_index=True)
    return joined.drop_duplicates("image", ignore_index=True)


@functools.lru_cache(maxsize=1)
def official_text() -> str:
    """Return a sentence about near-duplicates in the official split."""
    test, train = np.arange(TRAIN_IMAGES, ALL_IMAGES), np.arange(TRAIN_IMAGES)
    found = len(twins(test, train))
    return f"{found:,} test images ({100 * found / len(test):.1f} %) have a near-duplicate among the training images."


# --- the search -----------------------------------------------------------------------------------


def search(images: Pixels, rows: Indices) -> list[Pair]:
    """Return the pairs of one of ``rows`` and any other image that are at most :data:`KEPT` apart, in rising order.

    ``images``: uint8 (n, 3, 32, 32). Takes about a second for 100 rows of 60,000 images on one core.
    """
    return compared(images, candidates(images, rows))


def compared(images: Pixels, some: Indices) -> list[Pair]:
    """Return those of ``some`` pairs, int64 (m, 2), that are at most :data:`KEPT` apart: steps 2 and 3."""
    for zooms, shifts, least in _ROUGH:
        some = some[rough_similarity(images, some, zooms, shifts) >= least]
    found = []
    for first, second in some.tolist():
        similarity, mirrored = align(images[first], images[second])
        if 1 - similarity <= KEPT:
            found.append(Pair(first, second, round(1 - similarity, 3), mirrored))
    return found


def with_common_copies(found: Collection[Pair]) -> Indices:
    """Return the pairs, int64 (m, 2), that are not among ``found`` but whose images have a near-duplicate in common."""
    copies: dict[int, set[int]] = {}
    known = {(pair.first, pair.second) for pair in found}
    for first, second in {(pair.first, pair.second) for pair in found if pair.distance <= THRESHOLD}:
        copies.setdefault(first, set()).add(second)
        copies.setdefault(second, set()).add(first)
    new = {pair for near in copies.values() for pair in itertools.combinations(sorted(near), 2)} - known
    return np.array(sorted(new), np.int64).reshape(-1, 2)


def candidates(images: Pixels, rows: Indices, most: int = CANDIDATES) -> Indices:
    """Return (at least) the ``most`` images that are most similar to each of ``rows``: int64 (m, 2), pairs of places in
    rising order, the lower place first."""
    small, found = _reduced(images), []
    for some in _chunks(rows, 250):
        best = np.full((len(some), len(images)), -1, np.float32)
        product = np.empty_like(best)
        for version in _moved(images[some]):
            np.matmul(_reduced(version), small.T, out=product)
            np.maximum(best, product, out=best)
        best[np.arange(len(some)), some] = -1  # not with itself
        # The eighth of the highest values of blocks is at most the eighth of all, and ten times as quick to find.
        highest = np.maximum.reduceat(best, np.arange(0, len(images), 100), axis=1)
        values = highest if highest.shape[1] >= most else best
        least = np.partition(values, -most, axis=1)[:, -most]
        row, other = np.nonzero(best >= least[:, None])
        found.append(np.sort(np.stack([some[row], other], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _moved(images: Pixels) -> Iterable[Pixels]:
    """Yield images as they are and mirrored, moved by one pixel to each corner; the pixels at the edge are repeated."""
    for side in (images, images[..., ::-1]):
        padded = np.pad(side, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        for row in (0, 2):
            for column in (0, 2):
                yield padded[:, :, row : row + 32, column : column + 32]


def _reduced(images: Pixels) -> Floats:
    """Return images at 8 × 8 pixels without their mean colour, as float32 (n, 192) of length 1."""
    small = np.concatenate([_smaller(some, 4) for some in _chunks(images, 2_000)])
    small -= small.mean((2, 3), keepdims=True)
    return _unit(small.reshape(len(small), -1))


def rough_similarity(images: Pixels, some: Indices, zooms: tuple[float, ...], shifts: tuple[float, ...]) -> Floats:
    """Return the correlation (float32, m) of the gradients of pairs, int64 (m, 2), aligned at 16 × 16 pixels."""
    inner, found = slice(_ROUGH_MARGIN, -_ROUGH_MARGIN), [np.empty(0, np.float32)]
    for chunk in _chunks(some, 100):
        first, second = (_smaller(images[chunk[:, side]], 2) for side in (0, 1))
        sides = [_gradients(side[..., inner, inner])[..., None] for side in (first, first[..., ::-1])]
        best = np.full(len(chunk), -1, np.float32)
        for zoom in zooms:
            moved = _gradients(_windows(second, _ROUGH_MARGIN, zoom, shifts))
            for side in sides:
                best = np.maximum(best, np.matmul(moved, side)[..., 0].max(1))
        found.append(best)
    return np.concatenate(found)


def align(first: Pixels, second: Pixels) -> tuple[float, bool]:
    """Return the correlation (−1 to 1) of the gradients of two images, aligned, and whether one is mirrored.

    Both: uint8 (3, 32, 32).
    """
    inner, floats = slice(_MARGIN, -_MARGIN), second.astype(np.float32)
    sides = [_gradients(side[:, inner, inner].astype(np.float32)) for side in (first, first[..., ::-1])]
    best, mirrored, place = -1.0, False, (1.0, 0.0, 1.0, 0.0)
    for zoom in _ZOOMS:
        moved = _gradients(_windows(floats[None], _MARGIN, zoom, _SHIFTS))[0]
        for is_mirrored, side in enumerate(sides):
            scores = moved @ side
            if (top := int(scores.argmax())) >= 0 and scores[top] > best:
                row, column = divmod(top, len(_SHIFTS))
                best, mirrored = float(scores[top]), bool(is_mirrored)
                place = (zoom, _SHIFTS[row], zoom, _SHIFTS[column])
    if best < _START:
        return best, mirrored
    side = sides[mirrored]
    for number, (zoom_step, shift_step) in enumerate(_STEPS):
        steps = np.array([zoom_step, shift_step, zoom_step, shift_step])
        while True:
            places = [tuple(np.round(place + sign * steps * axis, 4)) for axis in np.eye(4) for sign in (1, -1)]
            scores = _gradients(_warped(floats, places)) @ side
            if scores.max() <= best + 1e-4:
                break
            best, place = float(scores.max()), places[int(scores.argmax())]
        if number == 1 and 1 - best > _HOPELESS:
            break
    return best, mirrored


# --- pixels ---------------------------------------------------------------------------------------


def _chunks(values: NDArray, size: int) -> list[NDArray]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _smaller(images: Pixels, factor: int) -> Floats:
    """Return images with each square of ``factor`` × ``factor`` pixels replaced by its mean."""
    side = 32 // factor
    return images.reshape(-1, 3, side, factor, side, factor).mean((3, 5), dtype=np.float32)


def _unit(vectors: Floats) -> Floats:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + np.float32(1e-6))


def _gradients(images: Floats) -> Floats:
    """Return the differences of neighbouring pixels of images (…, 3, h, w), as vectors of length 1."""
    before = images.shape[:-3]
    return _unit(np.concatenate([np.diff(images, axis=axis).reshape(*before, -1) for axis in (-1, -2)], axis=-1))


def _windows(images: Floats, margin: int, zoom: float, shifts: tuple[float, ...]) -> Floats:
    """Return images (n, 3, size, size) zoomed and moved by all pairs of ``shifts``, row by row, without their margin:
    float32 (n, len(shifts)², 3, size − 2 margin, size − 2 margin)."""
    size, count = images.shape[-1], len(shifts)
    side = size - 2 * margin
    sampler = np.concatenate([line_sampler(size, margin, zoom, shift) for shift in shifts])
    moved = (sampler @ images @ sampler.T).reshape(-1, 3, count, side, count, side)
    return moved.transpose(0, 2, 4, 1, 3, 5).reshape(-1, count**2, 3, side, side)


def _warped(image: Floats, places: list[tuple[float, ...]]) -> Floats:
    """Return an image (3, 32, 32) at several places (zoom and shift of rows, of columns) without its margin."""
    rows = np.stack([line_sampler(32, _MARGIN, zoom, shift) for zoom, shift, _, _ in places])[:, None]
    columns = np.stack([line_sampler(32, _MARGIN, zoom, shift).T for _, _, zoom, shift in places])[:, None]
    return (rows @ image @ columns).astype(np.float32, copy=False)


@functools.lru_cache(maxsize=20_000)
def line_sampler(size: int, margin: int, zoom: float, shift: float) -> Floats:
    """Return the matrix (size − 2 margin, size) that reads a line of pixels, zoomed about its centre and moved.

    ``zoom`` is the distance between two pixels that are read, ``shift`` is in pixels.

    Cubic convolution with a = −½; pixels at the edge are repeated. R. G. Keys, "Cubic convolution interpolation for
    digital image processing", IEEE Transactions on Acoustics, Speech, and Signal Processing 29 (1981), 1153–1160.
    """
    centre = (size - 1) / 2
    places = centre + zoom * (np.arange(margin, size - margin) - centre) + shift
    below = np.floor(places).astype(int)
    matrix = np.zeros((len(places), size), np.float32)
    for neighbour in (-1, 0, 1, 2):
        t = np.abs(places - below - neighbour)
        weight = np.where(t <= 1, 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2)
        np.add.at(matrix, (np.arange(len(places)), np.clip(below + neighbour, 0, size - 1)), weight)
    return matrix
