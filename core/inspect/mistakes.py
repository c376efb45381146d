"""Mistakes: which images a network gets wrong, how sure it is of them, and which classes it confuses."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.base.text import counted, percent
from core.runs.predictions import Answers


@dataclass(frozen=True)
class Cell:
    """Answers of one kind: images of class ``true`` that the network calls ``predicted``; ``None`` for any class."""

    true: int | None = None
    predicted: int | None = None


def confusion(answers: Answers) -> NDArray[np.int64]:
    """Return the confusion matrix, int64 (k, k): images of the class of the row that the network puts in the column."""
    k = answers.logits.shape[1]
    return np.bincount(answers.labels * k + answers.predicted, minlength=k * k).reshape(k, k)


def ranked(answers: Answers, cell: Cell) -> NDArray[np.int64]:
    """Return the places (int64, 0…N−1) of the answers in ``cell``, the most confident first.

    A cell of the diagonal has right answers; any other cell, and one that names no or one class, has mistakes only.
    """
    chosen = ~answers.correct
    if cell.true is not None and cell.true == cell.predicted:
        chosen = answers.correct.copy()
    if cell.true is not None:
        chosen &= answers.labels == cell.true
    if cell.predicted is not None:
        chosen &= answers.predicted == cell.predicted
    places = np.flatnonzero(chosen)
    return places[np.argsort(-answers.confidence[places], kind="stable")]


def cell_text(answers: Answers, cell: Cell, classes: tuple[str, ...]) -> str:
    """Return what the answers in a cell are: ``122 images of cat called dog``."""
    found = counted(len(ranked(answers, cell)), "image")
    true, called = (None if at is None else classes[at] for at in (cell.true, cell.predicted))
    if true is None and called is None:
        share = percent(1 - answers.accuracy)
        return f"{counted(len(ranked(answers, cell)), 'mistake')} among {len(answers):,} images ({share})"
    if true == called:
        return f"{found} of {true}, recognised"
    if called is None:
        return f"{found} of {true} called something else"
    return f"{found} of other classes called {called}" if true is None else f"{found} of {true} called {called}"


def answer_text(answers: Answers, place: int, classes: tuple[str, ...]) -> str:
    """Return an answer in a line: ``Image 53,421: cat, called dog (98.2 %)``."""
    true, called = classes[answers.labels[place]], classes[answers.predicted[place]]
    return f"Image {answers.images[place]:,}: {true}, called {called} ({100 * answers.confidence[place]:.1f} %)"


def table(answers: Answers, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return a row for each answer: the image, its class, the answer, and the probability of every class (0 to 1)."""
    names = np.array(classes)
    about = {
        "image": answers.images,
        "label": names[answers.labels],
        "predicted": names[answers.predicted],
        "correct": answers.correct,
        "confidence (0-1)": answers.confidence,
    }
    return pd.DataFrame(about | {name: answers.probabilities[:, at] for at, name in enumerate(classes)})
