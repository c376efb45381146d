"""Health of a training by epoch: gradient norm, ratio of update to weight of each stage, and dead ReLUs.

The values are those of :class:`core.records.EpochRecord`; runs of earlier versions have none.
"""

from collections.abc import Sequence
from dataclasses import replace

import plotly.graph_objects as go

from core.figures import style
from core.figures.curves import one_column
from core.figures.style import View
from core.records import STAGES
from core.views.curves import NEUTRAL, RUN_COLOURS, RunCurves

#: Usual ratios of update to weight: within a factor of ten of 1e-3, the rule of thumb of A. Karpathy's notes for
#: Stanford's course CS231n ("Learning and evaluation"). The report's recipe has 1e-3 to 1e-2 in its first epochs.
USUAL_RATIO = (1e-4, 1e-2)
#: Shown in place of curves for runs that were trained before health was recorded.
NOT_RECORDED = "Not recorded"


def recorded(runs: Sequence[RunCurves]) -> bool:
    """Return whether there is health to draw: false for runs that have epochs, but of an earlier version alone."""
    known = any(run.metrics["dead_relus"].notna().any() for run in runs)
    return known or not any(len(run.metrics) for run in runs)


def gradient_norm(runs: Sequence[RunCurves], view: View | None = None) -> go.Figure:
    """Return the norm of the gradient over all parameters, on a logarithmic axis."""
    figure = one_column(runs, view or View(), "grad_norm", "Gradient norm", "%{y:.3g}")
    figure.update_yaxes(type="log", exponentformat="power", uirevision="grad_norm log")
    norms = [norm for run in runs for norm in run.metrics["grad_norm"].astype(float) if norm > 0]
    if norms and 3 * min(norms) <= max(norms) < 100 * min(norms):  # Plotly would label all digits, which overlap
        figure.update_yaxes(tickvals=style.LOG_TICKS)
    return _or_not_recorded(figure, runs)


def update_ratio(run: RunCurves, view: View | None = None) -> go.Figure:
    """Return the ratio of update to weight of one step, a curve for each stage, with a band of usual ratios."""
    view = view or View()
    figure = style.new_curve_figure([run], view, "Update / weight", "update_ratio")
    figure.update_yaxes(type="log", exponentformat="power", uirevision="update_ratio log")
    kept = run.metrics[run.metrics["update_ratio"].map(len) == len(STAGES)]
    for at, (stage, colour) in enumerate(zip(STAGES, RUN_COLOURS, strict=False)):
        style.add_curve(
            figure,
            (kept[view.x] / style.x_divisor([run], view)).tolist(),
            [ratios[at] for ratios in kept["update_ratio"]],
            colour,
            width=2,
            name=stage,
            uid=f"{run.id} {stage}",
            customdata=kept["epoch"].tolist(),
            hovertemplate=f"{stage}: %{{y:.2e}} (epoch %{{customdata}})<extra></extra>",
        )
    if len(kept) and view.chance:
        low, high = USUAL_RATIO
        band = {"xref": "x domain", "x0": 0, "x1": 1, "y0": low, "y1": high, "layer": "below"}
        figure.add_shape(type="rect", fillcolor=NEUTRAL, opacity=0.15, line_width=0, **band)
    return _or_not_recorded(figure, [run])


def dead_relus(runs: Sequence[RunCurves], view: View | None = None) -> go.Figure:
    """Return the share of dead ReLU channels in percent."""
    shares = [
        replace(run, metrics=run.metrics.assign(dead_relus=100 * run.metrics["dead_relus"].astype(float)))
        for run in runs
    ]
    figure = one_column(shares, view or View(), "dead_relus", "Dead ReLUs (%)", "%{y:.2f} %")
    figure.update_yaxes(rangemode="tozero", autorangeoptions={"include": [0, 5]})  # or nothing would fill the chart
    return _or_not_recorded(figure, runs)


def _or_not_recorded(figure: go.Figure, runs: Sequence[RunCurves]) -> go.Figure:
    """Say so in a figure of runs that have epochs, but none whose health was recorded."""
    return figure if recorded(runs) else style.add_message(figure, NOT_RECORDED)
