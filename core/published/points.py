"""The published numbers we compare with: the report's Figures 3, 5, 7 and 9, to its last digit.

Its losses include the L2 penalty (our *objective*); its accuracies are the best over all epochs, chosen
on the test images. Every point is one run of 200 epochs at batch 128, but for the setting that was varied.
The 28 results it compares itself with are in :mod:`core.published.tables`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.config.run_config import RunConfig
from core.config.sections import CLASSES

#: The settings that the report varied, by its names, and their paths here.
VARIED = {"train_size": "data.train_size", "batch_size": "train.batch_size", "epochs": "train.epochs"}

#: How its points are called in a legend.
IN_WORDS = "the report (one run each, chosen on its test images)"


@dataclass(frozen=True)
class Point:
    """A run of the report: ``varied`` setting at ``value``; ``best_accuracy`` from 0 to 1, ``min_loss`` in nats."""

    figure: int
    task: str
    varied: str
    value: int
    best_accuracy: float
    min_loss: float

    @property
    def path(self) -> str:
        """The path of the varied setting."""
        return VARIED[self.varied]

    @property
    def images(self) -> int:
        """Images it was tested on: all of its classes that did not train (50,000 did unless this was varied)."""
        return 6_000 * len(TASKS[self.task]) - (self.value if self.varied == "train_size" else 50_000)


POINTS = (
    Point(3, "deer-dog", "train_size", 6000, 0.945802667, 0.621843543),
    Point(3, "deer-dog", "train_size", 7000, 0.9547632, 0.556870622),
    Point(3, "deer-dog", "train_size", 8000, 0.963434, 0.488939343),
    Point(3, "deer-dog", "train_size", 9000, 0.961632, 0.477076606),
    Point(3, "deer-dog", "train_size", 10000, 0.968522, 0.44778106),
    Point(5, "all-ten", "train_size", 30000, 0.892266667, 0.69093727),
    Point(5, "all-ten", "train_size", 35000, 0.90072, 0.618745135),
    Point(5, "all-ten", "train_size", 40000, 0.9089, 0.543265937),
    Point(5, "all-ten", "train_size", 45000, 0.9072, 0.530085117),
    Point(5, "all-ten", "train_size", 50000, 0.9137, 0.497534511),
    Point(7, "all-ten", "batch_size", 32, 0.917, 0.44),
    Point(7, "all-ten", "batch_size", 64, 0.9157, 0.47),
    Point(7, "all-ten", "batch_size", 128, 0.9137, 0.50),
    Point(7, "all-ten", "batch_size", 256, 0.9027, 0.54),
    Point(7, "all-ten", "batch_size", 512, 0.8927, 0.54),
    Point(9, "all-ten", "epochs", 100, 0.9056, 0.501993242),
    Point(9, "all-ten", "epochs", 200, 0.9137, 0.497534511),
    Point(9, "all-ten", "epochs", 300, 0.9117, 0.509706689),
    Point(9, "all-ten", "epochs", 400, 0.9082, 0.509663373),
    Point(9, "all-ten", "epochs", 500, 0.9071, 0.524804718),
)

#: The classes of each of the report's tasks.
TASKS = {"deer-dog": ("deer", "dog"), "all-ten": CLASSES}


def points_of(classes: Sequence[str], path: str) -> tuple[Point, ...]:
    """The report's points for a study of the setting at ``path`` on these classes, smallest value first; often none."""
    return tuple(one for one in POINTS if set(TASKS[one.task]) == set(classes) and one.path == path)


def main_result(config: RunConfig) -> Point | None:
    """The report's result on the largest training part for the config's classes; None for other classes."""
    points = [one for one in POINTS if TASKS[one.task] == config.data.classes and one.varied == "train_size"]
    return max(points, key=lambda one: one.value, default=None)


def reference_line(configs: Iterable[RunConfig]) -> tuple[str, float] | None:
    """Name and accuracy (0–1) of the report's result, if all ``configs`` share the classes of one."""
    points = {main_result(config) for config in configs}
    point = points.pop() if len(points) == 1 else None
    if point is None:
        return None
    best = max(one.best_accuracy for one in POINTS if one.task == point.task)
    # With all ten classes a smaller batch than in its main result did better still.
    name = "the report’s best" if point.best_accuracy == best else "the report’s main result"
    return f"{name}, chosen on its test images", point.best_accuracy
