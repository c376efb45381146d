"""The leaderboard as a dot chart: a row per result, the best at the top; the symbol shows how its epoch was chosen."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.base.text import shortened
from core.figures.style import error_bars, escape, new_figure
from core.views.curves import NEUTRAL, PALETTE
from core.views.leaderboard import HELD_OUT, NOT_REPORTED, ON_TEST, OURS, REPORT, Standing

#: Most of our runs in the chart; the table has all of them.
MOST_OURS = 15
#: Letters of a name next to its dot; the hover text has the whole name.
_LETTERS = 26
_ROW_HEIGHT = 19

_TABLES = "tables"
#: For each kind of result: its name in the legend, colour and symbol.
_KINDS: dict[tuple[str, str], tuple[str, str, str]] = {
    (_TABLES, NOT_REPORTED): ("Tables 1 and 2 (how the epoch was chosen is not reported)", NEUTRAL, "circle"),
    (REPORT, ON_TEST): ("the report (epoch chosen on its test images)", PALETTE[1], "diamond-open"),
    (OURS, HELD_OUT): ("ours (validated on held-out images)", PALETTE[0], "star"),
    (OURS, ON_TEST): ("ours (epoch chosen on test images, as in the report)", PALETTE[0], "star-open"),
}


def dots(standings: Sequence[Standing]) -> go.Figure:
    """Return the results as dots over accuracy in percent, with 95 % intervals where the number of images is known."""
    ours = [result for result in standings if result.source == OURS]
    hidden = {result.run for result in ours[MOST_OURS:]}
    shown = [result for result in standings if result.source != OURS or result.run not in hidden]
    figure = new_figure("Test accuracy on all ten classes (%)", height=_ROW_HEIGHT * len(shown) + 150)
    for kind, (name, colour, symbol) in _KINDS.items():
        rows = {place: result for place, result in enumerate(shown) if _kind(result) == kind}
        if rows:
            _add_dots(figure, rows, " ".join(kind), name, colour, symbol)
    short = shortened(map(_row_name, shown), _LETTERS)
    names = [escape(short[_row_name(result)]) for result in shown]
    figure.update_yaxes(tickvals=list(range(len(shown))), ticktext=names, tickfont={"size": 11})
    return figure.update_yaxes(range=[len(shown) - 0.4, -0.6], uirevision=str(len(shown)))


def standings_text(standings: Sequence[Standing]) -> str:
    """Return the chart as text, for people who do not see it."""
    first = standings[0]
    text = f"{len(standings)} results on ten classes. First: {first.name}, {first.accuracy:.2f} %."
    place, best = next(((at, row) for at, row in enumerate(standings, 1) if row.source == OURS), (0, None))
    if best:
        text += f" Our best run: {best.name}, {best.accuracy:.2f} %, number {place}."
    return f"{text} The numbers are in the table below."


def _kind(result: Standing) -> tuple[str, str]:
    return result.source if result.source in (OURS, REPORT) else _TABLES, result.chosen_on


def _add_dots(figure: go.Figure, rows: dict[int, Standing], uid: str, name: str, colour: str, symbol: str) -> None:
    values = [result.accuracy for result in rows.values()]
    ends = [result.interval or (result.accuracy, result.accuracy) for result in rows.values()]
    size, line = 7 if symbol == "circle" else 11, {"width": 1.5 if symbol.endswith("-open") else 0}
    figure.add_scatter(
        x=values,
        y=list(rows),
        mode="markers",
        name=name,
        uid=uid,
        marker={"color": colour, "symbol": symbol, "size": size, "line": line},
        error_x=error_bars(values, ends, colour, thickness=1, width=0),
        customdata=[_hover(result) for result in rows.values()],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _hover(result: Standing) -> str:
    spread = f" ± {result.sd:.2f}" if result.sd is not None else ""
    lines = [f"<b>{result.accuracy:.2f}{spread} %</b>  {escape(result.name)}"]
    if result.by != result.source:
        lines.append(f"{escape(result.by)} ({result.source} of the report)")
    lines.append(f"epoch chosen on: {result.chosen_on}")
    if result.interval:
        low, high = result.interval
        lines.append(f"95 % interval for {result.images:,} images: {low:.2f}–{high:.2f} %")
    return "<br>".join([*lines, *([escape(result.note)] if result.note else [])])


def _row_name(result: Standing) -> str:
    if result.source == OURS:
        text = result.name
    elif result.source == REPORT:
        text = f"the report, {result.name.split(', ')[-1]}"
    else:
        text = result.by + (" (a person)" if "person" in result.note else "")
    return text
