"""Small things every page needs: the store, a box for an error, how a state looks."""

import streamlit as st

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
    return _store_at(str(runs_folder()))


@st.cache_resource
def _store_at(root: str) -> RunStore:
    return RunStore(root)


def error_box(error: Exception | str) -> None:
    """Show a LabError (or its sentence) to the person."""
    st.error(str(error), icon=":material/error:")


def state_badge(state: str) -> None:
    """A run's state as a badge."""
    icon, colour = STATE_LOOKS[state]
    st.badge(state, icon=icon, color=colour)  # type: ignore[arg-type]  # the table holds colours only
