"""Figures that compare runs: seeds as mean and band, two results with their intervals, settings against accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.base.text import known, shortened
from core.compare.gap import IMAGES, Gap, Side
from core.compare.settings import NO_EFFECT, are_numbers, as_computed, in_order, setting_name, setting_text
from core.config.run_config import RunConfig
from core.config.setting import plain
from core.figures import style
from core.figures.curves import validation_texts
from core.figures.style import View
from core.runs.summary import RunSummary, common_accuracy
from core.stats.finding import MEASURES
from core.views.curves import Mark, RunCurves

#: From orange over grey to blue: visible on a light and a dark page, and with colour blindness.
LOW_TO_HIGH = [[0.0, "#d55e00"], [0.5, "#8d949b"], [1.0, "#0a84c6"]]


#: Letters of a name beside its interval.
_SIDE_LETTERS = 26


@dataclass(frozen=True)
class GroupCurves:
    """Runs that are drawn as one curve, often seeds of one experiment; ``mark`` says how."""

    id: str
    label: str
    mark: Mark
    runs: tuple[RunCurves, ...]


# --- seeds as mean and band -----------------------------------------------------------------------


def mean_curve(group: GroupCurves, column: str, x: str) -> pd.DataFrame:
    """Return the group's mean by ``epoch``: ``x`` (mean over the runs), ``mean``, ``sd`` (NaN for one run) and ``n``.

    An epoch that only some of the runs reached has a smaller ``n``.
    """
    tables = [run.metrics[["epoch", x, column]].set_axis(["epoch", "x", "y"], axis=1) for run in group.runs]
    by_epoch = pd.concat(tables).astype(float).groupby("epoch")
    y = by_epoch["y"]
    columns = {"x": by_epoch["x"].mean(), "mean": y.mean(), "sd": y.std(ddof=1), "n": y.count()}
    return pd.DataFrame(columns).reset_index()


def bands(
    groups: Sequence[GroupCurves],
    view: View,
    kind: Literal["accuracy", "loss"] = "accuracy",
    reference: tuple[str, float] | None = None,
) -> go.Figure:
    """Return the validation curves of groups: the mean, a band of ± one standard deviation (n − 1), each run behind.

    Smoothing applies to the mean and the band. There is no band where only one of several runs has an epoch, and none
    for a group of one run. ``reference`` is a published result to draw as a line: its name and its accuracy (0 to 1).
    """
    runs = [run for group in groups for run in group.runs]
    # What was measured takes lines of its own: next to the title it would be longer than the axis.
    title = "<br>".join([style.TITLES[kind], *validation_texts(runs)])
    figure = style.new_curve_figure(runs, view, title, kind)
    legend = shortened((group.label for group in groups), style.LEGEND_LETTERS)
    for group in groups:
        if not all(run.metrics.empty for run in group.runs):
            _add_group(figure, group, legend[group.label], view, kind, style.x_divisor(runs, view))
    return style.finish_curves(figure, runs, view, kind, reference)


def _add_group(
    figure: go.Figure, group: GroupCurves, name: str, view: View, kind: Literal["accuracy", "loss"], divisor: float
) -> None:
    measure, label, several = MEASURES[kind], style.escape(group.label), len(group.runs) > 1
    colour = group.mark.colour
    if several:  # one trace with gaps: the browser's time grows with the number of traces
        gap = pd.DataFrame({"x": [np.nan], "y": [np.nan]})
        singles = [
            run.metrics[[view.x, f"val_{kind}"]].set_axis(["x", "y"], axis=1).astype(float) for run in group.runs
        ]
        x, y = pd.concat([part for single in singles for part in (single, gap)]).to_numpy().T
        ids = {"uid": f"{group.id} single", "name": label, "legendgroup": group.id}
        style.add_faint_curve(figure, x / divisor, y * measure.scale, colour, width=1, opacity=0.35, **ids)
    table = mean_curve(group, f"val_{kind}", view.x)
    x = table["x"].to_numpy() / divisor
    mean = view.smooth(table["mean"] * measure.scale).to_numpy()
    # Smoothing would carry the deviation on to epochs that only one run has reached.
    sd = view.smooth(table["sd"] * measure.scale).where(table["n"] > 1).to_numpy()
    if several:
        # The fill takes the line's colour at half strength, and therefore the theme's colour.
        wide = ~np.isnan(sd)
        edge: dict[str, Any] = {"width": 0, "opacity": 0.4, "legendgroup": group.id}
        style.add_faint_curve(figure, x[wide], (mean - sd)[wide], colour, uid=f"{group.id} low", **edge)
        edge |= {"uid": f"{group.id} high", "fill": "tonexty"}
        style.add_faint_curve(figure, x[wide], (mean + sd)[wide], colour, **edge)
    elif view.smoothing != "none":
        ids = {"uid": f"{group.id} measured", "name": f"{label}, as measured", "legendgroup": group.id}
        style.add_faint_curve(figure, x, table["mean"] * measure.scale, colour, width=2, opacity=0.25, **ids)
    hover = ("" if style.shows_epoch(figure) else "epoch %{customdata[0]}: ") + style.hover_text(kind, "y")
    deviations = [f" ± {value:.{measure.digits}f}{measure.unit}" if known(value) else "" for value in sd]
    spread = [f"{text} (n = {n})" for text, n in zip(deviations, table["n"], strict=True)]
    style.add_curve(
        figure,
        x,
        mean,
        colour,
        dash=group.mark.dash,
        symbol=group.mark.symbol,
        name=style.escape(name),
        uid=f"{group.id} mean",
        legendgroup=group.id,
        meta=label,
        customdata=[list(pair) for pair in zip(table["epoch"].tolist(), spread, strict=True)],
        hovertemplate=f"%{{meta}}: {hover}{'%{customdata[1]}' if several else ''}<extra></extra>",
    )


# --- is the gap real? -----------------------------------------------------------------------------


def gap_intervals(gap: Gap, colours: Sequence[str]) -> go.Figure:
    """Return two contenders, the better one above: a dot per run, a diamond for the mean with its 95 % interval.

    ``colours`` are those of the better and of the other contender. The interval is Wilson's.
    """
    # Two lines: beside long names, one would be longer than the axis on a phone.
    figure = style.new_figure(f"Accuracy (%)<br>on {IMAGES[gap.part]}", height=185, showlegend=False)
    names = shortened((gap.better.label, gap.other.label), _SIDE_LETTERS)
    for side, colour in zip((gap.better, gap.other), colours, strict=True):
        _add_side(figure, side, names[side.label], colour, IMAGES[gap.part])
    return figure.update_yaxes(autorange="reversed", showgrid=False)


def _add_side(figure: go.Figure, side: Side, name: str, colour: str, images: str) -> None:
    label, n = style.escape(name), side.spread.n
    mean, low, high = (100 * share for share in (side.spread.mean, *side.image_interval))
    if n > 1:
        marker = {"color": colour, "size": 8, "opacity": 0.45}
        x = [100 * accuracy for accuracy in side.results]
        hover = {"customdata": list(side.run_ids), "hovertemplate": "run %{customdata}: %{x:.2f} %<extra></extra>"}
        figure.add_scatter(x=x, y=[label] * n, mode="markers", marker=marker, uid=f"{side.run_ids[0]} runs", **hover)
    figure.add_scatter(
        x=[mean],
        y=[label],
        mode="markers",
        uid=f"{side.run_ids[0]} mean",
        marker={"color": colour, "size": 13, "symbol": "diamond"},
        error_x=style.error_bars([mean], [(low, high)], colour, thickness=2, width=7),
        hovertemplate=f"%{{x:.2f}} %, 95 % interval {low:.2f}–{high:.2f} % on {side.images:,} {images}<extra></extra>",
    )


# --- settings against accuracy --------------------------------------------------------------------


def parallel_coordinates(runs: Sequence[RunSummary], paths: Sequence[str]) -> go.Figure:
    """Return every run as a line through its settings at ``paths`` to its accuracy in percent.

    It is the test accuracy if all runs with an epoch have one, otherwise the validation accuracy.

    Runs without an epoch are left out. Choices are spaced evenly; numbers that span a factor of 50 get a logarithmic
    axis. The colour is the accuracy.
    """
    name, accuracies = common_accuracy(runs)
    rows = [(as_computed(run), 100 * accuracies[run.id]) for run in runs if run.id in accuracies]
    percent = [accuracy for _, accuracy in rows]
    # Without the cut at the tenth percentile, a few failed runs would leave all others the same colour.
    cmin, cmax = np.quantile(percent, [0.1, 1.0]) if rows else (0.0, 1.0)
    dimensions = [_dimension([config for config, _ in rows], path) for path in paths]
    dimensions.append({"label": f"{name} (%)", "values": percent, "tickformat": ".1f"})
    figure = style.new_figure(height=420, margin={"l": 60, "r": 90, "t": 84, "b": 24})
    line = {"color": percent, "colorscale": LOW_TO_HIGH, "cmin": cmin, "cmax": cmax}
    hidden = {"line": {"opacity": 0.06}}
    figure.add_parcoords(dimensions=dimensions, labelangle=-20, uid="parallel", line=line, unselected=hidden)
    return figure if rows else style.add_message(figure, "No selected run has finished an epoch yet.")


def _dimension(configs: Sequence[RunConfig], path: str) -> dict[str, Any]:
    label, texts = setting_name(path), [setting_text(config, path) for config in configs]
    values = [config[path] for config in configs]
    if NO_EFFECT in texts or not are_numbers(values):
        # A dash (no effect) or a word such as “all” has no place on a scale of numbers.
        text_of = {value: text for value, text in zip(values, texts, strict=True) if text != NO_EFFECT}
        names = [NO_EFFECT] * (NO_EFFECT in texts) + [text_of[value] for value in in_order(path, list(text_of))]
        ticks = [name if len(name) <= 18 else f"{name[:17]}…" for name in names]
        places = {"tickvals": list(range(len(names))), "ticktext": ticks, "range": [-0.3, len(names) - 0.7]}
        return {"label": label, "values": [names.index(text) for text in texts], **places}
    logarithmic = min(values) > 0 and max(values) >= 50 * min(values)
    at = {value: float(np.log10(value) if logarithmic else value) for value in sorted(set(values))}
    labelled = _readable(at)
    marks = {"tickvals": [at[value] for value in labelled], "ticktext": [plain(value) for value in labelled]}
    return {"label": label, "values": [at[value] for value in values], **marks}


def _readable(places: dict[float, float], gap: float = 0.06) -> list[float]:
    """Return the values whose labels do not overlap, the first and last among them.

    ``places`` has where each value is on its scale, in rising order; labels are at least ``gap`` of the scale apart.
    """
    values = list(places)
    room = gap * (places[values[-1]] - places[values[0]])
    kept = values[:1]
    for value in values[1:-1]:
        if min(places[value] - places[kept[-1]], places[values[-1]] - places[value]) >= room:
            kept.append(value)
    return kept + values[-1:] if len(values) > 1 else kept
