"""Published numbers, as data files: the results of the report and the 28 results that it compares itself with.

What a page says about them is decided in :mod:`core.views` and :mod:`core.study`.
"""

from core.published.arithmetic import Factors, Repeats, factors, repeats
from core.published.points import FIGURES, POINTS, TASKS, Point, main_result, points_of, reference_line
from core.published.tables import RESULTS, Result

__all__ = [
    "FIGURES",
    "POINTS",
    "RESULTS",
    "TASKS",
    "Factors",
    "Point",
    "Repeats",
    "Result",
    "factors",
    "main_result",
    "points_of",
    "reference_line",
    "repeats",
]
