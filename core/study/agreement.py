"""Whether a study agrees with the report: its effect between the same two values, in direction and in size.

The report has one run a point, so its own effect is uncertain too: by its test images, and by a seed whose luck is
taken to be that of our runs. An effect of the report outside our interval is therefore held against both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.published.points import Point
from core.stats import effects
from core.stats.effects import Estimate
from core.stats.intervals import Interval, newcombe
from core.study.outcomes import Group, Metric, value_in_words

#: ``size``: in direction and size; ``direction``: in that alone; ``open``: not contradicted, or chance not known.
Kind = Literal["size", "direction", "open", "disagrees"]


@dataclass(frozen=True)
class Agreement:
    """``ours`` and ``theirs`` are effects between the lowest and highest value that both have (or, with one value in
    common, the levels there), as shares of 1 or in nats; ``interval`` is that of ours, 95 %."""

    kind: Kind
    ours: float
    theirs: float
    interval: Interval | None
    sentence: str


def report_value(point: Point, x: str, scaled: float) -> float:
    """Where a point of the report stands among our values: its epochs shrink with ours."""
    return point.value * scaled if x == "train.epochs" else point.value


def compare(
    cells: Sequence[Group], x: str, metric: Metric, published: Sequence[Point], scaled: float = 1.0
) -> Agreement | None:
    """Our cells against the report's points; ``None`` if no value is common or the report has no such figure.

    ``scaled`` is by how much our epochs were shrunk. The report's loss is the objective.
    """
    if metric == "loss":
        return None
    pairs = [
        (at, point)
        for at, cell in enumerate(cells)
        for point in published
        if not isinstance(cell.value, str) and round(report_value(point, x, scaled)) == cell.value
    ]
    if not pairs:
        return None
    (first, low), (second, high) = pairs[0], pairs[-1]
    if first == second:
        return _level(cells[first], low, metric, scaled)
    ours = _ours(cells, metric, first, second)
    theirs = _figure(high, metric) - _figure(low, metric)
    difference = cells[second].spread.mean - cells[first].spread.mean
    interval = None if ours is None else ours.interval()
    values = f"from {value_in_words(low.value)} to {value_in_words(high.value)}"
    saw = f"the report saw {_signed(theirs, metric)} {values}"
    luck = ours is not None and _within_luck(ours, _report_variance((low, high), cells, metric), theirs)
    counted = effects.pooled_deviation([cell.spread for cell in cells]) is not None
    kind, sentence = _judged(difference, theirs, interval, saw, _signed(difference, metric), luck, counted)
    if kind in ("direction", "disagrees") and scaled < 1:
        sentence += f" Our runs had {_share(scaled)} of its epochs, which alone can change an effect."
    return Agreement(
        kind, difference, theirs, interval, sentence + _peak(cells, pairs, metric) + _levels(cells, pairs, metric)
    )


def _judged(
    ours: float, theirs: float, interval: Interval | None, saw: str, we: str, luck: bool, counted: bool
) -> tuple[Kind, str]:
    if interval is None:
        return "open", f"Whether this agrees with the report is open: {saw}, we {we}, and our own chance is not known."
    only = " (which does not count the luck of the seed)" if not counted else ""
    sure, inside = not interval.holds(0.0), interval.holds(theirs)
    if inside and sure:
        return "size", f"This agrees with the report in direction and size: {saw}, inside our interval{only}."
    if inside:
        return "open", f"This does not contradict the report, nor show its direction: {saw}, inside our interval{only}."
    maybe = ", though the luck of its single runs could make up the difference" if luck else ""
    if ours * theirs > 0 and sure:
        more = "more" if abs(theirs) > abs(ours) else "less"
        return "direction", f"This agrees with the report in direction, not in size: {saw}, {more} than we did{maybe}."
    zero = "" if sure else ", which holds zero"
    return "disagrees", f"This does not agree with the report: {saw}, outside our interval{zero}{maybe}."


def _level(cell: Group, point: Point, metric: Metric, scaled: float) -> Agreement:
    """One value in common: the levels there."""
    ours, theirs = cell.spread.mean, _figure(point, metric)
    spreads = [cell.spread]
    noise = effects.noise_of(spreads, [cell.images]) if metric == "accuracy" else effects.noise_by_seeds(spreads)
    interval = None if noise is None else noise.contrast(np.array([ours]), np.ones(1)).interval()
    saw = f"At {value_in_words(point.value)} the report has {_plain(theirs, metric)}"
    if interval is None:
        return Agreement("open", ours, theirs, None, f"{saw}; {_one_run(cell, point, metric)}")
    inside = interval.holds(theirs)
    sentence = f"{saw}, {'inside' if inside else 'outside'} our 95 % interval, {_between(interval, metric)}."
    if not inside and scaled < 1:
        sentence += f" Our runs had {_share(scaled)} of its epochs."
    return Agreement("size" if inside else "disagrees", ours, theirs, interval, sentence)


def _one_run(cell: Group, point: Point, metric: Metric) -> str:
    """What one run of ours beside one of the report allows to say: for accuracies, whether the images explain it."""
    if metric != "accuracy":
        return "one run of ours says nothing about chance."
    apart = newcombe(cell.spread.mean, cell.images, point.best_accuracy, point.images)
    span = f"{_signed(apart.low, metric).split()[0]} to {_signed(apart.high, metric)}"
    could = "could" if apart.holds(0.0) else "do not"
    return (
        f"we stand {_signed(cell.spread.mean - point.best_accuracy, metric)} from it (95 % interval of the choice of "
        f"images {span}), which the images {could} explain. The luck of the seed is not known from one run each."
    )


def _levels(cells: Sequence[Group], pairs: Sequence[tuple[int, Point]], metric: Metric) -> str:
    """How far apart the two stand, which an effect does not tell."""
    apart = sum(_figure(point, metric) - cells[at].spread.mean for at, point in pairs) / len(pairs)
    far = _signed(abs(apart), metric).lstrip("+")
    return f" Over these {len(pairs)} values the report stands on average {far} {'above' if apart > 0 else 'below'} us."


def _peak(cells: Sequence[Group], pairs: Sequence[tuple[int, Point]], metric: Metric) -> str:
    """Where each was best, if that is not the same value."""
    sign = 1 if metric == "accuracy" else -1
    at, point = max(pairs, key=lambda pair: sign * _figure(pair[1], metric))
    ours, _ = max(pairs, key=lambda pair: sign * cells[pair[0]].spread.mean)
    if ours == at or len(pairs) < 3:
        return ""
    return f" Its best was at {value_in_words(point.value)}, ours at {cells[ours].words}."


# --- chance ---------------------------------------------------------------------------------------


def _ours(cells: Sequence[Group], metric: Metric, first: int, second: int) -> Estimate | None:
    spreads, images = [cell.spread for cell in cells], [cell.images for cell in cells]
    noise = effects.noise_by_seeds(spreads)
    if metric == "accuracy":
        noise = effects.noise_of(spreads, images) or effects.noise_by_images(spreads, images)
    return None if noise is None else effects.difference(np.array([one.mean for one in spreads]), noise, first, second)


def _report_variance(points: Sequence[Point], cells: Sequence[Group], metric: Metric) -> float:
    """Of the difference of two single runs of the report."""
    pooled = effects.pooled_deviation([cell.spread for cell in cells])
    seeds = pooled[0] ** 2 if pooled else 0.0
    images = 0.0
    if metric == "accuracy":
        images = sum(one.best_accuracy * (1 - one.best_accuracy) / one.images for one in points)
    return 2 * seeds + images


def _within_luck(ours: Estimate, report_variance: float, theirs: float) -> bool:
    return Estimate(ours.value, math.sqrt(ours.se**2 + report_variance), ours.freedom).interval().holds(theirs)


# --- in words -------------------------------------------------------------------------------------


def _figure(point: Point, metric: Metric) -> float:
    return point.best_accuracy if metric == "accuracy" else point.min_loss


def _signed(value: float, metric: Metric) -> str:
    text = f"{100 * value:+.2f} percentage points" if metric == "accuracy" else f"{value:+.4f} nats"
    return text.replace("-", "−")


def _plain(value: float, metric: Metric) -> str:
    return f"{100 * value:.2f} %" if metric == "accuracy" else f"{value:.4f} nats"


def _between(interval: Interval, metric: Metric) -> str:
    return f"{_plain(interval.low, metric)} to {_plain(interval.high, metric)}"


def _share(scaled: float) -> str:
    return f"{100 * scaled:.3g} %"
