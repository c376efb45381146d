"""What a study says: one finding per line of a figure, from the outcomes table of :mod:`core.study.outcomes`.

The test and the sentences are those of :mod:`core.stats`, which Compare uses too; the comparison with the report is in
:mod:`core.study.agreement`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.base.text import SELECTED_ON, counted
from core.compare.answers import Matched, ReadPredictions, matched, nothing_kept
from core.compare.settings import are_numbers
from core.config.run_config import SETTINGS
from core.published.points import Point
from core.stats.finding import MEASURES, VERDICTS, Finding, Metric, Wording
from core.stats.judgement import Judgement, judge
from core.study import agreement
from core.study.agreement import Agreement
from core.study.outcomes import Series, ValueGroup, series_of


@dataclass(frozen=True, kw_only=True)
class StudyFinding(Finding):
    """The finding of one series: ``label`` names it, and is empty if it is the only one. ``agreement`` is ``None`` if
    the report has nothing to compare with."""

    label: str
    metric: Metric
    groups: tuple[ValueGroup, ...]
    agreement: Agreement | None


def findings_of(
    outcomes: pd.DataFrame,
    x: str,
    series: Sequence[str] = (),
    metric: Metric = "accuracy",
    published: Sequence[Point] = (),
    scaled: float = 1.0,
    read: ReadPredictions = nothing_kept,
) -> list[StudyFinding]:
    """Return a finding for each series along the setting ``x``; none without a finished run.

    ``published`` are the report's points for this study (:func:`core.published.points.points_of`), ``scaled`` is the
    factor by which the study's epochs were shrunk. With several series each has to meet a stricter test.
    Accuracies are compared image by image where ``read`` has the predictions of all runs.
    """
    lines = series_of(outcomes, x, series, metric)
    return [_finding(line, x, metric, published, scaled, len(lines), read) for line in lines]


def effects_table(outcomes: pd.DataFrame, paths: Sequence[str], read: ReadPredictions = nothing_kept) -> pd.DataFrame:
    """Return a row for the effect of each varied setting of ``paths``, with each combination of the other settings.

    Columns: ``setting``, ``others`` (their values as text), ``measure``, ``low`` and ``high`` (the values at the ends
    as text), ``n`` (runs), ``effect`` and its 95 % interval ``from`` and ``to`` (in points or nats, to a millionth),
    ``verdict``; ``effect_text`` and ``interval_text`` have effect and interval as a person reads them.
    """
    rows = []
    for path in paths:
        others = [other for other in paths if other != path]
        for metric in ("accuracy", "objective"):
            for finding in findings_of(outcomes, path, others, metric, read=read):
                if finding.judgement is not None:
                    rows.append(_effect(SETTINGS[path].label, finding, finding.judgement))
    columns = ["setting", "others", "measure", "low", "high", "n", "effect", "from", "to", "verdict"]
    columns += ["effect_text", "interval_text"]
    return pd.DataFrame(rows, columns=columns)


def _effect(setting: str, finding: StudyFinding, judgement: Judgement) -> dict[str, Any]:
    groups, measure = finding.groups, MEASURES[finding.metric]
    scale = measure.scale
    low, high = judgement.interval or (math.nan, math.nan)
    return {
        "setting": setting,
        "others": finding.label,
        "measure": f"{measure.name} ({measure.difference_unit})",
        "low": groups[judgement.low].name,
        "high": groups[judgement.high].name,
        "n": sum(len(group.results) for group in groups),
        "effect": _shown(scale * judgement.difference),
        "from": _shown(scale * low),
        "to": _shown(scale * high),
        "verdict": VERDICTS[judgement.verdict] if judgement.p is not None else "seeds unknown",
        "effect_text": measure.signed_text(judgement.difference),
        "interval_text": measure.interval_text(judgement.interval) if judgement.interval else None,
    }


def _shown(number: float) -> float:
    """Return a number to a millionth: what rounding errors leave of zero is zero, and without a sign."""
    return round(number, 6) + 0.0


def as_record(finding: StudyFinding) -> dict[str, Any]:
    """Return a finding as plain values for JSON."""
    judgement, groups = finding.judgement, finding.groups
    return {
        "series": finding.label,
        "metric": finding.metric,
        "verdict": judgement and judgement.verdict,
        "p": judgement and judgement.p,
        "low": judgement and groups[judgement.low].name,
        "high": judgement and groups[judgement.high].name,
        "difference": judgement and judgement.difference,
        "interval": list(judgement.interval) if judgement and judgement.interval else None,
        "ahead": judgement and judgement.ahead,
        "counted": judgement and judgement.counted,
        "paired": judgement and judgement.paired,
        "agreement": finding.agreement and finding.agreement.kind,
        "headline": finding.headline,
        "sentences": finding.sentences,
    }


def _finding(
    line: Series,
    x: str,
    metric: Metric,
    published: Sequence[Point],
    scaled: float,
    comparisons: int,
    read: ReadPredictions,
) -> StudyFinding:
    groups, measure = line.groups, MEASURES[metric]
    compared = agreement.compare(groups, x, metric, published, scaled)
    trained = f"Trained for {agreement.epochs_text(scaled)}: " if scaled < 1 and published else ""
    on_images = Matched(list(groups), False)
    if metric == "accuracy":
        on_images = matched(groups, [group.runs["run_id"].tolist() for group in groups], read)
    more = [*([compared.sentence] if compared else []), *_caveats(on_images.groups, x, metric, comparisons)]
    about: dict[str, Any] = {"label": line.label, "metric": metric, "groups": groups, "agreement": compared}
    setting, unit = _setting_text(x)
    if len(groups) < 2:
        (group,) = groups
        summary = f"{trained}{setting} {group.name}: {measure.spread_text(group.spread)}."
        summary = f"{summary[:1].upper()}{summary[1:]}"
        return StudyFinding(headline="Only one value so far.", summary=summary, details=tuple(more), **about)
    numbers = are_numbers([group.value for group in groups])
    judgement = judge(
        on_images.groups,
        numbers=[float(group.value) for group in groups] if numbers else None,
        lower_is_better=measure.lower_is_better,
        count_images=metric == "accuracy",
        comparisons=comparisons,
    )
    images = "test images" if metric == "accuracy" else "validation images"
    wording = Wording(on_images.groups, judgement, measure, setting, unit, numbers, images)
    advice, seeds = wording.advice()
    return StudyFinding(
        headline=wording.headline(),
        summary=f"{trained}{_uncapital(wording.summary())}" if trained else wording.summary(),
        details=(*wording.details(), *([on_images.note] if on_images.note else []), *more),
        advice=f"{advice.removesuffix('.')} ({counted(seeds * len(groups), 'run')})." if seeds else advice,
        judgement=judgement,
        **about,
    )


def _uncapital(text: str) -> str:
    return text[:1].lower() + text[1:]


def _setting_text(x: str) -> tuple[str, str]:
    """Return the setting as in a sentence, and its unit after a value unless the name says it."""
    if x not in SETTINGS:
        return x, ""
    name, unit = SETTINGS[x].label.lower(), SETTINGS[x].unit
    return name, f" {unit}" if unit and unit not in name else ""


def _caveats(groups: Sequence[ValueGroup], x: str, metric: Metric, comparisons: int) -> list[str]:
    caveats = []
    chosen = {str(name) for group in groups for name in group.runs["selected_on"]}
    if metric == "accuracy" and chosen == {"test"}:
        more = " More epochs are more chances of a lucky one." if x == "train.epochs" else ""
        caveats.append(f"The best epochs were chosen on the test images, so accuracies are slightly optimistic.{more}")
    if len(chosen) > 1:
        images = " and ".join(SELECTED_ON.get(name, name) for name in sorted(chosen))
        caveats.append(
            f"The runs chose their best epochs on different images ({images}), so results differ in meaning."
        )
    if metric == "accuracy" and len({group.images for group in groups}) > 1:
        caveats.append("The values were tested on different images: part of the effect may be how hard these are.")
    if x == "data.train_size":
        caveats.append(_draw_text(groups))
    if len(groups) == 2 and are_numbers([group.value for group in groups]):
        caveats.append("Two values show a difference, but not its shape.")
    if comparisons > 1:
        caveats.append(f"Each of the {comparisons} series had to meet a stricter test, because several are shown.")
    return caveats


def _draw_text(groups: Sequence[ValueGroup]) -> str:
    """Return whether a study of the training set's size counts which images were drawn for it."""
    if all(group.runs["split_seed"].nunique() == len(group.runs) > 1 for group in groups):
        return "Each seed has its own draw of training images, so seed-to-seed variation includes the draw."
    return (
        "The draw of training images is not counted: all seeds of a size were trained on the same images. A study can "
        "draw them anew for each seed."
    )
