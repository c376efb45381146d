"""Redrawing a page only when something changed. Between two epochs there is nothing new to draw, and drawing takes
processor time from the training."""

from collections.abc import Callable, Hashable

import streamlit as st


def redraw_when_changed(drawn: Hashable, now: Callable[[], Hashable], seconds: float) -> None:
    """Call ``now()`` every so many ``seconds``, and rerun the page once it differs from ``drawn``."""

    def check() -> None:
        if now() != drawn:
            st.rerun()

    st.fragment(check, run_every=seconds)()
