"""The four studies of the report, to be run again: exactly, or scaled to the time one has.

Each varies one setting on the report's recipe. The scale shrinks the epochs and milestones of all cells by one
factor, never below a tenth, and keeps every published value: in the epochs study all cells share the same
milestones, in the batch-size study the learning rate stays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.base.errors import ConfigError
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost.estimate import estimates
from core.published.points import POINTS, TASKS
from core.runs.store import RunStore
from core.study.study import LEAST_SCALE, Axis, Study

Split = Literal["common", "report"]
#: Which images test where the training size is varied.
SPLITS: dict[Split, str] = {
    "common": "the same test images in every cell",
    "report": "the report’s way: all images left over test, so training and test part vary together",
}


@dataclass(frozen=True)
class PublishedStudy:
    """A study of the report: its ``figure``, the ``path`` of the setting it varies, and what it asks."""

    figure: int
    name: str
    question: str
    path: str


PUBLISHED: dict[int, PublishedStudy] = {
    one.figure: one
    for one in (
        PublishedStudy(3, "Training images, deer or dog", "How much do more pictures of a pair help?",
                       "data.train_size"),
        PublishedStudy(5, "Training images, all ten", "How much do more pictures of all ten classes help?",
                       "data.train_size"),
        PublishedStudy(7, "Batch size", "Do smaller batches find better weights, at the same rate?",
                       "train.batch_size"),
        PublishedStudy(9, "Epochs", "Does training longer help, when the rate falls at the same epochs?",
                       "train.epochs"),
    )
}  # fmt: skip


def published_study(figure: int, *, scale: float = 1.0, split: Split = "common", seeds: Sequence[int] = (0,)) -> Study:
    """The report's study of ``figure`` (3, 5, 7 or 9) on its recipe. Raises ConfigError for another figure or scale."""
    if figure not in PUBLISHED:
        raise ConfigError({"figure": f"{figure} is none of the report's studies, Figures 3, 5, 7 and 9."})
    about = PUBLISHED[figure]
    points = [one for one in POINTS if one.figure == figure]
    values = tuple(one.value for one in points)
    base = PRESETS["report"].config.replace({"data.classes": TASKS[points[0].task]})
    if about.path == "data.train_size":
        base = base.replace({"data.train_size": max(values), "data.test_size": _common_test(base, max(values))})
        if split == "report":
            base = base.replace({"data.test_size": None})
    name = f"{about.name} (Figure {figure})"
    study = Study(name, base, (Axis(about.path, values),), tuple(seeds), about.question, figure)
    return study if scale == 1 else study.scaled(scale)


def _common_test(base: RunConfig, most: int) -> int:
    """Test images that are left even by the largest training part."""
    available = base.data.available()
    return available.train + available.test - most


def seconds(study: Study, store: RunStore) -> float | None:
    """How long all cells take on this machine, one after the other; ``None`` before anything was measured here."""
    each = [one.seconds for one in estimates((cell.config for cell in study.cells()), store)]
    return None if any(one is None for one in each) else math.fsum(one for one in each if one is not None)


def scale_for(study: Study, store: RunStore, budget: float) -> float | None:
    """The largest scale (0.1 to 1, a whole number of the base's epochs) at which an unscaled ``study`` takes at most
    ``budget`` seconds here; 0.1 if none does, ``None`` before anything was measured on this machine."""
    epochs = study.base.train.epochs
    whole, least = seconds(study, store), seconds(study.scaled(LEAST_SCALE), store)
    if whole is None or least is None:
        return None
    if whole <= budget:
        return 1.0
    # The time is a straight line in the epochs: what every run needs before its first, and so much for each.
    slope = (whole - least) / (1 - LEAST_SCALE)
    wanted = LEAST_SCALE + (budget - least) / slope
    return min(max(math.floor(wanted * epochs) / epochs, LEAST_SCALE), 1.0)
