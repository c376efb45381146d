"""Live: a run while it trains and after. Its standing, its figures, its curves, and what can be done with it."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.base.errors import LabError
from core.config.presets import command_line
from core.figures import bars as bars_figures
from core.figures import curves as curves_figures
from core.figures import style as style_figures
from core.published.points import reference_line
from core.runs import table as table_runs
from core.runs.store import RESUMABLE
from core.views import curves as curves_views
from core.views import run as run_views
from pages.parts.components.live_chart import live_chart
from pages.parts.curve_controls import curve_controls
from pages.parts.shared import error_box, get_store, literal, open_page, state_badge

#: Pixels a chart needs to be read beside another one.
WIDE_ENOUGH = 400
#: More runs have no colours of their own.
MOST_BESIDE = 6

store = get_store()


# --- what the buttons do --------------------------------------------------------------------------


def act(what: Callable[[], object], done: str) -> None:
    """Do it and say so, or keep the reason why not for the page."""
    try:
        what()
    except LabError as error:
        st.session_state["live_problem"] = str(error)
    else:
        st.toast(literal(done), icon=":material/check:")


def go_to_chosen() -> None:
    """The address names what is shown, so that it can be kept or sent."""
    st.query_params["run"] = st.session_state["live_run"]
    st.query_params["with"] = st.session_state["live_with"]


def discard(run_id: str) -> None:
    """Stop a run for the trash; one that only waited is gone at once, and another is shown."""
    store.request_stop(run_id, keep=False)
    if run_id not in store.ids():
        st.query_params.pop("run", None)


def extend(run_id: str, epochs: int) -> None:
    """Queue a longer run that goes on from this one, and show it."""
    from core.jobs.extend import extend as queue_longer  # torch takes a moment, and this page does without it

    st.query_params["run"] = queue_longer(store, run_id, epochs)


# --- the page, from top to bottom -----------------------------------------------------------------


def choosers(labels: dict[str, str], states: dict[str, str], chosen: str) -> list[str]:
    """Which run, and which others in the same charts. Returns their ids, the chosen one first."""
    st.session_state["live_run"] = chosen
    asked = dict.fromkeys(st.query_params.get_all("with"))
    others = [one for one in asked if one in labels and one != chosen][:MOST_BESIDE]
    st.session_state["live_with"] = others
    one, more = st.columns([2, 3])
    one.selectbox(
        "Run",
        list(labels),
        key="live_run",
        format_func=lambda run_id: f"{labels[run_id]} · {states[run_id]}",
        on_change=go_to_chosen,
    )
    more.multiselect(
        "Beside it",
        [run_id for run_id in labels if run_id != chosen],
        key="live_with",
        format_func=lambda run_id: f"{labels[run_id]} · {states[run_id]}",
        on_change=go_to_chosen,
        placeholder="Other runs to draw in the same charts",
        max_selections=MOST_BESIDE,
    )
    return [chosen, *others]


def actions(view: run_views.RunView) -> None:
    """What can be done with the run as it stands."""
    with st.container(horizontal=True):
        if view.status.active:
            waits = view.state == "stopping"
            st.button(
                "Stop and keep",
                icon=":material/stop:",
                disabled=waits,
                help="Stops within a batch. The finished epochs are kept, and the run can be resumed.",
                on_click=act,
                args=(lambda: store.request_stop(view.id), f"{view.label} stops; its finished epochs are kept."),
            )
            st.button(
                "Stop and discard",
                icon=":material/delete:",
                disabled=waits,
                help="Stops within a batch. The run goes to the trash, from where it can be restored.",
                on_click=act,
                args=(lambda: discard(view.id), f"{view.label} goes to the trash."),
            )
        if view.state in RESUMABLE:
            st.button(
                "Retry" if view.state == "failed" else "Resume",
                icon=":material/play_arrow:",
                type="primary",
                help="Puts the run back into the queue; it goes on after its last finished epoch.",
                on_click=act,
                args=(lambda: store.enqueue(view.id), f"{view.label} is in the queue again."),
            )
        if view.state == "finished":
            with st.popover("Extend", icon=":material/more_time:"):
                more = st.number_input("Epochs to add", 1, 10_000, value=10, key="live_more")
                if st.button("Queue the longer run", type="primary"):
                    with st.spinner("Reading the run’s last state"):
                        act(lambda: extend(view.id, view.status.epoch + more), f"{more} more epochs are in the queue.")
                    st.rerun()
        if st.button(
            "Clone into the form", icon=":material/content_copy:", help="Opens New run with this run’s settings."
        ):
            st.session_state["draft_from"] = view.id
            open_page("pages/new_run.py")
        if view.status.best_epoch and st.button(
            "Classify pictures", icon=":material/image_search:", help="Drop pictures on this run’s best weights."
        ):
            st.switch_page("pages/classify.py", query_params={"run": view.id})


def header(view: run_views.RunView) -> None:
    """State and standing; while it trains, how far the epoch is."""
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(view.state)
        if view.progress is None:
            st.markdown(run_views.status_text(store, view))
        else:
            st.progress(run_views.share_of_epoch(view), run_views.status_text(store, view))
    if sentence := run_views.problem_text(view):
        error_box(sentence)


def facts(view: run_views.RunView) -> None:
    """The numbers one came for, each with what it means."""
    told = run_views.key_figures(view)
    with st.grid(4, min_column_width=215):
        for one in told:
            st.metric(one.label, one.value, one.note, delta_color="off", delta_arrow="off", border=True)


def charts(views: list[run_views.RunView], look: style_figures.View) -> None:
    """Accuracy beside loss, and what explains them below."""
    runs = [view.curves for view in views]
    with st.grid(2, min_column_width=WIDE_ENOUGH):
        published = reference_line(view.config for view in views) if look.chance else None
        live_chart(curves_figures.accuracy(runs, look, published), "accuracy", run_views.curves_text("Accuracy", views))
        live_chart(curves_figures.loss(runs, look), "loss", run_views.curves_text("Cross-entropy", views))
    # What is closed is not made: every chart costs something at each epoch's end, here and in the browser.
    if box := opened("Accuracy by class, at the best epoch", "live_classes"):
        with box:
            live_chart(
                bars_figures.class_accuracy(runs), "by-class", "Validation accuracy of each class at the best epoch."
            )
    if box := opened("Learning rate and speed", "live_speed"):
        with box, st.grid(2, min_column_width=WIDE_ENOUGH):
            live_chart(curves_figures.learning_rate(runs, look), "learning-rate", "Learning rate of each epoch.", 260)
            live_chart(curves_figures.speed(runs, look), "speed", "Training images per second in each epoch.", 260)


def opened(label: str, key: str, *, at_first: bool = False) -> DeltaGenerator | None:
    """An expander, if it is open."""
    box = st.expander(label, expanded=at_first, key=key, on_change="rerun")
    return box if box.open else None


def papers(view: run_views.RunView) -> None:
    """What the run was told, and what it told."""
    if box := opened("Log", f"live_log {view.id} {view.state}", at_first=view.state == "failed"):
        with box:
            try:
                st.code(store.log(view.id) or "Nothing was written yet.", language=None, wrap_lines=True, height=260)
            except LabError as error:  # a link, for one, which is not followed
                error_box(error)
    if box := opened("Settings, as a command line", "live_settings"):
        box.code(command_line(view.config), language="bash", wrap_lines=True)


def standing(ids: list[str], labels: dict[str, str], drawn: object, every: float | None) -> None:
    """What changes within an epoch: the line of each run, and the tab's title. At an epoch's end all is drawn anew."""
    try:
        views = [run_views.read_view(store, run_id, labels[run_id]) for run_id in ids]
    except LabError:
        st.rerun()  # a run went away or was damaged; the page says so
    if run_views.redraw_key(views) != drawn or (every and run_views.refresh_seconds(views) != every):
        st.rerun()
    st.set_page_config(page_title=run_views.tab_title(views[0]))
    for view in views:
        if len(views) > 1:
            st.markdown(f"**{literal(view.label)}**")
        header(view)


def curves(views: list[run_views.RunView]) -> None:
    """The charts and what is chosen of them; a choice redraws these alone."""
    look, _ = curve_controls()
    charts(views, look)


st.title("Live", anchor=False)
if problem := st.session_state.pop("live_problem", None):
    error_box(problem)

frame = store.frame()
chosen, problem = run_views.choose_run(store, frame, st.query_params.get("run"))
if problem:
    error_box(f"{problem} Another run is shown instead." if chosen else problem)
if chosen is None:
    st.info("There is no run yet. Start one, and its curves grow here while it trains.", icon=":material/show_chart:")
    if st.button("New run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
    st.stop()
st.query_params["run"] = chosen

frame = table_runs.readable(frame)
labels = table_runs.labels(frame)
states = dict(zip(frame["id"], frame["state"], strict=True))
ids = choosers(labels, states, chosen)
colours = curves_views.colours(ids)
try:
    views = [run_views.read_view(store, run_id, labels[run_id], colours[run_id]) for run_id in ids]
except LabError as error:
    error_box(error)
    st.stop()
actions(views[0])
every = run_views.refresh_seconds(views) if any(view.status.active for view in views) else None
st.fragment(standing, run_every=every)(ids, labels, run_views.redraw_key(views), every)
facts(views[0])
st.fragment(curves)(views)
papers(views[0])
