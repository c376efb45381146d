"""What the pages say, decided without a browser: the content of Home, Run, Compare, Leaderboard, and of exported files.

Layout and widgets are in ``pages/``, charts in :mod:`core.figures`.
"""

from core.views.curves import RunCurves
from core.views.home import Overview
from core.views.leaderboard import standings
from core.views.run import RunView, read_view

__all__ = ["Overview", "RunCurves", "RunView", "read_view", "standings"]
