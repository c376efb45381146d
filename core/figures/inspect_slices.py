"""Accuracy by slice: a dot with its 95 % interval for each slice and run, over the accuracy on all images."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from core.base.text import shortened
from core.figures.style import LEGEND_LETTERS, error_bars, escape, new_figure

#: Pixels of a row with one run, and what each further run adds.
_ROW_HEIGHT, _RUN_HEIGHT = 30, 14


@dataclass(frozen=True)
class SliceRun:
    """A run in the figure: ``table`` is that of :func:`core.inspect.slices.measured`, ``accuracy`` (0 to 1) is on all
    images together."""

    id: str
    label: str
    colour: str
    table: pd.DataFrame
    accuracy: float


def slice_accuracy(runs: Sequence[SliceRun], images: str = "test images") -> go.Figure:
    """Return the accuracy in percent of each run on each slice, the first slice at the top.

    A dotted line of each run's colour is its accuracy on all ``images``.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.table["slice"]))
    legend = shortened((run.label for run in runs), LEGEND_LETTERS)
    height = (_ROW_HEIGHT + _RUN_HEIGHT * len(runs)) * len(names) + 90
    figure = new_figure(f"Accuracy (%) on {images}", height=height, showlegend=len(runs) > 1)
    for number, run in enumerate(runs):
        aside = 0.24 * (number - (len(runs) - 1) / 2)  # runs stand above each other, not on each other
        _add_run(figure, run, names, legend[run.label], aside)
        total = 100 * run.accuracy
        figure.add_shape(type="line", x0=total, x1=total, yref="y domain", y0=0, y1=1, line_dash="dot")
        figure.layout.shapes[-1].line.color = run.colour
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=[escape(name) for name in names], showgrid=False)
    return figure.update_yaxes(range=[len(names) - 0.4, -0.6], uirevision=str(len(names)))


def _add_run(figure: go.Figure, run: SliceRun, names: Sequence[str], label: str, aside: float) -> None:
    rows = run.table.to_dict("records")
    values = [100 * row["accuracy"] for row in rows]
    ends = [(100 * row["low"], 100 * row["high"]) for row in rows]
    hover = [
        f"{row['slice']}: {value:.2f} %, 95 % interval {low:.2f}–{high:.2f} % on {row['images']:,} images"
        for row, value, (low, high) in zip(rows, values, ends, strict=True)
    ]
    figure.add_scatter(
        x=values,
        y=[names.index(row["slice"]) + aside for row in rows],
        mode="markers",
        name=escape(label),
        uid=run.id,
        marker={"color": run.colour, "size": 10},
        error_x=error_bars(values, ends, run.colour, thickness=2, width=5),
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
    )


def slices_text(runs: Sequence[SliceRun]) -> str:
    """Return the figure as text, for people who do not see it."""
    parts = []
    for run in runs:
        rows = [f"{row['slice']} {row['accuracy']:.1%}" for row in run.table.to_dict("records")]
        parts.append(f"{run.label}: {', '.join(rows)}; all {run.accuracy:.1%}.")
    return "Accuracy by slice. " + " ".join(parts)
