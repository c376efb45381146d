"""Running what a button asks for: a toast says that it worked, an error box why it did not."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import streamlit as st

from core.base.errors import LabError, Outcome
from core.base.text import counted
from pages.parts.shared import error_box, literal

T = TypeVar("T")
_PROBLEMS, _TOASTS = "problems", "toasts"


def act(action: Callable[[], T], done: str = "") -> T | None:
    """Run ``action`` in a widget's callback. Return its result, or None if it failed.

    What it says is kept for :func:`show_problems`: errors, or a toast that says ``done``. An action that returns text
    says that instead, and one that returns an :class:`Outcome` gets the number of its runs in front: "3 runs pinned".
    """
    forget_problems()
    try:
        result = action()
    except LabError as error:
        add_problems([str(error)])
        return None
    if isinstance(result, Outcome):
        add_problems(result.problems)
        done = f"{runs_text(len(result.done))} {done}" if result.done else "" if result.problems else "Nothing to do"
    elif isinstance(result, str):
        done = result
    if done:
        say(done)
    return result


def say(done: str) -> None:
    """Keep what worked for a toast of :func:`show_problems`; a callback itself can show nothing in a fragment."""
    st.session_state.setdefault(_TOASTS, []).append(done)


def key_for(action: str, *ids: str) -> str:
    """Return the key of a widget that acts on these runs or this study.

    A page may show other runs by the time a click arrives. Their widgets have other keys, so the click does nothing.
    """
    return f"{action} {ids[0] if len(ids) == 1 else hashlib.sha256(','.join(ids).encode()).hexdigest()[:12]}"


def action_button(
    label: str,
    key: str,
    icon: str,
    action: Callable[[], object],
    done: str = "",
    help: str | None = None,
    **options: Any,
) -> None:
    """Show a button that runs ``action`` with :func:`act`."""
    st.button(label, key=key, icon=icon, help=help, on_click=act, args=(action, done), **options)


def undo_line(text: str, item_id: str, action: Callable[[], object], done: str) -> None:
    """Say that something is in the trash, and offer to undo that with ``action``."""
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(f":material/delete: {text}", width="content")
        action_button(
            "Undo", key=key_for("undo", item_id), icon=":material/undo:", type="primary", action=action, done=done
        )


def add_problems(problems: Iterable[str]) -> None:
    """Keep sentences for :func:`show_problems`, each once."""
    st.session_state[_PROBLEMS] = list(dict.fromkeys([*st.session_state.get(_PROBLEMS, []), *problems]))


def forget_problems() -> None:
    """Start over: what is done next has problems of its own."""
    st.session_state.pop(_PROBLEMS, None)


def show_problems() -> None:
    """Show what went wrong in the last action, which stays until the next one or another page, or that it worked."""
    for done in st.session_state.pop(_TOASTS, []):
        st.toast(literal(done), icon=":material/check:")
    for problem in st.session_state.get(_PROBLEMS, []):
        error_box(problem)


def runs_text(count: int) -> str:
    """Return "1 run" or "2,000 runs"."""
    return counted(count, "run")
