"""A chart that grows while it is looked at: redrawn in place, so zoom, hidden curves and hover survive.

``st.plotly_chart`` is built anew when its data changes. This component keeps one node and calls
``Plotly.react`` on it; the browser's side is in live_chart.js. It needs ``static/plotly.min.js``
(:mod:`core.static`) and ``server.enableStaticServing``.
"""

import json
from pathlib import Path

import plotly
import plotly.graph_objects as go
import streamlit as st

from core.figures import PALETTE

_component = st.components.v2.component(
    "resnet_lab_live_chart",
    html='<div class="live-chart"></div>',
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly puts its style sheet into the document, where a shadow root would not see it
)


def live_chart(figure: go.Figure, key: str, alt: str, height: int | None = None) -> None:
    """Draw ``figure`` across the width of its container.

    ``key`` must stay the same from tick to tick; it also names a downloaded picture. ``alt`` says what
    the chart shows to those who do not see it. ``height`` in pixels, by default the figure's own or 380.
    """
    _component(
        key=key,
        data={
            "figure": json.loads(figure.to_json(remove_uids=False)),
            "alt": alt,
            "height": height or figure.layout.height or 380,
            "palette": list(PALETTE),
            "file": key,
            "source": _source(),
        },
    )


def _source() -> str:
    """Where the browser finds plotly.min.js; the version makes it forget an older one."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{'/' + base if base else ''}/app/static/plotly.min.js?v={plotly.__version__}"
