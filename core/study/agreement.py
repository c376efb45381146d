"""Whether a study agrees with the report: its effect between the same two values, in direction and in size.

The report has one run per value, so its own effect is uncertain too: by its test images and by its seeds. Where the
report's effect lies outside our interval, the difference of the two effects is therefore tested as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.published.points import Point
from core.stats.finding import MEASURES, Measure, Metric
from core.stats.intervals import Interval
from core.stats.joint import Sample
from core.stats.judgement import Group, judge
from core.study.outcomes import ValueGroup, value_text

#: Agreement in direction and ``size``, in ``direction`` only, none (``disagrees``), or not known (``open``).
Kind = Literal["size", "direction", "open", "disagrees"]


@dataclass(frozen=True)
class Agreement:
    """``ours`` and ``theirs`` are effects between the lowest and the highest value that both have, or the results at
    the only value that both have: shares of 1 or nats. ``interval`` is the 95 % interval of ours."""

    kind: Kind
    ours: float
    theirs: float
    interval: Interval | None
    sentence: str


def report_value(point: Point, x: str, scaled: float) -> float:
    """Return where a point of the report belongs among our values: its epochs shrink with ours."""
    return point.value * scaled if x == "train.epochs" else point.value


def compare(
    groups: Sequence[ValueGroup], x: str, metric: Metric, published: Sequence[Point], scaled: float = 1.0
) -> Agreement | None:
    """Return how ``groups`` compare with the report's points; ``None`` if they have no value in common.

    ``scaled`` is the factor by which our epochs were shrunk. The report prints no cross-entropy: its loss is the
    objective.
    """
    if metric == "loss":
        return None
    pairs = [
        (at, _group(point, metric))
        for at, group in enumerate(groups)
        for point in published
        if round(report_value(point, x, scaled)) == group.value
    ]
    if not pairs:
        return None
    comparison = _Comparison(groups, pairs, MEASURES[metric], metric == "accuracy", scaled)
    return comparison.level() if len(pairs) == 1 else comparison.effect()


def _group(point: Point, metric: Metric) -> Group:
    result = point.best_accuracy if metric == "accuracy" else point.min_loss
    return Group(name=value_text(point.value), results=(result,), images=point.images)


@dataclass(frozen=True)
class _Comparison:
    """Our groups and, by position among them, the report's points at the same values."""

    groups: Sequence[ValueGroup]
    pairs: Sequence[tuple[int, Group]]
    measure: Measure
    count_images: bool
    scaled: float

    def effect(self) -> Agreement:
        """Compare the effects between the first and the last common value."""
        (first, low), (last, high) = self.pairs[0], self.pairs[-1]
        ours = self.groups[last].spread.mean - self.groups[first].spread.mean
        theirs = high.spread.mean - low.spread.mean
        sample = self._sample(self.groups)
        known = self.count_images or sample.freedom
        interval = sample.difference(first, last).interval() if known else None
        report = f"it found {self.measure.signed_text(theirs)} from {low.name} to {high.name}"
        kind, sentence = self._judged(ours, theirs, interval, report)
        if kind in ("direction", "disagrees"):
            if self._within_noise():
                sentence += " The noise of the report’s single runs could explain the rest."
            if self.scaled < 1:
                sentence += (
                    f" Our runs had {100 * self.scaled:.3g} % of the report’s epochs, which alone can change an effect."
                )
        return Agreement(kind, ours, theirs, interval, sentence + self._best_values() + self._distance())

    def _judged(self, ours: float, theirs: float, interval: Interval | None, report: str) -> tuple[Kind, str]:
        if interval is None:
            we = self.measure.signed_text(ours)
            return "open", (
                f"Agreement with the report is open: {report}, we found {we} with unknown seed-to-seed variation."
            )
        clear = not interval.holds(0.0)
        counted = "" if self._sample(self.groups).freedom else " (counting test images only)"
        inside = f"inside our interval{counted}"
        if interval.holds(theirs) and clear:
            return "size", f"Agrees with the report in direction and size: {report}, {inside}."
        if interval.holds(theirs):
            return "open", f"Neither confirms nor contradicts the report: {report}, {inside}, which includes zero."
        if ours * theirs > 0 and clear:
            more = "more" if abs(theirs) > abs(ours) else "less"
            return "direction", f"Agrees with the report in direction, not in size: {report}, {more} than we did."
        zero = "" if clear else ", which includes zero"
        return "disagrees", f"Disagrees with the report: {report}, outside our interval{zero}."

    def level(self) -> Agreement:
        """Compare the results at the only common value."""
        ((at, report),) = self.pairs
        ours, theirs, sample = self.groups[at].spread.mean, report.spread.mean, self._sample(self.groups)
        sentence = f"At {report.name} the report has {self.measure.value_text(theirs)}"
        if not sample.freedom:
            return Agreement("open", ours, theirs, None, f"{sentence}; {self._single_runs(at, report)}")
        interval = sample.contrast(np.eye(len(self.groups))[at]).interval()
        inside = interval.holds(theirs)
        ends = " to ".join(self.measure.value_text(end) for end in interval)
        sentence += f", {'inside' if inside else 'outside'} our 95 % interval ({ends})."
        if not inside and self.scaled < 1:
            sentence += f" Our runs had {100 * self.scaled:.3g} % of the report’s epochs."
        return Agreement("size" if inside else "disagrees", ours, theirs, interval, sentence)

    def _single_runs(self, at: int, report: Group) -> str:
        """Return what one run of ours and one of the report allow to say."""
        if not self.count_images:
            return "with one run of ours, chance is unknown."
        judgement = judge([report, self.groups[at]], numbers=(0, 1))
        assert judgement.interval is not None  # images are counted
        explain = "could explain" if judgement.interval.holds(0.0) else "do not explain"
        return (
            f"ours differs by {self.measure.signed_text(judgement.difference)} (95 % interval "
            f"{self.measure.interval_text(judgement.interval)}, counting test images only), which the test images "
            f"{explain}. Seed-to-seed variation is unknown with one run each."
        )

    def _best_values(self) -> str:
        sign = -1 if self.measure.lower_is_better else 1
        theirs, report = max(self.pairs, key=lambda pair: sign * pair[1].spread.mean)
        ours, _ = max(self.pairs, key=lambda pair: sign * self.groups[pair[0]].spread.mean)
        if ours == theirs or len(self.pairs) < 3:
            return ""
        return f" The report is best at {report.name}, ours at {self.groups[ours].name}."

    def _distance(self) -> str:
        """Return how far apart the results are, which an effect does not tell."""
        gaps = [report.spread.mean - self.groups[at].spread.mean for at, report in self.pairs]
        mean = sum(gaps) / len(gaps)
        above = "above" if mean > 0 else "below"
        return f" Over these {len(gaps)} values the report is on average {self.measure.size_text(mean)} {above} ours."

    def _sample(self, groups: Sequence[Group]) -> Sample:
        images = [group.images for group in groups] if self.count_images else None
        return Sample.of([group.results for group in groups], images)

    def _within_noise(self) -> bool:
        """Return whether chance could explain the difference of the two effects; a run of theirs varies like ours."""
        (first, low), (last, high) = self.pairs[0], self.pairs[-1]
        sample = self._sample([*self.groups, low, high])
        weights = np.zeros(len(self.groups) + 2)
        weights[[first, last, -2, -1]] = -1, 1, 1, -1
        return sample.contrast(weights).interval().holds(0.0)
