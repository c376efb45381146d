"""A chart that grows while it is looked at: redrawn in place, so zoom, hidden curves and hover survive.

``st.plotly_chart`` is built anew when its data changes. This component keeps one node and calls
``Plotly.react`` on it; the browser's side is in live_chart.js. It needs ``static/plotly.min.js``
(:mod:`core.server`) and ``server.enableStaticServing``.
"""

import json
from pathlib import Path
from typing import Any

import plotly
import plotly.graph_objects as go
import streamlit as st

from core.views.curves import PALETTE

_component = st.components.v2.component(
    "resnet_lab_live_chart",
    html='<div class="live-chart"></div>',
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly puts its style sheet into the document, where a shadow root would not see it
)


def as_data(figure: go.Figure) -> dict[str, Any]:
    """What the browser is sent of a figure, for who wants to keep that: making it is most of a chart's cost."""
    content: dict[str, Any] = json.loads(figure.to_json(remove_uids=False))
    return content


def live_chart(figure: go.Figure | dict[str, Any], key: str, alt: str, height: int | None = None) -> None:
    """Draw ``figure`` (or its :func:`as_data`) across the width of its container.

    ``key`` must stay the same from tick to tick; it also names a downloaded picture. ``alt`` says what
    the chart shows to those who do not see it. ``height`` in pixels, by default the figure's own or 380.
    """
    data = figure if isinstance(figure, dict) else as_data(figure)
    _component(
        key=key,
        data={
            "figure": data,
            "alt": alt,
            "height": height or data["layout"].get("height") or 380,
            "palette": list(PALETTE),
            "file": key,
            "source": _source(),
        },
    )


def _source() -> str:
    """Where the browser finds plotly.min.js; the version makes it forget an older one."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{'/' + base if base else ''}/app/static/plotly.min.js?v={plotly.__version__}"
