"""What a study says: the effect of its setting in a sentence or two, how sure it is, and whether the report saw it too.

Works on the outcomes table (:mod:`core.study.outcomes`); the statistics are :mod:`core.stats.effects`'s, the verdicts
those of
:mod:`core.compare.gap`. How the report's points compare is :mod:`core.study.agreement`'s business, the figure
:mod:`core.figures.study`'s.

A gap is called real at p < 0.02, seeds and images both counted. Of numbers two questions are asked, whether a line
through all values rises and whether any value differs; three quarters of the error allowed go to the first (weighted
Bonferroni). Two in a hundred and not five, because deviations from a handful of seeds make every p-value approximate;
what is meant is that at most one study in twenty without an effect is told to have one, and the tests hold us to that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from core.base.text import SELECTED_ON
from core.config.run_config import SETTINGS
from core.published.points import Point
from core.stats import effects
from core.stats.effects import Estimate, Noise
from core.stats.intervals import Interval
from core.stats.verdict import HEADLINES, Verdict
from core.study import agreement
from core.study.agreement import Agreement
from core.study.outcomes import Group, Metric, Series, are_numbers, series_of

#: A gap is real below this p-value.
REAL = 0.02
#: Shares of the error allowed: for the line through all values, and for any difference at all.
_FOR_TREND, _FOR_ANY = 3 / 4, 1 / 4
#: Runs beyond the first of each cell, summed: fewer know the deviation over seeds badly.
_FEW_SEEDS = 4

_NAMES: dict[Metric, str] = {
    "accuracy": "best accuracy",
    "objective": "lowest objective",
    "loss": "lowest cross-entropy",
}


@dataclass(frozen=True)
class Effect:
    """From the cell ``low`` to the cell ``high``: lowest and highest value of a number, worst and best choice.

    ``difference`` and ``interval`` (95 %, ``None`` if nothing is known of the seeds and the images are not counted)
    are shares of 1 for accuracy, nats for losses. ``counted`` says what the interval counts.
    """

    low: Group
    high: Group
    difference: float
    interval: Interval | None
    counted: str


@dataclass(frozen=True)
class Trend:
    """The line through all cells: its rise ``per`` step ("doubling", or the whole range), with a 95 % interval."""

    rise: float
    interval: Interval
    per: str


@dataclass(frozen=True)
class Finding:
    """What one line of a figure says. ``verdict``, ``effect`` and ``p`` are ``None`` where there is nothing to compare.

    ``sentences`` are one to three for below the figure (effect, whether it is real, whether the report saw it too),
    ``thin`` why the evidence is thin, if it is, and ``caveats`` what else to know: the trend, what chose the epochs.
    ``label`` names the series, empty if there is one.
    """

    label: str
    metric: Metric
    cells: tuple[Group, ...]
    effect: Effect | None = None
    trend: Trend | None = None
    p: float | None = None
    verdict: Verdict | None = None
    agreement: Agreement | None = None
    sentences: list[str] = field(default_factory=list)
    thin: list[str] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)

    @property
    def headline(self) -> str:
        """The verdict in a few words, as Compare words it."""
        return HEADLINES[self.verdict] if self.verdict else "Nothing to compare yet"


def findings(
    outcomes: pd.DataFrame,
    x: str,
    series: Sequence[str] = (),
    metric: Metric = "accuracy",
    published: Sequence[Point] = (),
    scaled: float = 1.0,
) -> list[Finding]:
    """A finding for each series; none for a table without a run.

    ``published`` are the report's points for this study (:func:`core.published.points.points_of`); ``scaled`` is
    the factor by
    which the study's epochs were shrunk from the report's, 1 if they were not. With several series each has to meet a
    stricter test, so that looking at many does not make one look real (Bonferroni).
    """
    lines = series_of(outcomes, x, series, metric)
    return [_finding(line, x, metric, published, scaled, len(lines)) for line in lines]


def in_words(found: Sequence[Finding]) -> str:
    """All findings as one text, a line each, for a README or the terminal."""
    return "\n".join(
        " ".join([f"{one.label}:" if one.label else "", *one.sentences, *one.thin]).strip() for one in found
    )


def _finding(
    line: Series, x: str, metric: Metric, published: Sequence[Point], scaled: float, looked_at: int
) -> Finding:
    cells = line.cells
    compared = agreement.compare(cells, x, metric, published, scaled)
    thin, caveats = _thin(cells, metric), _caveats(cells, x, metric, looked_at)
    if len(cells) < 2:
        only = f"One value only, {_name(x)} {cells[0].words}: {cell_in_words(cells[0], metric)}."
        told = [only, *([compared.sentence] if compared else [])]
        return Finding(line.label, metric, cells, agreement=compared, sentences=told, thin=thin, caveats=caveats)
    numbers = are_numbers([cell.value for cell in cells])
    p, verdict = _verdict(cells, metric, numbers, looked_at)
    effect = _effect(cells, metric, numbers)
    trend = _trend(cells, metric) if numbers and len(cells) > 2 else None
    told = [_about_effect(effect, cells, x, metric, numbers), _about_verdict(verdict, p, effect, cells, metric)]
    told += [compared.sentence] if compared else []
    caveats = [*([_about_trend(trend, cells, metric)] if trend else []), *caveats]
    return Finding(line.label, metric, cells, effect, trend, p, verdict, compared, told, thin, caveats)


# --- how sure -------------------------------------------------------------------------------------


def _means(cells: Sequence[Group]) -> np.ndarray:
    return np.array([cell.spread.mean for cell in cells])


def _by_seeds(cells: Sequence[Group]) -> Noise | None:
    return effects.noise_by_seeds([cell.spread for cell in cells])


def _by_images(cells: Sequence[Group]) -> Noise:
    return effects.noise_by_images([cell.spread for cell in cells], [cell.images for cell in cells])


def _in_full(cells: Sequence[Group]) -> Noise | None:
    return effects.noise_of([cell.spread for cell in cells], [cell.images for cell in cells])


def _verdict(cells: Sequence[Group], metric: Metric, numbers: bool, looked_at: int) -> tuple[float | None, Verdict]:
    """p-value of the doubts that can be counted, and what may be claimed."""

    def p_of(noise: Noise) -> float:
        return min(1.0, looked_at * _p(cells, noise, numbers))

    seeds = _by_seeds(cells)
    if metric != "accuracy":  # how a loss varies with the images cannot be told from its mean
        return (None, "not shown") if seeds is None else _claim(p_of(seeds), "on these images")
    if seeds is None:
        return _claim(p_of(_by_images(cells)), "for these seeds")
    full = _in_full(cells)
    assert full is not None  # the seeds are known
    if (p := p_of(full)) < REAL:
        return p, "real"
    return p, "on these images" if p_of(seeds) < REAL else "not shown"


def _claim(p: float, verdict: Verdict) -> tuple[float, Verdict]:
    return p, verdict if p < REAL else "not shown"


def _p(cells: Sequence[Group], noise: Noise, numbers: bool) -> float:
    means = _means(cells)
    if len(cells) == 2:
        return effects.difference(means, noise, 0, 1).p
    of_any = effects.any_difference(means, noise)
    if not numbers:
        return of_any
    return min(1.0, effects.slope(_places(cells)[0], means, noise).p / _FOR_TREND, of_any / _FOR_ANY)


def _places(cells: Sequence[Group]) -> tuple[np.ndarray, str]:
    """Where numbers lie for a trend, and what one step of it is: doublings where all are positive."""
    values = np.array([float(cell.value) for cell in cells])
    if values.min() > 0:
        return np.log2(values), "doubling"
    return (values - values.min()) / np.ptp(values), "the whole range"


def _effect(cells: Sequence[Group], metric: Metric, numbers: bool) -> Effect:
    means, sign = _means(cells), 1 if metric == "accuracy" else -1
    worst, best = int((sign * means).argmin()), int((sign * means).argmax())
    low, high = (0, len(cells) - 1) if numbers else (worst, best)
    # The best and the worst were picked out of all pairs after they were seen, so each pair gets its share.
    pairs = 1 if numbers else math.comb(len(cells), 2)
    noise, counted = _countable(cells, metric)
    estimate = None if noise is None else effects.difference(means, noise, low, high)
    interval = None if estimate is None else estimate.interval(1 - 0.05 / pairs)
    return Effect(cells[low], cells[high], float(means[high] - means[low]), interval, counted)


def _countable(cells: Sequence[Group], metric: Metric) -> tuple[Noise | None, str]:
    """The doubts that can be counted, and which these are."""
    if metric != "accuracy":
        return _by_seeds(cells), "seeds counted, images not"
    full = _in_full(cells)
    return (full, "seeds and images both counted") if full is not None else (_by_images(cells), "images alone counted")


def _trend(cells: Sequence[Group], metric: Metric) -> Trend | None:
    noise, _ = _countable(cells, metric)
    if noise is None:
        return None
    places, step = _places(cells)
    found: Estimate = effects.slope(places, _means(cells), noise)
    return Trend(found.value, found.interval(), step)


# --- in words -------------------------------------------------------------------------------------


def _name(x: str) -> str:
    return SETTINGS[x].label.lower() if x in SETTINGS else x


def _unit(x: str) -> str:
    unit = SETTINGS[x].unit if x in SETTINGS else ""
    return "" if unit in ("", _name(x)) else f" {unit}"


def cell_in_words(cell: Group, metric: Metric) -> str:
    """Mean, deviation and n: ``91.25 ± 0.20 % (3 seeds)``, or the one run's figure."""
    seen = cell.spread
    scale, form, unit = (100, ".2f", " %") if metric == "accuracy" else (1, ".4f", "")
    if seen.sd is None:
        return f"{scale * seen.mean:{form}}{unit} (one run)"
    return f"{scale * seen.mean:{form}} ± {scale * seen.sd:{form}}{unit} ({seen.n} seeds)"


def amount(value: float, metric: Metric) -> str:
    """A difference without its sign: ``1.20 percentage points`` or ``0.0512 nats``."""
    return f"{100 * abs(value):.2f} percentage points" if metric == "accuracy" else f"{abs(value):.4f} nats"


def _span(interval: Interval, metric: Metric) -> str:
    scale, digits = (100, 2) if metric == "accuracy" else (1, 4)
    low, high = (round(scale * end, digits) + 0.0 for end in interval)  # no −0.00
    return f"{low:+.{digits}f} to {high:+.{digits}f}".replace("-", "−")


def _about_effect(effect: Effect, cells: Sequence[Group], x: str, metric: Metric, numbers: bool) -> str:
    low, high = cell_in_words(effect.low, metric), cell_in_words(effect.high, metric)
    size = amount(effect.difference, metric)
    if effect.interval:
        size += f" (95 % interval {_span(effect.interval, metric)}, {effect.counted}"
        size += f", picked out of {len(cells)})" if not numbers and len(cells) > 2 else ")"
    label = _name(x).capitalize()
    if not numbers:
        return (
            f"{label}: {effect.high.words} is best with {high}, {effect.low.words} worst with {low}; "
            f"the gap in {_NAMES[metric]} is {size}."
        )
    rises = effect.difference > 0
    moves = f"{'rises' if rises else 'falls'} by {size}" if effect.difference else f"does not change: {size}"
    told = (
        f"{label} from {effect.low.words} to {effect.high.words}{_unit(x)}: {_NAMES[metric]} {moves}, "
        f"from {low} to {high}"
    )
    best = max(cells, key=lambda cell: cell.spread.mean * (1 if metric == "accuracy" else -1))
    if best not in (cells[0], cells[-1]):
        told += f"; best at {best.words}, {cell_in_words(best, metric)}"
    return told + "."


def _about_trend(trend: Trend, cells: Sequence[Group], metric: Metric) -> str:
    per = f"per {trend.per}" if trend.per == "doubling" else f"over {trend.per}"
    return (
        f"The line through all {len(cells)} values {'rises' if trend.rise >= 0 else 'falls'} by "
        f"{amount(trend.rise, metric)} {per} (95 % interval {_span(trend.interval, metric)})."
    )


def _about_verdict(verdict: Verdict, p: float | None, effect: Effect, cells: Sequence[Group], metric: Metric) -> str:
    if p is None:
        return "Whether that is more than the luck of the seed is not known: no value has two seeds."
    chance = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    over = f"all {len(cells)} values looked at together, {chance}" if len(cells) > 2 else chance
    match verdict:
        case "real":
            told = f"The gap is real, more than seeds and images explain ({over})"
            same_side = effect.interval is not None and effect.interval.holds(0.0)
            return f"{told}, though not between the two ends." if same_side and len(cells) > 2 else f"{told}."
        case "on these images" if metric == "accuracy":
            return (
                "It is more than the luck of the seed explains, so on these images the gap stands; with the choice of "
                f"images counted in full it is not shown for others ({over})."
            )
        case "on these images":
            return (
                f"It is more than the luck of the seed explains ({over}); how much the choice of images does to a loss "
                "is not counted."
            )
        case "for these seeds":
            return (
                f"The choice of images does not explain it ({over}), but the luck of the seed may: it is not known, "
                "so the gap cannot be called real."
            )
    clear = effect.interval is not None and not effect.interval.holds(0.0)
    extra = " That the interval of the two ends leaves zero out is not enough for that." if clear else ""
    return f"Not shown to be real: chance could explain the gaps ({over}).{extra}"


def _thin(cells: Sequence[Group], metric: Metric) -> list[str]:
    told = []
    single = [cell for cell in cells if cell.spread.n == 1]
    pooled = effects.pooled_deviation([cell.spread for cell in cells])
    if pooled is None:
        only = "only the choice of images is counted" if metric == "accuracy" else "nothing can be counted"
        told.append(
            f"Thin evidence: one seed a value, so the luck of the seed is not known and {only}. Add two seeds to each."
        )
    elif single:
        told.append(
            f"Thin evidence at {', '.join(cell.words for cell in single)}: one seed, its luck taken to be that of the "
            "other values."
        )
    elif pooled[1] < _FEW_SEEDS:
        told.append(
            f"Thin evidence: {sum(cell.spread.n for cell in cells)} runs in all know the luck of the seed badly."
        )
    if len(cells) == 2 and are_numbers([cell.value for cell in cells]):
        told.append("Two values show a difference, not its shape.")
    return told


def _caveats(cells: Sequence[Group], x: str, metric: Metric, looked_at: int) -> list[str]:
    told = []
    chosen = {str(one) for cell in cells for one in cell.runs["selected_on"]}
    if metric == "accuracy" and chosen == {"test"}:
        more = " More epochs are more tries at a lucky one." if x == "train.epochs" else ""
        told.append(f"The best epoch was chosen on the test images, so the accuracies are a little too high.{more}")
    if len(chosen) > 1:
        parts = ", others on ".join(SELECTED_ON.get(one, one) for one in sorted(chosen))
        told.append(f"Some runs chose their best epoch on {parts}: their figures do not mean quite the same.")
    if metric == "accuracy" and len({cell.images for cell in cells}) > 1:
        told.append("The values were tested on different images, so a part of the gap may be the images' difficulty.")
    if looked_at > 1:
        told.append(f"{looked_at} series are looked at here, and each was judged the stricter for it.")
    return told


def as_record(found: Finding) -> dict[str, Any]:
    """A finding as plain values for JSON."""
    effect = found.effect
    return {
        "series": found.label,
        "metric": found.metric,
        "verdict": found.verdict,
        "p": found.p,
        "low": effect and effect.low.words,
        "high": effect and effect.high.words,
        "difference": effect and effect.difference,
        "interval": list(effect.interval) if effect and effect.interval else None,
        "agreement": found.agreement and found.agreement.kind,
        "sentences": [*found.sentences, *found.thin, *found.caveats],
    }
