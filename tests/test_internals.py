"""What Streamlit does not document is used in few, known places, and is still as it was.

A failure here after an update of Streamlit is no fault of a page. Each message says what to do.
"""

import ast

import pytest
import streamlit as st
from streamlit import config
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.pages_manager import PagesManager

from core.base.paths import PROJECT
from core.guard import script_hashes
from pages.parts import internals

#: What is documented: https://docs.streamlit.io/develop/api-reference
PUBLIC = {"streamlit", "streamlit.testing.v1"}
#: Files that may import more of it. Pages and core may not.
ALLOWED = {
    "pages/parts/internals.py": {"streamlit.config", "streamlit.runtime.pages_manager"},
    "benchmarks/sessions.py": {"streamlit.proto.BackMsg_pb2", "streamlit.proto.ForwardMsg_pb2"},
}


def imports(text: str) -> set[str]:
    """Return the modules of Streamlit that a program imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "streamlit":
            names |= {f"streamlit.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.split(".")[0] == "streamlit"} - PUBLIC


def test_only_these_files_use_internals_of_streamlit():
    programs = [
        *PROJECT.glob("*.py"),
        *(path for part in ("core", "pages", "benchmarks", "docs") for path in (PROJECT / part).rglob("*.py")),
    ]
    used = {str(path.relative_to(PROJECT)): imports(path.read_text(encoding="utf-8")) for path in programs}
    assert {name: modules for name, modules in used.items() if modules} == ALLOWED, (
        "Use what docs.streamlit.io documents. If there is nothing, add the use to pages/parts/internals.py and a "
        "test of it here."
    )


def test_the_pages_folder_can_be_ignored(monkeypatch):
    assert "uses_pages_directory" in vars(PagesManager), (
        "Streamlit decides elsewhere whether the folder pages/ makes a menu; see streamlit/runtime/pages_manager.py. "
        "If st.navigation alone decides now, remove ignore_pages_folder; if not, rename the folder pages/."
    )
    monkeypatch.setattr(PagesManager, "uses_pages_directory", True)
    assert internals.ignore_pages_folder() is True
    assert internals.ignore_pages_folder() is False


def test_an_option_of_the_server_can_be_set():
    before = st.get_option("server.allowedHosts")
    try:
        internals.set_server_option("server.allowedHosts", ["a.example"])
        assert st.get_option("server.allowedHosts") == ["a.example"], (
            "streamlit.config.set_option no longer works. Set STREAMLIT_SERVER_ALLOWED_HOSTS=* in `make run` instead; "
            "the guard in core/guard.py checks the names in any case."
        )
    finally:
        config.set_option("server.allowedHosts", before)


def test_the_script_in_the_page_is_found():
    assert len(script_hashes(internals.page_html())) == 1, (
        "The page that carries the app has moved or has other scripts. Look in streamlit/static/index.html, and let "
        "script_hashes in core/guard.py find every <script> without an address. tests/browser/test_accessible.py shows "
        "whether the browser is content."
    )


def test_the_files_of_every_page_are_found():
    assert len([name for name in internals.page_files() if name.startswith("/static/js/")]) > 50, (
        "Streamlit's scripts have moved; see create_streamlit_static_handler. Without page_files the app works as "
        "before, but each new window costs the server a fifth of a second more."
    )


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (BackMsg().rerun_script, ("page_name", "query_string", "fragment_id", "is_auto_rerun")),
        (ForwardMsg().new_session.initialize, ("session_id",)),
        (ForwardMsg(), ("delta", "new_session", "script_finished", "auto_rerun", "page_not_found")),
    ],
)
def test_messages_between_browser_and_server_have_the_fields_that_tests_and_benchmarks_use(message, fields):
    assert set(fields) <= set(message.DESCRIPTOR.fields_by_name), (
        "Streamlit's protocol has changed. Adapt benchmarks/sessions.py and tests/test_security.py; the app is not "
        "affected."
    )
