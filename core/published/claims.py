"""The claims of the report, each with what the report's own numbers say about it.

The numbers are computed from figures.csv (:mod:`core.published.arithmetic`) and tables.csv. Figures 4, 6 and 8 are
printed as curves without numbers: readings.csv has what was read off them, and each sentence that uses it says so.
What the runs and studies of this laboratory add is decided in :mod:`core.study.checked`.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from core.published.arithmetic import correct_images, factors, last_milestone, note, repeats
from core.published.points import Point, points_in, rows
from core.published.tables import RESULTS, Result

#: What the report's own numbers do to a claim: ``against`` contradicts it, ``limits`` weakens it, ``none`` is neutral.
Own = Literal["against", "limits", "none"]
#: Classes of a claim, as a task of the report.
Task = Literal["deer-dog", "all-ten"]


@dataclass(frozen=True)
class Claim:
    """Something the report says, ``where`` in it, and ``evidence`` from its own numbers, one sentence each.

    A claim about an effect names the varied setting at ``path`` and the ``direction`` of the accuracy, ``rises`` or
    ``falls`` (0: no effect). ``about`` says which runs of ours bear on it: the effect in a study, the best accuracy, or
    the onset of overfitting; empty if none can.
    """

    text: str
    where: str
    task: Task
    own: Own
    evidence: tuple[str, ...]
    about: Literal["effect", "accuracy", "overfitting", ""] = ""
    path: str = ""
    direction: Literal[1, -1, 0] = 0


def readings(figure: int) -> dict[str, float]:
    """Return what was read off a figure that is printed as curves, by what it is: accuracies from 0 to 1, nats."""
    return {row["what"]: float(row["value"]) for row in rows("readings.csv") if int(row["figure"]) == figure}


def claims() -> tuple[Claim, ...]:
    """Return the report's claims in its order."""
    return (
        Claim(
            "With deer and dog, accuracy rises and loss falls with the number of training images.",
            "Figure 3, section 5.3",
            "deer-dog",
            "against",
            (note(3), _not_whole()),
            "effect",
            "data.train_size",
            1,
        ),
        Claim(
            f"The best accuracy on deer and dog is {_percent(max(points_in(3), key=_accuracy))}.",
            "section 6",
            "deer-dog",
            "against",
            (_printed_best(),),
            "accuracy",
        ),
        Claim(
            "With deer and dog, the network overfits after about 80 epochs.",
            "Figure 4, section 5.3",
            "deer-dog",
            "limits",
            (_figure_4(),),
            "overfitting",
        ),
        Claim(
            "With all ten classes, accuracy rises and loss falls with the number of training images.",
            "Figure 5, section 5.3",
            "all-ten",
            "limits",
            (
                _size_steps(),
                "The training and test sets vary together, so the values are measured on different images.",
            ),
            "effect",
            "data.train_size",
            1,
        ),
        Claim(
            f"The best accuracy, {_percent(points_in(5)[-1])}, is close to the {_he().accuracy:.2f} % of the authors "
            "of ResNet.",
            "section 5.3",
            "all-ten",
            "limits",
            (f"The {_he().accuracy:.2f} % belongs to another network: {_he().note}.", _optimistic()),
            "accuracy",
        ),
        Claim(
            "With all ten classes, the network overfits after about 80 epochs.",
            "Figure 6, section 5.3",
            "all-ten",
            "none",
            (),
            "overfitting",
        ),
        Claim(
            "Smaller batches give better results.",
            "Figure 7, section 5.3",
            "all-ten",
            "limits",
            (_batches(),),
            "effect",
            "train.batch_size",
            -1,
        ),
        Claim("Figure 8 shows a training with batch size 32.", "Figure 8", "all-ten", "against", (_figure_8(),)),
        Claim(
            "Accuracy is best with 200 epochs and falls with more.",
            "Figure 9, section 5.3",
            "all-ten",
            "against",
            (_decline(),),
            "effect",
            "train.epochs",
            -1,
        ),
        Claim(
            "The losses are the lowest of each experiment.",
            "section 5.2, Figures 3, 5, 7 and 9",
            "all-ten",
            "against",
            (_lowest(),),
        ),
    )


# --- sentences, every number computed -------------------------------------------------------------


def _accuracy(point: Point) -> float:
    return point.best_accuracy


def _percent(point: Point) -> str:
    return f"{100 * point.best_accuracy:.2f} %"


def _he() -> Result:
    return next(result for result in RESULTS if result.method.startswith("Deep residual learning"))


def _not_whole() -> str:
    example = points_in(3)[-1]
    return (
        f"No accuracy of Figure 3 is a whole number of test images ({_percent(example)} of {example.images:,} are "
        f"{correct_images(example):,.3f}); every one of Figures 5, 7 and 9 is."
    )


def _printed_best() -> str:
    found, best = factors(3), max(points_in(3), key=_accuracy)
    assert found is not None
    source = max(points_in(found.figure), key=_accuracy)
    return (
        f"The number equals {found.accuracy:g} times {_percent(source)}, the best of Figure {found.figure}, and the "
        f"loss {best.loss:.4f} equals {found.loss:g} times {source.loss:.4f}."
    )


def _figure_4() -> str:
    above, below = readings(4).values()
    return (
        f"Figure 4, read off the printed curves, follows Figure 6: its validation accuracy is {above:.3f} higher, its "
        f"validation loss {below:.3f} lower. The values of the curves are not kept here, so this is not checked."
    )


def _size_steps() -> str:
    points = points_in(5)
    down = [
        f"from {low.value:,} to {high.value:,} images it falls by {100 * (low.best_accuracy - high.best_accuracy):.2f}"
        for low, high in pairwise(points)
        if high.best_accuracy < low.best_accuracy
    ]
    rise = 100 * (points[-1].best_accuracy - points[0].best_accuracy)
    return f"Accuracy rises by {rise:.2f} points over the whole range; {', '.join(down)}."


def _optimistic() -> str:
    return (
        "The best epoch was chosen on the test images, which makes an accuracy slightly optimistic. The report says so "
        "itself (section 2)."
    )


def _batches() -> str:
    points, sd = points_in(7), 100 * repeats().sd
    by_value = {point.value: point for point in points}
    near = 100 * (by_value[32].best_accuracy - by_value[128].best_accuracy)
    far = 100 * (by_value[32].best_accuracy - by_value[512].best_accuracy)
    return (
        f"From 128 to 32 images the gain is {near:.2f} points, {near / sd:.1f} standard deviations of the report’s own "
        f"repeats ({sd:.2f} points; one run each); from 512 to 32 it is {far:.2f} points, {far / sd:.1f} standard "
        "deviations."
    )


def _figure_8() -> str:
    read = readings(8)
    accuracy, loss = read["validation accuracy of the last epoch"], read["validation loss of the last epoch"]
    near = nearest_batch(accuracy, loss)
    labelled = next(point for point in points_in(7) if point.value == 32)
    return (
        f"Read off the printed curve, the training ends at {accuracy:.3f} and {loss:.2f}. In Figure 7 batch size "
        f"{near.value} has these values ({near.best_accuracy:.4f}, {near.loss:.2f}), not batch size 32 "
        f"({labelled.best_accuracy:.4f}, {labelled.loss:.2f})."
    )


def nearest_batch(accuracy: float, loss: float) -> Point:
    """Return the point of Figure 7 that is nearest to an accuracy (0 to 1) and a loss (nats)."""
    return min(points_in(7), key=lambda point: abs(point.best_accuracy - accuracy) + abs(point.loss - loss))


def _decline() -> str:
    found, points = repeats(), points_in(9)
    fall = 100 * (found.accuracies[0] - found.accuracies[-1])
    return (
        f"After epoch {last_milestone()} the learning rate no longer falls, so the runs of {found.epochs[0]} to "
        f"{found.epochs[-1]} epochs are {len(found.epochs)} repeats of nearly one experiment: "
        f"{100 * found.mean:.2f} ± {100 * found.sd:.2f} %. The fall of {fall:.2f} points from {found.epochs[0]} to "
        f"{points[-1].value} epochs is within the variation of these repeats."
    )


def _lowest() -> str:
    read, point = readings(6), points_in(5)[-1]
    lowest, last = read["lowest validation loss"], read["validation loss of the last epoch"]
    epoch = round(read["epoch of the lowest validation loss"])
    return (
        f"Read off the printed curve, the loss in Figure 6 is lowest at epoch {epoch}, {lowest:.3f}, and ends at "
        f"{last:.3f}. Printed for this run is {point.loss:.4f}: the loss of the last or of the most accurate epoch."
    )
