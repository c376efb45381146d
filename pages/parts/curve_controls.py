"""The controls above curves: horizontal axis, smoothing, log scales, lines. All are part of the page's address."""

import streamlit as st

from core.figures import style as figures
from pages.parts.shared import REPORT

AXES = {axis: title.split(" (")[0] for axis, title in figures.X_AXES.items()}
SMOOTHING: dict[figures.Smoothing, str] = {
    "none": "No smoothing",
    "exponential": "Exponential mean",
    "median": "Running median",
}


def curve_controls(*, training: bool = True) -> figures.View:
    """Return how to draw the curves. ``training``: whether training curves can be drawn."""
    with st.container(horizontal=True, vertical_alignment="center"):
        x = st.segmented_control(
            "Horizontal axis",
            list(AXES),
            key="x",
            default="epoch",
            required=True,
            format_func=AXES.__getitem__,
            label_visibility="collapsed",
            bind="query-params",
            wrap=True,
        )
        smoothing = st.selectbox(
            "Smoothing",
            list(SMOOTHING),
            key="smoothing",
            format_func=SMOOTHING.__getitem__,
            label_visibility="collapsed",
            width=160,
            bind="query-params",
        )
        span = 1
        if smoothing != "none":
            span = st.number_input(
                "Epochs to smooth over",
                2,
                100,
                value=5,
                key="span",
                label_visibility="collapsed",
                icon=":material/calendar_view_week:",
                width=120,
                bind="query-params",
            )
        log_x = st.toggle(
            "Log x",
            key="logx",
            bind="query-params",
            help="Use a logarithmic horizontal axis. It shows more of the first epochs of a long run.",
        )
        log_loss = st.toggle(
            "Log y", key="log", bind="query-params", help="Use a logarithmic vertical axis for the loss."
        )
        chance = st.toggle(
            "Reference lines",
            value=True,
            key="chance",
            bind="query-params",
            help=f"Draw the chance level, and the result of the report if it has one ({REPORT}).",
        )
        train = training and st.toggle("Training curves", value=True, key="train", bind="query-params")
    return figures.View(x, smoothing, span, log_loss, chance, train, log_x)
