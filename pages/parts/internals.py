"""The only place that uses what Streamlit does not document. tests/test_internals.py says what to do if it moves."""

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager


def ignore_pages_folder() -> bool:
    """Keep Streamlit from building its own menu from the folder pages/; return whether it did until now.

    It does so until app.py has called st.navigation, and would serve the first request of a new server, say
    /run?run=…, without app.py.
    """
    in_use = bool(PagesManager.uses_pages_directory)
    PagesManager.uses_pages_directory = False
    return in_use


def set_server_option(name: str, value: Any) -> None:
    """Set an option of the server; ``st.set_option`` only knows those of the client."""
    config.set_option(name, value)


def page_html() -> str:
    """Return the HTML page that carries the app, in which Streamlit has a script of its own."""
    return (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")


def page_files() -> dict[str, Path]:
    """Return the files of every page by address: scripts, styles and fonts, whose names change with their content."""
    folder = Path(st.__file__).parent / "static"
    return {
        f"/{path.relative_to(folder).as_posix()}": path for path in (folder / "static").rglob("*") if path.is_file()
    }
