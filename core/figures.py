"""Tables of epochs, or probabilities, in; Plotly figures out. Pure functions: no files, no run store.

A run has the same colour in every figure. Validation is solid and training dashed; a smoothed curve has
what was measured faint behind it. Backgrounds are transparent and text has no colour, so that a figure
suits a light and a dark page; whoever shows it may swap :data:`PALETTE` for the theme's own colours,
which come in the same order. Traces and axes carry ids that stay, so that a redraw keeps zoom and
hidden curves.
"""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from core.config import RunConfig
from core.overfitting import onset

#: Colours told apart with every common kind of colour blindness (Okabe & Ito, "Color Universal Design",
#: 2008, darkened for thin lines); the theme's categorical colours in the same order.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b88700", "#56b4e9", "#5b6169", "#7b4fa3")
NEUTRAL = PALETTE[6]
#: The colours of runs and series; grey is for what belongs to none.
FOR_RUNS = tuple(colour for colour in PALETTE if colour != NEUTRAL)

X = Literal["epoch", "step", "images", "seconds"]
Smoothing = Literal["none", "exponential", "median"]
#: What a figure's horizontal axis can be.
X_AXES: dict[X, str] = {"epoch": "Epoch", "step": "Step (batches)", "images": "Images seen", "seconds": "Training time"}

SELECTED_ON = {"held-out": "held-out images", "test": "test images, as in the report"}
_VALIDATION = {"held-out": "validation (held out)", "test": "test images (also chose the best epoch)"}
_TRAIN = "train (running mean over augmented batches)"
LOG_TICKS = [digit * 10.0**power for power in range(-4, 9) for digit in (1, 2, 5)]
_NOT_YET = "The first point appears when the first epoch ends."


@dataclass(frozen=True)
class RunCurves:
    """A run as a figure needs it: ``metrics`` as from ``RunStore.metrics``, ``selected_on`` the part of
    the images that chose ``best_epoch`` (``None`` before the first epoch has ended)."""

    id: str
    label: str
    colour: str
    metrics: pd.DataFrame
    classes: tuple[str, ...]
    selected_on: str
    best_epoch: int | None

    @classmethod
    def of(
        cls, run_id: str, label: str, config: RunConfig, metrics: pd.DataFrame, colour: str | None = None
    ) -> "RunCurves":
        """The curves of a run; its best epoch is the first of highest validation accuracy."""
        best = None if metrics.empty else int(metrics["epoch"].iloc[metrics["val_accuracy"].argmax()])
        data = config.data
        return cls(run_id, label, colour or colour_of(run_id), metrics, data.classes, data.validation, best)


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


def colour_of(run_id: str) -> str:
    """The run's own colour, the same on every page and every day."""
    return FOR_RUNS[zlib.crc32(run_id.encode()) % len(FOR_RUNS)]


def colours(run_ids: Sequence[str]) -> dict[str, str]:
    """A colour for each run of one figure: its own, unless an older run has the same; then the next free one."""
    taken: dict[str, str] = {}
    for run_id in sorted(run_ids):
        first = FOR_RUNS.index(colour_of(run_id))
        wheel = FOR_RUNS[first:] + FOR_RUNS[:first]
        free = [colour for colour in wheel if colour not in taken.values()]
        taken[run_id] = (free or wheel)[0]
    return taken


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


def smoothed_values(values: pd.Series, view: View) -> pd.Series:
    if view.smoothing == "exponential":
        return values.ewm(span=view.span).mean()
    if view.smoothing == "median":
        return values.rolling(view.span, min_periods=1, center=True).median()
    return values


# --- bars -----------------------------------------------------------------------------------------


def class_accuracy(runs: Sequence[RunCurves]) -> go.Figure:
    """Validation accuracy in percent of each class at each run's best epoch, as bars."""
    figure = _bars("Accuracy (%)", [name for run in runs for name in run.classes], len(runs))
    for run in runs:
        if run.best_epoch is None:
            continue
        shares = run.metrics["val_accuracy_by_class"][run.metrics["epoch"] == run.best_epoch].iloc[0]
        percent = [100 * share for share in shares]
        figure.add_bar(
            y=list(run.classes), x=percent, orientation="h", name=f"{escaped(run.label)}, epoch {run.best_epoch}",
            marker={"color": run.colour}, text=[f"{one:.1f}" for one in percent], textposition="auto", uid=run.id,
            showlegend=len(runs) > 1, hovertemplate="%{y}: %{x:.2f} %<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    return figure if figure.data else say(figure, _NOT_YET)


def probabilities(
    classes: Sequence[str],
    rows: Mapping[str, Sequence[float | None]],
    top: int = 5,
    run_colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """What networks say about one picture: the ``top`` likeliest classes as bars, likeliest first.

    ``rows`` has for each run (by the name to show) a probability from 0 to 1 for each of ``classes``,
    ``None`` for a class it does not know; ``run_colours`` a colour for each of these names. With several
    runs the classes shown are those any of them finds likeliest.
    """
    highest = [max((row[at] or 0.0) for row in rows.values()) for at in range(len(classes))]
    order = sorted(range(len(classes)), key=lambda at: -highest[at])[:top]
    figure = _bars("Probability (%)", [classes[at] for at in order], len(rows))
    for number, (name, row) in enumerate(rows.items()):
        percent = [None if (share := row[at]) is None else 100 * float(share) for at in order]
        figure.add_bar(
            y=[classes[at] for at in order], x=percent, orientation="h", name=escaped(name), uid=str(number),
            marker={"color": (run_colours or {}).get(name, FOR_RUNS[number % len(FOR_RUNS)])},
            text=["" if one is None else f"{one:.1f} %" for one in percent], textposition="auto",
            showlegend=len(rows) > 1, hovertemplate="%{y}: %{x:.2f} %<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    return figure


# --- what all figures share -----------------------------------------------------------------------


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


def _bars(title: str, classes: Sequence[str], groups: int) -> go.Figure:
    """An empty figure for bars to the right, as high as ``groups`` bars for each of the classes need."""
    names = list(dict.fromkeys(classes))
    figure = go.Figure(layout=plain_layout() | {"bargap": 0.25, "height": (10 + 16 * max(groups, 1)) * len(names) + 80})
    figure.update_xaxes(title=with_title(title), range=[0, 100], uirevision="bars", automargin=True)
    return figure.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed", automargin=True)


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
