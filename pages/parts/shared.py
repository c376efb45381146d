"""Small things every page needs: the store, links, error boxes, text as Markdown."""

import logging
import mimetypes
import re
from collections.abc import Callable
from typing import Any, NoReturn

import streamlit as st

from core.base.errors import Once
from core.base.paths import runs_folder
from core.base.text import one_line
from core.runs.store import RunStore
from pages.parts.internals import ignore_pages_folder

_LOGGED = Once()
#: The report in full, for the place where a page first mentions it.
REPORT = "Ahmad Khazaie, *“Image Classification with Deep Neural Networks”*, a student report on CIFAR-10"

#: Icon and colour of each state.
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
    """Return the store of the runs folder. All sessions share it, and so what it has read."""
    _go_through_app()
    return _store_at(str(runs_folder()))


def _go_through_app() -> None:
    """Rerun a session's first page if Streamlit showed it without app.py.

    If the first request to ``streamlit run app.py`` is /run, Streamlit builds its own menu from the folder pages/,
    because app.py has not called st.navigation yet. Later script runs must not be rerun: a click would be lost.
    """
    first = "session_began" not in st.session_state
    st.session_state["session_began"] = True
    if first and ignore_pages_folder():
        st.rerun()


@st.cache_resource
def _store_at(root: str) -> RunStore:
    return RunStore(root)


def open_page(page: str) -> NoReturn:
    """Open another page. Without ``query_params``, switching fails if a widget of this page is bound to the address."""
    st.switch_page(page, query_params={})


def run_link(run_id: str, label: str, icon: str = ":material/show_chart:") -> None:
    """Show a link to a run's page."""
    st.page_link("pages/run.py", label=literal(label), icon=icon, query_params={"run": run_id})


def download_button(
    label: str,
    content: str | Callable[[], str | bytes],
    file_name: str,
    help: str | None = None,
    icon: str = ":material/download:",
    **options: Any,
) -> None:
    """Show a button that saves a file. ``content`` that is a function is made when the button is pressed."""
    mime = mimetypes.guess_type(file_name)[0]
    st.download_button(label, content, file_name, mime, help=help, icon=icon, on_click="ignore", **options)


def error_box(error: Exception | str) -> None:
    """Show a LabError or its text."""
    st.error(sentence(error), icon=":material/error:")


def show_failure(error: Exception) -> bool:
    """Write an error that nothing caught into the log, and say so on the page, in place of Streamlit's own box.

    The log gets it once: some parts of a page run again every second.
    """
    if _LOGGED.is_new(error):
        logging.getLogger("resnet_lab").error("A page failed.", exc_info=error)
    error_box("This page failed because of a fault in the program. Its log has the details. Reload the page to go on.")
    return True


def state_badge(state: str) -> None:
    """Show a run's state as a badge."""
    icon, colour = STATE_LOOKS[state]
    st.badge(state, icon=icon, color=colour)  # type: ignore[arg-type]  # the table holds valid colours


#: Where Streamlit makes icons, emoji, links, arrows and dashes after it has read the Markdown: no backslash helps.
_STREAMLIT_MARKS = re.compile(
    r"(?<=:)(?=material/|//|[\w+-]+:)|(?<=www)(?=\.)|(?<=@)|(?<=[-<~])(?=[-=>])|(?<=>)(?==)", flags=re.IGNORECASE
)
#: Characters with a meaning in Markdown, anywhere or at the beginning of a line.
_MARKS = re.compile(r"[\\`*\[\]$<>#~|&]|:(?=[\w+-])|(?<!\w)_|_(?!\w)|^[-+=]")
_LIST_NUMBER = re.compile(r"^([0-9]+)([.)])")


def literal(text: str) -> str:
    """Return ``text`` escaped for Markdown, in one line. For everything that a person or a file wrote."""
    whole = _STREAMLIT_MARKS.sub("\N{WORD JOINER}", one_line(text, most=2_000))
    return _LIST_NUMBER.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", whole))


def paragraphs(text: str) -> str:
    """Return ``text`` escaped for Markdown as a person wrote it: in lines."""
    return "  \n".join(map(literal, text.splitlines()))


def sentence(error: Exception | str) -> str:
    """Return the text of a LabError as Markdown: escaped, but for code between backticks."""
    parts = re.split(r"(`[^`\n]+`)", one_line(str(error), most=2_000))
    return "".join(part if at % 2 else _inline(part) for at, part in enumerate(parts))


def _inline(part: str) -> str:
    """Return a part of a sentence escaped, with the spaces at its ends."""
    lead, tail = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
    return f"{lead}{literal(part)}{tail}" if part.strip() else part
