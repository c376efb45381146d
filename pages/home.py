"""Home: what trains now, what waits, what came out, and how it stands beside the report.

For a newcomer, the first three steps.
"""

from typing import Literal

import pandas as pd
import streamlit as st

from core.base.errors import LabError
from core.base.text import percent
from core.config.presets import PRESETS
from core.data import cifar10
from core.data.fetch import FETCH
from core.figures import curves as figures
from core.runs import table as table_runs
from core.runs.table import fingerprint
from core.views import home as overview
from core.views import run as run_views
from core.views.home import BestRun, Overview, ReportComparison
from pages.parts.components.live_chart import live_chart
from pages.parts.home.queue import messages, queue_box
from pages.parts.shared import STATE_LOOKS, error_box, get_store, literal, open_page
from pages.parts.watch import redraw_when_changed

SHOWN = 6

store = get_store()


def start_quick() -> None:
    """Queue the quick preset and look at it."""
    try:
        run_id = store.create(PRESETS["quick"].config, name=PRESETS["quick"].title)
    except LabError as error:
        error_box(error)
    else:
        st.session_state["done"] = "Started"
        st.switch_page("pages/run.py", query_params={"run": run_id})


def first_steps(have_data: bool, have_runs: bool, have_weights: bool) -> None:
    """Three steps, a click each; the next one to do stands out."""
    steps = st.grid(3, min_column_width=240)
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        say("1 · Get the pictures", "CIFAR-10: 60,000 small pictures of ten kinds of things, downloaded once.")
        if have_data:
            st.button(
                "On this computer", key="home-data", type="tertiary", icon=":material/check_circle:", disabled=True
            )
        elif st.button("Get the data", key="home-data", type="primary", icon=":material/download:"):
            FETCH.start()
            open_page("pages/dataset.py")
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        say("2 · Train a network", PRESETS["quick"].summary)
        kind: Literal["primary", "secondary"] = "primary" if have_data and not have_runs else "secondary"
        if st.button("Start a quick run", key="quick", type=kind, icon=":material/play_arrow:", disabled=not have_data):
            start_quick()
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        say("3 · Show it a picture", "Drop any photograph and see what the network takes it for.")
        if st.button("Classify", key="home-classify", icon=":material/image_search:", disabled=not have_weights):
            open_page("pages/classify.py")


def say(title: str, words: str) -> None:
    """The head of a card."""
    with st.container(gap="xxsmall"):
        st.markdown(f"**{title}**")
        st.caption(words)


def body(frame: pd.DataFrame) -> None:
    """The runs of the table: at work, waiting, newest, best, and beside the report's."""
    runs = Overview.of(frame)
    messages(store, frame)
    now(runs.training)
    queue_box(store, runs.waiting)
    if frame.empty:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        newest(runs.rest)
    with right:
        best(runs.rest)
    beside_report(frame)


def now(training: pd.DataFrame) -> None:
    """The runs at work, each with how far it is and its curve in small."""
    if training.empty:
        return
    st.subheader("Now", anchor=False)
    labels = table_runs.labels(training)
    for run_id, label in labels.items():
        try:
            view = run_views.read_view(store, run_id, label)
        except LabError as error:  # gone or damaged since the table was read
            error_box(error)
            continue
        with st.container(border=True):
            run_link(run_id, label, view.state)
            st.fragment(standing, run_every=2)(run_id, label)
            live_chart(
                figures.small_accuracy(view.curves, view.config.train.epochs),
                f"home-{run_id}",
                run_views.curves_text("Accuracy", [view]),
            )


def standing(run_id: str, label: str) -> None:
    """How far a run at work is: the line that changes within an epoch."""
    try:
        view = run_views.read_view(store, run_id, label)
    except LabError:
        st.rerun()  # gone or damaged, which the page says
    st.progress(run_views.share_done(view), run_views.status_text(store, view))


def newest(rest: pd.DataFrame) -> None:
    """The runs made last."""
    if rest.empty:
        return
    st.subheader("Newest", anchor=False)
    with st.container(border=True):
        for row in rest.head(SHOWN).to_dict("records"):
            run_row(row, overview.result_text(row))


def best(rest: pd.DataFrame) -> None:
    """The most accurate runs, apart for each set of classes."""
    tasks = overview.best_by_task(rest, SHOWN)
    if not tasks:
        return
    st.subheader("Best", anchor=False)
    with st.container(border=True):
        for task, rows in tasks:
            if len(tasks) > 1:
                st.markdown(f":small[**{task}**]")
            for row in rows.to_dict("records"):
                run_row(row, overview.accuracy_text(row))


def run_row(row: overview.Row, words: str) -> None:
    """A run's name as a link with its state's icon; below it the state and a few words."""
    _, colour = STATE_LOOKS[row["state"]]
    with st.container(gap="xxsmall"):
        run_link(row["id"], overview.name_of(row), row["state"])
        st.caption(f":{colour}[{row['state']}] · {literal(words)}")


def run_link(run_id: str, label: str, state: str) -> None:
    """A way to the run's own page."""
    st.page_link("pages/run.py", label=literal(label), icon=STATE_LOOKS[state][0], query_params={"run": run_id})


def beside_report(frame: pd.DataFrame) -> None:
    """The report's two results, and the best ones here on the same classes."""
    st.subheader("Beside the report", anchor=False)
    cards = st.grid(2, min_column_width=340)
    for task in overview.report_comparisons(frame):
        with cards.container(border=True, height="stretch"):
            task_card(task)


def task_card(task: ReportComparison) -> None:
    """One task: the report's accuracy, ours by both rules, and the runs that reached it."""
    st.markdown(f"**{task.title}** :gray[· the report trained on {task.point.value:,} images]")
    with st.grid(3, min_column_width=125):
        metric("Report", task.point.best_accuracy, "on its test images")
        for label, found in (("Here, as the report", task.as_report), ("Here, held out", task.honest)):
            if found:
                metric(label, found.accuracy, overview.points_text(found.ahead))
    if task.as_report is None and task.honest is None:
        st.caption(task.empty_text())
    best_line(task.as_report, "As the report’s, its best epoch was chosen on the test images: a little too high.")
    best_line(task.honest, "Its best epoch was chosen on held-out images, and tested once: the stricter rule.")
    if task.as_report is None and st.button(
        "Take the report’s recipe",
        key=f"recipe-{task.point.task}",
        icon=":material/content_copy:",
        help="Opens New run with the report’s settings for these classes.",
    ):
        st.session_state["draft_from"] = task.recipe
        st.session_state["done"] = "The report’s settings are in the form."
        open_page("pages/new_run.py")


def metric(label: str, share: float, note: str) -> None:
    """An accuracy in large letters."""
    st.metric(label, percent(share), note, delta_color="off", delta_arrow="off")


def best_line(found: BestRun | None, rule: str) -> None:
    """Which run it was and what chose its epoch."""
    if found is None:
        return
    with st.container(gap="xxsmall"):
        st.page_link(
            "pages/run.py", label=literal(found.name), icon=":material/trophy:", query_params={"run": found.run_id}
        )
        st.caption(f"{found.text()}. {rule}")


frame = store.frame()
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.title("ResNet Lab", anchor=False, width="content")
    if not overview.is_newcomer(frame) and st.button("New run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
st.markdown(
    "What each setting of training does to an image classifier: a residual network on CIFAR-10, on this machine."
)
if overview.is_newcomer(frame):
    first_steps(cifar10.available(), not overview.own_runs(frame).empty, overview.has_weights(frame))
body(frame)
if Overview.of(frame).busy:
    redraw_when_changed(fingerprint(frame), lambda: fingerprint(store.frame()), seconds=2)
