"""Inspect: what a network gets wrong and why, for one run or two. Each question is a tab, and only the open one works.

The runs, the answers and the open tab are in the address (``?run=…&with=…&part=…&weights=…&view=…``).
"""

from collections.abc import Callable, Sequence

import streamlit as st

from core.base.errors import LabError
from core.inspect.subject import Subject, inspectable
from core.runs.store import RunStore
from core.runs.summary import labels
from pages.parts.actions import show_problems
from pages.parts.inspect.calibration import calibration
from pages.parts.inspect.classes import classes
from pages.parts.inspect.looks import looks
from pages.parts.inspect.map import image_maps
from pages.parts.inspect.mistakes import mistakes
from pages.parts.inspect.pairs import two_runs
from pages.parts.inspect.slices import slices
from pages.parts.inspect.subjects import choosers, subjects
from pages.parts.shared import error_box, get_store, open_page

#: The tabs from left to right: what each is called, and what draws it for one run or two.
TABS: dict[str, Callable[[RunStore, Sequence[Subject]], None]] = {
    "Mistakes": mistakes,
    "Classes": classes,
    "Calibration": calibration,
    "Two runs": two_runs,
    "Slices": slices,
    "What it looks at": looks,
    "Map": image_maps,
}

store = get_store()


# --- the page, from top to bottom -----------------------------------------------------------------


def questions(chosen: Sequence[Subject]) -> None:
    """Show the tabs; only the open one is computed."""
    asked = st.session_state.get("inspect_tab")  # by a page that leads here
    shown = st.tabs(list(TABS), default=asked, key="view", on_change="rerun", bind="query-params")
    for draw, box in zip(TABS.values(), shown, strict=True):
        if box.open:
            with box:
                draw(store, chosen)


st.title("Inspect", anchor=False)
show_problems()
runs = store.runs()
possible = inspectable(runs)
if not possible:
    st.info(
        "No run to inspect yet. Train one, and see here which images it gets wrong.", icon=":material/troubleshoot:"
    )
    if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
    st.stop()
by_id = {run.id: run for run in possible}
names = labels(possible)
ids = choosers(store, runs, names)
try:
    if chosen := subjects(store, [by_id[run_id] for run_id in ids], names):
        questions(chosen)
except LabError as error:  # a run was deleted since the list was read
    error_box(error)
