"""The leaderboard as a dot chart: a row a result, the best above, how each was selected told by its symbol."""

import pandas as pd
import plotly.graph_objects as go

from core.figures import style as figures
from core.views import leaderboard
from core.views.curves import NEUTRAL, PALETTE

#: Of our runs so many are drawn; the table has them all.
MOST_OURS = 15
#: Letters of a name that stand beside its dot; the hover has it whole.
_LETTERS = 26
_ROW = 19

#: For each kind of result: its name in the legend, colour and symbol.
_KINDS: dict[tuple[str, str], tuple[str, str, str]] = {
    ("tables", leaderboard.NOT_TOLD): ("Tables 1 and 2 (how chosen is not told)", NEUTRAL, "circle"),
    ("report", leaderboard.ON_TEST): ("the report (chosen on its test images)", PALETTE[1], "diamond-open"),
    ("ours", leaderboard.HELD_OUT): ("this machine, chosen on held-out images, tested once", PALETTE[0], "star"),
    ("ours", leaderboard.ON_TEST): ("this machine, chosen on test images", PALETTE[0], "star-open"),
}


def dots(standings: pd.DataFrame) -> go.Figure:
    """The table of :func:`core.views.leaderboard.standings` as dots over accuracy in percent.

    Bars are the 95 % interval of the choice of images, where their number is known.
    """
    ours = standings["source"] == leaderboard.OURS
    table = standings[~ours | (ours.cumsum() <= MOST_OURS)].reset_index(drop=True)
    figure = go.Figure(layout=figures.plain_layout() | {"height": _ROW * len(table) + 150, "hovermode": "closest"})
    for (kind, chosen), (name, colour, symbol) in _KINDS.items():
        rows = table[(table["source"].map(_kind) == kind) & (table["chosen_on"] == chosen)]
        if len(rows):
            _add(figure, rows, f"{kind} {chosen}", name, colour, symbol)
    figure.update_xaxes(title=figures.with_title("Accuracy on all ten classes (%)"), zeroline=False, automargin=True)
    return figure.update_yaxes(
        tickvals=list(table.index), ticktext=[_short(row) for _, row in table.iterrows()], tickfont={"size": 11},
        range=[len(table) - 0.4, -0.6], zeroline=False, automargin=True, uirevision=str(len(table)),
    )  # fmt: skip


def standings_text(standings: pd.DataFrame) -> str:
    """The chart for those who do not see it."""
    ours = standings[standings["source"] == leaderboard.OURS]
    first = standings.iloc[0]
    told = f"{len(standings)} results on ten classes. First: {first['name']}, {first['accuracy']:.2f} %."
    if len(ours):
        best = ours.iloc[0]
        told += f" Best of this machine: {best['name']}, {best['accuracy']:.2f} %, number {ours.index[0] + 1}."
    return f"{told} The numbers are in the table below."


def _kind(source: str) -> str:
    return {leaderboard.OURS: "ours", leaderboard.REPORT: "report"}.get(source, "tables")


def _add(figure: go.Figure, rows: pd.DataFrame, uid: str, name: str, colour: str, symbol: str) -> None:
    values = rows["accuracy"].astype(float)
    figure.add_scatter(
        x=values.tolist(), y=rows.index.tolist(), mode="markers", name=name, uid=uid,
        marker={
            "color": colour, "symbol": symbol, "size": 7 if symbol == "circle" else 11,
            "line": {"width": 1.5 if symbol.endswith("-open") else 0},
        },
        error_x={
            "type": "data", "symmetric": False, "color": colour, "thickness": 1, "width": 0,
            "array": (rows["high"].astype(float) - values).fillna(0.0).tolist(),
            "arrayminus": (values - rows["low"].astype(float)).fillna(0.0).tolist(),
        },
        customdata=[_told(row) for _, row in rows.iterrows()], hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def _told(row: pd.Series) -> str:
    lines = [f"<b>{row['accuracy']:.2f} %</b>  {figures.escaped(row['name'])}"]
    if row["by"] not in (row["source"], leaderboard.REPORT):
        lines.append(f"{figures.escaped(row['by'])} ({row['source']} of the report)")
    lines.append(f"epoch chosen on: {row['chosen_on']}")
    if pd.notna(row["images"]):
        lines.append(f"95 % interval for {row['images']:,} images: {row['low']:.2f} to {row['high']:.2f} %")
    if isinstance(row["note"], str) and row["note"]:
        lines.append(figures.escaped(row["note"]))
    return "<br>".join(lines)


def _short(row: pd.Series) -> str:
    if row["source"] == leaderboard.OURS:
        words = str(row["name"])
    elif row["source"] == leaderboard.REPORT:
        words = f"the report, {row['name'].split(', ')[-1]}"
    else:
        words = row["by"] + (" (a person)" if "person" in row["note"] else "")
    return figures.escaped(words if len(words) <= _LETTERS else f"{words[: _LETTERS - 1]}…")
