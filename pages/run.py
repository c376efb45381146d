"""Run: one run during training and afterwards. Its state, results, curves, log, and what can be done with it."""

import streamlit as st

from core.base.errors import LabError
from core.base.text import CHOICE_LETTERS, choice_names, one_line
from core.figures import bars as bars_figures
from core.figures import curves as curves_figures
from core.figures import style as style_figures
from core.published.points import reference_line
from core.runs.summary import labels, readable
from core.views import curves as curves_views
from core.views import run as run_views
from core.views.curves import Mark
from pages.parts.actions import forget_problems, show_problems
from pages.parts.components.live_chart import chart_grid, live_chart
from pages.parts.curve_controls import curve_controls
from pages.parts.run.about import details, opened, tags_and_note
from pages.parts.run.actions import actions, forget_move, trash_notice, wanted_run
from pages.parts.run.health import health
from pages.parts.shared import error_box, get_store, literal, open_page, state_badge

#: Runs in the same charts; more have no colours of their own.
MOST_COMPARED = 6

store = get_store()


# --- the page, from top to bottom -----------------------------------------------------------------


def choose() -> None:
    """Put the chosen runs into the address, so that it can be kept or sent."""
    forget_problems()
    forget_move()
    if st.session_state["run"]:
        st.query_params["run"] = st.session_state["run"]
    st.query_params["with"] = st.session_state["with"]


def choosers(names: dict[str, str], states: dict[str, str], chosen: str | None) -> list[str]:
    """Ask for a run and for runs to compare it with. Return their ids, the chosen run first."""

    short = choice_names(names)

    def text(run_id: str) -> str:
        return f"{short[run_id]} · {states[run_id]}"

    st.session_state["run"] = chosen
    linked = dict.fromkeys(st.query_params.get_all("with"))
    compared = [run_id for run_id in linked if run_id in names and run_id != chosen][:MOST_COMPARED]
    for unknown in (run_id for run_id in linked if run_id and run_id not in names):
        error_box(f"Run “{one_line(unknown, 60)}” does not exist, so it is not compared.")
    st.session_state["with"] = compared
    left, right = st.columns([2, 3])
    left.selectbox(
        "Run",
        list(names),
        index=None if chosen is None else 0,
        key="run",
        format_func=text,
        on_change=choose,
        placeholder="Choose a run",
    )
    right.multiselect(
        "Compare with",
        [run_id for run_id in names if run_id != chosen],
        key="with",
        format_func=text,
        on_change=choose,
        placeholder="Add other runs to the charts",
        max_selections=MOST_COMPARED,
        disabled=chosen is None,
    )
    return [chosen, *compared] if chosen else []


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
            st.metric(
                fact.label, fact.value, fact.note, delta_color="off", delta_arrow="off", border=True, help=fact.help
            )


def charts(views: list[run_views.RunView], look: style_figures.View) -> None:
    """Draw accuracy and loss, and behind folds what explains them."""
    runs = [view.curves for view in views]
    with chart_grid():
        published = reference_line(view.run.config for view in views) if look.chance else None
        live_chart(curves_figures.accuracy(runs, look, published), "accuracy", run_views.curves_text("Accuracy", views))
        live_chart(curves_figures.loss(runs, look), "loss", run_views.curves_text("Cross-entropy", views))
    # A closed expander draws nothing: each chart costs time at the end of every epoch, here and in the browser.
    if box := opened("Accuracy by class at the best epoch", "run_classes", ":material/bar_chart:"):
        with box:
            alt = "Accuracy of each class at the best epoch, on the images that chose it."
            live_chart(bars_figures.class_accuracy(runs), "by-class", alt)
            st.caption(run_views.class_intervals_text(views))
    if box := opened("Learning rate and training speed", "run_speed", ":material/speed:"):
        with box, chart_grid():
            live_chart(curves_figures.learning_rate(runs, look), "learning-rate", "Learning rate of each epoch.", 260)
            live_chart(curves_figures.speed(runs, look), "speed", "Training images per second in each epoch.", 260)
    if box := opened("Health of the training", "run_health", ":material/ecg_heart:"):
        with box:
            health(views, look)


def headers(ids: list[str], names: dict[str, str], drawn: object, every: float | None) -> None:
    """Show what changes within an epoch: each run's progress and the tab's title. Redraw the page after an epoch."""
    try:
        views = [run_views.read_view(store, run_id, names[run_id]) for run_id in ids]
    except LabError:
        st.rerun()  # a run was deleted or damaged; the page shows the error
    if run_views.redraw_key(views) != drawn or run_views.refresh_seconds(views) != every:
        st.rerun()
    st.set_page_config(page_title=run_views.tab_title(views[0]))
    for view in views:
        if len(views) > 1 or len(view.run.name) > CHOICE_LETTERS:  # the field shows a part of it
            st.markdown(f"**{literal(view.label)}**")
        header(view)


def curves(ids: list[str], marks: dict[str, Mark], fresh: list[list[run_views.RunView]]) -> None:
    """Show the charts and their controls. A control, or time within an epoch, redraws only these.

    ``fresh`` holds the views if the page has just read them.
    """
    try:
        views = fresh.pop() if fresh else [run_views.read_view(store, id, names[id], marks[id]) for id in ids]
    except LabError:
        st.rerun()  # a run was deleted or damaged; the page shows the error
    charts(views, curve_controls())


st.title("Run", anchor=False)
show_problems()
runs = store.runs()
wanted = wanted_run()
trashed = run_views.in_trash(store, wanted)
chosen, problem = (None, None) if trashed else run_views.choose_run(store, runs, wanted)
if problem:
    error_box(f"{problem} Showing another run instead." if chosen else problem)
if wanted and trashed:
    trash_notice(store, wanted, trashed)
if not readable(runs):
    if not trashed:
        st.info("No runs yet. Create one, and watch its accuracy and loss here.", icon=":material/show_chart:")
    if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
    st.stop()

summaries = readable(runs)
names = labels(summaries)
ids = choosers(names, {run.id: run.state for run in summaries}, chosen)
if chosen is None:
    st.stop()
st.query_params["run"] = chosen
marks = curves_views.marks(ids)
try:
    views = [run_views.read_view(store, run_id, names[run_id], marks[run_id]) for run_id in ids]
except LabError as error:
    error_box(error)
    st.stop()
actions(store, views[0])
every = run_views.refresh_seconds(views)
st.fragment(headers, run_every=every)(ids, names, run_views.redraw_key(views), every)
tags_and_note(views[0].run)
if len(views) > 1:
    st.markdown(f"**Results of “{literal(views[0].label)}”**")
facts(views[0])
st.fragment(curves, run_every=run_views.curve_seconds(views))(ids, marks, [views])
if len(views) > 1:
    st.markdown(f"**About “{literal(views[0].label)}”**")
details(store, views[0], summaries)
