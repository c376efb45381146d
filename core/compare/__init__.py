"""Comparing runs: which are shown and picked, which settings differ, which are seeds of one experiment, is a gap real.

Tables of runs are in :mod:`core.views.compare`, charts in :mod:`core.figures.compare`.
"""

from core.compare.contenders import Contender, best_two, group_runs, siblings
from core.compare.filters import Filter, filtered
from core.compare.gap import Gap, NotComparable
from core.compare.settings import differing_settings, setting_text

__all__ = [
    "Contender",
    "Filter",
    "Gap",
    "NotComparable",
    "best_two",
    "differing_settings",
    "filtered",
    "group_runs",
    "setting_text",
    "siblings",
]
