"""Compare: a table of all runs; curves, settings and accuracy of the selected ones, and whether a gap is real.

What is selected and how it is shown is in the address, so a link opens exactly this view.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from core.base.errors import LabError
from core.base.text import SELECTED_ON
from core.compare import contenders
from core.compare import settings as settings_compare
from core.compare.contenders import Contender
from core.compare.filters import SORTS, filtered
from core.compare.picks import MOST_LINKED, problems_in_link
from core.config.run_config import SETTINGS
from core.figures import compare as figures_compare
from core.figures import curves as curves_figures
from core.figures.style import View
from core.published.points import reference_line
from core.runs import table as live
from core.runs.folder import AT_WORK
from core.runs.table import fingerprint
from core.views import curves as curves_views
from core.views import exports
from core.views.curves import RunCurves
from pages.parts.actions import add_problems, show_problems
from pages.parts.compare.actions import actions, import_box, trash_box, undo_box
from pages.parts.compare.gap import gap_box
from pages.parts.compare.table import filters, picked_runs, run_table
from pages.parts.components.live_chart import CHART_WIDTH, as_data, live_chart
from pages.parts.curve_controls import AXES, SMOOTHING, curve_controls
from pages.parts.shared import download_button, error_box, get_store, open_page
from pages.parts.watch import redraw_when_changed

#: Runs in one chart; nobody can tell more apart.
MOST_DRAWN = 24
#: What a link may contain: the page's labels.
CHOICES: dict[str, Mapping[Any, str]] = {
    "x": AXES,
    "smoothing": SMOOTHING,
    "sort": {name: label for name, (label, *_) in SORTS.items()},
}

store = get_store()


def any_active(frame: pd.DataFrame) -> bool:
    """Whether a run is queued or running."""
    return bool(frame["state"].isin([*AT_WORK, "queued"]).any())


# --- the page, from top to bottom -----------------------------------------------------------------


def charts(groups: Sequence[Contender], labels: Mapping[str, str], colours: Mapping[str, str], look: View) -> None:
    """Draw accuracy and loss: a curve for each run, or mean and band where seeds are grouped."""
    # The curves of a run change only with these cells of the table.
    seen = [(row["id"], row["epoch"], row["seconds"], row["last_val_loss"]) for group in groups for row in group.rows]
    about = [(group.id, group.label, colours[group.id], group.config.data, group.run_ids) for group in groups]
    names = [labels[run_id] for group in groups for run_id in group.run_ids]
    accuracy, loss = _drawn(repr((str(store.root), seen, about, names, look)), groups, labels, colours, look)
    alt = f"of each epoch of {', '.join(group.label for group in groups)}. The numbers are in the table below."
    # On a narrow screen each name of the legend takes a line.
    height = 380 + 12 * min(len(groups), MOST_DRAWN)
    with st.grid(2, min_column_width=CHART_WIDTH):
        live_chart(accuracy, "compare-accuracy", f"Accuracy {alt}", height)
        live_chart(loss, "compare-loss", f"Cross-entropy {alt}", height)


@st.cache_resource(max_entries=32, show_spinner=False)
def _drawn(
    key: str,  # everything that the charts depend on
    _groups: Sequence[Contender],
    _labels: Mapping[str, str],
    _colours: Mapping[str, str],
    _look: View,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two charts as the browser gets them."""
    published = reference_line(group.config for group in _groups) if _look.chance else None
    drawn = [
        figures_compare.GroupCurves(
            group.id,
            group.label,
            _colours[group.id],
            tuple(
                RunCurves.of(run_id, _labels[run_id], group.config, store.metrics(run_id), _colours[group.id])
                for run_id in group.run_ids
            ),
        )
        for group in _groups
    ]
    runs = [run for group in drawn for run in group.runs]
    if len(runs) > len(drawn):
        accuracy = figures_compare.bands(drawn, _look, "accuracy", published)
        loss = figures_compare.bands(drawn, _look, "loss")
    else:
        accuracy, loss = curves_figures.accuracy(runs, _look, published), curves_figures.loss(runs, _look)
    return as_data(accuracy), as_data(loss)


def results(
    rows: pd.DataFrame, groups: Sequence[Contender], labels: Mapping[str, str], colours: Mapping[str, str]
) -> None:
    """Show the accuracy of each run and over seeds, each with its colour in the charts."""
    st.subheader("Accuracy", anchor=False)
    of = st.column_config
    table = contenders.results(rows, labels)
    table["selected_on"] = table["selected_on"].map(SELECTED_ON)
    share = "%.2f %%"
    by_run = {run_id: colours[group.id] for group in groups for run_id in group.run_ids}
    st.dataframe(
        dotted(table, [by_run[run_id] for run_id in rows["id"]]),
        hide_index=True,
        column_config={
            "colour": of.TextColumn("", width=34, pinned=True, help="Colour in the charts."),
            "label": of.TextColumn("Run", pinned=True),
            "state": "State",
            "best_val_accuracy": of.NumberColumn("Best validation accuracy", format=share),
            "best_epoch": of.NumberColumn("Best epoch", format="%d"),
            "selected_on": of.TextColumn("Epoch chosen on"),
            "last_val_accuracy": of.NumberColumn("Last validation accuracy", format=share),
            "epoch": of.NumberColumn("Last epoch", format="%d"),
            "test_accuracy": of.NumberColumn(
                "Test accuracy", help="Measured once, on images that did not choose the epoch.", format=share
            ),
            "min_val_loss": of.NumberColumn("Lowest cross-entropy", format="%.4f"),
            "seconds": of.NumberColumn("Training time", format="compact"),
        },
        placeholder="–",
        alt="Best and last accuracy of each selected run, with the epoch and the images that chose it.",
    )
    seeds = contenders.over_seeds(groups)
    if len(seeds):
        st.caption(
            "Mean ± standard deviation (n − 1) over seeds, in percent. Unfinished runs count only if none has finished."
        )
        st.dataframe(
            seeds,
            hide_index=True,
            column_config={
                "label": of.TextColumn("Experiment", pinned=True),
                "n": of.NumberColumn("Seeds"),
                "best_val_accuracy": "Best validation accuracy",
                "last_val_accuracy": "Last validation accuracy",
                "test_accuracy": "Test accuracy",
            },
            alt="Mean and standard deviation over the seeds of each experiment.",
        )


def dotted(table: pd.DataFrame, colours: Sequence[str]) -> Styler:
    """Return the table with a dot in each row's colour, in the shades of the theme."""
    themed = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or curves_views.PALETTE
    styles = [f"color: {themed[curves_views.PALETTE.index(colour)]}" for colour in colours]
    table.insert(0, "colour", "●")
    return table.style.apply(lambda _: styles, subset=pd.Index(["colour"]))


def settings(table: pd.DataFrame, labels: Mapping[str, str]) -> None:
    """Show the settings in which the runs differ."""
    st.subheader("Different settings", anchor=False)
    if table.empty:
        alone = len(table.columns) == 1
        st.caption("Select a second run to compare settings." if alone else "These runs have the same settings.")
        return
    table = table[list(table.columns[:MOST_DRAWN])]
    names = {run_id: st.column_config.TextColumn(labels[run_id]) for run_id in table.columns}
    table.insert(0, "setting", [settings_compare.setting_name(path) for path in table.index])
    st.dataframe(
        table,
        hide_index=True,
        column_config={"setting": st.column_config.TextColumn("Setting", pinned=True), **names},
        alt="Settings in which the selected runs differ, with a column for each run.",
    )
    if (table == settings_compare.NO_EFFECT).to_numpy().any():
        st.caption(f"“{settings_compare.NO_EFFECT}”: the setting has no effect in that run.")


def parallel(rows: pd.DataFrame, paths: Sequence[str]) -> None:
    """Draw settings and accuracy as parallel coordinates, with a line for each run."""
    if len(rows) < 3 or not paths:
        return
    st.subheader("Settings and accuracy", anchor=False)
    usual = settings_compare.default_axes(paths)
    # Keep the choice while it names settings that differ among the selected runs.
    kept = [path for path in st.session_state.get("axes", usual) if path in paths]
    st.session_state["axes"] = kept or usual
    axes = st.multiselect("Axes", paths, key="axes", format_func=lambda path: SETTINGS[path].label)
    if not axes:
        return
    live_chart(
        figures_compare.parallel_coordinates(rows, axes),
        "compare-parallel",
        "Parallel coordinates: "
        + ", ".join(settings_compare.setting_name(path) for path in axes)
        + ", and the best accuracy.",
    )
    st.caption("Drag along an axis to show only the runs in that range. Drag the name of an axis to move it.")


def exports_box(rows: pd.DataFrame, picked: Sequence[str]) -> None:
    """Offer files, and the link to this view."""
    run_ids = rows.loc[rows["state"] != "damaged", "id"].tolist()
    with st.container(horizontal=True):
        download_button(
            "Export epochs (CSV)",
            lambda: exports.metrics_csv(store, run_ids),
            "epochs.csv",
            "Every epoch of the selected runs.",
        )
        download_button(
            "Export runs (JSON)",
            lambda: exports.runs_json(store, run_ids),
            "runs.json",
            "Settings, results and every epoch of the selected runs.",
            ":material/data_object:",
        )
        download_button(
            "Export runs (.zip)",
            lambda: exports.runs_zip(store, run_ids),
            "runs.zip",
            "The selected runs with their weights, to import them in another ResNet Lab.",
            ":material/folder_zip:",
        )
        with st.popover("Copy link", icon=":material/link:"):
            address = (st.context.url or "").split("?")[0]
            # A filter by two tags has two values of one name.
            view = urlencode({key: st.query_params.get_all(key) for key in st.query_params}, doseq=True)
            st.caption("Opens Compare with these runs, filters and charts.")
            st.code(f"{address}?{view}", language=None, wrap_lines=True)
            if len(picked) > MOST_LINKED:
                st.caption(f"A link holds the first {MOST_LINKED} selected runs.")
    st.caption("To save a chart, move the pointer over it: the camera saves a PNG, the disk an SVG.")


def picked_part(frame: pd.DataFrame, picked: Sequence[str], labels: Mapping[str, str]) -> None:
    """Show everything about the selected runs."""
    rows = frame.set_index("id", drop=False).loc[list(picked)].reset_index(drop=True)
    for _, row in rows[rows["state"] == "damaged"].iterrows():
        error_box(str(row["error"]))
    sound = rows[rows["state"] != "damaged"]
    if sound.empty:
        return
    few = sound.head(MOST_DRAWN)
    groups = contenders.contenders(few, labels)
    look, grouped = curve_controls(several_seeds=len(groups) < len(few))
    if not grouped:
        groups = contenders.contenders(few, labels, grouped=False)
    colours = curves_views.colours([group.id for group in groups])
    if len(sound) > len(few):
        st.caption(
            f"Showing the first {MOST_DRAWN} of {len(sound):,} selected runs; “Settings and accuracy” shows them all."
        )
    charts(groups, labels, colours, look)
    results(few, groups, labels, colours)
    differing = settings_compare.differing_settings(sound)
    settings(differing, labels)
    gap_box(groups, colours)
    parallel(sound, list(differing.index))
    exports_box(rows, picked)


def body(fresh: list[pd.DataFrame]) -> None:
    """Show the whole page below its title. ``fresh`` holds the table of runs if the page has just read it."""
    frame = fresh.pop() if fresh else store.frame()
    if frame.empty:
        st.rerun()  # the last runs are gone; the empty state, with Undo, is outside this fragment
    labels = live.labels(frame)
    picked = picked_runs(store, frame)
    wanted, columns = filters(frame)
    rows = filtered(frame, wanted)
    if rows.empty:
        st.info("No run matches. Clear the search or the filters to see all runs.", icon=":material/filter_alt:")
    run_table(rows, labels, columns, picked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(rows):,} of {len(frame):,} run{'s' * (len(frame) != 1)}", width="stretch")
        download_button(
            "Export table (CSV)",
            lambda: exports.table_csv(rows),
            "runs.csv",
            "The runs in the table with all their settings.",
            type="tertiary",
        )
    show_problems()
    undo_box(store)
    if picked:
        actions(store, frame, picked)
        try:
            picked_part(frame, picked, labels)
        except LabError as error:  # a run was deleted since the table was read
            error_box(error)
    else:
        st.info(
            "Select runs with the checkboxes on the left to compare their curves, settings and accuracy.",
            icon=":material/check_box:",
        )
    import_box(store)
    trash_box(store)


st.title("Compare", anchor=False)
start = store.frame()
if start.empty:
    st.info("No runs yet. Create at least two to compare them.", icon=":material/compare_arrows:")
    if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
    show_problems()
    undo_box(store)
    import_box(store)
    trash_box(store)
    st.stop()
add_problems(problems_in_link(st.query_params, CHOICES))
st.fragment(body)([start])
if any_active(start):
    redraw_when_changed(fingerprint(start), lambda: fingerprint(store.frame()), seconds=5)
