"""Studies: define one, keep it, see how far it is, and say what its runs show.

A study varies settings over values and seeds; its cells are ordinary runs of :mod:`core.runs`. The statistics are in
:mod:`core.stats`, the drawing in :mod:`core.figures`.
"""

from core.study.findings import StudyFinding, as_record, findings_of, findings_text
from core.study.form import Filled, from_fields, grow
from core.study.outcomes import OUTCOMES, cell_table, outcome_table
from core.study.presets import PUBLISHED, published_study
from core.study.progress import CellStatus, Preview, pause, preview, retry, start, statuses
from core.study.store import StudyStore
from core.study.study import Axis, Cell, Study

__all__ = [
    "OUTCOMES",
    "PUBLISHED",
    "Axis",
    "Cell",
    "CellStatus",
    "Filled",
    "Preview",
    "Study",
    "StudyFinding",
    "StudyStore",
    "as_record",
    "cell_table",
    "findings_of",
    "findings_text",
    "from_fields",
    "grow",
    "outcome_table",
    "pause",
    "preview",
    "published_study",
    "retry",
    "start",
    "statuses",
]
