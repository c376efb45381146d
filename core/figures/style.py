"""TODO: core.figures.style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from core.views.curves import NEUTRAL, RunCurves

X = Literal["epoch", "step", "images", "seconds"]


Smoothing = Literal["none", "exponential", "median"]


#: What a figure's horizontal axis can be.
X_AXES: dict[X, str] = {"epoch": "Epoch", "step": "Step (batches)", "images": "Images seen", "seconds": "Training time"}


LOG_TICKS = [digit * 10.0**power for power in range(-4, 9) for digit in (1, 2, 5)]


_NOT_YET = "The first point appears when the first epoch ends."


@dataclass(frozen=True)
class View:
    """How curves are looked at. ``span`` in epochs is that of an exponential mean (weights fall by the
    factor 1 − 2/(span+1) an epoch, corrected for the start), or the centred window of a running median."""

    x: X = "epoch"
    smoothing: Smoothing = "none"
    span: int = 5
    log_loss: bool = False
    chance: bool = True
    train: bool = True
    log_x: bool = False


def smoothed_values(values: pd.Series, view: View) -> pd.Series:
    if view.smoothing == "exponential":
        return values.ewm(span=view.span).mean()
    if view.smoothing == "median":
        return values.rolling(view.span, min_periods=1, center=True).median()
    return values


def new_figure(runs: Sequence[RunCurves], view: View, title: str, kind: str) -> tuple[go.Figure, float]:
    """An empty figure with its axes, and what to divide x by: seconds are shown as minutes or hours."""
    longest = _longest(runs, view)
    x_title, divisor = X_AXES[view.x], _divisor(runs, view)
    if view.x == "seconds":
        x_title = f"{x_title} ({next(unit for unit, seconds, _ in _TIMES if seconds == divisor)})"
    figure = go.Figure(layout=plain_layout())
    figure.update_xaxes(
        title=with_title(x_title), uirevision=view.x, zeroline=False, rangemode="tozero", automargin=True
    )
    figure.update_yaxes(title=with_title(title), uirevision=f"{kind} {view.x}", zeroline=False, automargin=True)
    if view.log_x:
        figure.update_xaxes(type="log", rangemode="normal", tickvals=LOG_TICKS, uirevision=f"{view.x} log")
    elif view.x == "epoch":
        figure.update_xaxes(dtick=1 if longest <= 12 else None)
    # Curves over steps or time of different runs share no positions to compare at.
    figure.update_layout(hovermode="x unified" if len(runs) == 1 or view.x == "epoch" else "closest")
    if view.x == "epoch":
        figure.update_xaxes(unifiedhovertitle={"text": "Epoch %{x}"})
    return (figure, divisor) if longest else (say(figure, _NOT_YET), divisor)


#: Unit of time, its seconds, and the longest run shown in it.
_TIMES: tuple[tuple[str, float, float], ...] = (
    ("seconds", 1.0, 180.0),
    ("minutes", 60.0, 10_800.0),
    ("hours", 3600.0, math.inf),
)


def _longest(runs: Sequence[RunCurves], view: View) -> float:
    """Where the last of the curves ends, in the unit of the tables."""
    return max((run.metrics[view.x].max() for run in runs if len(run.metrics)), default=0)


def _divisor(runs: Sequence[RunCurves], view: View) -> float:
    """What the table's horizontal numbers are divided by to be shown: seconds become minutes or hours."""
    longest = _longest(runs, view) if view.x == "seconds" else 0.0
    return next(seconds for _, seconds, below in _TIMES if longest < below)


def _mode(runs: Sequence[RunCurves]) -> str:
    """Few epochs show their points; one alone would be invisible without."""
    return "lines+markers" if max((len(run.metrics) for run in runs), default=0) <= 30 else "lines"


def plain_layout() -> dict[str, Any]:
    return {
        "template": {},
        "uirevision": "kept",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
    }


def with_title(words: str) -> dict[str, Any]:
    return {"text": words, "font": {"size": 13}}


def line_across(
    figure: go.Figure, y: float, words: str, dash: str = "dot", *, below: bool = False, at: str = "end"
) -> None:
    label = {"text": words, "textposition": at, "yanchor": "top" if below else "bottom"}
    figure.add_shape(
        type="line", xref="x domain", x0=0, x1=1, y0=y, y1=y, line={"color": NEUTRAL, "width": 1.5, "dash": dash},
        layer="below", label={**label, "font": {"size": 11, "color": NEUTRAL}},
    )  # fmt: skip


def published_line(figure: go.Figure, reference: tuple[str, float]) -> None:
    """Draw a published result, its name and its accuracy from 0 to 1, across a chart of accuracies in percent.

    Its words stand at the start, as a curve that comes to such a line does so at its end, and below, where the axis
    goes on: the line may be the highest thing in the chart.
    """
    name, share = reference
    line_across(figure, 100 * share, f"{name}: {100 * share:.2f} %", dash="dashdot", below=True, at="start")


def say(figure: go.Figure, words: str) -> go.Figure:
    return figure.add_annotation(text=words, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)


def is_unified(figure: go.Figure) -> bool:
    return str(figure.layout.hovermode) == "x unified" and figure.layout.xaxis.title.text == X_AXES["epoch"]


def escaped(label: str) -> str:
    """A name a person gave, so that Plotly takes no part of it for markup."""
    return label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
