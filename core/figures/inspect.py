"""Figures of single answers: confusion matrix, scores of classes, calibration, two networks on the same images."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.figures.style import add_message, error_bars, escape, new_figure
from core.inspect.calibration import BINS, Reliability
from core.inspect.classes import SCORES
from core.inspect.mistakes import Cell
from core.inspect.pairs import AGREEMENTS, Agreement, Pair
from core.stats.intervals import wilson
from core.views.curves import NEUTRAL, RUN_COLOURS

#: From the page to petrol; a page replaces them by its theme's sequential colours.
FEW_TO_MANY = [[0.0, "#f1f6f6"], [0.5, "#489da1"], [1.0, "#044247"]]
#: Pixels of a cell, and of the axes around the cells.
_CELL, _AXES = 38, 90


def confusion_matrix(matrix: NDArray[np.int64], classes: Sequence[str], *, rows: bool, chosen: Cell) -> go.Figure:
    """Return the confusion matrix (k, k) as a heat map; with ``rows``, cells are percent of their row.

    The colour shows mistakes alone, because right answers are many times as many; these are on a grey diagonal. Zeros
    are not written. The ``chosen`` cell, row or column has a frame. A click reports the two classes as x and y.
    """
    k = len(classes)
    shares = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    values = shares if rows else matrix
    texts = [["" if not value else f"{value:.1f}" if rows else f"{value:,}" for value in row] for row in values]
    about = np.stack([matrix, shares], axis=-1)
    hover = (
        "%{y} called %{x}: %{customdata[0]:,} images, %{customdata[1]:.1f} % of all images of the class %{y}"
        "<extra></extra>"
    )
    diagonal = np.eye(k, dtype=bool)
    figure = new_figure("Prediction", "True class", height=_CELL * k + _AXES, dragmode=False)
    for part, style in (
        (~diagonal, {"coloraxis": "coloraxis"}),
        (diagonal, {"colorscale": [[0, NEUTRAL], [1, NEUTRAL]], "showscale": False}),
    ):
        figure.add_heatmap(
            x=list(classes),
            y=list(classes),
            z=np.where(part, values, np.nan),
            text=np.where(part, texts, ""),
            texttemplate="%{text}",
            customdata=about,
            hovertemplate=hover,
            hoverongaps=False,
            xgap=1,
            ygap=1,
            **style,
        )
    highest = float(np.where(diagonal, 0, values).max(initial=0))
    figure.update_layout(coloraxis={"cmin": 0, "cmax": highest or 1, "colorscale": FEW_TO_MANY, "showscale": False})
    figure.update_xaxes(fixedrange=True, showgrid=False, tickangle=-40 if k > 4 else 0)
    figure.update_yaxes(fixedrange=True, showgrid=False, autorange="reversed", title_standoff=12)
    if chosen != Cell():
        (left, right), (top, bottom) = (
            (-0.5, k - 0.5) if at is None else (at - 0.5, at + 0.5) for at in (chosen.predicted, chosen.true)
        )
        frame = {"color": RUN_COLOURS[1], "width": 3}
        figure.add_shape(type="rect", x0=left, x1=right, y0=top, y1=bottom, line=frame, layer="above")
    return figure


def confusion_text(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Return the confusion matrix as text, for people who do not see it: its most frequent mistakes."""
    mistakes = np.where(np.eye(len(classes), dtype=bool), 0, matrix)
    places = np.argsort(-mistakes, axis=None, kind="stable")[:5]
    most = [divmod(int(place), len(classes)) for place in places if mistakes.flat[place]]
    listed = "; ".join(f"{classes[true]} called {classes[called]}: {mistakes[true, called]:,}" for true, called in most)
    return f"Confusion matrix of {matrix.sum():,} images, {mistakes.sum():,} of them mistakes. " + (
        f"Most frequent mistakes: {listed}." if listed else ""
    )


def class_scores(tables: Mapping[str, pd.DataFrame], score: str) -> go.Figure:
    """Return a score (``recall``, ``precision`` or ``f1``) of each class in percent, with 95 % intervals.

    ``tables`` are those of :func:`core.inspect.classes.class_scores`, by the run's label: one or two runs.
    """
    classes = list(dict.fromkeys(name for table in tables.values() for name in table["class"]))
    figure = new_figure(f"{SCORES[score]} (%)", height=(14 + 20 * len(tables)) * len(classes) + 80)  # type: ignore[index]
    figure.update_layout(scattermode="group", hovermode="y")
    for number, (label, table) in enumerate(tables.items()):
        values, colour = list(100 * table[score]), RUN_COLOURS[number]
        ends = list(zip(100 * table[f"{score}_low"], 100 * table[f"{score}_high"], strict=True))
        figure.add_scatter(
            x=values,
            y=table["class"],
            error_x=error_bars(values, ends, colour, thickness=2, width=5),
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": ("circle", "diamond")[number]},
            name=escape(label),
            customdata=ends,
            hovertemplate="%{x:.1f} % (%{customdata[0]:.1f}–%{customdata[1]:.1f} %)<extra>%{fullData.name}</extra>",
            showlegend=len(tables) > 1,
            offsetgroup=number,
            orientation="h",
        )
    lowest = min((100 * table[f"{score}_low"].min() for table in tables.values()), default=0.0)
    figure.update_xaxes(range=[max(0.0, lowest - 3), 101], uirevision=score)
    return figure.update_yaxes(categoryorder="array", categoryarray=classes, autorange="reversed")


def reliability(diagrams: Mapping[str, Reliability]) -> go.Figure:
    """Return accuracy against confidence in percent, a line for each of the ``diagrams`` by name, with 95 % intervals.

    A calibrated network is on the diagonal.
    """
    figure = new_figure("Confidence (%)", "Accuracy (%)", height=400)
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": NEUTRAL, "dash": "dot", "width": 1.5},
        name="calibrated",
        hoverinfo="skip",
    )
    for number, (name, diagram) in enumerate(diagrams.items()):
        used = diagram.counts > 0
        counts, accuracy = diagram.counts[used], diagram.accuracy[used]
        ends = [wilson(float(share), int(n)) for share, n in zip(accuracy, counts, strict=True)]
        percent, colour = list(100 * accuracy), RUN_COLOURS[number]
        bars = [(100 * low, 100 * high) for low, high in ends]
        figure.add_scatter(
            x=100 * diagram.confidence[used],
            y=percent,
            error_y=error_bars(percent, bars, colour, thickness=1.5, width=4),
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": ("solid", "dash")[number % 2]},
            marker={"size": 7, "symbol": ("circle", "diamond")[number % 2]},
            name=escape(name),
            customdata=counts,
            hovertemplate=(
                "%{customdata:,} answers with mean confidence %{x:.1f} %: %{y:.1f} % are right"
                "<extra>%{fullData.name}</extra>"
            ),
        )
    return figure.update_xaxes(range=[0, 100]).update_yaxes(range=[0, 103])


def bin_counts(diagrams: Mapping[str, Reliability]) -> go.Figure:
    """Return the number of answers in each bin of confidence, on a logarithmic axis, bars for each of the diagrams."""
    figure = new_figure("Confidence (%)", "Images", height=190, bargap=0.08)
    edges = np.linspace(0, 100, BINS + 1)
    middles, spans = (edges[:-1] + edges[1:]) / 2, list(itertools.pairwise(edges))
    for number, (name, diagram) in enumerate(diagrams.items()):
        figure.add_bar(
            x=middles,
            y=diagram.counts,
            marker={"color": RUN_COLOURS[number]},
            name=escape(name),
            customdata=spans,
            hovertemplate="%{y:,} answers with confidence %{customdata[0]:.0f}–%{customdata[1]:.0f} %"
            "<extra>%{fullData.name}</extra>",
            showlegend=False,
        )
    figure.update_yaxes(type="log", dtick=1, title_standoff=12)
    return figure.update_xaxes(range=[0, 100])


def reliability_text(diagrams: Mapping[str, Reliability]) -> str:
    """Return a reliability diagram as text, for people who do not see it."""
    texts = []
    for name, diagram in diagrams.items():
        bins = [
            f"{count:,} answers with confidence {100 * confidence:.0f} %: {100 * accuracy:.0f} % right"
            for count, confidence, accuracy in zip(diagram.counts, diagram.confidence, diagram.accuracy, strict=True)
            if count
        ]
        texts.append(f"{name}: {'; '.join(bins)}.")
    return "Reliability diagram. " + " ".join(texts)


def agreement(pair: Pair, names: tuple[str, str], chosen: Agreement) -> go.Figure:
    """Return how many images two networks get right and wrong, as a 2 × 2 table of cells.

    ``names`` are short: they are the titles of the axes. A click reports x and y, which :func:`agreement_at` reads; the
    ``chosen`` cell has a frame.
    """
    counts = [pair.counts[name] for name in AGREEMENTS]
    grid = np.array(counts).reshape(2, 2)  # both, first; second, neither
    first, second = (escape(name) for name in names)
    figure = new_figure(second, first, height=250, dragmode=False)
    texts = [[f"{count:,}<br>{100 * count / len(pair):.1f} %" for count in row] for row in grid]
    differ = np.array([[np.nan, 1], [1, np.nan]])
    for shown, colour in ((differ, RUN_COLOURS[0]), (np.where(np.isnan(differ), 1, np.nan), NEUTRAL)):
        figure.add_heatmap(
            x=["right", "wrong"],
            y=["right", "wrong"],
            z=shown,
            text=np.where(np.isnan(shown), "", texts),
            texttemplate="%{text}",
            hovertemplate=f"{first}: %{{y}}, {second}: %{{x}}<extra></extra>",
            colorscale=[[0, colour], [1, colour]],
            showscale=False,
            hoverongaps=False,
            xgap=2,
            ygap=2,
        )
    figure.update_xaxes(fixedrange=True, showgrid=False)
    figure.update_yaxes(fixedrange=True, showgrid=False, autorange="reversed", title_standoff=12)
    row, column = divmod(AGREEMENTS.index(chosen), 2)
    frame = {"color": RUN_COLOURS[1], "width": 3}
    return figure.add_shape(
        type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5, line=frame, layer="above"
    )


def agreement_at(x: str, y: str) -> Agreement:
    """Return the cell of :func:`agreement` that a click at ``x`` and ``y`` means."""
    return AGREEMENTS[2 * (y != "right") + (x != "right")]


def class_differences(table: pd.DataFrame, names: tuple[str, str]) -> go.Figure:
    """Return the difference of recall of two networks on each class, in points, with 95 % intervals.

    ``table`` is that of :func:`core.inspect.pairs.class_differences`. To the right of zero, the first is better.
    """
    figure = new_figure(f"Recall: {escape(names[0])} minus {escape(names[1])} (points)", height=34 * len(table) + 80)
    if table.empty:
        return add_message(figure, "No image in common.")
    values = list(100 * table["difference"])
    ends = list(zip(100 * table["low"], 100 * table["high"], strict=True))
    figure.add_shape(type="line", x0=0, x1=0, yref="y domain", y0=0, y1=1, line_dash="dot")
    figure.add_scatter(
        x=values,
        y=table["class"],
        error_x=error_bars(values, ends, RUN_COLOURS[0], thickness=2, width=5),
        mode="markers",
        marker={"color": RUN_COLOURS[0], "size": 9},
        customdata=table[["only_first", "only_second", "images"]],
        hovertemplate="%{y}: %{x:+.1f} points. Only the first is right on %{customdata[0]:,}, only the second on "
        "%{customdata[1]:,} of %{customdata[2]:,} images<extra></extra>",
        showlegend=False,
    )
    return figure.update_yaxes(categoryorder="array", categoryarray=list(table["class"]), autorange="reversed")
