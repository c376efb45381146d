"""Figures of a study: its results against the setting that was varied, and the curves of its values.

Pure functions from the outcomes table (:mod:`core.study.outcomes`). Two kinds of uncertainty are drawn separately: a
thick bar is one standard deviation (n − 1) over the seeds of a value, a thin bar the 95 % interval (Wilson) for the
sampling of the test images. A value with one seed has no thick bar, and losses have no thin one.
"""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from core.base.text import SELECTED_ON
from core.compare.settings import are_numbers, in_order, setting_name
from core.config.run_config import SETTINGS
from core.config.setting import value_text
from core.figures.compare import LOW_TO_HIGH, GroupCurves, bands
from core.figures.curves import validation_texts
from core.figures.style import View, add_chance_level, add_message, error_bars, escape, new_figure
from core.published.arithmetic import factors
from core.published.points import LEGEND, Point
from core.stats.finding import MEASURES, Metric
from core.stats.intervals import wilson
from core.study.agreement import report_value
from core.study.outcomes import COLUMN_OF, Series, ValueGroup, series_of
from core.views.curves import NEUTRAL, RUN_COLOURS, Mark, RunCurves

_TITLES: dict[Metric, str] = {
    "accuracy": "Test accuracy (%)",
    "objective": "Objective at the best epoch, with L2 penalty (nats per image)",
    "loss": "Lowest validation cross-entropy (nats per image)",
}
#: Numbers that span this factor or more get a logarithmic axis.
_LOGARITHMIC = 10
#: Accuracies this close to chance (percentage points) get the chance level; otherwise it would squeeze the points.
_NEAR_CHANCE = 15.0
#: What the table of the points has, and the column of the outcomes that it is from.
_MEASURED: dict[str, str] = dict(COLUMN_OF.items()) | {"lowest_objective": "objective"}
_NO_RUN = "No run of this study has finished yet."


def outcome(
    outcomes: pd.DataFrame,
    x: str,
    series: Sequence[str] = (),
    metric: Metric = "accuracy",
    published: Sequence[Point] = (),
    classes: int | None = None,
    scaled: float = 1.0,
) -> go.Figure:
    """Return the metric against the setting ``x``: mean, deviation over seeds and n; single runs faintly behind.

    ``series`` are further settings; each combination of their values is a line. ``published`` are the report's points
    to lay over it (not for ``loss``, which the report does not have), ``classes`` the number of classes, for the chance
    level. ``scaled`` is the factor of the study's epochs: the report's epochs are then drawn scaled too. Points that
    are multiples of another figure's are drawn without a line and called what they are.
    """
    lines = series_of(outcomes, x, series, metric)
    points = published if metric != "loss" else ()
    numbers = are_numbers([group.value for line in lines for group in line.groups])
    title = _TITLES[metric]
    if metric == "accuracy" and (selected_on := set(outcomes["selected_on"].astype(str))):
        title += f", epoch chosen on {' or '.join(SELECTED_ON.get(name, name) for name in sorted(selected_on))}"
    figure = new_figure(setting_name(x) if x in SETTINGS else x, title)
    figure.update_xaxes(uirevision=x).update_yaxes(uirevision=f"{metric} {x}")
    _scale_x(figure, lines, x, numbers, [report_value(point, x, scaled) for point in points])
    if points and numbers:
        _add_published(figure, points, x, metric, scaled)
    for number, line in enumerate(lines):
        _add_series(figure, line, RUN_COLOURS[number % len(RUN_COLOURS)], metric, numbers, alone=len(lines) == 1)
    means = [group.spread.mean for line in lines for group in line.groups]
    if metric == "accuracy" and classes and means and 100 * (min(means) - 1 / classes) < _NEAR_CHANCE:
        add_chance_level(figure, "accuracy", classes)
    return figure if lines else add_message(figure, _NO_RUN)


def outcome_text(outcomes: pd.DataFrame, x: str, series: Sequence[str] = (), metric: Metric = "accuracy") -> str:
    """Return the figure of :func:`outcome` as text, for people who do not see it."""
    lines = series_of(outcomes, x, series, metric)
    if not lines:
        return _NO_RUN
    texts = []
    for line in lines:
        values = ", ".join(f"{group.name}: {MEASURES[metric].spread_text(group.spread)}" for group in line.groups)
        texts.append(f"{line.label}: {values}" if line.label else values)
    return f"{_TITLES[metric]} against {setting_name(x) if x in SETTINGS else x}. {'. '.join(texts)}."


def curves(
    cells: Sequence[tuple[str, Sequence[RunCurves]]],
    view: View,
    kind: Literal["accuracy", "loss"] = "accuracy",
    reference: tuple[str, float] | None = None,
) -> go.Figure:
    """Return the validation curves of a study's values, mean and band over seeds, over the axis of ``view``.

    ``cells`` are the values as text with their runs, in the order of the setting; their colours go from orange for the
    first to blue for the last. Values without a run are left out. ``reference``: see
    :func:`core.figures.compare.bands`.
    """
    some = [(label, tuple(runs)) for label, runs in cells if runs]
    colours = colours_in_order(len(some))
    groups = [
        GroupCurves(runs[0].id, label, Mark(colour), runs) for (label, runs), colour in zip(some, colours, strict=True)
    ]
    return bands(groups, view, kind, reference)


def curves_text(
    cells: Sequence[tuple[str, Sequence[RunCurves]]], kind: Literal["accuracy", "loss"] = "accuracy"
) -> str:
    """Return the figure of :func:`curves` as text, for people who do not see it."""
    title = {"accuracy": "Accuracy", "loss": "Cross-entropy"}[kind]
    measured_on = " or ".join(validation_texts(run for _, runs in cells for run in runs))
    return f"{title} of each epoch, {measured_on}: {', '.join(label for label, runs in cells if runs)}."


def colours_in_order(n: int) -> list[str]:
    """Return ``n`` colours from low to high, visible on a light and a dark page."""
    return sample_colorscale(LOW_TO_HIGH, [at / max(n - 1, 1) for at in range(n)]) if n else []


def data(
    outcomes: pd.DataFrame, x: str, series: Sequence[str] = (), published: Sequence[Point] = (), scaled: float = 1.0
) -> pd.DataFrame:
    """Return the points of the figures as a table: ``source``, settings, n, means and deviations.

    ``source`` is "here", "report", or "report, derived" for printed numbers that are multiples of another figure's.
    ``accuracy_low`` and ``accuracy_high`` are the 95 % interval for the sampling of the test images; printed numbers
    that are no measurement have none. Deviations are empty for one run. The report's points have neither cross-entropy
    nor deviation; their epochs are as printed.
    """
    rows: list[dict[str, Any]] = []
    for line in series_of(outcomes, x, series, "accuracy"):
        for group in line.groups:
            row = {"source": "here", x: group.value, **{path: group.runs[path].iloc[0] for path in series}}
            row |= {"n": group.spread.n, "images": group.images}
            row["selected_on"] = "/".join(sorted(set(group.runs["selected_on"].astype(str))))
            for name, column in _MEASURED.items():
                values = pd.to_numeric(group.runs[column], errors="coerce")
                row |= {f"{name}_mean": values.mean(), f"{name}_sd": values.std(ddof=1)}
            rows.append(row)
    for point in published:
        row = {"source": "report, derived" if point.derived else "report", x: point.value}
        if point.derived is None:
            row |= {"n": 1, "images": point.images, "selected_on": "test"}
        rows.append(row | {"accuracy_mean": point.best_accuracy, "objective_mean": point.loss})
    for row in rows:
        if "images" in row:
            row["accuracy_low"], row["accuracy_high"] = wilson(row["accuracy_mean"], row["images"])
    columns = ["source", x, *series, "n", "images", "selected_on"]
    columns += ["accuracy_mean", "accuracy_sd", "accuracy_low", "accuracy_high"]
    columns += [f"{name}_{what}" for name in _MEASURED if name != "accuracy" for what in ("mean", "sd")]
    table = pd.DataFrame(rows, columns=columns)
    if scaled != 1 and x == "train.epochs":
        here = table["source"] == "here"
        table.insert(2, "epochs_of_the_report", table[x].where(~here, (table[x] / scaled).round()))
    return table


# --- parts of the figure --------------------------------------------------------------------------


def _scale_x(figure: go.Figure, lines: Sequence[Series], x: str, numbers: bool, published: Sequence[float]) -> None:
    values = in_order(x, [group.value for line in lines for group in line.groups])
    if not numbers:
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(map(value_text, values)))
        return
    ticks = sorted({float(value) for value in (*values, *published)})
    if ticks and ticks[0] > 0 and ticks[-1] >= _LOGARITHMIC * ticks[0]:
        figure.update_xaxes(type="log", uirevision=f"{x} log")
    if 0 < len(ticks) <= 12:
        figure.update_xaxes(tickvals=ticks, ticktext=list(map(value_text, ticks)))


def _add_series(figure: go.Figure, line: Series, colour: str, metric: Metric, numbers: bool, *, alone: bool) -> None:
    scale, label, uid = MEASURES[metric].scale, escape(line.label), line.label or "all"
    x = [group.value if numbers else group.name for group in line.groups]
    means = [scale * group.spread.mean for group in line.groups]
    several = any(group.spread.n > 1 for group in line.groups)
    if several:
        _add_single_runs(figure, line, colour, metric, numbers, uid=f"{uid} runs", legendgroup=uid)
    bars = "mean ± standard deviation over seeds" if several else "one seed each, no deviation"
    if metric == "accuracy":
        ends = [(100 * low, 100 * high) for low, high in (group.image_interval for group in line.groups)]
        thin = error_bars(means, ends, colour, thickness=1, width=0)
        marker = {"size": 1, "color": colour, "opacity": 0}
        hidden = {"showlegend": False, "hoverinfo": "skip", "opacity": 0.6, "legendgroup": uid}
        name = "thin bar: 95 % interval for the test images"
        figure.add_scatter(
            x=x, y=means, mode="markers", marker=marker, error_y=thin, name=name, uid=f"{uid} images", **hidden
        )
        bars += "<br>thin bars: 95 % interval for the test images" if alone else ""
    deviations = [scale * (group.spread.sd or 0.0) for group in line.groups]
    thick = {"type": "data", "array": deviations, "thickness": 2.5, "width": 6, "color": colour}
    figure.add_scatter(
        x=x,
        y=means,
        mode="lines+markers+text" if numbers else "markers+text",
        uid=f"{uid} mean",
        name=bars if alone else f"{label} ({bars})",
        legendgroup=uid,
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "size": 9},
        text=[f" n={group.spread.n}" for group in line.groups],
        textposition="top right",
        textfont={"size": 11},
        error_y=thick if several else None,
        customdata=[_hover(group, metric) for group in line.groups],
        meta=f"{label}, " if label else "",
        hovertemplate="%{meta}%{customdata}<extra></extra>",
        cliponaxis=False,
    )


def _hover(group: ValueGroup, metric: Metric) -> str:
    text = f"{escape(group.name)}: {MEASURES[metric].spread_text(group.spread)}"
    if metric != "accuracy":
        return text
    low, high = group.image_interval
    return f"{text}<br>95 % interval for the {group.images:,} test images: {100 * low:.2f}–{100 * high:.2f} %"


def _add_single_runs(figure: go.Figure, line: Series, colour: str, metric: Metric, numbers: bool, **ids: Any) -> None:
    """Add every run of the values that have several, faintly."""
    several = [group for group in line.groups if group.spread.n > 1]
    runs = [(group.value if numbers else group.name, run) for group in several for run in group.runs.to_dict("records")]
    measure, column = MEASURES[metric], COLUMN_OF[metric]
    hover = [
        f"{run['run_id']}, seed {run['train.seed']}: {measure.value_text(run[column])}, best epoch {run['best_epoch']}"
        for _, run in runs
    ]
    figure.add_scatter(
        x=[x for x, _ in runs],
        y=[measure.scale * run[column] for _, run in runs],
        mode="markers",
        marker={"color": colour, "size": 7},
        opacity=0.4,
        name=f"{escape(line.label)} single runs".strip(),
        showlegend=False,
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        **ids,
    )


def _add_published(figure: go.Figure, points: Sequence[Point], x: str, metric: Metric, scaled: float) -> None:
    measure = MEASURES[metric]
    values = [point.best_accuracy if metric == "accuracy" else point.loss for point in points]
    texts = [measure.value_text(value) for value in values]
    if any(point.derived for point in points):
        look: dict[str, Any] = {"mode": "markers", "marker": {"symbol": "x-thin", "line": {"width": 1.5}}}
        name = _derived_name(points, metric)
    else:
        look = {"mode": "lines+markers", "marker": {"symbol": "circle-open", "line": {"width": 2}}}
        look["line"] = {"color": NEUTRAL, "width": 1, "dash": "dot"}
        name = LEGEND if metric == "accuracy" else "the report (one run each)"
        if scaled != 1:
            name += f", its epochs × {scaled:g}" if x == "train.epochs" else f", {1 / scaled:g} times our epochs"
        texts = [f"{text} on {point.images:,} test images" for text, point in zip(texts, points, strict=True)]
    look["marker"] = {"size": 10, "color": NEUTRAL, **look["marker"]}
    look["marker"]["line"]["color"] = NEUTRAL
    figure.add_scatter(
        x=[report_value(point, x, scaled) for point in points],
        y=[measure.scale * value for value in values],
        uid="report",
        name=name,
        customdata=[
            f"Figure {point.figure} of the report, {value_text(point.value)}: {text}"
            for point, text in zip(points, texts, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        **look,
    )


def _derived_name(points: Sequence[Point], metric: Metric) -> str:
    """Return what printed numbers are called that are multiples of another figure's."""
    found = factors(points[0].figure)
    assert found is not None
    factor = found.accuracy if metric == "accuracy" else found.loss
    return f"printed in the report; equals its Figure {found.figure} × {factor:g}"
