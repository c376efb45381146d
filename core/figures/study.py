"""Figures of a study: what came out against the setting that was varied, and its cells' curves coloured in order.

Pure functions from the outcomes table (:mod:`core.study.outcomes`), sharing colours, axes and habits with
:mod:`core.figures.curves`. Two doubts are drawn apart: a thick bar is one standard deviation (n − 1) over a value's
seeds,
a thin one, for accuracies, the 95 % interval of the choice of images (Wilson). One seed has no thick bar.
"""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from core.base.text import SELECTED_ON
from core.compare.settings import setting_name
from core.config.run_config import SETTINGS
from core.figures import compare as figures_compare
from core.figures import curves as curves_figures
from core.figures import style as style_figures
from core.figures.compare import GroupCurves
from core.figures.style import View
from core.published.points import IN_WORDS, Point
from core.stats.intervals import wilson
from core.study.agreement import report_value
from core.study.findings import cell_in_words
from core.study.outcomes import Group, Metric, Series, are_numbers, in_order, series_of, value_in_words
from core.views.curves import FOR_RUNS, NEUTRAL, RunCurves

_TITLES: dict[Metric, str] = {
    "accuracy": "Best accuracy (%)",
    "objective": "Lowest objective, with L2 penalty (nats per image)",
    "loss": "Lowest validation cross-entropy (nats per image)",
}
#: Numbers that span this factor or more stand on a logarithmic axis.
_LOGARITHMIC = 10
#: Accuracies this close to guessing (percentage points) have its line drawn; elsewhere it would squeeze the points.
_NEAR_CHANCE = 15.0
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
    """The metric against the setting ``x``: mean and deviation over seeds, n at each point, single runs faint behind.

    ``series`` are further settings, a line for each combination of their values. ``published`` are points of the
    report to lay over it (not for ``loss``, which it does not tell), ``classes`` how many the task has, for the line of
    guessing, ``scaled`` by how much the study's epochs were shrunk: the report's epochs are then drawn shrunk too.
    """
    lines = series_of(outcomes, x, series, metric)
    points = published if metric != "loss" else ()
    figure = go.Figure(layout=style_figures.plain_layout() | {"hovermode": "closest"})
    _axes(figure, lines, x, metric, [report_value(one, x, scaled) for one in points], outcomes)
    numbers = _all_numbers(lines)
    if points and numbers:
        _add_published(figure, points, x, metric, scaled)
    for number, line in enumerate(lines):
        _add_series(figure, line, FOR_RUNS[number % len(FOR_RUNS)], metric, joined=numbers, alone=len(lines) == 1)
    drawn = [100 * cell.spread.mean for line in lines for cell in line.cells]
    if metric == "accuracy" and classes and drawn and min(drawn) - 100 / classes < _NEAR_CHANCE:
        style_figures.line_across(figure, 100 / classes, f"guessing: {100 / classes:.3g} %")
    return figure if lines else style_figures.say(figure, _NO_RUN)


def curves(
    cells: Sequence[tuple[str, Sequence[RunCurves]]],
    view: View,
    kind: Literal["accuracy", "loss"] = "accuracy",
    reference: tuple[str, float] | None = None,
) -> go.Figure:
    """The validation curves of a study's cells, mean and band over seeds, over the axis of ``view``.

    ``cells`` are the values in words with their runs, in the order of the setting; so are the colours, from orange for
    the first to blue for the last. Cells without a run are left out.
    ``reference``: see :func:`core.figures.compare.bands`.
    """
    some = [(label, tuple(runs)) for label, runs in cells if runs]
    groups = [
        GroupCurves(runs[0].id, label, colour, runs)
        for (label, runs), colour in zip(some, colours_in_order(len(some)), strict=True)
    ]
    return figures_compare.bands(groups, view, kind, reference)


def curves_text(
    cells: Sequence[tuple[str, Sequence[RunCurves]]], kind: Literal["accuracy", "loss"] = "accuracy"
) -> str:
    """The figure of :func:`curves` for those who do not see it."""
    title = {"accuracy": "Accuracy", "loss": "Cross-entropy"}[kind]
    part = " or ".join(curves_figures.validated_on(run for _, runs in cells for run in runs))
    return f"{title} of each epoch, {part}: {', '.join(label for label, runs in cells if runs)}."


def colours_in_order(n: int) -> list[str]:
    """``n`` colours from low to high, seen on a light and a dark page."""
    return sample_colorscale(figures_compare.LOW_TO_HIGH, [at / max(n - 1, 1) for at in range(n)]) if n else []


# --- the same as numbers and as words -------------------------------------------------------------


def data(
    outcomes: pd.DataFrame, x: str, series: Sequence[str] = (), published: Sequence[Point] = (), scaled: float = 1.0
) -> pd.DataFrame:
    """What the figures show, a row a point: ``source`` ("here" or "report"), the settings, n, means and deviations.

    ``accuracy_low`` and ``accuracy_high`` are the 95 % interval of the choice of images; deviations are empty for one
    run. The report's points have what it tells: no cross-entropy, no deviation; its epochs are as printed.
    """
    rows: list[dict[str, Any]] = []
    for line in series_of(outcomes, x, series, "accuracy"):
        for cell in line.cells:
            row: dict[str, Any] = {"source": "here", x: cell.value}
            row |= {path: cell.runs[path].iloc[0] for path in series}
            row |= {"n": cell.spread.n, "images": cell.images}
            for metric in ("accuracy", "objective", "loss"):
                values = pd.to_numeric(cell.runs[metric], errors="coerce")
                row |= {f"{metric}_mean": values.mean(), f"{metric}_sd": values.std(ddof=1)}
            interval = wilson(cell.spread.mean, cell.images)
            chosen = "/".join(sorted(set(cell.runs["selected_on"].astype(str))))
            rows.append(row | {"accuracy_low": interval.low, "accuracy_high": interval.high, "selected_on": chosen})
    for point in published:
        interval = wilson(point.best_accuracy, point.images)
        rows.append(
            {
                "source": "report", x: point.value, "n": 1, "images": point.images,
                "accuracy_mean": point.best_accuracy, "accuracy_low": interval.low, "accuracy_high": interval.high,
                "objective_mean": point.min_loss, "selected_on": "test",
            }
        )  # fmt: skip
    columns = [
        "source", x, *series, "n", "images", "selected_on", "accuracy_mean", "accuracy_sd", "accuracy_low",
        "accuracy_high", "objective_mean", "objective_sd", "loss_mean", "loss_sd",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    if scaled != 1 and x == "train.epochs":
        here = table["source"] == "here"
        table.insert(2, "epochs_of_the_report", table[x].where(~here, (table[x] / scaled).round()))
    return table


def outcome_text(outcomes: pd.DataFrame, x: str, series: Sequence[str] = (), metric: Metric = "accuracy") -> str:
    """The figure for those who do not see it."""
    lines = series_of(outcomes, x, series, metric)
    if not lines:
        return _NO_RUN
    told = [
        (f"{line.label}: " if line.label else "")
        + ", ".join(f"{cell.words}: {cell_in_words(cell, metric)}" for cell in line.cells)
        for line in lines
    ]
    return f"{_TITLES[metric]} against {setting_name(x) if x in SETTINGS else x}. " + ". ".join(told) + "."


# --- parts of the figure --------------------------------------------------------------------------


def _all_numbers(lines: Sequence[Series]) -> bool:
    return are_numbers([cell.value for line in lines for cell in line.cells])


def _axes(
    figure: go.Figure, lines: Sequence[Series], x: str, metric: Metric, published: list[float], outcomes: pd.DataFrame
) -> None:
    title = _TITLES[metric]
    if metric == "accuracy" and (chosen := set(outcomes["selected_on"].astype(str))):
        told = " or ".join(SELECTED_ON.get(one, one) for one in sorted(chosen))
        title += f", chosen on {told}"
    figure.update_yaxes(
        title=style_figures.with_title(title), uirevision=f"{metric} {x}", zeroline=False, automargin=True
    )
    figure.update_xaxes(
        title=style_figures.with_title(setting_name(x) if x in SETTINGS else x),
        uirevision=x,
        zeroline=False,
        automargin=True,
    )
    values = in_order(x, [cell.value for line in lines for cell in line.cells])
    if not _all_numbers(lines):
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(map(value_in_words, values)))
        return
    ticks = sorted({float(one) for one in (*values, *published)})
    if not ticks:
        return
    if ticks[0] > 0 and ticks[-1] >= _LOGARITHMIC * ticks[0]:
        figure.update_xaxes(type="log", uirevision=f"{x} log")
    if len(ticks) <= 12:
        figure.update_xaxes(tickvals=ticks, ticktext=list(map(value_in_words, ticks)))


def _scale(metric: Metric) -> tuple[float, str, str]:
    """From the table's numbers to the figure's, how they are written, and their unit."""
    return (100.0, ".2f", " %") if metric == "accuracy" else (1.0, ".4f", "")


def _place(cell: Group, numbers: bool) -> Any:
    """Where a value stands: on a scale where all are ``numbers``, else by its words in the row of the axis."""
    return cell.value if numbers else cell.words


def _add_series(figure: go.Figure, line: Series, colour: str, metric: Metric, *, joined: bool, alone: bool) -> None:
    scale = _scale(metric)[0]
    label, uid = style_figures.escaped(line.label), line.label or "all"
    x = [_place(cell, joined) for cell in line.cells]
    means = [scale * cell.spread.mean for cell in line.cells]
    _add_runs(figure, line, colour, metric, label, uid, joined=joined)
    if metric == "accuracy":
        ends = [wilson(min(max(cell.spread.mean, 0.0), 1.0), cell.images) for cell in line.cells]
        figure.add_scatter(
            x=x, y=means, mode="markers", marker={"size": 1, "color": colour, "opacity": 0}, uid=f"{uid} images",
            error_y={
                "type": "data", "symmetric": False, "thickness": 1, "width": 0, "color": colour,
                "array": [100 * one.high - mean for one, mean in zip(ends, means, strict=True)],
                "arrayminus": [mean - 100 * one.low for one, mean in zip(ends, means, strict=True)],
            },
            name="thin bar: 95 % interval of the choice of images", showlegend=False, legendgroup=uid, opacity=0.6,
            hoverinfo="skip",
        )  # fmt: skip
    several = any(cell.spread.n > 1 for cell in line.cells)
    bars = "mean ± sd over seeds" if several else "one seed each, no deviation"
    thin = "; thin: 95 %, choice of images" if metric == "accuracy" else ""
    name = f"{bars}{thin}" if alone else f"{label} ({bars})"
    figure.add_scatter(
        x=x, y=means, mode="lines+markers+text" if joined else "markers+text", uid=f"{uid} mean", name=name,
        legendgroup=uid, line={"color": colour, "width": 1.5}, marker={"color": colour, "size": 9},
        text=[f" n={cell.spread.n}" for cell in line.cells], textposition="top right", textfont={"size": 11},
        error_y={
            "type": "data", "array": [scale * (cell.spread.sd or 0.0) for cell in line.cells], "thickness": 2.5,
            "width": 6, "color": colour,
        } if several else None,
        customdata=[_told(cell, metric) for cell in line.cells], meta=f"{label}, " if label else "",
        hovertemplate="%{meta}%{customdata}<extra></extra>", cliponaxis=False,
    )  # fmt: skip


def _told(cell: Any, metric: Metric) -> str:
    words = f"{style_figures.escaped(cell.words)}: {cell_in_words(cell, metric)}"
    if metric != "accuracy":
        return words
    interval = wilson(min(max(cell.spread.mean, 0.0), 1.0), cell.images)
    return (
        f"{words}<br>95 % interval of the choice of {cell.images:,} images: "
        f"{100 * interval.low:.2f} to {100 * interval.high:.2f} %"
    )


def _add_runs(
    figure: go.Figure, line: Series, colour: str, metric: Metric, label: str, uid: str, *, joined: bool
) -> None:
    """Every run of a value that has several, faint."""
    scale, form, unit = _scale(metric)
    x, y, told = [], [], []
    for cell in line.cells if any(cell.spread.n > 1 for cell in line.cells) else ():
        for _, run in cell.runs.iterrows() if cell.spread.n > 1 else ():
            value = scale * float(run[metric])
            x.append(_place(cell, joined))
            y.append(value)
            told.append(
                f"{run['run_id']}, seed {run['train.seed']}: {value:{form}}{unit}, best epoch {run['best_epoch']}"
            )
    if not x:
        return
    figure.add_scatter(
        x=x, y=y, mode="markers", uid=f"{uid} runs", legendgroup=uid, showlegend=False, opacity=0.4,
        marker={"color": colour, "size": 7}, name=f"{label} single runs".strip(), customdata=told,
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def _add_published(figure: go.Figure, points: Sequence[Point], x: str, metric: Metric, scaled: float) -> None:
    scale, form, unit = _scale(metric)
    values = [scale * (one.best_accuracy if metric == "accuracy" else one.min_loss) for one in points]
    name = IN_WORDS if metric == "accuracy" else "the report (one run each, lowest on its test images)"
    if scaled != 1 and x == "train.epochs":
        name += f", its epochs × {scaled:g}"
    figure.add_scatter(
        x=[report_value(one, x, scaled) for one in points], y=values, mode="lines+markers", uid="report", name=name,
        line={"color": NEUTRAL, "width": 1, "dash": "dot"},
        marker={"symbol": "circle-open", "size": 10, "color": NEUTRAL, "line": {"width": 2}},
        customdata=[
            f"the report’s Figure {one.figure}, {value_in_words(one.value)}: {value:{form}}{unit} on "
            f"{one.images:,} test images"
            for one, value in zip(points, values, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
