"""Compare's table of all runs: search, filters, order, columns, and the checkboxes that select runs.

The selected runs are kept by id, in the session and in the address (``?runs=``), because a row's place changes when a
run begins. The table's own selection is set from them before it is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from core.base.text import shortened
from core.compare.filters import SORTS, Filter, tags_in_use, tasks_in_use
from core.compare.picks import link_text, picked_after_selection, runs_in_link
from core.config.run_config import SETTINGS
from core.runs.folder import STATES
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary
from core.views.compare import runs_table
from pages.parts.actions import add_problems, forget_problems, key_for

TABLE = "compare_table"
PICKED = "compare_picked"
_LINK = "compare_link"

#: Columns by name: heading, and whether the table shows them by default.
COLUMNS: dict[str, tuple[str, bool]] = {
    "state": ("State", True),
    "curve": ("Curve", True),
    "test": ("Test accuracy", True),
    "best": ("Validation accuracy", True),
    "best_epoch": ("Best epoch", False),
    "selected_on": ("Epoch chosen on", True),
    "last": ("Last epoch", False),
    "min_val_loss": ("Lowest loss", False),
    "epochs_done": ("Progress", True),
    "seconds": ("Training time", True),
    "images_per_second": ("Images/s", False),
    "tags": ("Tags", False),
    "note": ("Note", False),
    "study": ("Study", False),
    "created": ("Created", False),
    "id": ("ID", False),
    "error": ("Error", False),
}
TEST_HELP = (
    "Accuracy of the best weights on the test set. Slightly optimistic if the epoch was chosen on test images; "
    "otherwise measured once, when the run finishes."
)
#: Pixels of the table in a window of 1,440, of its usual columns, of another one, and of the shortest name.
_TABLE, _OTHER, _LEAST_NAME = 1_004, 90, 180
_WIDTHS = {
    "checkbox": 34,
    "pinned": 40,
    "open": 50,
    "state": 76,
    "curve": 90,
    "test": 94,
    "best": 124,
    "selected_on": 112,
    "epochs_done": 66,
    "seconds": 84,
    "tags": 80,
    "created": 88,
}
#: Pixels of a letter.
_LETTER = 6.7
_SETTING_NAMES = {path: setting.label for path, setting in SETTINGS.items()}


# --- the selected runs ------------------------------------------------------------------------


def picked_runs(store: RunStore, runs: Sequence[AnyRun]) -> list[AnyRun]:
    """Return the selected runs that exist: those of a link that was just opened, or those of the session."""
    by_id = {run.id: run for run in runs}
    link = ",".join(st.query_params.get_all("runs"))
    if "runs" in st.query_params and link != st.session_state.get(_LINK):
        picked, problems = runs_in_link(store, by_id, link)
        add_problems(problems)
    else:
        picked = st.session_state.get(PICKED, [])
    picked = [run_id for run_id in picked if run_id in by_id]
    pick(picked)
    return [by_id[run_id] for run_id in picked]


def pick(picked: Sequence[str]) -> None:
    """Select these runs, in the address too."""
    st.session_state[PICKED] = list(picked)
    st.session_state[_LINK] = link_text(picked) or None
    if picked:
        st.query_params["runs"] = link_text(picked)
    else:
        st.query_params.pop("runs", None)


def _selected(key: str, visible: Sequence[str]) -> None:
    forget_problems()
    pick(picked_after_selection(st.session_state[PICKED], visible, st.session_state[key]["selection"]["rows"]))


# --- the table --------------------------------------------------------------------------------


def filters(runs: Sequence[AnyRun]) -> tuple[Filter, list[str]]:
    """Ask which runs and which columns to show."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            key="q",
            type="search",
            placeholder="Search name, note, tag or ID",
            label_visibility="collapsed",
            bind="query-params",
            width=260,
        )
        sort = st.selectbox(
            "Sort by",
            list(SORTS),
            key="sort",
            format_func=lambda name: SORTS[name][0],
            label_visibility="collapsed",
            bind="query-params",
            width=230,
        )
        chosen = sum(len(st.session_state.get(key) or ()) for key in ("state", "tag", "task"))
        with st.popover(f"Filter ({chosen})" if chosen else "Filter", icon=":material/filter_list:"):
            in_use = {run.state for run in runs}
            states = _several("State", "state", [state for state in (*STATES, "damaged") if state in in_use])
            tags = _several("Tags", "tag", tags_in_use(runs))
            tasks = _several("Classes", "task", tasks_in_use(runs))
        with st.popover("Columns", icon=":material/view_column:"):
            columns = st.multiselect(
                "Columns",
                [*COLUMNS, *SETTINGS],
                [name for name, (_, by_default) in COLUMNS.items() if by_default],
                key="columns",
                format_func=lambda name: COLUMNS[name][0] if name in COLUMNS else _SETTING_NAMES[name],
                bind="query-params",
            )
    return Filter(search, tuple(states), tuple(tags), tuple(tasks), sort), columns


def _several(label: str, key: str, options: list[str]) -> list[str]:
    """Ask for several of the options, if there are any."""
    if not options:
        st.session_state.pop(key, None)
        return []
    return st.multiselect(label, options, key=key, placeholder="All", bind="query-params")


def run_table(runs: Sequence[AnyRun], labels: Mapping[str, str], columns: Sequence[str], picked: Sequence[str]) -> None:
    """Show the runs; their checkboxes change the selected runs."""
    visible = [run.id for run in runs]
    key = key_for(TABLE, *visible)  # the browser reports rows, which mean other runs in another table
    wanted = [row for row, run_id in enumerate(visible) if run_id in set(picked)]
    if (st.session_state.get(key) or {}).get("selection", {}).get("rows") != wanted:
        st.session_state[key] = {"selection": {"rows": wanted, "columns": [], "cells": []}}
    width = _name_width(runs, columns)
    short = shortened(labels.values(), int(width / _LETTER))
    table = runs_table(runs, {run_id: short[label] for run_id, label in labels.items()}, columns)
    table.insert(list(table.columns).index("run") + 1, "open", [f"run?run={run_id}" for run_id in visible])
    st.dataframe(
        table,
        key=key,
        on_select=partial(_selected, key, visible),
        selection_mode="multi-row",
        hide_index=True,
        height="auto" if len(table) <= 10 else min(35 * len(table) + 38, 430),
        column_config=_looks(columns, width),
        placeholder="",
        alt="All runs with state, accuracy and settings. The checkbox at the left of a row selects a run, and “Open” "
        "opens its page.",
    )


def _name_width(runs: Sequence[AnyRun], columns: Sequence[str]) -> int:
    """Return the pixels left for the names, so that a window of 1,440 pixels shows the usual columns."""
    shown = ["checkbox", "open", *columns]
    if any(isinstance(run, RunSummary) and run.meta.pinned for run in runs):
        shown.append("pinned")
    return max(_LEAST_NAME, _TABLE - sum(_WIDTHS.get(name, _OTHER) for name in shown))


def _looks(columns: Sequence[str], name_width: int) -> dict[str, Any]:
    of = st.column_config
    accuracy = {"format": "%.2f %%"}
    looks: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
        "pinned": (of.CheckboxColumn, "Pin", {"pinned": True, "help": "Pinned runs stay at the top."}),
        "open": (of.LinkColumn, "Run", {"display_text": "Open", "help": "Opens the run’s page."}),
        "curve": (
            of.LineChartColumn,
            "Curve",
            {"help": "Validation accuracy of each epoch, from the lowest to the highest of the run."},
        ),
        "best": (
            of.NumberColumn,
            "Validation accuracy",
            {"help": "Highest accuracy on held-out images of all epochs.", **accuracy},
        ),
        "last": (
            of.NumberColumn,
            "Last epoch",
            {"help": "Accuracy of the last epoch on the images that choose the best one.", **accuracy},
        ),
        "test": (of.NumberColumn, "Test accuracy", {"help": TEST_HELP, **accuracy}),
        "best_epoch": (of.NumberColumn, "Best epoch", {"format": "%d"}),
        "selected_on": (
            of.TextColumn,
            "Epoch chosen on",
            {"help": "The images whose accuracy decides which epoch is best."},
        ),
        "min_val_loss": (
            of.NumberColumn,
            "Lowest loss",
            {"help": "Validation cross-entropy in nats per image.", "format": "%.4f"},
        ),
        "seconds": (
            of.NumberColumn,
            "Training time",
            {"format": "compact", "help": "In hours, minutes and seconds, without pauses."},
        ),
        "images_per_second": (of.NumberColumn, "Images/s", {"format": "%.0f"}),
        "created": (of.DatetimeColumn, "Created", {"format": "YYYY-MM-DD"}),
        "tags": (of.ListColumn, "Tags", {}),
    }
    made = {name: kind(title, width=_WIDTHS.get(name), **more) for name, (kind, title, more) in looks.items()}
    made["run"] = of.TextColumn("Name", width=name_width, pinned=True)
    plain = {
        name: of.Column(title, width=_WIDTHS.get(name)) for name, (title, _) in COLUMNS.items() if name not in made
    }
    settings = {
        path: of.Column(setting.label, help=setting.help) for path, setting in SETTINGS.items() if path in columns
    }
    return made | plain | settings
