"""Home: what trains now, what waits, what came out; for a newcomer, the first three steps."""

from typing import Literal

import pandas as pd
import streamlit as st

from core.data import cifar10
from core.errors import LabError
from core.fetching import FETCH
from core.presets import PRESETS
from core.store import AT_WORK
from core.words import percent
from pages.parts.shared import STATE_LOOKS, error_box, get_store, literal

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
        st.switch_page("pages/live.py", query_params={"run": run_id})


def first_steps(have_data: bool, have_runs: bool) -> None:
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
            st.switch_page("pages/dataset.py")
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        say("2 · Train a network", PRESETS["quick"].summary)
        kind: Literal["primary", "secondary"] = "primary" if have_data and not have_runs else "secondary"
        if st.button("Start a quick run", key="quick", type=kind, icon=":material/play_arrow:", disabled=not have_data):
            start_quick()
    with steps.container(border=True, height="stretch", vertical_alignment="distribute"):
        say("3 · Show it a picture", "Drop any photograph and see what the network takes it for.")
        if st.button("Classify", key="home-classify", icon=":material/image_search:", disabled=not have_runs):
            st.switch_page("pages/classify.py")


def say(title: str, words: str) -> None:
    """The head of a card."""
    with st.container(gap="xxsmall"):
        st.markdown(f"**{title}**")
        st.caption(words)


def overview() -> None:
    """Everything that changes while something trains."""
    frame = store.frame()
    if busy and not is_busy(frame):
        st.rerun()  # nothing left to watch
    training = frame[frame["state"].isin(AT_WORK)]
    waiting = frame[frame["state"] == "queued"].sort_values("queued_at")
    if is_busy(frame):
        st.subheader("Now", anchor=False)
    for _, run in training.iterrows():
        training_card(run)
    if len(waiting):
        with st.container(border=True):
            for place, (_, run) in enumerate(waiting.iterrows(), start=1):
                run_row(run, f"number {place} in the queue")
    done = frame[~frame["state"].isin([*AT_WORK, "queued"])]
    best = done.dropna(subset=["best_val_accuracy"]).sort_values("best_val_accuracy", ascending=False)
    left, right = st.columns(2, gap="medium")
    with left:
        list_runs("Newest", done)
    with right:
        list_runs("Best", best)


def training_card(run: pd.Series) -> None:
    """A run at work, with how far it is."""
    with st.container(border=True):
        run_row(run, accuracy_words(run))
        progress = store.progress(run["id"])
        if progress is None:
            st.progress(run["epoch"] / run["epochs"], f"Epoch {run['epoch']:.0f} of {run['epochs']:.0f}")
            return
        share = (progress["epoch"] - 1 + progress["batch"] / progress["batches"]) / progress["epochs"]
        words = f"Epoch {progress['epoch']} of {progress['epochs']}, batch {progress['batch']} of {progress['batches']}"
        st.progress(min(share, 1.0), words)


def list_runs(title: str, frame: pd.DataFrame) -> None:
    """The first few runs of a table."""
    if frame.empty:
        return
    st.subheader(title, anchor=False)
    with st.container(border=True):
        for _, run in frame.head(SHOWN).iterrows():
            run_row(run, accuracy_words(run))


def run_row(run: pd.Series, words: str) -> None:
    """A run's name as a link with its state's icon; below it the state and a few words."""
    name = run["name"] if isinstance(run["name"], str) and run["name"] else run["id"]
    icon, colour = STATE_LOOKS[run["state"]]
    with st.container(gap="xxsmall"):
        st.page_link("pages/live.py", label=literal(name), icon=icon, query_params={"run": run["id"]})
        st.caption(f":{colour}[{run['state']}] · {words}")


def accuracy_words(run: pd.Series) -> str:
    """The best accuracy and what chose it; for a held-out choice the test accuracy too, once there is one."""
    if pd.isna(run["best_val_accuracy"]):
        return "no epoch finished"
    words = (
        f"{percent(run['best_val_accuracy'])} on {'held-out' if run['selected_on'] == 'held-out' else 'test'} images"
    )
    return words if pd.isna(run["test_accuracy"]) else f"{words}, {percent(run['test_accuracy'])} on test images"


def is_busy(frame: pd.DataFrame) -> bool:
    """Whether something trains or waits."""
    return bool(frame["state"].isin([*AT_WORK, "queued"]).any())


st.title("ResNet Lab", anchor=False)
st.markdown("What each knob of training does to an image classifier: a residual network on CIFAR-10, on this machine.")
busy = is_busy(store.frame())
first_steps(cifar10.available(), bool(store.ids()))
st.fragment(overview, run_every="2s" if busy else None)()
