"""A chart that is updated in place, so that zoom, hidden curves and hover survive.

``st.plotly_chart`` is remounted when its data changes. This component keeps one node and calls ``Plotly.react`` on it
(live_chart.js). It needs ``static/plotly.min.js`` (:mod:`core.server`) and ``server.enableStaticServing``.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from core import plotly_js
from core.views.curves import PALETTE

#: Pixels a chart needs to be readable next to another one.
CHART_WIDTH = 400

_component = st.components.v2.component(
    "resnet_lab_live_chart",
    html='<div class="live-chart"></div>',
    css=Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly's style sheet goes into the document, out of a shadow root's sight
)


def as_data(figure: go.Figure) -> dict[str, Any]:
    """Return what the browser gets of a figure. Making it is most of a chart's cost, so a page may cache it."""
    data: dict[str, Any] = json.loads(figure.to_json(remove_uids=False))
    return data


def live_chart(
    figure: go.Figure | dict[str, Any],
    key: str,
    alt: str,
    height: int | None = None,
    on_click: Callable[[Any, Any], None] | None = None,
) -> None:
    """Draw ``figure`` (or its :func:`as_data`) across the width of its container.

    ``key`` must stay the same from update to update; it also names a downloaded file. ``alt`` describes the chart to
    a screen reader. ``height`` is in pixels, by default the figure's own or 380.
    ``on_click`` is called with the x and y of a point or cell that is clicked, before the page reruns.
    """

    def click() -> None:
        if on_click is not None and (point := st.session_state[key].clicked) is not None:
            on_click(point["x"], point["y"])

    data = figure if isinstance(figure, dict) else as_data(figure)
    _component(
        key=key,
        data={
            "figure": data,
            "alt": alt,
            "height": height or data["layout"].get("height") or 380,
            "palette": list(PALETTE),
            "file": key,
            "version": plotly_js.version(),
            "clickable": on_click is not None,
        },
        on_clicked_change=click,
    )


def chart_grid() -> Any:
    """Return a place for charts next to each other, two in a row where there is room.

    They end at the same height, so that their plots do too when one legend has more lines.
    """
    return st.grid(2, min_column_width=CHART_WIDTH, vertical_alignment="bottom")


def preload_charts() -> None:
    """Let the browser read Plotly, which takes a while, before the first chart of the page is asked for."""
    _component(key="preload-charts", data={"version": plotly_js.version()})
