"""Curves of runs: accuracy, losses, learning rate and speed by epoch, step, image or time.

Pure functions from tables of epochs to figures: no files, no run store. A run has the same colour in every figure.
Validation is solid and training dashed; a smoothed curve has the measured values faintly behind it. The palette has
the order of the theme's categorical colours, so a page may swap one for the other. Traces and axes have stable ids, so
a redraw keeps zoom and hidden curves.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import plotly.graph_objects as go

from core.base.text import SELECTED_ON, shortened
from core.figures import style
from core.figures.style import View
from core.stats.finding import MEASURES, Metric
from core.stats.overfitting import onset
from core.views.curves import NEUTRAL, VALIDATION_TEXT, RunCurves

_TRAINING_TEXT = "training (running mean over augmented batches)"
_MOMENTS_TEXT = "training within the epoch (a few seconds each)"


def accuracy(
    runs: Sequence[RunCurves], view: View | None = None, reference: tuple[str, float] | None = None
) -> go.Figure:
    """Return the accuracy in percent by epoch (or another axis), training and validation.

    ``reference`` is a published result to draw as a line: its name and its accuracy from 0 to 1.
    """
    return _curves(runs, view or View(), "accuracy", reference)


def loss(runs: Sequence[RunCurves], view: View | None = None, kind: Literal["loss", "objective"] = "loss") -> go.Figure:
    """Return the cross-entropy, or the objective that training minimises (with the L2 penalty), in nats per image."""
    return _curves(runs, view or View(), kind, None)


def small_accuracy(run: RunCurves) -> go.Figure:
    """Return a small chart of validation accuracy in percent: the axes of :func:`accuracy`, no legend and titles."""
    figure = accuracy([run], View(train=run.metrics.empty))
    figure.update_layout(showlegend=False, height=150)
    figure.update_xaxes(title=None)
    return figure.update_yaxes(title=None, ticksuffix=" %", nticks=5)


def learning_rate(runs: Sequence[RunCurves], view: View | None = None) -> go.Figure:
    """Return the learning rate of each epoch; its axis is logarithmic if it spans a factor of 100 or more."""
    figure = one_column(runs, view or View(), "lr", "Learning rate", "%{y:.3g}")
    rates = [rate for run in runs for rate in run.metrics["lr"] if rate > 0]
    if rates and max(rates) >= 100 * min(rates):
        figure.update_yaxes(type="log", exponentformat="power", uirevision="log")
    return figure


def speed(runs: Sequence[RunCurves], view: View | None = None) -> go.Figure:
    """Return the training images per second in each epoch."""
    title, hover = "Speed (images per second)", "%{y:,.0f} images/s"
    return one_column(runs, view or View(), "images_per_second", title, hover).update_yaxes(rangemode="tozero")


def one_column(runs: Sequence[RunCurves], view: View, column: str, title: str, hover: str) -> go.Figure:
    """Return one curve per run of a ``column`` of its epochs, without smoothing; ``hover`` shows its value ``y``."""
    legend = shortened((run.label for run in runs), style.LEGEND_LETTERS)
    figure = style.new_curve_figure(runs, view, title, column)
    for run in runs:
        style.add_curve(
            figure,
            (run.metrics[view.x] / style.x_divisor(runs, view)).tolist(),
            run.metrics[column].tolist(),
            run.colour,
            width=2,
            name=style.escape(legend[run.label]),
            uid=f"{run.id} {column}",
            showlegend=len(runs) > 1,
            meta=style.escape(run.label),
            customdata=run.metrics["epoch"].tolist(),
            hovertemplate=f"%{{meta}}: {hover} (epoch %{{customdata}})<extra></extra>",
        )
    return figure


def validation_texts(runs: Iterable[RunCurves]) -> list[str]:
    """Return what the runs' validation curves were measured on, each text once."""
    sets = {run.selected_on for run in runs}
    return [text for name, text in VALIDATION_TEXT.items() if name in sets]


def mark_onsets(figure: go.Figure, runs: Sequence[RunCurves], view: View, kind: Metric) -> None:
    """Mark where each run begins to overfit, if it does, in a figure of :func:`accuracy` or :func:`loss`.

    The mark is a diamond on the validation curve, with a vertical line if there is one run. ``runs`` and ``view`` are
    those of the figure.
    """
    chart = _Chart(figure, runs, view, kind)
    for run in runs:
        found = onset(run.metrics)
        if found is None:
            continue
        marker = {"symbol": "diamond-open", "size": 12, "line": {"width": 2}}
        x = chart.mark(run, found.epoch, "onset", f"overfitting from about epoch {found.epoch} on", "◇", marker)
        if chart.alone:
            figure.add_shape(type="line", yref="y domain", x0=x, x1=x, y0=0, y1=1, line_dash="dash")
            at = math.log10(x) if view.log_x else x
            style.add_note(figure, "overfitting", yref="y domain", x=at, y=1, xanchor="left", yanchor="top")


def _curves(runs: Sequence[RunCurves], view: View, metric: Metric, reference: tuple[str, float] | None) -> go.Figure:
    figure = style.new_curve_figure(runs, view, style.TITLES[metric], metric)
    chart = _Chart(figure, runs, view, metric)
    for run in runs:
        for part in ("train", "val") if view.train else ("val",):
            chart.add_curve(run, part)
        if view.train and len(run.moments):
            chart.add_moments(run)
        chart.mark_best(run)
    if not chart.alone:
        looks = {text: (2.5, "solid") for text in chart.measured_on[:1] if len(chart.measured_on) == 1}
        looks |= {_TRAINING_TEXT: (1.5, "dash")} if view.train else {}
        for name, (width, dash) in looks.items():
            ids = {"name": name, "uid": "key" if dash == "dash" else "key validation"}
            style.add_curve(figure, [None], [None], NEUTRAL, width, dash=dash, mode="lines", **ids)
    return style.finish_curves(figure, runs, view, metric, reference)


@dataclass(frozen=True)
class _Chart:
    """A figure of one metric of runs while it is drawn."""

    figure: go.Figure
    runs: Sequence[RunCurves]
    view: View
    metric: Metric

    @cached_property
    def legend(self) -> Mapping[str, str]:
        """The runs' labels as the legend shows them."""
        return shortened((run.label for run in self.runs), style.LEGEND_LETTERS)

    @cached_property
    def measured_on(self) -> list[str]:
        """What the validation curves were measured on; the legend says it once if it is the same for all."""
        return validation_texts(self.runs)

    @property
    def alone(self) -> bool:
        """Whether there is one run: a click in the legend then hides one curve, otherwise all of a run's curves."""
        return len(self.runs) == 1

    def add_curve(self, run: RunCurves, part: str) -> None:
        view, label = self.view, style.escape(run.label)
        x = (run.metrics[view.x] / style.x_divisor(self.runs, view)).tolist()
        measured = run.metrics[f"{part}_{self.metric}"].astype(float) * MEASURES[self.metric].scale
        look: dict[str, Any] = (
            {"width": 1.5, "dash": "dash"} if part == "train" else {"width": 2.5, "dash": run.mark.dash}
        )
        text = _TRAINING_TEXT if part == "train" else VALIDATION_TEXT[run.selected_on]
        short = text.split(" ")[0]
        same = len(self.measured_on) == 1
        uid, hover = f"{run.id} {part}", style.hover_text(self.metric, "customdata[1]")
        look["legendgroup"] = uid if self.alone else run.id
        if view.smoothing != "none":
            hover += f" (smoothed {style.hover_text(self.metric, 'y')})"
            faint = {**look, "opacity": 0.25, "uid": f"{uid} measured", "name": f"{text}, as measured"}
            style.add_faint_curve(self.figure, x, measured.tolist(), run.colour, **faint)
        epoch = "" if style.shows_epoch(self.figure) else "epoch %{customdata[0]}: "
        style.add_curve(
            self.figure,
            x,
            view.smooth(measured).tolist(),
            run.colour,
            uid=uid,
            name=text if self.alone else style.escape(self.legend[run.label]) + ("" if same else f" · {text}"),
            showlegend=self.alone or part == "val",
            symbol="circle" if part == "train" else run.mark.symbol,
            meta=short if self.alone else f"{label} {short}",
            customdata=[list(pair) for pair in zip(run.metrics["epoch"].tolist(), measured.tolist(), strict=True)],
            hovertemplate=f"%{{meta}}: {epoch}{hover}<extra></extra>",
            **look,
        )

    def add_moments(self, run: RunCurves) -> None:
        """Draw the training of the epoch at work, a point every few seconds."""
        if self.metric == "objective":
            return  # the moments have no penalty
        measure = MEASURES[self.metric]
        style.add_curve(
            self.figure,
            (run.moments[self.view.x] / style.x_divisor(self.runs, self.view)).tolist(),
            (run.moments[f"train_{self.metric}"].astype(float) * measure.scale).tolist(),
            run.colour,
            width=1.5,
            mode="lines+markers",
            marker={"size": 3},
            opacity=0.8,
            uid=f"{run.id} moments",
            name=_MOMENTS_TEXT,
            legendgroup=f"{run.id} moments" if self.alone else run.id,
            showlegend=self.alone,
            meta="within the epoch" if self.alone else f"{style.escape(run.label)} within the epoch",
            hovertemplate=f"%{{meta}}: {style.hover_text(self.metric, 'y')}<extra></extra>",
        )

    def mark_best(self, run: RunCurves) -> None:
        """Mark the epoch of highest accuracy, or in a chart of a loss the one of lowest loss."""
        epoch, column = run.best_epoch, f"val_{self.metric}"
        if epoch is None:
            return
        what = f"best epoch {epoch}, chosen on {SELECTED_ON[run.selected_on]}"
        if self.metric != "accuracy":
            values = run.metrics[column].astype(float)
            if not values.notna().any():
                return
            epoch = int(run.metrics["epoch"].iloc[int(values.argmin())])
            what = f"lowest on {SELECTED_ON[run.selected_on]}, epoch {epoch}"
        text = f"{what}: {MEASURES[self.metric].value_text(run.at_epoch(epoch)[column])}"
        marker = {"symbol": "star", "size": 14, "line": {"width": 1, "color": "white"}}
        self.mark(run, epoch, "best", text, "★", marker)

    def mark(self, run: RunCurves, epoch: int, name: str, text: str, sign: str, marker: dict[str, Any]) -> float:
        """Put a marker on the validation curve at ``epoch``, and return its horizontal position."""
        row = run.at_epoch(epoch)
        x = float(row[self.view.x]) / style.x_divisor(self.runs, self.view)
        self.figure.add_scatter(
            x=[x],
            y=[row[f"val_{self.metric}"] * MEASURES[self.metric].scale],
            mode="markers",
            marker={"color": run.colour, **marker},
            name=text,
            uid=f"{run.id} {name}",
            legendgroup=f"{run.id} val" if self.alone else run.id,
            showlegend=False,
            meta="" if self.alone else f"{style.escape(run.label)}, ",
            hovertemplate=f"{sign} %{{meta}}{text}<extra></extra>",
        )
        return x
