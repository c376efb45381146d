"""Small things every page needs: the store, a box for an error, how a state looks."""

import re
from typing import NoReturn

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from core.settings import runs_folder
from core.store import RunStore

#: Icon and colour of each state, for badges.
STATE_LOOKS = {
    "queued": (":material/schedule:", "gray"),
    "running": (":material/play_circle:", "green"),
    "stopping": (":material/pause_circle:", "orange"),
    "stopped": (":material/stop_circle:", "orange"),
    "finished": (":material/check_circle:", "blue"),
    "failed": (":material/error:", "red"),
    "interrupted": (":material/power_off:", "orange"),
    "damaged": (":material/broken_image:", "red"),
}


def get_store() -> RunStore:
    """The store of the runs in the set folder; the same object for all sessions, so that its cursors last."""
    _go_through_app()
    return _store_at(str(runs_folder()))


def _go_through_app() -> None:
    """Start a session's first page over if Streamlit showed it without app.py.

    ``streamlit run app.py``, asked for /live first, takes pages/ for its automatic menu until st.navigation was
    called once. A later script run must not be started over: the click that caused it would be lost.
    """
    first = "session_began" not in st.session_state
    st.session_state["session_began"] = True
    if first and PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()


@st.cache_resource
def _store_at(root: str) -> RunStore:
    return RunStore(root)


def open_page(page: str) -> NoReturn:
    """Go to another page. ``st.switch_page`` alone fails where a widget's value is in the address that is left."""
    st.switch_page(page, query_params={})


def error_box(error: Exception | str) -> None:
    """Show a LabError (or its sentence) to the person."""
    st.error(str(error), icon=":material/error:")


def state_badge(state: str) -> None:
    """A run's state as a badge."""
    icon, colour = STATE_LOOKS[state]
    st.badge(state, icon=icon, color=colour)  # type: ignore[arg-type]  # the table holds colours only


def literal(text: str) -> str:
    """``text`` so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]$:<>#~|])", r"\\\1", text)
