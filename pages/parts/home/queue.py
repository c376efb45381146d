"""The waiting runs in their order, and what can be done to it: first, up, down, out of the queue and back."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from core.base.errors import LabError
from core.compare.settings import classes_text
from core.runs import queue_order
from core.runs.store import RunStore
from core.views import home as overview
from pages.parts.shared import error_box, literal

#: Waiting runs on one page of the list.
A_PAGE = 8
_CANCELLED = "home_cancelled"
_PROBLEM, _DONE = "home_problem", "home_done"


def queue_box(store: RunStore, waiting: pd.DataFrame) -> None:
    """The waiting runs with their buttons, the next first; ``waiting`` is in the queue's order."""
    if waiting.empty:
        return
    count = len(waiting)
    st.subheader(f"Waiting ({count:,})", anchor=False)
    with st.container(border=True):
        pages = -(-count // A_PAGE)
        # A list that has become shorter has fewer pages; the widget would refuse the one it was on.
        if st.session_state.get("queue_page", 1) > pages:
            st.session_state["queue_page"] = pages
        page = st.pagination(pages, key="queue_page") if pages > 1 else 1
        first = (page - 1) * A_PAGE
        for place, row in enumerate(waiting.iloc[first : first + A_PAGE].to_dict("records"), start=first):
            _waiting_row(store, row, place, count)


def _waiting_row(store: RunStore, row: overview.Row, place: int, count: int) -> None:
    run_id, name = row["id"], overview.name_of(row)
    epochs = f"{row['epoch']:.0f} of {row['epochs']:.0f}" if row["epoch"] else f"{row['epochs']:.0f}"
    where = "next" if place == 0 else f"number {place + 1} in the queue"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap="xxsmall", width="stretch"):
            st.page_link("pages/run.py", label=literal(name), icon=":material/schedule:", query_params={"run": run_id})
            st.caption(f"{where} · {epochs} epochs · {classes_text(row['data.classes'])}")
        with st.container(horizontal=True, gap="xsmall", width="content"):
            moves: tuple[tuple[str, str, queue_order.Where, bool], ...] = (
                ("First", ":material/vertical_align_top:", "front", place == 0),
                ("Up", ":material/arrow_upward:", "up", place == 0),
                ("Down", ":material/arrow_downward:", "down", place == count - 1),
            )
            for label, icon, to, at_end in moves:
                st.button(
                    label,
                    icon=icon,
                    key=f"{to} {run_id}",
                    type="tertiary",
                    disabled=at_end,
                    on_click=_act,
                    args=(_move, store, run_id, name, to),
                )
            st.button(
                "Cancel",
                icon=":material/close:",
                key=f"cancel {run_id}",
                type="tertiary",
                help="Takes the run out of the queue. It is kept, stopped, and can be put back.",
                on_click=_act,
                args=(_cancel, store, run_id, name),
            )


def messages(store: RunStore, frame: pd.DataFrame) -> None:
    """What the last click left to say: what was done, or why not, and how a cancelled run comes back."""
    if done := st.session_state.pop(_DONE, None):
        st.toast(literal(done), icon=":material/check:")
    if problem := st.session_state.get(_PROBLEM):
        error_box(problem)
    cancelled: dict[str, int] = st.session_state.get(_CANCELLED, {})
    if not cancelled:
        return
    stopped = frame[frame["id"].isin(list(cancelled)) & (frame["state"] == "stopped")]
    for row in stopped.to_dict("records"):
        run_id, name = row["id"], overview.name_of(row)
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f":material/close: “{literal(name)}” was taken out of the queue.", width="content")
            st.button(
                "Put it back",
                key=f"back {run_id}",
                icon=":material/undo:",
                type="primary",
                on_click=_act,
                args=(_put_back, store, run_id, name, cancelled[run_id]),
            )
            st.button("Dismiss", key=f"dismiss {run_id}", type="tertiary", on_click=_forget, args=(run_id,))


# --- what the buttons do --------------------------------------------------------------------------


def _act(what: Callable[..., str], *arguments: object) -> None:
    """Do it, and keep for :func:`messages` what was done or why not: a click in a fragment may show nothing itself."""
    st.session_state.pop(_PROBLEM, None)
    try:
        st.session_state[_DONE] = what(*arguments)
    except LabError as error:
        st.session_state[_PROBLEM] = str(error)


def _move(store: RunStore, run_id: str, name: str, to: queue_order.Where) -> str:
    return _now_at(name, queue_order.move(store, run_id, to))


def _cancel(store: RunStore, run_id: str, name: str) -> str:
    place = queue_order.cancel(store, run_id)
    if place is None:
        return f"“{name}” had begun already; it stops within a batch and can be resumed."
    st.session_state.setdefault(_CANCELLED, {})[run_id] = place
    return f"“{name}” was taken out of the queue."


def _forget(run_id: str) -> None:
    st.session_state.get(_CANCELLED, {}).pop(run_id, None)


def _put_back(store: RunStore, run_id: str, name: str, place: int) -> str:
    _forget(run_id)
    return _now_at(name, queue_order.put_back(store, run_id, place))


def _now_at(name: str, place: int) -> str:
    return f"“{name}” is next in the queue." if place == 0 else f"“{name}” is number {place + 1} in the queue."
