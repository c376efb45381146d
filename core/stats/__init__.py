"""Statistics: intervals, the joint test, verdicts and their wording, over-fitting.

Numbers in, numbers and sentences out. Nothing here knows a run, a study or a setting: :mod:`core.compare.gap` and
:mod:`core.study.findings` bring their results as groups.
"""

from core.stats.finding import ACCURACY, MEASURES, Finding, Measure, Metric, Wording
from core.stats.intervals import LEVEL, Interval, Spread, spread, wilson
from core.stats.joint import Estimate, Sample
from core.stats.judgement import Group, Judgement, Trend, Verdict, judge
from core.stats.overfitting import Onset, onset, onset_text

__all__ = [
    "ACCURACY",
    "LEVEL",
    "MEASURES",
    "Estimate",
    "Finding",
    "Group",
    "Interval",
    "Judgement",
    "Measure",
    "Metric",
    "Onset",
    "Sample",
    "Spread",
    "Trend",
    "Verdict",
    "Wording",
    "judge",
    "onset",
    "onset_text",
    "spread",
    "wilson",
]
