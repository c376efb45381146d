"""Files that take a while to make: a button makes one, and becomes the button that saves it.

A download button of Streamlit alone can make its file too, but not say why it could not.
"""

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.base.errors import LabError
from core.base.text import filesize
from pages.parts.actions import key_for
from pages.parts.shared import error_box

#: The file that was made last, by what it is of: one, because each may have several megabytes.
_MADE = "taken_away"


@dataclass(frozen=True)
class Item:
    """A file to take away: its ``name``, what it is (``ONNX file``), how it is made, and when it is worth having."""

    what: str
    name: str
    icon: str
    help: str
    make: Callable[[], bytes]


def take_away(items: list[Item], *of: str) -> None:
    """Show the buttons for files about the runs or the study ``of``, which also says in which state they are."""
    for item in items:
        key = key_for(f"take_{item.name}", *of)
        made = st.session_state.get(_MADE, {}).get(key)
        if made is None:
            if st.button(f"Prepare {item.what}", key=key, icon=item.icon, help=item.help, width="stretch"):
                _make(item, key)
        else:
            st.download_button(
                f"Save {item.what} ({filesize(len(made))})",
                made,
                item.name,
                mimetypes.guess_type(item.name)[0] or "application/octet-stream",
                key=f"{key} save",
                icon=":material/download:",
                type="primary",
                on_click="ignore",
                width="stretch",
            )


def _make(item: Item, key: str) -> None:
    """Make the file and show the button that saves it, or say why it cannot be made."""
    try:
        with st.spinner(f"Preparing the {item.what}…", show_time=True):
            made = item.make()
    except LabError as error:
        error_box(error)
        return
    st.session_state[_MADE] = {key: made}
    st.rerun()
