"""Comparing runs: which are shown and picked, which settings differ, which are seeds of one experiment, is a gap real.

Tables of runs are in :mod:`core.views.compare`, charts in :mod:`core.figures.compare`.
"""

from core.compare.contenders import Contender, group_runs
from core.compare.filters import Filter, filtered
from core.compare.gap import Gap, NotComparable

__all__ = ["Contender", "Filter", "Gap", "NotComparable", "filtered", "group_runs"]
