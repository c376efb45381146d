"""Classes: precision, recall and F1 of each, with intervals, and how often the second choice is right."""

from typing import Literal

import numpy as np
import pandas as pd

from core.inspect.mistakes import confusion
from core.runs.predictions import Answers
from core.stats.intervals import LEVEL, Interval, wilson

Score = Literal["recall", "precision", "f1"]
#: The scores by name, as people call them.
SCORES: dict[Score, str] = {"recall": "Recall", "precision": "Precision", "f1": "F1"}


def f1_interval(right: int, wrong: int, level: float = LEVEL) -> Interval:
    """Return the interval of an F1 score, of which ``right`` answers are true positives and ``wrong`` are not.

    ``wrong`` counts false positives and false negatives together. Of right + wrong answers, the true positives are
    binomial with probability J, and F1 = 2J / (1 + J) rises with J; so the ends of J's interval (Wilson) are carried
    over. This is the "Wilson indirect method" of "Confidence intervals for the F1 score: a comparison of four methods",
    arXiv:2309.14621 (2023).
    """
    n = right + wrong
    low, high = wilson(right / n, n, level)
    return Interval(2 * low / (1 + low), 2 * high / (1 + high))


def class_scores(answers: Answers, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return a row for each class: recall, precision and F1, each from 0 to 1 and with its 95 % interval.

    Columns: ``class``, ``images`` (of the class), ``answers`` (images the network puts into it), and for each score
    ``recall``, ``recall_low``, ``recall_high`` and so on. A score that is not defined is NaN: recall without images,
    precision without answers. Intervals of recall and precision are Wilson's, that of F1 is :func:`f1_interval`.
    """
    matrix = confusion(answers)
    images, given, right = matrix.sum(1), matrix.sum(0), matrix.diagonal()
    table = pd.DataFrame({"class": classes, "images": images, "answers": given})
    for name, totals in (("recall", images), ("precision", given)):
        shares = [_wilson(int(hits), int(total)) for hits, total in zip(right, totals, strict=True)]
        table[[name, f"{name}_low", f"{name}_high"]] = shares
    f1 = []
    for hits, total in zip(right, images + given, strict=True):
        value, wrong = (2 * hits / total if total else np.nan), int(total - 2 * hits)
        f1.append((value, *(f1_interval(int(hits), wrong) if total else (np.nan, np.nan))))
    table[["f1", "f1_low", "f1_high"]] = f1
    return table


def _wilson(hits: int, total: int) -> tuple[float, float, float]:
    """Return the share of hits and its interval; NaN without any."""
    return (hits / total, *wilson(hits / total, total)) if total else (np.nan, np.nan, np.nan)


def with_units(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of :func:`class_scores` with the unit in the names of its scores, for a file."""
    return table.rename(columns={name: f"{name} (0-1)" for name in table if str(name).startswith(tuple(SCORES))})


def top_two(answers: Answers) -> float:
    """Return the share of images, 0 to 1, whose class is the answer or the second choice; 1 for two classes.

    The second choice is the largest other logit; among equal ones, the first class.
    """
    rows = np.arange(len(answers))
    others = answers.logits.copy()
    others[rows, answers.predicted] = -np.inf
    return float((answers.correct | (others.argmax(1) == answers.labels)).mean())
