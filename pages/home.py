"""Home: what trains, the queue, the latest and best runs, and how they compare with the report.

Somebody new sees the first three steps.
"""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from core.base.errors import LabError
from core.base.text import percent
from core.config.presets import PRESETS
from core.data import cifar10
from core.data.fetch import FETCH
from core.figures import curves as figures
from core.jobs.ray_process import cluster_waiting
from core.jobs.worker import ensure_worker
from core.runs.summary import AnyRun, RunSummary, fingerprint, labels
from core.views import home as overview
from core.views import run as run_views
from core.views.home import BestRun, Overview, ReportComparison
from pages.parts.actions import show_problems
from pages.parts.components.live_chart import live_chart
from pages.parts.home.cluster import cluster_box
from pages.parts.home.queue import queue_box, training_settings, undo_boxes
from pages.parts.shared import REPORT, STATE_LOOKS, error_box, get_store, open_page, run_link, sentence
from pages.parts.watch import redraw_when_changed

#: Runs in each list.
LISTED = 6
OPTIMISTIC = "Slightly optimistic: the same images choose the best epoch and measure its accuracy."

store = get_store()


# --- the first steps ------------------------------------------------------------------------------


def first_steps(have_data: bool, have_runs: bool, have_weights: bool) -> None:
    """Show three steps, each with its button. The button of the next step stands out."""
    steps = st.grid(3, min_column_width=240)
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        card_text("1 · Get the images", "CIFAR-10: 60,000 small photographs in ten classes. One download of 170 MB.")
        if have_data:
            st.markdown(":green[:material/check_circle: Downloaded]")
        elif st.button("Download images", key="home-data", type="primary", icon=":material/download:"):
            FETCH.start()
            open_page("pages/dataset.py")
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        card_text("2 · Train a network", PRESETS["quick"].summary)
        kind: Literal["primary", "secondary"] = "primary" if have_data and not have_runs else "secondary"
        if st.button("Start quick run", key="quick", type=kind, icon=":material/play_arrow:", disabled=not have_data):
            start_quick_run()
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        card_text("3 · Classify your own images", "Drop in a photo and see which class the network predicts.")
        if st.button("Classify images", key="home-classify", icon=":material/image_search:", disabled=not have_weights):
            open_page("pages/classify.py")


def card_text(title: str, text: str) -> None:
    """Show the title and the text of a card."""
    with st.container(gap="xxsmall"):
        st.markdown(f"**{title}**")
        st.caption(text)


def start_quick_run() -> None:
    """Queue the quick preset and open its page."""
    try:
        run_id = store.create(PRESETS["quick"].config, name=PRESETS["quick"].title)
    except LabError as error:
        error_box(error)
    else:
        st.session_state["done"] = "Run started"
        st.switch_page("pages/run.py", query_params={"run": run_id})


# --- the runs -------------------------------------------------------------------------------------


def training_runs(training: Sequence[RunSummary]) -> None:
    """Show each running run with its progress and a small accuracy curve."""
    if not training:
        return
    st.subheader("Training", anchor=False)
    for run in training:
        run_id, label = run.id, names[run.id]
        try:
            view = run_views.read_view(store, run_id, label)
        except LabError as error:  # deleted or damaged since the table was read
            error_box(error)
            continue
        with st.container(border=True):
            run_link(run_id, label, STATE_LOOKS[view.run.state][0])
            st.fragment(progress_bar, run_every=2)(run_id, label)
            every = run_views.curve_seconds([view]) if view.metrics.empty else None
            st.fragment(small_chart, run_every=every)(run_id, label)


def small_chart(run_id: str, label: str) -> None:
    """Draw a running run's accuracy; in its first epoch, what happens within it."""
    try:
        view = run_views.read_view(store, run_id, label)
    except LabError:
        st.rerun()  # the page shows the error
    live_chart(figures.small_accuracy(view.curves), f"home-{run_id}", run_views.curves_text("Accuracy", [view]))


def progress_bar(run_id: str, label: str) -> None:
    """Show how far a running run is; this changes within an epoch."""
    try:
        view = run_views.read_view(store, run_id, label)
    except LabError:
        st.rerun()  # the page shows the error
    st.progress(run_views.share_done(view), run_views.status_text(store, view))


def latest_runs(rest: Sequence[AnyRun]) -> None:
    """List the runs created last."""
    if not rest:
        return
    st.subheader("Latest runs", anchor=False)
    with st.container(border=True):
        for run in rest[:LISTED]:
            run_row(run, overview.result_text(run))


def best_runs(rest: Sequence[AnyRun]) -> None:
    """List the most accurate runs, separately for each set of classes."""
    tasks = overview.best_by_task(rest, LISTED)
    if not tasks:
        return
    st.subheader("Best runs", anchor=False)
    with st.container(border=True):
        for task, runs in tasks:
            if len(tasks) > 1:
                st.markdown(f":small[**{task[0].upper()}{task[1:]}**]")
            for run in runs:
                run_row(run, overview.accuracy_text(run))


def run_row(run: AnyRun, text: str) -> None:
    """Show a link to a run with its state's icon, and below it the state and ``text``."""
    icon, colour = STATE_LOOKS[run.state]
    with st.container(gap="xxsmall"):
        run_link(run.id, names[run.id], icon)
        st.caption(f":{colour}[{run.state}] · {sentence(text)}")


# --- the report -----------------------------------------------------------------------------------


def compared_with_report(runs: Sequence[AnyRun]) -> None:
    """Show our best runs on the two tasks of the report, next to what the report measured."""
    st.subheader("Compared with the report", anchor=False)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"The report is {REPORT}. Its tasks are all ten classes, and the pair deer or dog.", width="content")
        st.page_link("pages/report.py", label="The report, checked", icon=":material/fact_check:", width="content")
    cards = st.grid(2, min_column_width=340)
    for task in overview.report_comparisons(runs):
        with cards.container(border=True, height="stretch"):
            task_card(task)


def task_card(task: ReportComparison) -> None:
    """Show the report's accuracy on one task if it measured one, and our best by each way of choosing the epoch."""
    if task.point:
        st.markdown(f"**{task.title}** :gray[· the report trained on {task.point.value:,} images]")
        metric("Test accuracy, the report (epoch chosen on test images)", task.point.best_accuracy, help=OPTIMISTIC)
    else:
        st.markdown(f"**{task.title}** :gray[· our runs]")
    our_best("Test accuracy, ours (epoch chosen on test images, as in the report)", task.as_report, OPTIMISTIC)
    our_best("Test accuracy, ours (epoch chosen on held-out images)", task.honest)
    if task.as_report is None and task.honest is None:
        st.caption(task.empty_text())
    if task.as_report is None and st.button(
        "Use the report’s settings",
        key=f"recipe-{task.task}",
        icon=":material/content_copy:",
        help="Opens New run with the report’s settings for these classes.",
    ):
        st.session_state["draft_from"] = task.recipe
        st.session_state["done"] = "The form now has the report’s settings"
        open_page("pages/new_run.py")
    if task.note:
        st.caption(task.note)


def our_best(label: str, best: BestRun | None, help: str | None = None) -> None:
    """Show our best accuracy of one kind, and the run that reached it."""
    if best is None:
        return
    metric(label, best.accuracy, None if best.ahead is None else overview.points_text(best.ahead), help)
    with st.container(gap="xxsmall"):
        run_link(best.run.id, names[best.run.id], ":material/trophy:")
        st.caption(best.text())


def metric(label: str, share: float, note: str | None = None, help: str | None = None) -> None:
    """Show an accuracy in large type."""
    st.metric(label, percent(share), note, delta_color="off", delta_arrow="off", help=help)


# --- the page, from top to bottom -----------------------------------------------------------------

runs = store.runs()
names = labels(runs)
newcomer = overview.is_newcomer(runs)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.title("ResNet Lab", anchor=False, width="content")
    if not newcomer:
        with st.container(horizontal=True, gap="small", width="content"):
            training_settings(store)
            if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
                open_page("pages/new_run.py")
st.markdown(
    "Train residual networks on the CIFAR-10 images, on this computer, and find out what each training setting does."
)
if newcomer:
    first_steps(cifar10.available(), bool(overview.own_runs(runs)), overview.has_weights(runs))
by_state = Overview.of(runs)
show_problems()
undo_boxes(store, runs, names)
training_runs(by_state.training)
queue_box(store, by_state.training, by_state.waiting, names, ensure_worker().waiting or cluster_waiting(store))
if not newcomer:
    cluster_box(store)
if runs:
    left, right = st.columns(2, gap="medium")
    with left:
        latest_runs(by_state.rest)
    with right:
        best_runs(by_state.rest)
    compared_with_report(runs)
# Also while nothing trains: a search, a terminal or another window may begin a run.
redraw_when_changed(fingerprint(runs), lambda: fingerprint(store.runs()), seconds=2 if by_state.busy else 5)
