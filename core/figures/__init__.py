"""Plotly figures: pure functions from tables and summaries of runs to figures, in one template (core.figures.style).

What the pages say about the same runs is in :mod:`core.views`.
"""

from core.figures.compare import bands
from core.figures.curves import accuracy, loss
from core.figures.study import outcome
from core.figures.style import TEMPLATE, View

__all__ = ["TEMPLATE", "View", "accuracy", "bands", "loss", "outcome"]
