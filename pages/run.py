"""Run: one run during training and afterwards. Its state, results, curves, log, and what can be done with it."""

from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from core.base.errors import LabError
from core.base.text import counted
from core.config.presets import command_line
from core.figures import bars as bars_figures
from core.figures import curves as curves_figures
from core.figures import style as style_figures
from core.published.points import reference_line
from core.runs.folder import RESUMABLE
from core.runs.summary import labels, readable
from core.views import curves as curves_views
from core.views import run as run_views
from pages.parts.actions import act, action_button, forget_problems, show_problems
from pages.parts.components.live_chart import CHART_WIDTH, live_chart
from pages.parts.curve_controls import curve_controls
from pages.parts.shared import error_box, get_store, literal, open_page, state_badge

#: Runs in the same charts; more have no colours of their own.
MOST_COMPARED = 6

store = get_store()


# --- what the buttons do --------------------------------------------------------------------------


def choose() -> None:
    """Put the chosen runs into the address, so that it can be kept or sent."""
    forget_problems()
    st.query_params["run"] = st.session_state["run"]
    st.query_params["with"] = st.session_state["with"]


def discard(run_id: str) -> None:
    """Stop a run and move it to the trash. A queued run is gone at once; then the page shows another one."""
    store.queue.request_stop(run_id, keep=False)
    if run_id not in store.ids():
        st.query_params.pop("run", None)


def extend(run_id: str, epochs: int) -> None:
    """Queue a run that continues this one to ``epochs`` epochs, and show it."""
    from core.jobs.extend import extend as queue_longer  # imports torch, which takes seconds

    st.query_params["run"] = queue_longer(store, run_id, epochs)


# --- the page, from top to bottom -----------------------------------------------------------------


def choosers(names: dict[str, str], states: dict[str, str], chosen: str) -> list[str]:
    """Ask for a run and for others to draw in the same charts. Return their ids, the chosen one first."""

    def text(run_id: str) -> str:
        return f"{names[run_id]} · {states[run_id]}"

    st.session_state["run"] = chosen
    linked = dict.fromkeys(st.query_params.get_all("with"))
    others = [run_id for run_id in linked if run_id in names and run_id != chosen][:MOST_COMPARED]
    st.session_state["with"] = others
    left, right = st.columns([2, 3])
    left.selectbox("Run", list(names), key="run", format_func=text, on_change=choose)
    right.multiselect(
        "Compare with",
        [run_id for run_id in names if run_id != chosen],
        key="with",
        format_func=text,
        on_change=choose,
        placeholder="Add other runs to the charts",
        max_selections=MOST_COMPARED,
    )
    return [chosen, *others]


def actions(view: run_views.RunView) -> None:
    """Show the buttons for the run's state."""
    run = view.run
    with st.container(horizontal=True):
        if run.status.active:
            stopping = run.state == "stopping"
            action_button(
                "Stop run",
                key="stop",
                icon=":material/stop:",
                disabled=stopping,
                help="Stops after this batch. Finished epochs are kept, and you can resume the run.",
                action=lambda: store.queue.request_stop(run.id),
                done=f"Stopping “{view.label}”; finished epochs are kept",
            )
            action_button(
                "Discard run",
                key="discard",
                icon=":material/delete:",
                disabled=stopping,
                help="Stops after this batch and moves the run to the trash. You can restore it on Compare.",
                action=lambda: discard(run.id),
                done=f"Moving “{view.label}” to the trash",
            )
        if run.state in RESUMABLE:
            action_button(
                "Retry run" if run.state == "failed" else "Resume run",
                key="resume",
                icon=":material/play_arrow:",
                type="primary",
                help="Puts the run back into the queue. It continues after its last finished epoch.",
                action=lambda: store.queue.enqueue(run.id),
                done=f"“{view.label}” is in the queue again",
            )
        if run.state == "finished":
            with st.popover("Add epochs", icon=":material/more_time:"):
                more = st.number_input("Epochs to add", 1, 10_000, value=10, key="more_epochs")
                st.caption("Queues a new run that continues where this one ended.")
                if st.button("Queue longer run", key="extend", type="primary"):
                    with st.spinner("Loading the run’s last state…"):
                        act(
                            lambda: extend(run.id, run.status.epoch + more),
                            f"Queued a run with {counted(more, 'more epoch')}",
                        )
                    st.rerun()
        if st.button(
            "Copy settings", key="copy", icon=":material/content_copy:", help="Opens New run with this run’s settings."
        ):
            st.session_state["draft_from"] = run.id
            open_page("pages/new_run.py")
        if run.status.best_epoch and st.button(
            "Classify images",
            key="classify",
            icon=":material/image_search:",
            help="Classify images with this run’s best weights.",
        ):
            st.switch_page("pages/classify.py", query_params={"run": run.id})


def header(view: run_views.RunView) -> None:
    """Show the run's state and how far it is."""
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(view.run.state)
        if view.progress is None:
            st.markdown(run_views.status_text(store, view))
        else:
            st.progress(run_views.share_done(view), run_views.status_text(store, view))
    if problem := run_views.problem_text(view):
        error_box(problem)


def facts(view: run_views.RunView) -> None:
    """Show the run's main numbers."""
    with st.grid(4, min_column_width=150):
        for fact in run_views.key_figures(view):
            st.metric(fact.label, fact.value, fact.note, delta_color="off", delta_arrow="off", border=True)


def charts(views: list[run_views.RunView], look: style_figures.View) -> None:
    """Draw accuracy and loss, and behind folds what explains them."""
    runs = [view.curves for view in views]
    with st.grid(2, min_column_width=CHART_WIDTH):
        published = reference_line(view.run.config for view in views) if look.chance else None
        live_chart(curves_figures.accuracy(runs, look, published), "accuracy", run_views.curves_text("Accuracy", views))
        live_chart(curves_figures.loss(runs, look), "loss", run_views.curves_text("Cross-entropy", views))
    # A closed expander draws nothing: each chart costs time at the end of every epoch, here and in the browser.
    if box := opened("Accuracy by class at the best epoch", "run_classes"):
        with box:
            live_chart(
                bars_figures.class_accuracy(runs), "by-class", "Validation accuracy of each class at the best epoch."
            )
    if box := opened("Learning rate and training speed", "run_speed"):
        with box, st.grid(2, min_column_width=CHART_WIDTH):
            live_chart(curves_figures.learning_rate(runs, look), "learning-rate", "Learning rate of each epoch.", 260)
            live_chart(curves_figures.speed(runs, look), "speed", "Training images per second in each epoch.", 260)


def opened(label: str, key: str, *, expanded: bool = False) -> AbstractContextManager[Any] | None:
    """Return an expander if it is open, else None."""
    box = st.expander(label, expanded=expanded, key=key, on_change="rerun")
    return box if box.open else None


def log_and_command(view: run_views.RunView) -> None:
    """Show the run's log, and the command that starts the same run."""
    if box := opened("Log", f"run_log {view.run.id} {view.run.state}", expanded=view.run.state == "failed"):
        with box:
            try:
                st.code(store.run(view.run.id).log() or "The log is empty.", language=None, wrap_lines=True, height=260)
            except LabError as error:  # for example a link, which is not followed
                error_box(error)
    if box := opened("Equivalent command", "run_command"):
        with box:
            st.code(command_line(view.run.config), language="bash", wrap_lines=True)


def headers(ids: list[str], names: dict[str, str], drawn: object, every: float | None) -> None:
    """Show what changes within an epoch: each run's progress and the tab's title. Redraw the page after an epoch."""
    try:
        views = [run_views.read_view(store, run_id, names[run_id]) for run_id in ids]
    except LabError:
        st.rerun()  # a run was deleted or damaged; the page shows the error
    if run_views.redraw_key(views) != drawn or (every and run_views.refresh_seconds(views) != every):
        st.rerun()
    st.set_page_config(page_title=run_views.tab_title(views[0]))
    for view in views:
        if len(views) > 1:
            st.markdown(f"**{literal(view.label)}**")
        header(view)


def curves(views: list[run_views.RunView]) -> None:
    """Show the charts and their controls. A control redraws only these."""
    look = curve_controls()
    charts(views, look)


st.title("Run", anchor=False)
show_problems()
runs = store.runs()
chosen, problem = run_views.choose_run(store, runs, st.query_params.get("run"))
if problem:
    error_box(f"{problem} Showing another run instead." if chosen else problem)
if chosen is None:
    st.info("No runs yet. Create one, and watch its accuracy and loss here.", icon=":material/show_chart:")
    if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
    st.stop()
st.query_params["run"] = chosen

summaries = readable(runs)
names = labels(summaries)
ids = choosers(names, {run.id: run.state for run in summaries}, chosen)
marks = curves_views.marks(ids)
try:
    views = [run_views.read_view(store, run_id, names[run_id], marks[run_id]) for run_id in ids]
except LabError as error:
    error_box(error)
    st.stop()
actions(views[0])
every = run_views.refresh_seconds(views) if any(view.run.status.active for view in views) else None
st.fragment(headers, run_every=every)(ids, names, run_views.redraw_key(views), every)
facts(views[0])
st.fragment(curves)(views)
log_and_command(views[0])
