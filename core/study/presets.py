"""The four studies of the report, to be repeated: exactly, or scaled to the available time.

Each varies one setting on the report's recipe. The scale shortens the epochs and milestones of all cells by one factor
and keeps every published value: in the epochs study all cells share the milestones, in the batch size study the
learning rate stays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.base.errors import ConfigError
from core.config.presets import PRESETS
from core.cost.estimate import total
from core.published.points import POINTS, TASKS
from core.runs.store import RunStore
from core.study.study import LEAST_SCALE, Axis, Study, no_such_figure

Split = Literal["common", "report"]
#: The test images of a study that varies the size of the training set.
SPLITS: dict[Split, str] = {
    "common": "the same test images for every value",
    "report": "as in the report: all remaining images, so the training and test sets vary together",
}


@dataclass(frozen=True)
class PublishedStudy:
    """A study of the report, shown in its ``figure``: what it asks, and the ``path`` of the setting it varies."""

    figure: int
    name: str
    question: str
    path: str


_STUDIES = (
    (3, "Training images, deer or dog", "How much do more images of two classes help?", "data.train_size"),
    (5, "Training images, all ten", "How much do more images of all ten classes help?", "data.train_size"),
    (7, "Batch size", "Do smaller batches find better weights, at the same learning rate?", "train.batch_size"),
    (9, "Epochs", "Does longer training help, if the learning rate falls at the same epochs?", "train.epochs"),
)
PUBLISHED = {figure: PublishedStudy(figure, *rest) for figure, *rest in _STUDIES}


def published_study(figure: int, *, scale: float = 1.0, split: Split = "common", seeds: Sequence[int] = (0,)) -> Study:
    """Return the report's study of ``figure`` on its recipe. Raises ConfigError for an unknown figure or scale."""
    if figure not in PUBLISHED:
        raise ConfigError({"figure": no_such_figure(figure)})
    about = PUBLISHED[figure]
    points = [point for point in POINTS if point.figure == figure]
    values = tuple(point.value for point in points)
    base = PRESETS["report"].config.replace({"data.classes": TASKS[points[0].task]})
    if about.path == "data.train_size":
        available = base.data.available()
        # The images that even the largest training set leaves over.
        common = available.train + available.test - max(values)
        base = base.replace({about.path: max(values), "data.test_size": common if split == "common" else None})
    study = Study(
        f"{about.name} (Figure {figure})", base, (Axis(about.path, values),), tuple(seeds), about.question, figure
    )
    return study if scale == 1 else study.scaled(scale)


def seconds(study: Study, store: RunStore) -> float | None:
    """Return how long all cells take on this machine, from the queue; ``None`` before any measurement here."""
    return total([cell.config for cell in study.cells()], store).seconds


def scale_for(study: Study, store: RunStore, budget: float) -> float | None:
    """Return the largest scale (0.1 to 1) at which an unscaled ``study`` takes at most ``budget`` seconds here.

    It makes the base's epochs a whole number, and is 0.1 if no scale is small enough. ``None`` before any measurement
    on this machine.
    """
    epochs = study.base.train.epochs
    whole, least = seconds(study, store), seconds(study.scaled(LEAST_SCALE), store)
    if whole is None or least is None:
        return None
    if whole <= budget:
        return 1.0
    # The time is linear in the epochs: a start, and the same for each epoch.
    slope = (whole - least) / (1 - LEAST_SCALE)
    wanted = LEAST_SCALE + (budget - least) / slope
    return min(max(math.floor(wanted * epochs) / epochs, LEAST_SCALE), 1.0)
