"""Compare: a table of all runs; curves, settings and accuracy of the selected ones, and whether a gap is real.

What is selected and how it is shown is in the address, so a link opens exactly this view.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from core.base.errors import LabError
from core.base.text import counted, shortened
from core.compare import contenders
from core.compare import settings as settings_compare
from core.compare.contenders import Contender
from core.compare.filters import SORTS, filtered
from core.compare.picks import MOST_LINKED, problems_in_link
from core.config.run_config import SETTINGS
from core.runs.summary import AnyRun, DamagedRun, RunSummary, fingerprint, readable
from core.runs.summary import labels as run_labels
from core.takeaway.subject import Subject, of_runs
from core.views import curves as curves_views
from core.views import exports
from core.views.compare import results_table, seeds_numbers, seeds_table
from core.views.curves import Mark
from core.views.home import Overview
from pages.parts.actions import add_problems, show_problems
from pages.parts.compare.actions import actions, import_box, trash_box, undo_box
from pages.parts.compare.curves import curves
from pages.parts.compare.gap import gap_box
from pages.parts.compare.settings import parallel, settings
from pages.parts.compare.storage import storage_box
from pages.parts.compare.table import TEST_HELP, filters, picked_runs, run_table
from pages.parts.components.live_chart import preload_charts
from pages.parts.curve_controls import AXES, SMOOTHING
from pages.parts.hand_in import hand_in_box
from pages.parts.shared import download_button, error_box, get_store, open_page
from pages.parts.take_away import Item, take_away
from pages.parts.texts import UNSAVED
from pages.parts.watch import redraw_when_changed

#: Runs in one chart; nobody can tell more apart.
MOST_DRAWN = 24
#: Letters of a name in the tables of the tabs.
_LETTERS = 40
#: The parts of the page about the selected runs, each a tab.
TABS = {
    "curves": "Curves",
    "results": "Results",
    "settings": "Settings",
    "gap": "Is the gap real?",
    "parallel": "Parallel coordinates",
}
#: What a link may contain: the page's labels.
CHOICES: dict[str, Mapping[Any, str]] = {
    "view": TABS,
    "x": AXES,
    "smoothing": SMOOTHING,
    "sort": {name: label for name, (label, *_) in SORTS.items()},
}

store = get_store()


# --- the page, from top to bottom -----------------------------------------------------------------


def results(
    runs: Sequence[RunSummary], groups: Sequence[Contender], labels: Mapping[str, str], marks: Mapping[str, Mark]
) -> None:
    """Show the accuracy of each run and over each group, with its colour in the charts."""
    of = st.column_config
    short = shortened(labels.values(), _LETTERS)
    table = results_table(runs, {run.id: short[labels[run.id]] for run in runs})
    chosen_on, share = set(table["selected_on"]), "%.2f %%"
    # What all runs have in common is said below, so that the table fits a window of 1,440 pixels.
    shown = ["colour", *(str(column) for column in table if column != "selected_on" or len(chosen_on) > 1)]
    by_run = {run_id: marks[group.id].colour for group in groups for run_id in group.run_ids}
    st.dataframe(
        dotted(table, [by_run[run.id] for run in runs]),
        hide_index=True,
        column_order=shown,
        column_config={
            "colour": of.TextColumn("", width=34, pinned=True, help="Colour in the charts."),
            "label": of.TextColumn("Run", pinned=True, width=254),
            "state": of.TextColumn("State", width=78),
            "test": of.NumberColumn("Test accuracy", help=TEST_HELP, format=share, width=92),
            "best": of.NumberColumn("Validation accuracy", format=share, width=124),
            "best_epoch": of.NumberColumn("Best epoch", format="%d", width=78),
            "selected_on": of.TextColumn("Epoch chosen on", width=112),
            "last": of.NumberColumn(
                "Last accuracy", help="Validation accuracy of the last epoch.", format=share, width=94
            ),
            "last_epoch": of.NumberColumn("Last epoch", format="%d", width=76),
            "min_val_loss": of.NumberColumn(
                "Lowest loss", help="Lowest validation cross-entropy, in nats per image.", format="%.4f", width=84
            ),
            "seconds": of.NumberColumn("Training time", format="compact", width=94),
        },
        placeholder="–",
        alt="Best and last accuracy of each selected run, with the epoch and the images that chose it.",
    )
    if len(chosen_on) == 1:
        st.caption(f"The best epoch of each run is chosen on {chosen_on.pop()}.")
    seeds = seeds_table(groups)
    names = shortened(seeds["label"], 2 * _LETTERS)
    if len(seeds):
        st.caption(
            "Mean ± standard deviation (n − 1) of each group, in percent. Unfinished runs count if none has finished."
        )
        st.dataframe(
            seeds.assign(label=seeds["label"].map(names)),
            hide_index=True,
            column_config={
                "label": of.TextColumn("Group", pinned=True),
                "n": of.NumberColumn("Runs"),
                "test": "Test accuracy",
                "best": "Validation accuracy",
                "last": "Last accuracy",
            },
            alt="Mean and standard deviation of each group.",
        )
        download_button(
            "Export means (CSV)",
            lambda: exports.as_csv(seeds_numbers(groups)),
            "means.csv",
            "Mean and standard deviation of each group.",
            type="tertiary",
        )


def dotted(table: pd.DataFrame, colours: Sequence[str]) -> Styler:
    """Return the table with a dot in each row's colour, in the shades of the theme."""
    themed = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or curves_views.PALETTE
    styles = [f"color: {themed[curves_views.PALETTE.index(colour)]}" for colour in colours]
    table.insert(0, "colour", "●")
    return table.style.apply(lambda _: styles, subset=pd.Index(["colour"]))


def report_of(run_ids: Sequence[str], title: str, author: str) -> Subject:
    """Return the runs to report about."""
    return of_runs(store, run_ids, title=title, author=author)


def whole_runs_box(run_ids: Sequence[str], states: Sequence[str]) -> None:
    """Show the button for files of the selected runs. Reading a run can fail, and the page then says why."""
    box = st.popover(
        "Export runs", icon=":material/download:", help="The selected runs.", key="whole_runs_box", on_change="rerun"
    )
    if not box.open:
        return
    items = [
        Item(
            "epochs (CSV)",
            "epochs.csv",
            ":material/table:",
            "Every epoch of the selected runs.",
            lambda: exports.metrics_csv(store, run_ids).encode(),
        ),
        Item(
            "runs (JSON)",
            "runs.json",
            ":material/data_object:",
            "Settings, results and every epoch of the selected runs.",
            lambda: exports.runs_json(store, run_ids).encode(),
        ),
        Item(
            "runs (.zip)",
            "runs.zip",
            ":material/folder_zip:",
            "The selected runs with their weights, to import them in another ResNet Lab.",
            partial(exports.runs_zip, store, run_ids),
        ),
    ]
    with box:
        take_away(items, *run_ids, *states)


def exports_box(runs: Sequence[RunSummary], picked: Sequence[str]) -> None:
    """Offer files of the runs that can be read, and the link to this view."""
    run_ids, states = [run.id for run in runs], [f"{run.state} {run.status.epoch}" for run in runs]
    with st.container(horizontal=True):
        whole_runs_box(run_ids, states)
        hand_in_box(partial(report_of, run_ids), *run_ids, *states)
        with st.popover("Copy link", icon=":material/link:"):
            address = (st.context.url or "").split("?")[0]
            # A filter by two tags has two values of one name.
            kept = {key: st.query_params.get_all(key) for key in st.query_params if key != UNSAVED}
            view = urlencode(kept, doseq=True)
            st.caption("Opens Compare with these runs, filters and charts.")
            st.code(f"{address}?{view}", language=None, wrap_lines=True)
            if len(picked) > MOST_LINKED:
                st.caption(f"A link holds the first {MOST_LINKED} selected runs.")


def grouping(runs: Sequence[RunSummary], differing: Sequence[str]) -> str:
    """Ask what the runs are grouped by. Return :data:`contenders.SEEDS`, a setting's path, or nothing."""
    paths = [path for path in differing if path != "train.seed"]
    names = {contenders.SEEDS: "Seeds", **{path: SETTINGS[path].label for path in paths}, "": "Nothing"}
    if st.query_params.pop("seeds", None) == "false":  # of links from before there were other groups
        st.session_state["group"] = ""
    if st.session_state.get("group") not in names:
        st.session_state.pop("group", None)
    if len(runs) < 2:
        return contenders.SEEDS
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("Group by", width="content")
        chosen: str = st.selectbox(
            "Group by",
            list(names),
            key="group",
            bind="query-params",
            format_func=names.__getitem__,
            help="Runs of a group are one curve: their mean, a band of one standard deviation, and each run as a "
            "faint line. “Seeds” groups the runs that differ only in their seed.",
            label_visibility="collapsed",
            width=260,
        )
    return chosen


def picked_part(picked: Sequence[AnyRun], labels: Mapping[str, str]) -> None:
    """Show everything about the selected runs; only the open tab is computed."""
    for run in picked:
        if isinstance(run, DamagedRun):
            error_box(run.error)
    runs = readable(picked)
    if len(runs) < len(picked):
        st.caption("“Check all files” in the section Storage below shows what can be repaired.")
    if not runs:
        return
    few = runs[:MOST_DRAWN]
    differing = settings_compare.differing_settings_of_runs(runs)
    by = grouping(runs, list(differing))
    groups = contenders.group_runs(few, labels, by)
    marks = curves_views.marks([group.id for group in groups])
    if len(runs) > len(few):
        st.caption(
            f"Curves, results and the gap: the first {MOST_DRAWN} of {len(runs):,} selected runs. Settings and "
            "parallel coordinates: all of them."
        )
    tabs = dict(
        zip(TABS, st.tabs(list(TABS.values()), key="view", on_change="rerun", bind="query-params"), strict=True)
    )
    (open_tab,) = (name for name, tab in tabs.items() if tab.open)
    with tabs[open_tab]:
        match open_tab:
            case "curves":
                curves(store, groups, labels, marks)
            case "results":
                results(few, groups, labels, marks)
            case "settings":
                settings(differing, runs, labels, MOST_DRAWN)
            case "gap":
                experiments = contenders.group_runs(few, labels)
                gap_box(experiments, curves_views.marks([group.id for group in experiments]))
            case "parallel":
                parallel(runs, list(differing))
    exports_box(runs, [run.id for run in picked])


def body(fresh: list[list[AnyRun]]) -> None:
    """Show the whole page below its title. ``fresh`` holds all runs if the page has just read them."""
    runs = fresh.pop() if fresh else store.runs()
    if not runs:
        st.rerun()  # the last runs are gone; the empty state, with Undo, is outside this fragment
    labels = run_labels(runs)
    picked = picked_runs(store, runs)
    wanted, columns = filters(runs)
    shown = filtered(runs, wanted)
    if not shown:
        st.info("No run matches. Clear the search or the filters to see all runs.", icon=":material/filter_alt:")
    run_table(shown, labels, columns, [run.id for run in picked])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(shown):,} of {counted(len(runs), 'run')}", width="stretch")
        download_button(
            "Export table (CSV)",
            lambda: exports.table_csv(shown),
            "runs.csv",
            "The runs in the table with all their settings.",
            type="tertiary",
        )
    show_problems()
    undo_box(store)
    if picked:
        actions(store, runs, picked)
        try:
            picked_part(picked, labels)
        except LabError as error:  # a run was deleted since the table was read
            error_box(error)
    else:
        preload_charts()
        st.info(
            "Select runs with the checkboxes on the left to compare their curves, settings and accuracy.",
            icon=":material/check_box:",
        )
    import_box(store)
    trash_box(store)
    storage_box(store)


st.title("Compare", anchor=False)
start = store.runs()
if not start:
    st.info("No runs yet. Create at least two to compare them.", icon=":material/compare_arrows:")
    if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
    show_problems()
    undo_box(store)
    import_box(store)
    trash_box(store)
    storage_box(store)
    st.stop()
add_problems(problems_in_link(st.query_params, CHOICES))
st.fragment(body)([start])
if Overview.of(start).busy:
    redraw_when_changed(fingerprint(start), lambda: fingerprint(store.runs()), seconds=5)
