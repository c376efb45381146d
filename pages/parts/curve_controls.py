"""The controls of curves, the same wherever curves are shown: their axis, smoothing, lines. All are in the address."""

import streamlit as st

from core.figures import style as figures

AXES = {one: words.split(" (")[0] for one, words in figures.X_AXES.items()}
SMOOTHING: dict[figures.Smoothing, str] = {
    "none": "No smoothing",
    "exponential": "Exponential mean",
    "median": "Running median",
}

SEEDS_HELP = (
    "Runs that differ in the seed alone: their mean, a band of one standard deviation to each side, and each run "
    "faint behind it. Training curves are shown where nothing is grouped."
)


def curve_controls(*, several_seeds: bool = False) -> tuple[figures.View, bool]:
    """How the curves are looked at, and whether seeds are grouped (asked where there are several)."""
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
        )
        smoothing = st.selectbox(
            "Smoothing",
            list(SMOOTHING),
            key="smoothing",
            format_func=SMOOTHING.__getitem__,
            label_visibility="collapsed",
            width=175,
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
            help="A logarithmic horizontal axis: shows the first epochs of a long run.",
        )
        log_loss = st.toggle(
            "Log loss", key="log", bind="query-params", help="A logarithmic vertical axis for the cross-entropy."
        )
        chance = st.toggle(
            "Reference lines",
            value=True,
            key="chance",
            bind="query-params",
            help="Guessing, and the report’s result where it has one.",
        )
        grouped = several_seeds and st.toggle(
            "Group seeds", value=True, key="seeds", bind="query-params", help=SEEDS_HELP
        )
        train = not grouped and st.toggle("Train curves", value=True, key="train", bind="query-params")
    return figures.View(x, smoothing, span, log_loss, chance, train, log_x), grouped
