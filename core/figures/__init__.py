"""Plotly figures: pure functions from tables and summaries of runs to figures, in one template (:mod:`~.style`).

What the pages say about the same runs is in :mod:`core.views`.
"""

from core.figures.bars import class_accuracy, probabilities
from core.figures.compare import GroupCurves, bands, parallel_coordinates
from core.figures.curves import accuracy, learning_rate, loss, speed
from core.figures.leaderboard import dots
from core.figures.preview import schedule
from core.figures.study import outcome
from core.figures.style import TEMPLATE, View

__all__ = [
    "TEMPLATE",
    "GroupCurves",
    "View",
    "accuracy",
    "bands",
    "class_accuracy",
    "dots",
    "learning_rate",
    "loss",
    "outcome",
    "parallel_coordinates",
    "probabilities",
    "schedule",
    "speed",
]
