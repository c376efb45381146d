"""A card for each trick of fast training: what it is, what it gained when measured here, what it costs, when not.

The words are written here, the figures by benchmarks/tricks.py into tricks.json beside this file: the recipe ``fast``,
shortened, with one trick at a time the other way, all else equal, seed by seed. The form shows a card in the help of
the setting it belongs to.
"""

import json
import statistics
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from core.config.presets import preset
from core.config.run_config import SETTINGS

MEASURED = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Trick:
    """``other`` are the settings without the trick, or with it where ``fast`` does without; the first names the setting
    that shows the card."""

    name: str
    what: str
    cost: str
    not_when: str
    other: dict[str, Any]
    in_fast: bool = True

    @property
    def setting(self) -> str:
        """The path of the setting that switches it."""
        return next(iter(self.other))

    def comparison(self) -> str:
        """What it was compared with, in words: ``Mirror random``."""
        return ", ".join(f"{SETTINGS[path].label} {SETTINGS[path].show(value)}" for path, value in self.other.items())


@dataclass(frozen=True)
class Gain:
    """What a trick brought: ``points`` of accuracy for each seed; ``time`` of an epoch's steps as a ratio to that
    without, for each round in which both were timed."""

    points: tuple[float, ...]
    time: tuple[float, ...]

    def __str__(self) -> str:
        each = ", ".join(f"{one:+.2f}" for one in self.points) if len(self.points) > 1 else "one seed"
        return (
            f"{statistics.mean(self.points):+.2f} percentage points of held-out accuracy ({each}); steps take "
            f"{statistics.median(self.time):.2f} ({min(self.time):.2f}–{max(self.time):.2f}) of the time"
        )


@cache
def gains() -> dict[str, Gain]:
    """What was measured, by the trick's name; empty before benchmarks/tricks.py has run with ``fast`` as it is now."""
    found = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.is_file() else {}
    if found.get("recipe") != recipe():
        return {}
    return {name: Gain(tuple(one["points"]), tuple(one["time"])) for name, one in found["gains"].items()}


def recipe() -> str:
    """The signature of what the gains are gains in: ``fast`` but for its epochs, since a shortened one is measured."""
    return preset("fast").config.replace({"train.epochs": 1}).signature()


def card(trick: Trick) -> str:
    """The card of ``trick`` in Markdown, from its name on."""
    return f"**{trick.name}**. {text(trick)}"


def text(trick: Trick) -> str:
    """What stands on the card of ``trick`` under its name, in Markdown."""
    gain = gains().get(trick.name)
    where = "`fast`, shortened" if trick.in_fast else "`fast`, shortened, which does without"
    told = (
        f"{gain}, against {trick.comparison()}" if gain and trick.in_fast else f"{gain}" if gain else "not measured yet"
    )
    return f"{trick.what}\n\n*Gain in {where}:* {told}.\n\n*Cost:* {trick.cost}\n\n*Not when:* {trick.not_when}"


def help_of(path: str) -> str:
    """A setting's help in Markdown, with the cards that belong to it."""
    return "\n\n".join([SETTINGS[path].help, *(card(one) for one in TRICKS if one.setting == path)])


TRICKS: tuple[Trick, ...] = (
    Trick(
        "Windows that grow",
        "Early epochs see a random window of each picture, and a step costs what its area costs; the window grows to "
        "the whole picture (progressive resizing, by cutting instead of shrinking).",
        "whole pictures come late: the validation curve lies low until then, and a run stopped early is worth little.",
        "fewer than some five epochs are trained, a part of the object does not tell what it is, or runs are to be "
        "compared epoch by epoch.",
        {"augment.grow_from": 32},
    ),
    Trick(
        "Alternating flip",
        "A coin is thrown once for each picture; after that it is mirrored every other epoch, so that any two epochs "
        "show both sides (Jordan, arXiv:2404.00498).",
        "nothing.",
        "a mirrored picture means something else, as with digits and letters; over hundreds of epochs it is the same "
        "as random.",
        {"augment.flip": "random"},
    ),
    Trick(
        "Muon",
        "The step of a convolution is made orthogonal, so that no direction is neglected, and its kernel kept at one "
        "norm (Jordan et al. 2024; batch norm makes the norm meaningless). SGD moves all else.",
        "a few matrix products for each step: the smaller the batch, the larger their share.",
        "hundreds of epochs are trained, where SGD arrives too; or weight decay is studied: these kernels have none.",
        {"train.optimizer": "sgd", "train.lr": 0.3},
    ),
    Trick(
        "Weight averaging",
        "An exponential average of the last epochs' weights is judged and kept instead of the weights themselves.",
        "a second copy of the weights, and batch norm's statistics anew from 5,000 images after each averaged epoch.",
        "the rate falls to zero anyway, as here: the last steps are then an average already, and one that reaches back "
        "lags behind.",
        {"train.averaging": "ema", "train.averaging_start": 7},
        in_fast=False,
    ),
    Trick(
        "Random crop",
        "Each picture is moved by up to four pixels, so that an object's place means nothing.",
        "a gather for each batch.",
        "few epochs of a small network: it under-fits, and every bit of augmentation makes it slower to learn.",
        {"augment.translate": "none"},
    ),
    Trick(
        "Warm-up",
        "The rate rises over the first epoch, so that the largest steps come when norms and momentum have settled.",
        "an epoch at less than the full rate.",
        "the highest rate is small enough to begin with.",
        {"train.warmup_epochs": 0.0},
    ),
    Trick(
        "No decay on norms and biases",
        "Weight decay pulls at weights alone. A norm's scale pulled to zero shrinks what follows and gains nothing.",
        "nothing.",
        "a published recipe with decay on everything is to be repeated.",
        {"train.decay_on": "weights"},
        in_fast=False,
    ),
    Trick(
        "Batch of 128",
        "Small batches make more steps of an epoch, large ones use the processor better and average out noise.",
        "the smaller, the more the fixed part of a step counts; the larger, the fewer steps there are.",
        "a GPU waits for work: it wants larger ones. The rate goes with it.",
        {"train.batch_size": 256},
    ),
    Trick(
        "Peak rate",
        "The highest rate of the convolutions decides most: too small and the epochs do not suffice, too large and the "
        "noise lasts to the end.",
        "it must be found anew for another batch size or number of epochs.",
        "the schedule does not end at zero: then the same rate is too large.",
        {"train.muon_lr": 0.1},
    ),
    Trick(
        "Label smoothing",
        "A share of the target is spread over all classes, so that no logit is driven to infinity.",
        "the training loss means something else, and probabilities are less sure than they could be.",
        "the network cannot even fit its training images, or probabilities are to be believed as they come.",
        {"train.label_smoothing": 0.0},
    ),
    Trick(
        "Shortcut B",
        "A 1×1 convolution where the shape changes, instead of subsampling and zeros.",
        "about 1 % more weights, and what the time above says.",
        "it is to be the network of He et al., which has A.",
        {"model.shortcut": "B"},
        in_fast=False,
    ),
)
