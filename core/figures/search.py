"""Figures of a search: its history, its trials as parallel lines, and what each setting does.

Pure functions from the table of :func:`core.search.trials.table`, and of :func:`core.search.suggest.importance`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.interpolate import griddata
from scipy.spatial import QhullError

from core.compare.settings import setting_name
from core.config.run_config import SETTINGS
from core.figures.compare import LOW_TO_HIGH
from core.figures.style import add_message, escape, new_figure
from core.search.search import Search
from core.search.space import Range, in_order
from core.views.curves import NEUTRAL, RUN_COLOURS

_ACCURACY = "Validation accuracy (%)"
_FINISHED, _OTHER, _BEST = RUN_COLOURS[0], NEUTRAL, RUN_COLOURS[1]
_SYMBOLS = {"finished": "circle", "pruned": "x-thin-open", "stopped": "square-open", "failed": "cross-thin-open"}
NO_TRIAL = "No trial has an accuracy yet."
#: The most ticks on a logarithmic scale.
_MOST_TICKS = 9
#: Trials from which a surface is drawn through them.
_LEAST_FOR_SURFACE = 8
#: Degrees by which the names of more than so many scales are tilted, so that they do not overlap on a telephone.
_TILT, _MOST_STRAIGHT = -20, 4
#: What a scale has where a setting has no effect.
NO_EFFECT = "no effect"


def _known(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[trials["value"].notna()]


def _hover(search: Search, trials: pd.DataFrame) -> list[str]:
    """Return what a person sees at a trial: its number, state, accuracy and settings."""
    texts = []
    for _, row in trials.iterrows():
        lines = [f"Trial {row['number']} · {row['state']}", f"{100 * row['value']:.2f} %"]
        for one in in_order(search.ranges):
            if not _missing(row[one.path]):
                lines.append(escape(one.setting.phrase(_value(one, row[one.path]))))
        texts.append("<br>".join(lines))
    return texts


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _value(one: Range, value: Any) -> Any:
    return int(value) if one.setting.kind == "int" and isinstance(value, float) else value


def history(search: Search, trials: pd.DataFrame) -> go.Figure:
    """Return the accuracy of each trial by number, and the best finished one so far as a line."""
    figure = new_figure("Trial", _ACCURACY, hovermode="closest")
    known = _known(trials)
    if known.empty:
        return add_message(figure, NO_TRIAL)
    best = trials[trials["best"].notna()]
    line = {"color": _BEST, "width": 2, "shape": "hv"}
    figure.add_scatter(
        x=best["number"],
        y=100 * best["best"],
        mode="lines",
        name="Best so far",
        line=line,
        uid="best",
        hoverinfo="skip",
    )
    for state, name in (("finished", "Finished"), ("pruned", "Pruned"), ("stopped", "Stopped"), ("failed", "Failed")):
        some = known[known["state"] == state]
        _add_trials(figure, some, name, _hover(search, some), _SYMBOLS[state])
    rest = known[~known["state"].isin(_SYMBOLS)]
    _add_trials(figure, rest, "In training", _hover(search, rest), "circle-open")
    figure.update_xaxes(range=[-0.5, max(len(trials), 10) - 0.5], tickformat="d")
    return figure


def _add_trials(figure: go.Figure, some: pd.DataFrame, name: str, texts: list[str], symbol: str) -> None:
    if some.empty:
        return
    colour = _FINISHED if name == "Finished" else _OTHER
    marker = {"size": 9, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}}
    figure.add_scatter(
        x=some["number"],
        y=100 * some["value"],
        mode="markers",
        name=name,
        marker=marker,
        uid=name,
        text=texts,
        hovertemplate="%{text}<extra></extra>",
    )


def history_text(trials: pd.DataFrame) -> str:
    """Return the figure of :func:`history` as text, for people who do not see it."""
    best = trials["best"].max()
    if np.isnan(best):
        return NO_TRIAL
    at = int(trials.loc[trials["best"] == best, "number"].iloc[0])
    return f"Accuracy of {len(_known(trials))} trials. The best is trial {at} with {100 * best:.2f} %."


# --- parallel coordinates -------------------------------------------------------------------------


def parallel(search: Search, trials: pd.DataFrame) -> go.Figure:
    """Return a line per trial through the values of its settings to its accuracy; drag along a scale to select."""
    known = _known(trials)
    figure = new_figure()
    if len(known) < 2:
        return add_message(figure, "Two trials with an accuracy are needed.")
    scales = [_scale(one, known[one.path]) for one in in_order(search.ranges)]
    accuracy = 100 * known["value"]
    scales.append({"label": "Accuracy (%)", "values": accuracy.round(2).tolist()})
    # A few poor trials would leave the good ones one colour.
    low, high = float(accuracy.quantile(0.25)), float(accuracy.max())
    line = {"color": accuracy.tolist(), "colorscale": LOW_TO_HIGH, "cmin": low, "cmax": max(high, low + 0.01)}
    tilt = _TILT if len(scales) > _MOST_STRAIGHT else 0
    figure.add_parcoords(
        dimensions=scales, line=line, uid="trials", labelfont_size=12, labelangle=tilt, tickfont_size=11
    )
    figure.update_layout(margin={"l": 64, "r": 48, "t": 72, "b": 24})
    return figure


def _scale(one: Range, values: pd.Series) -> dict[str, Any]:
    label = one.setting.label
    if one.choices:
        names = [one.setting.show(choice) for choice in one.choices]
        places = [names.index(one.setting.show(_value(one, value))) if not _missing(value) else -1 for value in values]
        return _with_no_effect(
            {"label": label, "values": places, "tickvals": [*range(len(names))], "ticktext": names}, -1
        )
    numbers = values.astype(float)
    scaled = numbers.map(math.log10) if one.log else numbers
    low, high = (math.log10(one.low), math.log10(one.high)) if one.log else (one.low, one.high)
    gap = 0.08 * (high - low)
    ticks = _with_ends(one, _log_ticks(one) if one.log else _round_ticks(one))
    marks = [math.log10(tick) if one.log else float(tick) for tick in ticks]
    filled = scaled.fillna(low - gap)
    scale = {
        "label": label,
        "values": filled.tolist(),
        "tickvals": marks,
        "ticktext": [f"{tick:.3g}" for tick in ticks],
    }
    scale["range"] = [float(low), float(high)]
    return _with_no_effect(scale, float(low - gap))


def _log_ticks(one: Range) -> list[float]:
    """Return two to nine round numbers within a range, or its ends."""
    powers = range(math.floor(math.log10(one.low)), math.ceil(math.log10(one.high)) + 1)
    for digits in ((1, 2, 5), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if one.low <= tick * (1 + 1e-9) and tick <= one.high * (1 + 1e-9)]
        if len(ticks) <= _MOST_TICKS:
            break
    return ticks if len(ticks) > 1 else [one.low, one.high]


def _round_ticks(one: Range) -> list[float]:
    """Return round numbers within a range."""
    size = (one.high - one.low) / 4
    power = 10.0 ** math.floor(math.log10(size))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= 0.999 * size)
    return [round(step * number, 12) for number in range(math.ceil(one.low / step), math.floor(one.high / step) + 1)]


def _with_ends(one: Range, ticks: list[float]) -> list[float]:
    """Return the ends of a range and the ``ticks`` that are not too close to them to be read."""
    low, high = (math.log10(one.low), math.log10(one.high)) if one.log else (one.low, one.high)
    places = [(math.log10(tick) if one.log else tick) for tick in ticks]
    inner = [tick for tick, at in zip(ticks, places, strict=True) if 0.06 < (at - low) / (high - low) < 0.94]
    return [one.low, *inner, one.high]


def _with_no_effect(scale: dict[str, Any], place: float) -> dict[str, Any]:
    """Add a place below the scale for trials in which the setting has no effect, if there are any."""
    if place not in scale["values"]:
        return scale
    scale |= {"tickvals": [place, *scale["tickvals"]], "ticktext": [NO_EFFECT, *scale["ticktext"]]}
    if "range" in scale:
        scale["range"] = [place, scale["range"][1]]
    return scale


# --- what a setting does --------------------------------------------------------------------------


def slices(search: Search, trials: pd.DataFrame, path: str) -> go.Figure:
    """Return the accuracy of each trial against one setting; darker trials came later."""
    one = next(one for one in search.ranges if one.path == path)
    known = _known(trials)
    known = known[known[path].notna()]
    figure = new_figure(setting_name(path), _ACCURACY, hovermode="closest")
    figure.update_xaxes(uirevision=path)
    if known.empty:
        return add_message(figure, NO_TRIAL)
    _set_axis(figure.update_xaxes, one)
    _add_points(
        figure, search, known, _places(one, known[path]), (100 * known["value"]).tolist(), known["number"], "Trial"
    )
    return figure


def contour(search: Search, trials: pd.DataFrame, x: str, y: str) -> go.Figure:
    """Return trials over two settings, coloured by accuracy, over an interpolated surface where both are numbers.

    The surface goes through the finished trials.
    """
    ranges = {one.path: one for one in search.ranges}
    known = _known(trials)
    known = known[known[x].notna() & known[y].notna()]
    figure = new_figure(setting_name(x), setting_name(y), hovermode="closest")
    figure.update_xaxes(uirevision=x).update_yaxes(uirevision=y)
    if known.empty:
        return add_message(figure, NO_TRIAL)
    _set_axis(figure.update_xaxes, ranges[x])
    _set_axis(figure.update_yaxes, ranges[y])
    accuracy = 100 * known["value"]
    low, high = float(accuracy.quantile(0.25)), float(accuracy.max())
    places = [_places(ranges[path], known[path]) for path in (x, y)]
    finished = known["state"].eq("finished").to_numpy()  # a pruned trial would have become better
    if not ranges[x].choices and not ranges[y].choices and finished.sum() >= _LEAST_FOR_SURFACE:
        points = [np.array(values)[finished] for values in places]
        _add_surface(figure, ranges[x], ranges[y], points, accuracy[finished], (low, max(high, low + 0.01)))
    _add_points(figure, search, known, places[0], places[1], accuracy, "%", (low, max(high, low + 0.01)))
    return figure


def _add_surface(
    figure: go.Figure,
    x: Range,
    y: Range,
    places: Sequence[np.ndarray],
    accuracy: pd.Series,
    limits: tuple[float, float],
) -> None:
    """Draw accuracy between the trials, interpolated linearly; nothing where they lie on a line."""
    scaled = [np.log10(values) if one.log else values for one, values in zip((x, y), places, strict=True)]
    grid = [np.linspace(values.min(), values.max(), 40) for values in scaled]
    spans = [np.ptp(values) or 1.0 for values in scaled]
    points = np.column_stack([values / span for values, span in zip(scaled, spans, strict=True)])
    try:
        surface = griddata(points, accuracy, tuple(np.meshgrid(grid[0] / spans[0], grid[1] / spans[1])))
    except QhullError:
        return
    axes = [10**values if one.log else values for one, values in zip((x, y), grid, strict=True)]
    figure.add_heatmap(
        x=axes[0],
        y=axes[1],
        z=surface,
        colorscale=LOW_TO_HIGH,
        zmin=limits[0],
        zmax=limits[1],
        opacity=0.4,
        showscale=False,
        hoverinfo="skip",
        uid="surface",
    )


def _places(one: Range, values: pd.Series) -> list[Any]:
    return [one.setting.show(_value(one, value)) if one.choices else float(value) for value in values]


def _set_axis(update: Any, one: Range) -> None:
    if one.choices:
        update(type="category", categoryorder="array", categoryarray=[one.setting.show(value) for value in one.choices])
    elif one.log:
        ticks = _log_ticks(one)
        update(type="log", tickvals=ticks, ticktext=[f"{tick:.3g}" for tick in ticks])


def _add_points(
    figure: go.Figure,
    search: Search,
    known: pd.DataFrame,
    x: Sequence[Any],
    y: Sequence[Any],
    colour: pd.Series,
    title: str,
    limits: tuple[float, float] | None = None,
) -> None:
    pruned = known["state"] == "pruned"
    scale = LOW_TO_HIGH if limits else [[0.0, "#c8d4dc"], [1.0, "#0a5f92"]]
    marker = {
        "size": 10,
        "color": colour.tolist(),
        "colorscale": scale,
        "colorbar": {"title": {"text": title}, "thickness": 10, "outlinewidth": 0},
        "symbol": ["x" if flag else "circle" for flag in pruned],
    }
    if limits:
        marker |= {"cmin": limits[0], "cmax": limits[1]}
    texts = _hover(search, known)
    figure.add_scatter(
        x=list(x), y=list(y), mode="markers", marker=marker, text=texts, hovertemplate="%{text}<extra></extra>", uid="p"
    )
    figure.update_layout(showlegend=False)


def importance(shares: pd.DataFrame) -> go.Figure:
    """Return how much each setting matters, with the middle 80 % of what trials drawn anew give."""
    figure = new_figure("Importance (%)", None)
    if shares.empty:
        return add_message(figure, "Too few finished trials.")
    rows = shares.iloc[::-1]
    share = 100 * rows["share"]
    error = {
        "type": "data",
        "symmetric": False,
        "array": 100 * rows["high"] - share,
        "arrayminus": share - 100 * rows["low"],
        "color": NEUTRAL,
        "thickness": 1.5,
    }
    names = [SETTINGS[path].label for path in rows["path"]]
    figure.add_bar(
        x=share,
        y=names,
        orientation="h",
        marker_color=_FINISHED,
        error_x=error,
        uid="importance",
        hovertemplate="%{y}: %{x:.0f} %<extra></extra>",
    )
    figure.update_xaxes(range=[0, 100])
    return figure.update_layout(height=120 + 44 * len(rows))
