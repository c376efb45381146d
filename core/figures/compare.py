"""Figures that compare: seeds as mean and band, intervals side by side, settings against accuracy.

Pure functions like those of :mod:`core.figures.curves`, whose colours, axes and habits they share.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.base.text import known
from core.compare.gap import Gap, Side, in_words
from core.compare.settings import NO_EFFECT, setting_name, setting_texts
from core.config.run_config import SETTINGS
from core.figures import curves as curves_figures
from core.figures import style as style_figures
from core.figures.style import View
from core.views.curves import RunCurves

_Kind = Literal["accuracy", "loss"]


#: Orange, grey, blue: seen on paper and on slate, and told apart with colour blindness.
LOW_TO_HIGH = [[0.0, "#d55e00"], [0.5, "#8d949b"], [1.0, "#0a84c6"]]


@dataclass(frozen=True)
class GroupCurves:
    """Runs of one experiment with different seeds; ``colour`` is that of its oldest run."""

    id: str
    label: str
    colour: str
    runs: tuple[RunCurves, ...]


def mean_curve(group: GroupCurves, column: str, x: str) -> pd.DataFrame:
    """The group's course by epoch: ``x`` (mean over the runs), ``mean``, ``sd`` (NaN for one run) and ``n``.

    An epoch that only some of the runs reached has a smaller ``n``.
    """
    tables = [run.metrics[["epoch", x, column]].set_axis(["epoch", "x", "y"], axis=1) for run in group.runs]
    every = pd.concat(tables).astype(float).groupby("epoch")
    return pd.DataFrame(
        {"x": every["x"].mean(), "mean": every["y"].mean(), "sd": every["y"].std(ddof=1), "n": every["y"].count()}
    ).reset_index()


def bands(
    groups: Sequence[GroupCurves], view: View, kind: _Kind = "accuracy", reference: tuple[str, float] | None = None
) -> go.Figure:
    """Validation curves of groups: the mean, a band of one standard deviation (n − 1) to each side, each run behind.

    Smoothing applies to the mean and the band. A group of one run is its curve alone; where only one of several got
    to, there is no band. ``reference`` is a published accuracy to draw as a line, its name and a share from 0 to 1.
    """
    title, scale, form, unit = {
        "accuracy": ("Accuracy (%)", 100.0, ".2f", " %"),
        "loss": ("Cross-entropy (nats per image)", 1.0, ".4f", ""),
    }[kind]
    runs = [run for group in groups for run in group.runs]
    # In lines of its own: beside the title it would be longer than the axis.
    figure, divisor = style_figures.new_figure(
        runs, view, "<br>".join([title, *curves_figures.validated_on(runs)]), kind
    )
    for group in groups:
        if not all(run.metrics.empty for run in group.runs):
            _add_group(figure, group, view, f"val_{kind}", divisor, scale, form, unit)
    if kind == "loss" and view.log_loss:
        figure.update_yaxes(type="log", tickvals=style_figures.LOG_TICKS, uirevision=f"{kind} {view.x} log")
    if reference and kind == "accuracy":
        style_figures.published_line(figure, reference)
    if view.chance:
        for k in sorted({len(run.classes) for run in runs}):
            if kind == "accuracy":
                style_figures.line_across(figure, 100 / k, f"guessing: {100 / k:.3g} %")
            else:
                style_figures.line_across(figure, math.log(k), f"guessing: ln {k} = {math.log(k):.3f}", below=True)
    return figure


def _add_group(
    figure: go.Figure, group: GroupCurves, view: View, column: str, divisor: float, scale: float, form: str, unit: str
) -> None:
    several, label = len(group.runs) > 1, style_figures.escaped(group.label)
    quiet = {"mode": "lines", "hoverinfo": "skip", "showlegend": False, "legendgroup": group.id}
    for run in group.runs if several else ():
        figure.add_scatter(
            x=run.metrics[view.x].to_numpy(float) / divisor, y=run.metrics[column].to_numpy(float) * scale,
            line={"color": group.colour, "width": 1}, opacity=0.35, uid=f"{run.id} single",
            name=style_figures.escaped(run.label), **quiet,
        )  # fmt: skip
    table = mean_curve(group, column, view.x)
    x = table["x"].to_numpy() / divisor
    mean = style_figures.smoothed_values(table["mean"] * scale, view).to_numpy()
    # Smoothing would carry the deviation on to epochs that one run alone has reached.
    sd = style_figures.smoothed_values(table["sd"] * scale, view).where(table["n"] > 1).to_numpy()
    if several:
        # The fill takes the line's colour at half strength, and so the theme's.
        wide = ~np.isnan(sd)
        edge = {**quiet, "line": {"color": group.colour, "width": 0}, "opacity": 0.4}
        figure.add_scatter(x=x[wide], y=(mean - sd)[wide], uid=f"{group.id} low", **edge)
        figure.add_scatter(x=x[wide], y=(mean + sd)[wide], uid=f"{group.id} high", fill="tonexty", **edge)
    elif view.smoothing != "none":
        figure.add_scatter(
            x=x, y=table["mean"].to_numpy() * scale, line={"color": group.colour, "width": 2}, opacity=0.25,
            uid=f"{group.id} measured", name=f"{label}, as measured", **quiet,
        )  # fmt: skip
    told = f"%{{y:{form}}}{unit}" + ("%{customdata[1]}" if several else "")
    spread = [
        (f" ± {one:{form}}{unit}" if known(one) else "") + f" (n = {n})" for one, n in zip(sd, table["n"], strict=True)
    ]
    epoch = "" if style_figures.is_unified(figure) else "epoch %{customdata[0]}: "
    figure.add_scatter(
        x=x, y=mean, name=label, uid=f"{group.id} mean", legendgroup=group.id, meta=label,
        mode="lines+markers" if len(x) <= 30 else "lines", marker={"size": 5},
        line={"color": group.colour, "width": 2.5},
        customdata=[list(pair) for pair in zip(table["epoch"].tolist(), spread, strict=True)],
        hovertemplate=f"%{{meta}}: {epoch}{told}<extra></extra>",
    )  # fmt: skip


# --- is the gap real? -----------------------------------------------------------------------------


def gap_intervals(gap: Gap, colours: Sequence[str]) -> go.Figure:
    """Two contenders, the better above: every run a dot, the mean a diamond with its 95 % Wilson interval.

    ``colours`` are those of the better and of the other.
    """
    figure = go.Figure(
        layout=style_figures.plain_layout() | {"height": 170, "showlegend": False, "hovermode": "closest"}
    )
    for side, colour in zip((gap.better, gap.other), colours, strict=True):
        _add_side(figure, side, colour, in_words(gap.part))
    figure.update_xaxes(
        title=style_figures.with_title(f"Accuracy on {in_words(gap.part)} (%)"), zeroline=False, automargin=True
    )
    return figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)


def _add_side(figure: go.Figure, side: Side, colour: str, images: str) -> None:
    label = style_figures.escaped(side.label)
    mean = 100 * side.over_seeds.mean
    if side.over_seeds.n > 1:
        figure.add_scatter(
            x=[100 * one for one in side.accuracies], y=[label] * side.over_seeds.n, mode="markers",
            uid=f"{side.run_ids[0]} runs", marker={"color": colour, "size": 8, "opacity": 0.45},
            customdata=list(side.run_ids), hovertemplate="run %{customdata}: %{x:.2f} %<extra></extra>",
        )  # fmt: skip
    low, high = 100 * side.interval.low, 100 * side.interval.high
    figure.add_scatter(
        x=[mean], y=[label], mode="markers", uid=f"{side.run_ids[0]} mean",
        marker={"color": colour, "size": 13, "symbol": "diamond"},
        error_x={
            "type": "data", "symmetric": False, "array": [high - mean], "arrayminus": [mean - low], "color": colour,
            "thickness": 2, "width": 7,
        },
        hovertemplate=(
            f"%{{x:.2f}} %, 95 % interval for {side.images:,} {images}: {low:.2f} to {high:.2f} %<extra></extra>"
        ),
    )  # fmt: skip


# --- settings against accuracy --------------------------------------------------------------------


def parallel_coordinates(frame: pd.DataFrame, paths: Sequence[str], outcome: str = "best_val_accuracy") -> go.Figure:
    """Every run a line through its settings at ``paths`` to its ``outcome`` (shares from 0 to 1, shown in percent).

    Runs without an outcome are left out. Choices are spread evenly; numbers that span a factor of 50 stand
    on a logarithmic axis. The colour is the outcome.
    """
    rows = frame[frame[outcome].notna()]
    percent = 100 * rows[outcome].astype(float)
    # A few failed runs would leave all others the same colour.
    cmin, cmax = percent.quantile([0.1, 1.0]).tolist() if len(percent) else (0.0, 1.0)
    words = {"best_val_accuracy": "Best validation accuracy (%)", "test_accuracy": "Test accuracy (%)"}[outcome]
    dimensions = [_dimension(rows, path) for path in paths]
    dimensions.append({"label": words, "values": percent.tolist(), "tickformat": ".1f"})
    figure = go.Figure(
        layout=style_figures.plain_layout() | {"height": 420, "margin": {"l": 60, "r": 90, "t": 84, "b": 24}}
    )
    figure.add_parcoords(
        dimensions=dimensions, labelangle=-20, uid="parallel", unselected={"line": {"opacity": 0.06}},
        line={"color": percent.tolist(), "colorscale": LOW_TO_HIGH, "cmin": cmin, "cmax": cmax},
    )  # fmt: skip
    return figure if len(rows) else style_figures.say(figure, "No picked run has finished an epoch yet.")


def _dimension(rows: pd.DataFrame, path: str) -> dict[str, Any]:
    texts = setting_texts(rows, path)
    label = setting_name(path)
    numeric = SETTINGS[path].kind in ("int", "float")
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce")
    if not numeric or numbers.isna().any():
        # A dash (no effect) or a word such as “all” has no place on a scale of numbers.
        names = sorted(set(texts), key=lambda text: (text != NO_EFFECT, _as_number(text), text))
        places = {name: place for place, name in enumerate(names)}
        return {
            "label": label, "values": [places[text] for text in texts], "range": [-0.3, len(names) - 0.7],
            "tickvals": list(places.values()), "ticktext": [_short(name) for name in names],
        }  # fmt: skip
    if numbers.min() > 0 and numbers.max() >= 50 * numbers.min():
        ticks = _spread_out(sorted(numbers.unique()))
        return {
            "label": label, "values": np.log10(numbers).tolist(), "tickvals": np.log10(ticks).tolist(),
            "ticktext": [f"{tick:g}" for tick in ticks],
        }  # fmt: skip
    ticks = _spread_out(sorted(numbers.unique()))
    return {"label": label, "values": numbers.tolist(), "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf


def _short(text: str) -> str:
    return text if len(text) <= 18 else f"{text[:17]}…"


def _spread_out(values: list[float], most: int = 8) -> list[float]:
    """At most ``most`` of the values, the first and last among them."""
    if len(values) <= most:
        return values
    return [values[round(at)] for at in np.linspace(0, len(values) - 1, most)]
