"""Bar charts of classes: a run's accuracy on each, and the probabilities networks give an image."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from core.base.text import percent_range
from core.figures.style import NO_EPOCH_TEXT, add_message, error_bars, escape, new_figure
from core.runs.summary import KIND_OF_VALIDATION
from core.stats.intervals import wilson
from core.views.curves import NEUTRAL, RUN_COLOURS, RunCurves

_HOVER, _NAME = "%{y}: %{x:.2f} %", "<extra>%{fullData.name}</extra>"


def class_accuracy(runs: Sequence[RunCurves]) -> go.Figure:
    """Return the accuracy in percent of each class at each run's best epoch, on the images that chose it.

    A line across a bar's end is the 95 % interval (Wilson) from the number of images of the class.
    """
    kinds = " or ".join(sorted({KIND_OF_VALIDATION[run.selected_on] for run in runs}))
    names = [name for run in runs for name in run.classes]
    figure = _bar_figure(f"{kinds.capitalize()} accuracy (%)", names, len(runs))
    for run in runs:
        if run.best_epoch is not None:
            shares = run.at_epoch(run.best_epoch)["val_accuracy_by_class"]
            # A file from elsewhere may hold fewer values than there are classes.
            rows = list(zip(run.classes, shares, run.validation_by_class, strict=False))
            intervals = [wilson(share, images) for _, share, images in rows]
            percents = [100 * share for _, share, _ in rows]
            _add_bars(
                figure,
                [name for name, _, _ in rows],
                percents,
                run.colour,
                name=f"{escape(run.label)}, epoch {run.best_epoch}",
                uid=run.id,
                showlegend=len(runs) > 1,
                error_x=error_bars(percents, [(100 * low, 100 * high) for low, high in intervals], NEUTRAL),
                customdata=[
                    [percent_range(*interval), images] for interval, (_, _, images) in zip(intervals, rows, strict=True)
                ],
                hovertemplate=f"{_HOVER} (95 % interval %{{customdata[0]}}, %{{customdata[1]:,}} images)" + _NAME,
                # At a bar's end the text would lie under the interval.
                textposition="inside",
                insidetextanchor="start",
                textangle=0,
            )
    return figure if figure.data else add_message(figure, NO_EPOCH_TEXT)


def probabilities(
    classes: Sequence[str],
    rows: Mapping[str, Sequence[float | None]],
    top: int = 5,
    run_colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """Return the ``top`` most probable classes of an image, the most probable first.

    ``rows`` maps each run's label to a probability (0 to 1) for each of ``classes``, ``None`` for a class the network
    does not know; ``run_colours`` maps labels to colours. With several runs, a class ranks by its highest probability.
    """
    highest = [max((row[at] or 0.0) for row in rows.values()) for at in range(len(classes))]
    order = sorted(range(len(classes)), key=lambda at: -highest[at])[:top]
    names = [classes[at] for at in order]
    figure = _bar_figure("Probability (%)", names, len(rows))
    for number, (label, row) in enumerate(rows.items()):
        values = [None if (share := row[at]) is None else 100 * float(share) for at in order]
        colour = (run_colours or {}).get(label, RUN_COLOURS[number % len(RUN_COLOURS)])
        _add_bars(figure, names, values, colour, name=escape(label), uid=str(number), showlegend=len(rows) > 1)
    return figure


def _bar_figure(title: str, classes: Sequence[str], groups: int) -> go.Figure:
    """Return an empty figure for horizontal bars, high enough for ``groups`` bars per class."""
    names = list(dict.fromkeys(classes))
    figure = new_figure(title, bargap=0.25, height=(10 + 16 * max(groups, 1)) * len(names) + 80)
    figure.update_xaxes(range=[0, 100], uirevision="bars")
    return figure.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed")


def _add_bars(
    figure: go.Figure, classes: Sequence[str], values: Sequence[float | None], colour: str, **trace: Any
) -> None:
    text = ["" if value is None else f"{value:.1f} %" for value in values]
    bars = {"orientation": "h", "marker": {"color": colour}, "textposition": "auto", "hovertemplate": _HOVER + _NAME}
    figure.add_bar(y=list(classes), x=values, text=text, **{**bars, **trace})
