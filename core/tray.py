"""The tray: pictures of a session, what a network saw of each, and what it took them for.

Of each picture only a small copy to show and the 32×32 pixels of every crop are kept, so that hundreds
fit into a session. Where pictures come from and how they look on a page is not here.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from core.config import CLASSES, RunConfig
from core.data.cifar10 import Cifar10
from core.data.split import split
from core.pictures import Crop, Picture, to_network

if TYPE_CHECKING:  # it brings PyTorch, which takes seconds to import
    from core.classify import Classifier

MOST_PICTURES = 200
SIDE = 320  # longer side of the copy kept of a picture, in pixels
CROPS: dict[Crop, str] = {"centre": "Square from the middle", "whole": "Whole picture, squeezed"}


@dataclass
class Shown:
    """A picture in the session; ``truth`` is its class where that is known."""

    name: str
    about: str
    image: Image.Image
    inputs: dict[Crop, np.ndarray]
    truth: str | None = None
    results: dict[tuple[str, int, str], np.ndarray] = field(default_factory=dict)


@dataclass
class Tray:
    """All pictures of the session, the newest first, and what was refused of the last files."""

    pictures: list[Shown] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    uploads: int = 0
    draw: int = 0

    def add(self, new: list[Shown]) -> None:
        room = MOST_PICTURES - len(self.pictures)
        if len(new) > room:
            self.refused.append(
                f"{len(new) - room} of the pictures were left out: at most {MOST_PICTURES} are kept here. "
                "Clear the list to make room."
            )
        self.pictures = new[:room] + self.pictures

    def clear(self) -> None:
        self.pictures, self.refused = [], []


def shown(picture: Picture) -> Shown:
    """What is kept of a picture that was read."""
    small = picture.image.copy()
    small.thumbnail((SIDE, SIDE))
    about = f"{picture.width} × {picture.height} {picture.format}"
    if picture.frames > 1:
        about += f", the first of {picture.frames} frames"
    return Shown(picture.name, about, small, {crop: to_network(picture, crop) for crop in CROPS})


def unseen_images(config: RunConfig, data: Cifar10, draw: int) -> list[Shown]:
    """One image of each of a run's classes, none of which it trained on; another ``draw``, other images."""
    test = split(config, data.labels).test
    chance = np.random.default_rng(draw)
    found = []
    for name in config.data.classes:
        at = int(chance.choice(test[data.labels[test] == CLASSES.index(name)]))
        pixels = np.array(data.images[at])
        image = Image.fromarray(pixels.transpose(1, 2, 0))
        found.append(Shown(f"CIFAR-10 {at}", "32 × 32 test image", image, dict.fromkeys(CROPS, pixels), truth=name))
    return found


def classify(pictures: list[Shown], network: "Classifier", time: int, crop: Crop) -> np.ndarray:
    """float32 (n, k): probabilities of each picture, computed once a picture, run and crop."""
    key = (network.run_id, time, crop)
    new = [one for one in pictures if key not in one.results]
    if new:
        found = network.probabilities(np.stack([one.inputs[crop] for one in new]))
        for one, row in zip(new, found, strict=True):
            one.results[key] = row
    return np.stack([one.results[key] for one in pictures])


def results_table(pictures: list[Shown], network: "Classifier", rows: np.ndarray) -> pd.DataFrame:
    """A row a picture: what it is taken for, how surely, what else, and every class's probability."""
    order = np.argsort(-rows, axis=1)
    names = np.array(network.classes)
    return pd.DataFrame(
        {
            "picture": [one.name for one in pictures],
            "taken for": names[order[:, 0]],
            "probability": rows.max(axis=1),
            "or else": names[order[:, 1]],
            "truth": [one.truth or "" for one in pictures],
            **{name: rows[:, at] for at, name in enumerate(network.classes)},
        }
    )
