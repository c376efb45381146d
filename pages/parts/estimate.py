"""The expected training time on this machine, and a button that measures it where nothing is known."""

import streamlit as st

from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.cost.estimate import estimate
from core.cost.machine import Fit
from pages.parts.shared import error_box, get_store, literal


def estimate_line(config: RunConfig, runs: int = 1) -> None:
    """Show the expected time and memory of ``runs`` runs; with a single run or none, the button that measures it."""
    expected = estimate(config, get_store(), max(1, runs))
    text = expected.text()
    st.markdown(f":material/timer: {text[0].upper()}{text[1:]}", help=expected.range_text() or None)
    if not expected.measured or expected.alone:
        measure_button(config)


def fit_notes(fits: Fit, key: str) -> bool:
    """Say how runs fit this machine. Return whether they may start: one that is too big has to be confirmed."""
    for note in fits.notes:
        st.markdown(f":small[:orange[:material/memory: {literal(note)}]]")
    if not fits.too_big:
        return True
    st.warning(literal(fits.too_big), icon=":material/memory:")
    # Another size has another text, and has to be confirmed again.
    return st.checkbox("Start anyway", key=f"{key} {fits.too_big}")


def measure_button(config: RunConfig, key: str = "measure") -> None:
    """Show a button that measures how fast this machine trains ``config``."""
    if not st.button(
        "Measure speed",
        key=key,
        type="tertiary",
        icon=":material/speed:",
        help="Trains the network on random images for about five seconds.",
    ):
        return
    from core.jobs.probe import measure  # imports torch, which takes seconds

    try:
        with st.spinner("Measuring…"):
            measure(config, get_store())
    except LabError as error:
        error_box(error)
    else:
        st.rerun()
