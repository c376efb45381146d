"""The report's results, from figures.csv: its Figures 3, 5, 7 and 9, to the last printed digit.

Every point is one run of 200 epochs at batch size 128, except for the setting that the figure varies. Accuracies are
the best of all epochs, chosen on the test images; losses include the L2 penalty (our *objective*).
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from core.config.run_config import RunConfig
from core.config.sections import CLASSES

#: What the report's points are called in a legend.
LEGEND = "the report (one run each, chosen on its test images)"


@dataclass(frozen=True)
class Point:
    """A run of the report: the setting at ``path`` had this ``value``. ``best_accuracy`` is from 0 to 1, measured on
    ``images`` test images; ``min_loss`` is in nats."""

    figure: int
    task: str
    path: str
    value: int
    images: int
    best_accuracy: float
    min_loss: float


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of this package, every cell as text."""
    with files("core.published").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _point(row: dict[str, str]) -> Point:
    figure, value, images = int(row["figure"]), int(row["value"]), int(row["test_images"])
    return Point(figure, row["task"], row["path"], value, images, float(row["best_accuracy"]), float(row["min_loss"]))


POINTS = tuple(_point(row) for row in rows("figures.csv"))
#: Numbers of the figures that show a study.
FIGURES = tuple(dict.fromkeys(point.figure for point in POINTS))
#: The classes of each task.
TASKS = {"deer-dog": ("deer", "dog"), "all-ten": CLASSES}


def points_of(classes: Sequence[str], path: str) -> tuple[Point, ...]:
    """Return the report's points for these classes and the varied setting at ``path``, smallest value first."""
    return tuple(point for point in POINTS if set(TASKS[point.task]) == set(classes) and point.path == path)


def main_result(config: RunConfig) -> Point | None:
    """Return the report's result for the config's classes with its largest training set, or ``None``."""
    points = points_of(config.data.classes, "data.train_size")
    return max(points, key=lambda point: point.value, default=None)


def reference_line(configs: Iterable[RunConfig]) -> tuple[str, float] | None:
    """Return name and accuracy (0 to 1) of the report's result, if all ``configs`` have the classes of one task."""
    points = {main_result(config) for config in configs}
    point = points.pop() if len(points) == 1 else None
    if point is None:
        return None
    best = max(other.best_accuracy for other in POINTS if other.task == point.task)
    # With all ten classes a smaller batch did better than the report's main result.
    name = "the report’s best" if point.best_accuracy == best else "the report’s main result"
    return f"{name}, chosen on its test images", point.best_accuracy
