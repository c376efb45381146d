"""Statistics: intervals, the joint test, verdicts and their wording, overfitting.

Numbers in, numbers and sentences out. Nothing here knows a run, a study or a setting: :mod:`core.compare.gap` and
:mod:`core.study.findings` bring their results as groups.
"""

from core.stats.finding import MEASURES, Finding, Wording
from core.stats.intervals import spread, wilson
from core.stats.joint import Sample
from core.stats.judgement import Group, Judgement, judge
from core.stats.overfitting import onset

__all__ = ["MEASURES", "Finding", "Group", "Judgement", "Sample", "Wording", "judge", "onset", "spread", "wilson"]
