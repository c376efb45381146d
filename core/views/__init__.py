"""What the pages say, decided without a browser: the content of Home, Run, Compare, Leaderboard, and of exported files.

Layout and widgets are in ``pages/``, charts in :mod:`core.figures`.
"""

from core.views.compare import results_table, runs_table, seeds_table
from core.views.curves import RunCurves, colours
from core.views.home import Overview, best_by_task, report_comparisons
from core.views.leaderboard import Standing, standings
from core.views.run import KeyFigure, RunView, choose_run, key_figures, read_view

__all__ = [
    "KeyFigure",
    "Overview",
    "RunCurves",
    "RunView",
    "Standing",
    "best_by_task",
    "choose_run",
    "colours",
    "key_figures",
    "read_view",
    "report_comparisons",
    "results_table",
    "runs_table",
    "seeds_table",
    "standings",
]
