"""Studies: define one, keep it, see how far it is, and say what its runs show.

A study varies settings over values and seeds; its cells are ordinary runs of :mod:`core.runs`. The statistics are in
:mod:`core.stats`, the drawing in :mod:`core.figures`.
"""

from core.study.findings import findings_of
from core.study.outcomes import outcome_table
from core.study.presets import published_study
from core.study.progress import preview, statuses
from core.study.store import StudyStore
from core.study.study import Axis, Study

__all__ = ["Axis", "Study", "StudyStore", "findings_of", "outcome_table", "preview", "published_study", "statuses"]
