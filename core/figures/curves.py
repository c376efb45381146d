"""Tables of epochs, or probabilities, in; Plotly figures out. Pure functions: no files, no run store.

A run has the same colour in every figure. Validation is solid and training dashed; a smoothed curve has
what was measured faint behind it. Backgrounds are transparent and text has no colour, so that a figure
suits a light and a dark page; whoever shows it may swap :data:`PALETTE` for the theme's own colours,
which come in the same order. Traces and axes carry ids that stay, so that a redraw keeps zoom and
hidden curves.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from core.figures.style import (
    LOG_TICKS,
    View,
    _divisor,
    _mode,
    escaped,
    is_unified,
    line_across,
    new_figure,
    published_line,
    smoothed_values,
)
from core.stats.overfitting import onset
from core.views.curves import _VALIDATION, NEUTRAL, SELECTED_ON, RunCurves

_TRAIN = "train (running mean over augmented batches)"


# --- curves ---------------------------------------------------------------------------------------


def accuracy(
    runs: Sequence[RunCurves], view: View | None = None, reference: tuple[str, float] | None = None
) -> go.Figure:
    """Accuracy in percent by epoch (or another axis), training and validation.

    ``reference`` is a published result to draw as a line: its name and its accuracy from 0 to 1.
    """
    view = view or View()
    figure = _curves(runs, view, "accuracy", "Accuracy (%)", 100.0, ".2f", " %")
    for k in sorted({len(run.classes) for run in runs}) if view.chance else ():
        line_across(figure, 100 / k, f"guessing: {100 / k:.3g} %")
    if reference:
        published_line(figure, reference)
    return figure


def validated_on(runs: Iterable[RunCurves]) -> list[str]:
    """What the validation curves of ``runs`` are of, in the words of a legend, each once."""
    parts = {run.selected_on for run in runs}
    return [words for part, words in _VALIDATION.items() if part in parts]


def small_accuracy(run: RunCurves, epochs: int) -> go.Figure:
    """Validation accuracy in percent for a glance: no legend, and as wide as the run's ``epochs`` will be."""
    figure = accuracy([run], View(train=False))
    figure.update_layout(showlegend=False, height=150)
    figure.update_xaxes(title=None, range=[0, max(epochs, 2) * 1.02], dtick=None)
    return figure.update_yaxes(title=None, ticksuffix=" %", nticks=5)


def loss(runs: Sequence[RunCurves], view: View | None = None, kind: Literal["loss", "objective"] = "loss") -> go.Figure:
    """Cross-entropy, or what training minimises: the objective, which adds the L2 penalty. Nats per image."""
    view = view or View()
    title = {"loss": "Cross-entropy", "objective": "Objective: cross-entropy + L2 penalty"}[kind]
    figure = _curves(runs, view, kind, f"{title} (nats per image)", 1.0, ".4f", "")
    if view.log_loss:
        figure.update_yaxes(type="log", tickvals=LOG_TICKS, uirevision=f"{kind} {view.x} log")
    for k in sorted({len(run.classes) for run in runs}) if view.chance and kind == "loss" else ():
        line_across(figure, math.log(k), f"guessing: ln {k} = {math.log(k):.3f}", below=True)
    return figure


def learning_rate(runs: Sequence[RunCurves], view: View | None = None) -> go.Figure:
    """The learning rate of each epoch; on a logarithmic axis where it spans two powers of ten or more."""
    figure = _plain(runs, view or View(), "lr", "Learning rate", ".3g", "")
    rates = [rate for run in runs for rate in run.metrics["lr"] if rate > 0]
    if rates and max(rates) >= 100 * min(rates):
        figure.update_yaxes(type="log", exponentformat="power", uirevision="log")
    return figure


def speed(runs: Sequence[RunCurves], view: View | None = None) -> go.Figure:
    """Training images per second in each epoch."""
    figure = _plain(runs, view or View(), "images_per_second", "Speed (images per second)", ",.0f", " images/s")
    return figure.update_yaxes(rangemode="tozero")


def _curves(
    runs: Sequence[RunCurves], view: View, kind: str, title: str, scale: float, form: str, unit: str
) -> go.Figure:
    figure, divisor = new_figure(runs, view, title, kind)
    drawn = _Scale(divisor, scale, form, unit, _mode(runs))
    for run in runs:
        for part in ("train", "val") if view.train else ("val",):
            _add_curve(figure, run, part, kind, view, drawn, alone=len(runs) == 1)
        _mark_best(figure, run, view, kind, drawn, alone=len(runs) == 1)
    if len(runs) > 1 and view.train:
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="lines",
            name=_TRAIN,
            uid="key",
            line={"color": NEUTRAL, "width": 1.5, "dash": "dash"},
        )
    return figure


@dataclass(frozen=True)
class _Scale:
    """From a table's numbers to a figure's: ``x`` divides the horizontal ones, ``y`` multiplies the values, which are
    told in ``form`` with ``unit`` and drawn in Plotly's ``mode``."""

    x: float
    y: float
    form: str
    unit: str
    mode: str


def _add_curve(
    figure: go.Figure, run: RunCurves, part: str, kind: str, view: View, scale: _Scale, *, alone: bool
) -> None:
    measured = run.metrics[f"{part}_{kind}"].astype(float) * scale.y
    shown = smoothed_values(measured, view)
    x = (run.metrics[view.x] / scale.x).tolist()
    words = _TRAIN if part == "train" else _VALIDATION[run.selected_on]
    line = {
        "color": run.colour,
        "width": 1.5 if part == "train" else 2.5,
        "dash": "dash" if part == "train" else "solid",
    }
    # Alone, either curve can be hidden by a click in the legend; among others a run is hidden whole.
    group = f"{run.id} {part}" if alone else run.id
    if view.smoothing != "none":
        figure.add_scatter(
            x=x, y=measured.tolist(), mode="lines", line=line, opacity=0.25, hoverinfo="skip", showlegend=False,
            legendgroup=group, uid=f"{run.id} {part} measured", name=f"{words}, as measured",
        )  # fmt: skip
    short = "train" if part == "train" else ("validation" if run.selected_on == "held-out" else "test")
    told = f"%{{customdata[1]:{scale.form}}}{scale.unit}"
    if view.smoothing != "none":
        told += f" (smoothed %{{y:{scale.form}}}{scale.unit})"
    epoch = "" if is_unified(figure) else "epoch %{customdata[0]}: "
    figure.add_scatter(
        x=x, y=shown.tolist(), line=line, mode=scale.mode, marker={"size": 5},
        name=words if alone else f"{escaped(run.label)} · {words}", showlegend=alone or part == "val",
        legendgroup=group, uid=f"{run.id} {part}", meta=short if alone else f"{escaped(run.label)} {short}",
        customdata=[list(pair) for pair in zip(run.metrics["epoch"].tolist(), measured.tolist(), strict=True)],
        hovertemplate=f"%{{meta}}: {epoch}{told}<extra></extra>",
    )  # fmt: skip


def _mark_best(figure: go.Figure, run: RunCurves, view: View, kind: str, scale: _Scale, *, alone: bool) -> None:
    if run.best_epoch is None:
        return
    row = run.metrics[run.metrics["epoch"] == run.best_epoch].iloc[0]
    value = float(row[f"val_{kind}"]) * scale.y
    words = f"best epoch {run.best_epoch}: {value:{scale.form}}{scale.unit}, chosen on {SELECTED_ON[run.selected_on]}"
    figure.add_scatter(
        x=[row[view.x] / scale.x], y=[value], mode="markers", name=words, uid=f"{run.id} best",
        marker={"symbol": "star", "size": 14, "color": run.colour, "line": {"width": 1, "color": "white"}},
        legendgroup=f"{run.id} val" if alone else run.id, showlegend=False,
        meta="" if alone else f"{escaped(run.label)}, ", hovertemplate=f"★ %{{meta}}{words}<extra></extra>",
    )  # fmt: skip


def mark_onsets(figure: go.Figure, runs: Sequence[RunCurves], view: View, kind: Literal["accuracy", "loss"]) -> None:
    """Mark in a figure of :func:`accuracy` or :func:`loss` where each run begins to over-fit, if it does.

    A diamond on the validation curve; with one run a line too. ``runs`` and ``view`` are those of the figure.
    """
    divisor, scale = _divisor(runs, view), 100.0 if kind == "accuracy" else 1.0
    for run in runs:
        found = onset(run.metrics)
        if found is None:
            continue
        row = run.metrics[run.metrics["epoch"] == found.epoch].iloc[0]
        x, alone = row[view.x] / divisor, len(runs) == 1
        words = f"over-fitting from about epoch {found.epoch} on"
        figure.add_scatter(
            x=[x], y=[row[f"val_{kind}"] * scale], mode="markers", name=words, uid=f"{run.id} onset",
            marker={"symbol": "diamond-open", "size": 12, "color": run.colour, "line": {"width": 2}},
            legendgroup=f"{run.id} val" if alone else run.id, showlegend=False,
            meta="" if alone else f"{escaped(run.label)}, ", hovertemplate=f"◇ %{{meta}}{words}<extra></extra>",
        )  # fmt: skip
        if alone:
            label = {"text": "over-fitting", "textposition": "end", "textangle": 0, "padding": 4}
            label |= {"xanchor": "left", "yanchor": "top"}  # inside the plot
            figure.add_shape(
                type="line", yref="y domain", x0=x, x1=x, y0=0, y1=1, layer="below",
                line={"color": NEUTRAL, "width": 1.5, "dash": "dash"},
                label={**label, "font": {"size": 11, "color": NEUTRAL}},
            )  # fmt: skip


def _plain(runs: Sequence[RunCurves], view: View, column: str, title: str, form: str, unit: str) -> go.Figure:
    """One curve a run, nothing smoothed."""
    figure, divisor = new_figure(runs, view, title, column)
    for run in runs:
        figure.add_scatter(
            x=(run.metrics[view.x] / divisor).tolist(), y=run.metrics[column].tolist(), name=escaped(run.label),
            uid=f"{run.id} {column}", mode=_mode(runs), marker={"size": 5},
            line={"color": run.colour, "width": 2}, showlegend=len(runs) > 1, meta=escaped(run.label),
            customdata=run.metrics["epoch"].tolist(),
            hovertemplate=f"%{{meta}}: %{{y:{form}}}{unit} (epoch %{{customdata}})<extra></extra>",
        )  # fmt: skip
    return figure


# --- bars -----------------------------------------------------------------------------------------


# --- what all figures share -----------------------------------------------------------------------
