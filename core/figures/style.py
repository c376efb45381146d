"""What all figures share: the Plotly template, titles and units, the axes of curves, and reference lines."""

import html
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io

from core.stats.finding import MEASURES, Metric
from core.views.curves import NEUTRAL, RunCurves

X = Literal["epoch", "step", "images", "seconds"]
Smoothing = Literal["none", "exponential", "median"]
Values = Sequence[Any] | np.ndarray | pd.Series

#: What a figure's horizontal axis can be.
X_AXES: dict[X, str] = {"epoch": "Epoch", "step": "Step (batches)", "images": "Images seen", "seconds": "Training time"}
#: Tick labels of a logarithmic axis.
LOG_TICKS = [digit * 10.0**power for power in range(-4, 9) for digit in (1, 2, 5)]
#: Shown in place of curves before a run has finished an epoch.
NO_EPOCH_TEXT = "No epoch is finished yet. Points appear a few seconds after training begins."

#: The name of annotations that are drawn on the page's background.
NOTE = "note"
#: Letters of a name in a legend; more names than fit would leave no room for the curves.
LEGEND_LETTERS = 36

_TRANSPARENT = "rgba(0,0,0,0)"
_AXIS = {"zeroline": False, "automargin": True, "title": {"font": {"size": 13}}}
_LEGEND = {
    "orientation": "h",
    "x": 0,
    "xanchor": "left",
    "y": 1.02,
    "yanchor": "bottom",
    "font": {"size": 12},
    "tracegroupgap": 0,
}

#: Backgrounds are transparent and text has no colour, so a figure suits a light and a dark page. The template is part
#: of a figure's JSON, so the browser needs no copy of it.
TEMPLATE = "resnet-lab"
plotly.io.templates[TEMPLATE] = go.layout.Template(
    layout={
        "paper_bgcolor": _TRANSPARENT,
        "plot_bgcolor": _TRANSPARENT,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "legend": _LEGEND,
        "hovermode": "closest",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "shapedefaults": {"layer": "below", "line": {"color": NEUTRAL, "width": 1.5}},
        "annotationdefaults": {"showarrow": False},
    }
)


TITLES: dict[Metric, str] = {
    "accuracy": "Accuracy (%)",
    "loss": "Cross-entropy (nats per image)",
    "objective": "Objective: cross-entropy + L2 penalty (nats per image)",
}


def hover_text(metric: Metric, variable: str) -> str:
    """Return the part of a hover template that shows ``variable``, a value of the metric in the unit of its axis."""
    measure = MEASURES[metric]
    return f"%{{{variable}:.{measure.digits}f}}{measure.unit}"


@dataclass(frozen=True)
class View:
    """How curves are drawn.

    ``span`` in epochs is the span of an exponential mean (weights fall by the factor 1 − 2/(span+1) per epoch,
    corrected for the start), or the centred window of a running median. ``chance`` turns the reference lines on.
    """

    x: X = "epoch"
    smoothing: Smoothing = "none"
    span: int = 5
    log_loss: bool = False
    chance: bool = True
    train: bool = True
    log_x: bool = False

    def smooth(self, values: pd.Series) -> pd.Series:
        """Return the values of consecutive epochs, smoothed."""
        if self.smoothing == "exponential":
            return values.ewm(span=self.span).mean()
        if self.smoothing == "median":
            return values.rolling(self.span, min_periods=1, center=True).median()
        return values


def new_figure(x_title: str | None = None, y_title: str | None = None, **layout: Any) -> go.Figure:
    """Return an empty figure in the project's template. A redraw keeps zoom and hidden curves (``uirevision``)."""
    figure = go.Figure(layout={"template": TEMPLATE, "uirevision": "kept", **layout})
    return figure.update_xaxes(title_text=x_title).update_yaxes(title_text=y_title)


# --- curves over epochs, steps, images or time ----------------------------------------------------

#: Unit of time, its seconds, and the longest run shown in it.
_TIMES = (("seconds", 1.0, 180.0), ("minutes", 60.0, 10_800.0), ("hours", 3600.0, math.inf))


def new_curve_figure(runs: Sequence[RunCurves], view: View, y_title: str, name: str) -> go.Figure:
    """Return an empty figure with the axes for the runs' curves; ``name`` tells its vertical axis from others."""
    unit, _ = _time_unit(runs, view)
    x_title = f"{X_AXES[view.x]} ({unit})" if view.x == "seconds" else X_AXES[view.x]
    figure = new_figure(x_title, y_title)
    figure.update_xaxes(uirevision=view.x, rangemode="tozero").update_yaxes(uirevision=f"{name} {view.x}")
    longest = _longest(runs, view)
    if view.log_x:
        figure.update_xaxes(type="log", rangemode="normal", tickvals=LOG_TICKS, uirevision=f"{view.x} log")
    elif view.x == "epoch":
        figure.update_xaxes(dtick=1 if 2 <= longest <= 12 else None)
    if view.x == "epoch":
        figure.update_xaxes(unifiedhovertitle={"text": "Epoch %{x}"})
    # Curves of different runs over steps or time have no positions in common to compare at.
    figure.update_layout(hovermode="x unified" if len(runs) == 1 or view.x == "epoch" else "closest")
    return figure if longest else add_message(figure, NO_EPOCH_TEXT)


def _longest(runs: Sequence[RunCurves], view: View) -> float:
    """Return where the longest curve ends, in the unit of the tables."""
    return max((run.longest(view.x) for run in runs), default=0.0)


def _time_unit(runs: Sequence[RunCurves], view: View) -> tuple[str, float]:
    longest = _longest(runs, view) if view.x == "seconds" else 0.0
    return next((unit, seconds) for unit, seconds, limit in _TIMES if longest < limit)


def x_divisor(runs: Sequence[RunCurves], view: View) -> float:
    """Return what horizontal values are divided by: long runs are shown in minutes or hours instead of seconds."""
    return _time_unit(runs, view)[1]


def shows_epoch(figure: go.Figure) -> bool:
    """Return whether the figure's hover box already names the epoch."""
    return str(figure.layout.hovermode) == "x unified" and figure.layout.xaxis.title.text == X_AXES["epoch"]


def add_curve(figure: go.Figure, x: Values, y: Values, colour: str, width: float = 2.5, **trace: Any) -> None:
    """Add a curve. Few epochs get markers, because a single point has no line, and so does a ``symbol`` of its own."""
    line, symbol = {"color": colour, "width": width, "dash": trace.pop("dash", "solid")}, trace.pop("symbol", "circle")
    marker = {"size": 5 if symbol == "circle" else 7, "symbol": symbol, "maxdisplayed": 0 if len(x) <= 30 else 12}
    style = {"mode": "lines+markers" if len(x) <= 30 or symbol != "circle" else "lines", "marker": marker}
    figure.add_scatter(x=x, y=y, line=line, **{**style, **trace})


def add_faint_curve(figure: go.Figure, x: Values, y: Values, colour: str, **trace: Any) -> None:
    """Add a curve behind others, without hover and legend entry."""
    add_curve(figure, x, y, colour, mode="lines", hoverinfo="skip", showlegend=False, **trace)


def error_bars(
    values: Sequence[float], intervals: Sequence[tuple[float, float]], colour: str, **style: Any
) -> dict[str, Any]:
    """Return error bars that reach from ``values`` to the ends of their ``intervals``."""
    pairs = list(zip(values, intervals, strict=True))
    above, below = [high - value for value, (_, high) in pairs], [value - low for value, (low, _) in pairs]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": colour, **style}


# --- lines across and messages --------------------------------------------------------------------


def add_line_across(
    figure: go.Figure, y: float, text: str, dash: str = "dot", *, below: bool = False, at: str = "end"
) -> None:
    """Draw a horizontal reference line with its text above or ``below`` the line, ``at`` its start or end."""
    figure.add_shape(type="line", xref="x domain", x0=0, x1=1, y0=y, y1=y, line_dash=dash)
    place = {"xref": "x domain", "x": float(at == "end"), "xanchor": "right" if at == "end" else "left"}
    height = math.log10(y) if figure.layout.yaxis.type == "log" else y  # where an annotation is, unlike a shape
    add_note(figure, text, y=height, yanchor="top" if below else "bottom", **place)


def add_note(figure: go.Figure, text: str, **place: Any) -> None:
    """Write a small text over everything else. A page gives texts of this name a background, so that they are read."""
    font = {"size": 11, "color": NEUTRAL}
    figure.add_annotation(text=text, name=NOTE, showarrow=False, font=font, borderpad=1, **place)


def add_chance_level(figure: go.Figure, metric: Metric, k: int) -> None:
    """Draw the chance level of a task with ``k`` classes. The objective has none, because it includes a penalty."""
    if metric == "accuracy":
        add_line_across(figure, 100 / k, f"chance level {100 / k:.3g} %")
    elif metric == "loss":
        add_line_across(figure, math.log(k), f"chance level ln {k} = {math.log(k):.3f}", below=True)


def finish_curves(
    figure: go.Figure, runs: Sequence[RunCurves], view: View, metric: Metric, reference: tuple[str, float] | None = None
) -> go.Figure:
    """Add what ``view`` asks for: a logarithmic axis for losses, chance levels, and a published accuracy.

    ``reference`` is its name and its value (0 to 1). Its text is at the start of the line, because curves reach it at
    its end, and below it, because the line may be the highest thing in the chart.
    """
    if not _longest(runs, view):
        return figure  # lines across would strike the message through
    if view.log_loss and metric != "accuracy":
        figure.update_yaxes(type="log", tickvals=LOG_TICKS, uirevision=f"{metric} {view.x} log")
    if reference and metric == "accuracy":
        name, accuracy = reference
        add_line_across(figure, 100 * accuracy, f"{name}: {100 * accuracy:.2f} %", "dashdot", below=True, at="start")
    for k in sorted({len(run.classes) for run in runs}) if view.chance else ():
        add_chance_level(figure, metric, k)
    return figure


def add_message(figure: go.Figure, text: str) -> go.Figure:
    """Write a sentence into the middle of a figure that has no data, and so no scale either. It fits on a phone."""
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure.add_annotation(
        text="<br>".join(textwrap.wrap(text, 45)), name=NOTE, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5
    )


#: Escapes a name that a person chose, so that Plotly does not read it as markup.
escape = partial(html.escape, quote=False)
