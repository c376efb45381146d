"""What the report's printed numbers say about each other, computed from figures.csv. No motive is supposed."""

from dataclasses import dataclass
from statistics import mean, stdev

from core.config.presets import PRESETS
from core.published.points import POINTS, Point, points_in

#: Half a unit in the last of the nine decimals that the report prints.
_ROUNDING = 0.5e-9


@dataclass(frozen=True)
class Factors:
    """Each accuracy of one figure is ``accuracy`` times, each loss ``loss`` times that of ``figure`` at the same place.

    ``accuracy_error`` and ``loss_error`` are the largest distances from that, as shares of 1 and in nats.
    """

    figure: int
    accuracy: float
    loss: float
    accuracy_error: float
    loss_error: float


@dataclass(frozen=True)
class Repeats:
    """Runs of the report that differ in little but chance: ``accuracies`` (0 to 1), ``losses`` in nats, by epochs."""

    epochs: tuple[int, ...]
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean accuracy, from 0 to 1."""
        return mean(self.accuracies)

    @property
    def sd(self) -> float:
        """The standard deviation (n − 1) of the accuracies, as a share of 1."""
        return stdev(self.accuracies)


def factors(figure: int) -> Factors | None:
    """Return by what the numbers of ``figure`` are multiples of another figure's, or ``None`` for a measured figure."""
    points = points_in(figure)
    source = next((point.derived for point in points if point.derived), None)
    if source is None:
        return None
    pairs = list(zip(points, points_in(source), strict=True))
    accuracy = round(mean(point.best_accuracy / of.best_accuracy for point, of in pairs), 6)
    loss = round(mean(point.loss / of.loss for point, of in pairs), 6)
    return Factors(
        source,
        accuracy,
        loss,
        max(abs(point.best_accuracy - accuracy * of.best_accuracy) for point, of in pairs),
        max(abs(point.loss - loss * of.loss) for point, of in pairs),
    )


def correct_images(point: Point) -> float:
    """Return how many test images the printed accuracy makes: a whole number, if it was measured on them."""
    return point.best_accuracy * point.images


def is_whole(point: Point) -> bool:
    """Return whether the printed accuracy, within its last digit, is a whole number of its test images."""
    images = correct_images(point)
    return abs(images - round(images)) <= _ROUNDING * point.images


def last_milestone() -> int:
    """Return the epoch after which the learning rate of the report's recipe no longer falls."""
    return PRESETS["report"].config.train.milestones[-1]


def repeats() -> Repeats:
    """Return Figure 9's runs that train past the last milestone.

    They share every setting but the number of epochs at the smallest learning rate, so they are repeats of nearly one
    experiment: the report's only estimate of its seed-to-seed variation.
    """
    late = [point for point in POINTS if point.path == "train.epochs" and point.value > last_milestone()]
    return Repeats(
        tuple(point.value for point in late),
        tuple(point.best_accuracy for point in late),
        tuple(point.loss for point in late),
    )


def note(figure: int) -> str:
    """Return a sentence on a figure whose numbers are multiples of another's; empty for a measured figure."""
    found = factors(figure)
    if found is None:
        return ""
    return (
        f"The report’s Figure {figure} is not a measurement: each accuracy is {found.accuracy:g} times, each loss "
        f"{found.loss:g} times, that of its Figure {found.figure} at the same place, so nothing is compared with it."
    )
