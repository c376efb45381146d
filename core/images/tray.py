"""The tray of Classify: the images of a session, how each is cropped, and what a network predicts for it.

Of each image it keeps the copy of at most 384 pixels that :mod:`core.images.read` made, up to 0.6 MB, so that another
crop can be cut at any time: a full tray of 200 images takes at most 120 MB.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from core.base.errors import LabError
from core.base.kept import Kept
from core.base.text import choice_names, percent
from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.cifar10 import Cifar10
from core.data.split import Split, make_split
from core.images.gallery import data_url
from core.images.read import CROPS, Crop, LoadedImage, Square, crop_box, read_many, to_network
from core.runs.folder import BEST
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.runs.summary import labels as run_labels

if TYPE_CHECKING:  # imports PyTorch, which takes seconds
    from core.images.classify import Classifier

MAX_IMAGES = 200
MIDDLE = Square()
FIELD_BYTES = 64 * 2**20  # of files that the server keeps for one upload field
BROWSER_SIDE = 320  # longer side of a browser's copy in pixels: twice what is shown


@dataclass
class TrayImage:
    """An image of the session.

    ``truth`` is its class, if known; ``index`` its place in CIFAR-10 (0 to 59,999), if it is from there. ``square`` is
    the latest manual crop, at first the largest in the middle; ``number`` distinguishes images of one name. ``kept_as``
    is the name of its copy on disk, if there is one.
    """

    source: LoadedImage
    truth: str | None = None
    index: int | None = None
    square: Square = MIDDLE
    number: int = 0
    kept_as: str = ""
    _pixels: dict[Crop, NDArray[np.uint8]] = field(default_factory=dict)
    _results: dict[tuple[str, int, Crop], NDArray[np.float32]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its file."""
        return self.source.name

    @property
    def about(self) -> str:
        """Size and format of its file, and what was done about its colours."""
        source = self.source
        frames = f", the first of {source.frames} frames" if source.frames > 1 else ""
        return "; ".join([f"{source.width} × {source.height} {source.format}{frames}", *source.notes])

    @cached_property
    def address(self) -> str:
        """A copy for the browser as a ``data:`` URL; its longer side has at most 320 pixels."""
        copy = self.source.image.copy()
        copy.thumbnail((BROWSER_SIDE, BROWSER_SIDE))
        # In a tiny image every pixel is visible; a photo should be small.
        return data_url(copy) if max(copy.size) <= 64 else data_url(copy, "JPEG", quality=85)

    def cut(self, square: Square) -> None:
        """Set another manual crop."""
        self.square = square
        self._pixels.pop("hand", None)
        self._results = {key: row for key, row in self._results.items() if key[2] != "hand"}

    def pixels(self, crop: Crop) -> NDArray[np.uint8]:
        """Return what the network sees: uint8 (3, 32, 32)."""
        if crop not in self._pixels:
            self._pixels[crop] = to_network(self.source, crop, self.square)
        return self._pixels[crop]

    def crop_text(self, crop: Crop) -> str:
        """Return how the image is cropped; for a manual crop also which part of its width (x) and height (y)."""
        text = CROPS[crop].lower()
        if crop != "hand":
            return text
        width, height = self.source.image.size
        left, top, right, bottom = crop_box(crop, width, height, self.square)
        x = f"x {100 * left / width:.0f}–{100 * right / width:.0f} %"
        return f"{text}, {x}, y {100 * top / height:.0f}–{100 * bottom / height:.0f} %"

    def to_dict(self, kept: Kept) -> dict[str, Any]:
        """Return the image as JSON stores it; its pixels are a file in ``kept``, without loss."""
        source = self.source
        if not kept.touch(self.kept_as):
            file = io.BytesIO()
            source.image.save(file, "PNG", compress_level=1)
            self.kept_as = kept.save_file(file.getvalue())
        return {
            "file": self.kept_as,
            "about": [source.name, source.width, source.height, source.format, source.frames, list(source.notes)],
            "truth": self.truth,
            "index": self.index,
            "square": [self.square.x, self.square.y, self.square.side],
            "number": self.number,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], kept: Kept) -> "TrayImage | None":
        """Return the image in ``content`` (from :meth:`to_dict`), or None if its file is gone."""
        file = kept.file(content["file"])
        if file is None:
            return None
        with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
            pixels = image.convert("RGB")
        name, width, height, form, frames, notes = content["about"]
        source = LoadedImage(name, pixels, width, height, form, frames, tuple(notes))
        place = Square(*content["square"])
        return cls(source, content["truth"], content["index"], place, content["number"], content["file"])


class Upload(Protocol):
    """A file in the browser's upload field."""

    file_id: str
    name: str
    size: int

    def getvalue(self) -> bytes:
        """Return the content."""


@dataclass
class Tray:
    """All images of the session, newest first, and an error for each of the latest files that was refused.

    ``uploads`` counts the upload fields so far, ``taken`` has the ids of the files taken from the present one.
    ``draw`` counts the draws of test images, ``count`` the images so far. ``kept_id`` is where :meth:`keep` keeps them.
    """

    images: list[TrayImage] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    uploads: int = 0
    taken: set[str] = field(default_factory=set)
    draw: int = 0
    count: int = 0
    kept_id: str = ""
    _kept_images: list[tuple[int, Square]] = field(default_factory=list)

    @classmethod
    def restored(cls, kept: Kept, kept_id: str) -> "Tray":
        """Return the tray kept under an id, with the images that are still there; an empty one if there is none."""
        content = kept.load(kept_id)
        try:
            images = [TrayImage.from_dict(image, kept) for image in content.get("images", [])]
            tray = cls([image for image in images if image], draw=content.get("draw", 0))
        except (OSError, LabError, KeyError, TypeError, ValueError):
            return cls()
        tray.count = max((image.number for image in tray.images), default=0)
        tray._kept_images = tray._state()
        return tray

    def keep(self, kept: Kept) -> bool:
        """Keep the images on disk if they have changed since. Return whether they had.

        ``kept_id`` is theirs alone: another tab that was opened with the same address keeps its own.
        """
        if self._state() == self._kept_images:
            return False
        images = [image.to_dict(kept) for image in self.images]
        self.kept_id = kept.save({"images": images, "draw": self.draw}, self.kept_id)
        self._kept_images = self._state()
        return True

    def _state(self) -> list[tuple[int, Square]]:
        return [(image.number, image.square) for image in self.images]

    def room(self, wanted: int) -> int:
        """Return how many of ``wanted`` new images fit; if not all do, ``refused`` says so."""
        free = MAX_IMAGES - len(self.images)
        if wanted > free:
            self.refused.append(
                f"{wanted - free} of the images were left out: the list holds at most {MAX_IMAGES}. "
                "Clear it to make room."
            )
        return min(wanted, free)

    def read_uploads(self, files: Sequence[Upload]) -> bool:
        """Read the new files of the upload field. Return whether there were any.

        The field is emptied only when it holds much: it also shows which files the browser refused.
        """
        new = [file for file in files if file.file_id not in self.taken]
        self.taken |= {file.file_id for file in new}
        if sum(file.size for file in files) > FIELD_BYTES or len(files) > MAX_IMAGES:
            self.empty_field()
        if new:
            self.read([(file.name, file.getvalue()) for file in new])
        return bool(new)

    def read(self, files: Sequence[tuple[str, bytes | Path]]) -> None:
        """Read files, as many as fit; ``refused`` gets an error for each that is not an image."""
        self.refused = []
        results = read_many(files[: self.room(len(files))])
        self.add([TrayImage(result) for result in results if isinstance(result, LoadedImage)])
        self.refused += [str(result) for result in results if not isinstance(result, LoadedImage)]

    def add_test_images(self, config: RunConfig) -> None:
        """Add one test image per class of a run, each time other ones. Raises DataError without CIFAR-10."""
        images = sample_test_images(config, cifar10.load(), self.draw)
        self.draw += 1
        self.refused = []
        self.add(images)

    def add(self, new: list[TrayImage]) -> None:
        """Put images in front and number them, as many as fit."""
        new = new[: self.room(len(new))]
        for image in new:
            self.count += 1
            image.number = self.count
        self.images = new + self.images

    def clear(self) -> None:
        """Remove all images."""
        self.images, self.refused = [], []
        self.empty_field()

    def empty_field(self) -> None:
        """Start a new upload field; the server then forgets the files of the previous one."""
        self.uploads += 1
        self.taken = set()


def sample_test_images(config: RunConfig, data: Cifar10, draw: int) -> list[TrayImage]:
    """Return one image per class from a run's test set; another ``draw`` gives other images."""
    test = make_split(config, data.labels).test
    rng = np.random.default_rng(draw)
    images = []
    for name in config.data.classes:
        index = int(rng.choice(test[data.labels[test] == CLASSES.index(name)]))
        pixels = Image.fromarray(np.array(data.images[index]).transpose(1, 2, 0))
        source = LoadedImage(f"CIFAR-10 {index}", pixels, *pixels.size, "test image", 1)
        images.append(TrayImage(source, truth=name, index=index))
    return images


def runs_with_weights(store: RunStore) -> dict[str, RunSummary]:
    """Return the runs that can classify, by id.

    First the person's own, newest first. Then those that came with the program, by number of classes and accuracy, so
    that a newcomer starts with the network that knows most.
    """
    runs = [run for run in store.summaries() if (store.root / run.id / BEST).is_file()]
    own = [run for run in runs if not run.meta.reference]
    reference = [run for run in runs if run.meta.reference]
    reference.sort(key=lambda run: (len(run.config.data.classes), run.rank), reverse=True)
    return {run.id: run for run in own + reference}


def labels(runs: dict[str, RunSummary]) -> dict[str, str]:
    """Return what to call each run in a list: name, accuracy, classes, state."""
    names = choice_names(run_labels(runs.values()))
    return {run_id: f"{names[run_id]} · {_run_text(run)}" for run_id, run in runs.items()}


def _run_text(run: RunSummary) -> str:
    classes = run.config.data.classes
    task = f"{len(classes)} classes" if len(classes) > 3 else " / ".join(classes)
    accuracy = f"{percent(run.headline.share)} {run.headline.kind} accuracy" if run.headline else "no epoch finished"
    return f"{accuracy} · {task} · {run.state}"


def classify(images: list[TrayImage], network: "Classifier", time: int, crop: Crop) -> NDArray[np.float32]:
    """Return each image's probabilities: float32 (n, k).

    They are computed once per image, run, weights (``time`` is that of their file) and crop.
    """
    key = (network.run_id, time, crop)
    new = [image for image in images if key not in image._results]
    if new:
        rows = network.probabilities(np.stack([image.pixels(crop) for image in new]))
        for image, row in zip(new, rows, strict=True):
            image._results[key] = row
    return np.stack([image._results[key] for image in images])


def not_counted(images: Sequence[TrayImage], config: RunConfig) -> list[str]:
    """Return for each image why it does not count in the score of a run's network; empty if it counts.

    Of CIFAR-10's images, only those of the run's own test set count. Raises DataError if CIFAR-10 is not available.
    """
    if all(image.index is None for image in images):
        return [""] * len(images)
    parts = make_split(config, cifar10.load().labels)
    return [_not_counted(image, config.data.classes, parts) for image in images]


def _not_counted(image: TrayImage, classes: Sequence[str], parts: Split) -> str:
    if image.index is None or image.index in parts.test:
        return ""
    if image.truth not in classes:
        return "unknown class"
    if image.index in parts.train:
        return "training image"
    return "validation image" if image.index in parts.validation else "not in its test set"


def results_table(
    images: Sequence[TrayImage], network: "Classifier", rows: NDArray[np.float32], crop: Crop, reasons: Sequence[str]
) -> pd.DataFrame:
    """Return one row per image: its prediction and second choice, crop, true class, and every class's probability.

    ``not counted`` has the ``reasons`` from :func:`not_counted`.
    """
    order = np.argsort(-rows, axis=1)
    names = np.array(network.classes)
    return pd.DataFrame(
        {
            "image": [image.name for image in images],
            "prediction": names[order[:, 0]],
            "probability": rows.max(axis=1),
            "second choice": names[order[:, 1]],
            "crop": [image.crop_text(crop) for image in images],
            "true class": [image.truth or "" for image in images],
            "not counted": list(reasons),
            **dict(zip(network.classes, rows.T, strict=True)),
        }
    )


#: Below this probability of the most likely class, none fits well.
FITS = 0.6


def known_text(classes: Sequence[str]) -> str:
    """Return which classes a network knows: ``only deer and dog``, or how many if there are more than three."""
    few = f"{', '.join(classes[:-1])} and {classes[-1]}"
    return f"only {few}" if len(classes) <= 3 else f"only the {len(classes)} classes it was trained on"


def fit_text(classes: Sequence[str], probability: float) -> str:
    """Return what to know about a prediction of an image whose class is not known; louder if no class fits well."""
    if probability < FITS:
        return f"No class fits well. The network knows {known_text(classes)}; this may be something else."
    return f"The network knows {known_text(classes)}, and picks one even if the image shows something else."


def score_text(results: pd.DataFrame) -> str:
    """Return how many test images of a :func:`results_table` are right, and which do not count; or an empty text."""
    counted = results[(results["true class"] != "") & (results["not counted"] == "")]
    sentences = []
    if len(counted):
        correct = (counted["true class"] == counted["prediction"]).sum()
        sentences.append(f"{correct} of {len(counted)} test images correct.")
    if reasons := Counter(filter(None, results["not counted"])):
        sentences.append(f"Not counted: {', '.join(f'{reason} ({count})' for reason, count in reasons.items())}.")
    return " ".join(sentences)
