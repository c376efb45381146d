"""The tray: pictures of a session, how each is cut, and what a network took it for.

Of each picture the copy of at most 512 pixels that :mod:`core.images.read` made is kept, up to 0.8 MB, so that
a square can be cut from it by hand at any time: a full tray of 200 takes 160 MB at most. Where pictures
come from and how they look on a page is not here.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from core.base.text import percent
from core.config.run_config import CLASSES, RunConfig
from core.data import cifar10
from core.data.cifar10 import Cifar10
from core.data.split import Parts, split
from core.images.read import Crop, LoadedImage, Square, crop_box, to_network
from core.runs import table as live
from core.runs.store import RunStore

if TYPE_CHECKING:  # it brings PyTorch, which takes seconds to import
    from core.images.classify import Classifier

MAX_IMAGES = 200
SIDE = 320  # longer side of a browser's copy of a picture, in pixels: twice what is shown
MIDDLE = Square()
CROPS: dict[Crop, str] = {"centre": "Middle square", "whole": "Whole, squeezed", "hand": "By hand"}


@dataclass
class TrayImage:
    """A picture in the session; ``truth`` is its class where that is known, ``index`` its place in CIFAR-10 where it is
    from there (0 to 59,999).

    ``square`` is what was last cut by hand, at first the largest in the middle; ``number`` tells pictures
    of one name apart.
    """

    source: LoadedImage
    truth: str | None = None
    index: int | None = None
    square: Square = MIDDLE
    number: int = 0
    _seen: dict[Crop, NDArray[np.uint8]] = field(default_factory=dict)
    _results: dict[tuple[str, int, Crop], NDArray[np.float32]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its file is called."""
        return self.source.name

    @property
    def about(self) -> str:
        """Size and format of its file."""
        one = self.source
        first = f", the first of {one.frames} frames" if one.frames > 1 else ""
        return f"{one.width} × {one.height} {one.format}{first}"

    @cached_property
    def address(self) -> str:
        """A copy for the browser as a ``data:`` address; its longer side has at most 320 pixels."""
        copy, file = self.source.image.copy(), BytesIO()
        copy.thumbnail((SIDE, SIDE))
        form = "PNG" if max(copy.size) <= 64 else "JPEG"  # each of a few pixels is seen; a photo shall be small
        copy.save(file, form, quality=85)
        return f"data:image/{form.lower()};base64,{b64encode(file.getvalue()).decode()}"

    def cut(self, square: Square) -> None:
        """Cut another square by hand."""
        self.square = square
        self._seen.pop("hand", None)
        self._results = {key: row for key, row in self._results.items() if key[2] != "hand"}

    def seen(self, crop: Crop) -> NDArray[np.uint8]:
        """uint8 (3, 32, 32): what the network sees of it."""
        if crop not in self._seen:
            self._seen[crop] = to_network(self.source, crop, self.square)
        return self._seen[crop]

    def crop_text(self, crop: Crop) -> str:
        """How it is cut; a square by hand with the share of the width (x) and the height (y) it spans."""
        if crop != "hand":
            return {"centre": "middle square", "whole": "whole, squeezed"}[crop]
        width, height = self.source.image.size
        left, top, right, bottom = crop_box(crop, width, height, self.square)
        x, y = (
            f"{100 * a / of:.0f}–{100 * b / of:.0f} %" for a, b, of in ((left, right, width), (top, bottom, height))
        )
        return f"by hand, x {x}, y {y}"


@dataclass
class Tray:
    """All pictures of the session, the newest first, and what was refused of the last files."""

    images: list[TrayImage] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    uploads: int = 0
    taken: set[str] = field(default_factory=set)
    draw: int = 0
    count: int = 0

    def room(self, wanted: int) -> int:
        """How many of so many new pictures can be taken; says so if not all."""
        free = MAX_IMAGES - len(self.images)
        if wanted > free:
            self.refused.append(
                f"{wanted - free} of the pictures were left out: at most {MAX_IMAGES} are kept here. "
                "Clear the list to make room."
            )
        return min(wanted, free)

    def add(self, new: list[TrayImage]) -> None:
        """Put pictures in front, and number them; what finds no room is left out, and said."""
        new = new[: self.room(len(new))]
        for one in new:
            self.count += 1
            one.number = self.count
        self.images = new + self.images

    def clear(self) -> None:
        """Empty it."""
        self.images, self.refused = [], []
        self.empty_field()

    def empty_field(self) -> None:
        """An empty field for the next files; the server forgets those it kept for the one before."""
        self.uploads += 1
        self.taken = set()


def sample_test_images(config: RunConfig, data: Cifar10, draw: int) -> list[TrayImage]:
    """One image of each of a run's classes, none of which it trained on; another ``draw``, other images."""
    test = split(config, data.labels).test
    chance = np.random.default_rng(draw)
    found = []
    for name in config.data.classes:
        at = int(chance.choice(test[data.labels[test] == CLASSES.index(name)]))
        image = Image.fromarray(np.array(data.images[at]).transpose(1, 2, 0))
        source = LoadedImage(f"CIFAR-10 {at}", image, 32, 32, "RGB", "test image", 1)
        found.append(TrayImage(source, truth=name, index=at))
    return found


def runs_with_weights(store: RunStore) -> pd.DataFrame:
    """Runs that can classify, by id; the columns of ``RunStore.frame()``.

    A person's own come first, the newest at the top; then those that came with the program, most classes and best
    accuracy first, so that the network a newcomer meets knows as much as any.
    """
    frame = store.frame().set_index("id")
    frame = frame[frame["state"] != "damaged"]
    frame = frame.loc[[run_id for run_id in frame.index if (store.root / run_id / "best.safetensors").is_file()]]
    came_with = frame["reference"].astype(bool)
    order = pd.DataFrame({"known": frame["data.classes"].map(len), "accuracy": frame["best_val_accuracy"]})[came_with]
    came = order.sort_values(["known", "accuracy"], ascending=False, kind="stable").index
    return frame.loc[[*frame.index[~came_with], *came]]


def labels(runs: pd.DataFrame) -> dict[str, str]:
    """How each of :func:`runs_with_weights` stands in a list: name, best accuracy and what chose it, classes, state."""
    names = live.labels(runs.reset_index())
    return {str(run_id): f"{names[str(run_id)]} · {_run_in_words(run)}" for run_id, run in runs.iterrows()}


def _run_in_words(run: "pd.Series[Any]") -> str:
    classes, accuracy = run["data.classes"], percent(run["best_val_accuracy"])
    task = f"{len(classes)} classes" if len(classes) > 3 else " / ".join(classes)
    chosen_on = "held-out" if run["selected_on"] == "held-out" else "test"
    return f"{accuracy} on {chosen_on} images · {task} · {run['state']}"


def classify(pictures: list[TrayImage], network: "Classifier", time: int, crop: Crop) -> NDArray[np.float32]:
    """float32 (n, k): probabilities of each picture, computed once a picture, run, weights (their file's
    ``time``) and cut."""
    key = (network.run_id, time, crop)
    new = [one for one in pictures if key not in one._results]
    if new:
        found = network.probabilities(np.stack([one.seen(crop) for one in new]))
        for one, row in zip(new, found, strict=True):
            one._results[key] = row
    return np.stack([one._results[key] for one in pictures])


def not_counted(pictures: Sequence[TrayImage], config: RunConfig) -> list[str]:
    """Of each picture why it tells nothing of how often a run's network is right, in few words; empty where it does.

    Of CIFAR-10's images only those of the run's own test part do. Raises DataError if CIFAR-10 is not here any more.
    """
    if all(one.index is None for one in pictures):
        return [""] * len(pictures)
    parts = split(config, cifar10.load().labels)
    return [_not_counted(one, config.data.classes, parts) for one in pictures]


def _not_counted(one: TrayImage, classes: Sequence[str], parts: Parts) -> str:
    if one.index is None or one.index in parts.test:
        return ""
    if one.truth not in classes:
        return "not its class"
    if one.index in parts.train:
        return "trained on"
    return "used to choose its epoch" if one.index in parts.validation else "not in its test part"


def results_table(
    pictures: Sequence[TrayImage], network: "Classifier", rows: NDArray[np.float32], crop: Crop, doubts: Sequence[str]
) -> pd.DataFrame:
    """A row a picture: what it is taken for, how surely, what else, how it was cut, what it is, why that does not count
    (``doubts``, from :func:`not_counted`), and every class's probability."""
    order = np.argsort(-rows, axis=1)
    names = np.array(network.classes)
    return pd.DataFrame(
        {
            "picture": [one.name for one in pictures],
            "taken for": names[order[:, 0]],
            "probability": rows.max(axis=1),
            "or else": names[order[:, 1]],
            "cut": [one.crop_text(crop) for one in pictures],
            "truth": [one.truth or "" for one in pictures],
            "not counted": list(doubts),
            **{name: rows[:, at] for at, name in enumerate(network.classes)},
        }
    )


def score_text(results: pd.DataFrame) -> str:
    """Of a :func:`results_table` how many test images were right, and how many do not count and why; or nothing."""
    counted = results[(results["truth"] != "") & (results["not counted"] == "")]
    told = []
    if len(counted):
        told.append(f"{(counted['truth'] == counted['taken for']).sum()} of {len(counted)} test images right.")
    if why := Counter(one for one in results["not counted"] if one):
        told.append(f"Not counted: {', '.join(f'{count} {words}' for words, count in why.items())}.")
    return " ".join(told)
