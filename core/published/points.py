"""The report's results, from figures.csv: its Figures 3, 5, 7 and 9, to the last printed digit.

Every measured point is one run of 200 epochs at batch size 128, but for the setting that the figure varies.
Accuracies are the best of all epochs, chosen on the test images. What the printed losses are is said at
:attr:`Point.loss`, and what the points say about each other in :mod:`core.published.arithmetic`.
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
    """A result of the report: the setting at ``path`` had this ``value``.

    ``best_accuracy`` is from 0 to 1, on ``images`` test images. ``loss`` is in nats and includes the L2 penalty (our
    *objective*). The report calls it the lowest; it is the one of the last epoch or of the most accurate epoch: its
    Figure 6 shows a lower one at an earlier epoch. ``derived`` is the figure of which these numbers are fixed
    multiples, for points that are no measurement.
    """

    figure: int
    task: str
    path: str
    value: int
    images: int
    best_accuracy: float
    loss: float
    derived: int | None = None


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of this package, every cell as text."""
    with files("core.published").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _point(row: dict[str, str]) -> Point:
    return Point(
        figure=int(row["figure"]),
        task=row["task"],
        path=row["path"],
        value=int(row["value"]),
        images=int(row["test_images"]),
        best_accuracy=float(row["best_accuracy"]),
        loss=float(row["loss"]),
        derived=int(row["derived"]) if row["derived"] else None,
    )


POINTS = tuple(_point(row) for row in rows("figures.csv"))
#: Numbers of the figures that show a study.
FIGURES = tuple(dict.fromkeys(point.figure for point in POINTS))
#: The classes of each task.
TASKS = {"deer-dog": ("deer", "dog"), "all-ten": CLASSES}


def points_in(figure: int) -> tuple[Point, ...]:
    """Return the points of a figure, smallest value first."""
    return tuple(point for point in POINTS if point.figure == figure)


def points_of(classes: Sequence[str], path: str) -> tuple[Point, ...]:
    """Return the report's points for these classes and the varied setting at ``path``, smallest value first."""
    return tuple(point for point in POINTS if set(TASKS[point.task]) == set(classes) and point.path == path)


def main_result(config: RunConfig) -> Point | None:
    """Return the report's result for the config's classes with its largest training set, or ``None``.

    There is none for deer and dog: the report's numbers for the pair are no measurements.
    """
    points = [point for point in points_of(config.data.classes, "data.train_size") if point.derived is None]
    return max(points, key=lambda point: point.value, default=None)


def reference_line(configs: Iterable[RunConfig]) -> tuple[str, float] | None:
    """Return name and accuracy (0 to 1) of the report's result, if all ``configs`` have the classes of one task."""
    points = {main_result(config) for config in configs}
    point = points.pop() if len(points) == 1 else None
    return ("the report’s main result, chosen on its test images", point.best_accuracy) if point else None
