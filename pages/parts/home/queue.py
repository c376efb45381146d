"""The queue: its runs in order, with buttons to move and cancel them, and how many runs train at once."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import streamlit as st

from core.base.text import counted
from core.compare.settings import classes_text
from core.cost.estimate import queue_text
from core.cost.together import share_text
from core.runs.queue import Where
from core.runs.storage import MOST_AT_ONCE, Storage
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary
from pages.parts.actions import act, action_button
from pages.parts.shared import literal, run_link

#: Queued runs on one page of the list.
PAGE_SIZE = 8
_CANCELLED = "home_cancelled"
_MOVES: tuple[tuple[str, str, Where], ...] = (
    ("Move to front", ":material/vertical_align_top:", "front"),
    ("Move up", ":material/arrow_upward:", "up"),
    ("Move down", ":material/arrow_downward:", "down"),
)


def queue_box(
    store: RunStore,
    training: Sequence[RunSummary],
    waiting: Sequence[RunSummary],
    names: Mapping[str, str],
    obstacle: str | None,
) -> None:
    """Show the queued runs with their ``names`` and buttons; ``waiting`` is in the order of the queue.

    ``obstacle``: why the next run does not start although another one could.
    """
    if not waiting:
        return
    count = len(waiting)
    st.subheader(f"Queue ({count:,})", anchor=False)
    st.caption(queue_text(store, training, waiting))
    if obstacle:
        st.caption(f":material/hourglass_top: {literal(obstacle)}")
    with st.container(border=True):
        pages = -(-count // PAGE_SIZE)
        # The widget refuses a page that a shorter list no longer has.
        if st.session_state.get("queue_page", 1) > pages:
            st.session_state["queue_page"] = pages
        page = st.pagination(pages, key="queue_page") if pages > 1 else 1
        first = (page - 1) * PAGE_SIZE
        for place, run in enumerate(waiting[first : first + PAGE_SIZE], start=first):
            _queued_run(store, run, names[run.id], place, count)


def _queued_run(store: RunStore, run: RunSummary, name: str, place: int, count: int) -> None:
    run_id, epochs = run.id, counted(run.config.train.epochs, "epoch")
    if run.status.epoch:
        epochs = f"{run.status.epoch} of {epochs}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap="xxsmall", width="stretch"):
            run_link(run_id, name, ":material/schedule:")
            position = "Next" if place == 0 else f"Position {place + 1}"
            st.caption(f"{position} · {epochs} · {classes_text(run.config.data.classes)}")
        with st.container(horizontal=True, gap="xsmall", width="content"):
            for label, icon, where in _MOVES:
                action_button(
                    label,
                    icon=icon,
                    key=f"{where} {run_id}",
                    type="tertiary",
                    disabled=place == (count - 1 if where == "down" else 0),
                    action=partial(_move, store, run_id, name, where),
                )
            action_button(
                "Cancel run",
                icon=":material/close:",
                key=f"cancel {run_id}",
                type="tertiary",
                help="Removes the run from the queue. The run is kept as stopped; you can put it back.",
                action=lambda: _cancel(store, run_id, name),
            )


def training_settings(store: RunStore) -> None:
    """Let the person choose how many runs train at once."""
    storage = Storage(store)
    at_once = storage.settings_or_never().runs_at_once
    with st.popover("Training settings", icon=":material/tune:"):
        key = f"at_once {at_once}"  # a number typed for an older value is forgotten
        st.session_state.setdefault(key, at_once)  # as a default value, it could not be cleared
        st.number_input(
            "Runs trained at once here",
            1,
            MOST_AT_ONCE,
            None,
            key=key,
            placeholder="Automatic",
            help="Several small runs at once finish sooner than one after the other. Leave it empty for a number that "
            "suits this computer. A run that has begun keeps its number of threads, which changes only how its results "
            "are rounded.",
            on_change=_choose_at_once,
            args=(storage, key),
        )
        if text := share_text(at_once):
            st.caption(text)


def undo_boxes(store: RunStore, runs: Iterable[AnyRun], names: Mapping[str, str]) -> None:
    """Offer to put back the runs that were cancelled in this session and are still stopped."""
    cancelled: dict[str, int] = st.session_state.get(_CANCELLED, {})
    for run in [run for run in runs if run.id in cancelled and run.state == "stopped"]:
        run_id, name = run.id, names[run.id]
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f":material/close: “{literal(name)}” was removed from the queue.", width="content")
            action_button(
                "Put back",
                key=f"back {run_id}",
                icon=":material/undo:",
                type="primary",
                action=partial(_put_back, store, run_id, name),
            )
            action_button(
                "Dismiss",
                key=f"dismiss {run_id}",
                icon=":material/close:",
                type="tertiary",
                action=partial(cancelled.pop, run_id, None),
            )


# --- what the buttons do --------------------------------------------------------------------------


def _choose_at_once(storage: Storage, key: str) -> None:
    act(lambda: storage.change(runs_at_once=st.session_state[key]), "Training settings saved")


def _cancel(store: RunStore, run_id: str, name: str) -> str:
    place = store.queue.cancel(run_id)
    if place is None:
        return f"“{name}” had already started. It stops after this batch, and you can resume it."
    st.session_state.setdefault(_CANCELLED, {})[run_id] = place
    return f"“{name}” was removed from the queue"


def _put_back(store: RunStore, run_id: str, name: str) -> str:
    cancelled: dict[str, int] = st.session_state.get(_CANCELLED, {})
    if run_id not in cancelled:  # the second click of a double click
        return ""
    place = store.queue.put_back(run_id, cancelled[run_id])
    del cancelled[run_id]
    return _moved(name, place)


def _move(store: RunStore, run_id: str, name: str, where: Where) -> str:
    return _moved(name, store.queue.move(run_id, where))


def _moved(name: str, place: int) -> str:
    return f"“{name}” is next in the queue" if place == 0 else f"“{name}” is at position {place + 1} in the queue"
