"""Whether a study agrees with the report: its effect between the same two values, in direction and in size.

The report has one run per value, so its own results are uncertain too, by their test images and by their seeds. What is
tested is therefore the difference of the two effects, with the chance of both sides counted: our seeds and images, the
report's images, and the seed-to-seed variation of the report's runs. The latter is estimated from all runs that differ
in little but chance: ours, and the report's own repeats (:func:`core.published.arithmetic.repeats`).

With one seed of ours per value, nothing is decided, and losses never disagree: the sampling of their images is not
counted. Where our epochs were scaled down, effects are compared, levels are not. Printed numbers that are no
measurement are not compared with anything.

How often a study of the same truth is said to disagree is simulated in ``benchmarks/agreement.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.config.setting import value_text
from core.published.arithmetic import Repeats, note, repeats
from core.published.points import Point
from core.stats.finding import MEASURES, Measure, Metric
from core.stats.intervals import Interval
from core.stats.joint import Sample
from core.stats.judgement import Group
from core.study.outcomes import ValueGroup

#: Agreement in direction and ``size``, in ``direction`` only, none (``disagrees``), or not known (``undecided``).
#: ``not compared``: the printed numbers are no measurement, or our epochs were scaled down and there is no effect.
Kind = Literal["size", "direction", "undecided", "disagrees", "not compared"]


@dataclass(frozen=True)
class Agreement:
    """``ours`` and ``theirs`` are effects between the lowest and the highest value that both have, or the results at
    the only value that both have: shares of 1 or nats. ``interval`` is the 95 % interval of ours minus theirs, with the
    chance of both counted; ``None`` if nothing is decided. All three are ``None`` if nothing is compared."""

    kind: Kind
    sentence: str
    ours: float | None = None
    theirs: float | None = None
    interval: Interval | None = None


def report_value(point: Point, x: str, scaled: float) -> float:
    """Return where a point of the report belongs among our values: its epochs shrink with ours."""
    return point.value * scaled if x == "train.epochs" else point.value


def compare(
    groups: Sequence[ValueGroup],
    x: str,
    metric: Metric,
    published: Sequence[Point],
    scaled: float = 1.0,
    chance: Repeats | None = None,
) -> Agreement | None:
    """Return how ``groups`` compare with the report's points; ``None`` if they have no value in common.

    ``scaled`` is the factor by which our epochs were shrunk. ``chance`` are runs of the report that differ in chance
    alone; by default its own repeats. The report prints no cross-entropy: its loss is the objective.
    """
    if metric == "loss":
        return None
    pairs = [
        (at, point)
        for at, group in enumerate(groups)
        for point in published
        if round(report_value(point, x, scaled)) == group.value
    ]
    if not pairs:
        return None
    derived = next((point.figure for _, point in pairs if point.derived), None)
    if derived is not None:
        return Agreement("not compared", note(derived))
    chance = chance or repeats()
    accuracy = metric == "accuracy"
    comparison = _Comparison(
        groups,
        [(at, _group(point, metric)) for at, point in pairs],
        chance.accuracies if accuracy else chance.losses,
        MEASURES[metric],
        count_images=accuracy,
        scaled=scaled,
    )
    return comparison.level() if len(pairs) == 1 else comparison.effect()


def epochs_text(scaled: float) -> str:
    """Return ``10 % of the report’s epochs``."""
    return f"{100 * scaled:.3g} % of the report’s epochs"


def _group(point: Point, metric: Metric) -> Group:
    result = point.best_accuracy if metric == "accuracy" else point.loss
    return Group(name=value_text(point.value), results=(result,), images=point.images)


@dataclass(frozen=True)
class _Comparison:
    """Our groups and, by position among them, the report's points at the same values.

    ``repeats`` are results of the report that differ in chance alone.
    """

    groups: Sequence[ValueGroup]
    pairs: Sequence[tuple[int, Group]]
    repeats: Sequence[float]
    measure: Measure
    count_images: bool
    scaled: float

    def effect(self) -> Agreement:
        """Compare the effects between the first and the last common value."""
        (first, low), (last, high) = self.pairs[0], self.pairs[-1]
        ours = self.groups[last].spread.mean - self.groups[first].spread.mean
        theirs = high.spread.mean - low.spread.mean
        both = (
            f"from {low.name} to {high.name} it found {self.measure.signed_text(theirs)}, we found "
            f"{self.measure.signed_text(ours)}"
        )
        kind: Kind = "undecided"
        interval: Interval | None = None
        if self._single_runs(first, last):
            sentence = f"Agreement with the report is undecided: {both}, with one run of ours. Add seeds to decide."
        else:
            interval = self._difference({first: -1, last: 1}, {0: 1, -1: -1})
            kind, sentence = self._judged(ours, theirs, interval, both)
        if self.scaled < 1:
            sentence = f"Trained for {epochs_text(self.scaled)}, so only effects are compared. {sentence}"
            return Agreement(kind, sentence, ours, theirs, interval)
        return Agreement(kind, sentence + self._best_values() + self._distance(), ours, theirs, interval)

    def _judged(self, ours: float, theirs: float, interval: Interval, both: str) -> tuple[Kind, str]:
        """Return the verdict on two effects; ``interval`` is that of their difference."""
        (first, _), (last, _) = self.pairs[0], self.pairs[-1]
        clear = not self._difference({first: -1, last: 1}).holds(0.0)
        same = clear and ours * theirs > 0
        apart = f"the difference ({self._interval_text(interval)})"
        if not interval.holds(0.0) and not self.count_images:
            return "undecided", self._images_not_counted(both, apart)
        if not interval.holds(0.0):
            far = f"{both}; chance does not explain {apart}."
            if same:
                return "direction", f"Agrees with the report in direction, not in size: {far}"
            return "disagrees", f"Disagrees with the report: {far}"
        if same:
            agrees = "Agrees with the report in direction and, as far as chance lets us tell, in size"
            return "size", f"{agrees}: {both}; chance explains {apart}."
        unclear = f"chance explains {apart}" if clear else "our effect is not clear"
        return "undecided", f"Neither confirms nor contradicts the report: {both}; {unclear}."

    def level(self) -> Agreement:
        """Compare the results at the only common value."""
        ((at, report),) = self.pairs
        ours, theirs = self.groups[at].spread.mean, report.spread.mean
        if self.scaled < 1:
            sentence = f"Trained for {epochs_text(self.scaled)}, so the level is not compared with the report’s."
            return Agreement("not compared", sentence)
        both = (
            f"at {report.name} it has {self.measure.value_text(theirs)}, we have "
            f"{self.measure.spread_text(self.groups[at].spread)}"
        )
        if self._single_runs(at):
            sentence = f"Agreement with the report is undecided: {both}. Add seeds to decide."
            return Agreement("undecided", sentence, ours, theirs)
        interval = self._difference({at: 1}, {0: -1})
        apart = f"the difference ({self._interval_text(interval)})"
        if interval.holds(0.0):
            return Agreement(
                "size", f"Agrees with the report: {both}; chance explains {apart}.", ours, theirs, interval
            )
        if not self.count_images:
            return Agreement("undecided", self._images_not_counted(both, apart), ours, theirs, interval)
        sentence = f"Disagrees with the report: {both}; chance does not explain {apart}."
        return Agreement("disagrees", sentence, ours, theirs, interval)

    def _images_not_counted(self, both: str, apart: str) -> str:
        return (
            f"Agreement with the report is undecided: {both}; seeds do not explain {apart}, but the sampling of the "
            "images may."
        )

    def _single_runs(self, *at: int) -> bool:
        """Return whether a compared value of ours has one run only, so that nothing is decided."""
        return min(len(self.groups[number].results) for number in at) < 2

    def _interval_text(self, interval: Interval) -> str:
        counted = "seeds and images" if self.count_images else "seeds"
        unit = self.measure.difference_unit
        return f"95 % interval {self.measure.interval_text(interval)} {unit}, counting {counted} of both"

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

    def _difference(self, ours: dict[int, int], theirs: dict[int, int] | None = None) -> Interval:
        """Return the 95 % interval of Σ weight · mean, over our groups and over the compared points, by position.

        With points of the report, its repeats join our groups in the estimate of the seed-to-seed variation.
        """
        report = [group for _, group in self.pairs] if theirs else []
        images = [group.images for group in (*self.groups, *report)]
        results = [*(group.results for group in self.groups), *(group.results for group in report)]
        if theirs:
            results.append(tuple(self.repeats))
            images.append(1)  # has no weight
        weights = np.zeros(len(results))
        for at, weight in ours.items():
            weights[at] = weight
        first = len(self.groups)
        for at, weight in (theirs or {}).items():
            weights[first + at % len(report)] = weight
        return Sample.of(results, images if self.count_images else None).contrast(weights).interval()
