"""Small things every page needs: the store, a box for an error, how a state looks."""

import re
from typing import NoReturn

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from core.base.paths import runs_folder
from core.base.text import one_line
from core.runs.store import RunStore

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

    ``streamlit run app.py``, asked for /run first, takes pages/ for its automatic menu until st.navigation was
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
    st.error(sentence(error), icon=":material/error:")


def state_badge(state: str) -> None:
    """A run's state as a badge."""
    icon, colour = STATE_LOOKS[state]
    st.badge(state, icon=icon, color=colour)  # type: ignore[arg-type]  # the table holds colours only


#: What Streamlit makes icons, links, arrows and dashes of after Markdown was read, where no backslash helps.
_MADE_LATER = re.compile(
    r"(?<=:)(?=material/|//)|(?<=www)(?=\.)|(?<=@)|(?<=[-<~])(?=[-=>])|(?<=>)(?==)", flags=re.IGNORECASE
)
#: What Markdown reads as more than a character, anywhere or as the beginning of a list or a line.
_MARKS = re.compile(r"[\\`*\[\]$<>#~|&]|:(?=[\w+-])|(?<!\w)_|_(?!\w)|^[-+=]")
_COUNTED = re.compile(r"^([0-9]+)([.)])")


def literal(text: str) -> str:
    """``text``, whoever wrote it, so that Markdown shows it as it is, in one line."""
    whole = _MADE_LATER.sub("\N{WORD JOINER}", one_line(text, most=2_000))
    return _COUNTED.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", whole))


def sentence(error: Exception | str) -> str:
    """A LabError's sentence as Markdown: what it quotes stays text, what stands between backticks is code."""
    parts = re.split(r"(`[^`\n]+`)", one_line(str(error), most=2_000))
    return "".join(part if at % 2 else _inline(part) for at, part in enumerate(parts))


def _inline(part: str) -> str:
    """A part of a sentence as text, with the spaces at its ends."""
    lead, tail = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
    return f"{lead}{literal(part)}{tail}" if part.strip() else part
