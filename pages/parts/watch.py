"""Looking on cheaply: a small part of a page asks again and again whether something changed, and only then is the
page drawn anew. Between two epochs there is nothing new to draw, and every drawing is time that a training lacks."""

from collections.abc import Callable, Hashable

import streamlit as st


def redraw_when_changed(drawn: Hashable, now: Callable[[], Hashable], seconds: float) -> None:
    """Draw the page anew as soon as ``now()``, asked every so many seconds, is not what was ``drawn``."""

    def look() -> None:
        if now() != drawn:
            st.rerun()

    st.fragment(look, run_every=seconds)()
