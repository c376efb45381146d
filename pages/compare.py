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
from core.runs.summary import AnyRun, DamagedRun, RunSummary, fingerprint, readable
from core.runs.summary import labels as run_labels
from core.views import curves as curves_views
from core.views import exports
from core.views.compare import results_table, seeds_table
from core.views.curves import RunCurves
from core.views.home import Overview
from pages.parts.actions import add_problems, show_problems
from pages.parts.compare.actions import actions, import_box, trash_box, undo_box
from pages.parts.compare.gap import gap_box
from pages.parts.compare.storage import storage_box
from pages.parts.compare.table import TEST_HELP, filters, picked_runs, run_table
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


# --- the page, from top to bottom -----------------------------------------------------------------


def charts(groups: Sequence[Contender], labels: Mapping[str, str], colours: Mapping[str, str], look: View) -> None:
    """Draw accuracy and loss: a curve for each run, or mean and band where seeds are grouped."""
    # A run's curves change only with these.
    seen = [(run.id, run.epochs) for group in groups for run in group.runs]
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
            tuple(RunCurves.of(run, _labels[run.id], store.metrics(run.id), _colours[group.id]) for run in group.runs),
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
    runs: Sequence[RunSummary], groups: Sequence[Contender], labels: Mapping[str, str], colours: Mapping[str, str]
) -> None:
    """Show the accuracy of each run and over seeds, each with its colour in the charts."""
    st.subheader("Accuracy", anchor=False)
    of = st.column_config
    table = results_table(runs, labels)
    share = "%.2f %%"
    by_run = {run_id: colours[group.id] for group in groups for run_id in group.run_ids}
    st.dataframe(
        dotted(table, [by_run[run.id] for run in runs]),
        hide_index=True,
        column_config={
            "colour": of.TextColumn("", width=34, pinned=True, help="Colour in the charts."),
            "label": of.TextColumn("Run", pinned=True),
            "state": "State",
            "test": of.NumberColumn("Test accuracy", help=TEST_HELP, format=share),
            "best": of.NumberColumn("Validation accuracy", format=share),
            "best_epoch": of.NumberColumn("Best epoch", format="%d"),
            "selected_on": of.TextColumn("Epoch chosen on"),
            "last": of.NumberColumn("Accuracy of the last epoch", format=share),
            "last_epoch": of.NumberColumn("Last epoch", format="%d"),
            "min_val_loss": of.NumberColumn("Lowest cross-entropy", format="%.4f"),
            "seconds": of.NumberColumn("Training time", format="compact"),
        },
        placeholder="–",
        alt="Best and last accuracy of each selected run, with the epoch and the images that chose it.",
    )
    seeds = seeds_table(groups)
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
                "test": "Test accuracy",
                "best": "Validation accuracy",
                "last": "Accuracy of the last epoch",
            },
            alt="Mean and standard deviation over the seeds of each experiment.",
        )


def dotted(table: pd.DataFrame, colours: Sequence[str]) -> Styler:
    """Return the table with a dot in each row's colour, in the shades of the theme."""
    themed = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or curves_views.PALETTE
    styles = [f"color: {themed[curves_views.PALETTE.index(colour)]}" for colour in colours]
    table.insert(0, "colour", "●")
    return table.style.apply(lambda _: styles, subset=pd.Index(["colour"]))


def settings(differing: Mapping[str, Sequence[str]], runs: Sequence[RunSummary], labels: Mapping[str, str]) -> None:
    """Show the settings in which the runs differ, with their values in the first runs."""
    st.subheader("Different settings", anchor=False)
    if not differing:
        alone = len(runs) == 1
        st.caption("Select a second run to compare settings." if alone else "These runs have the same settings.")
        return
    shown = runs[:MOST_DRAWN]
    names = {run.id: st.column_config.TextColumn(labels[run.id]) for run in shown}
    cells = {run.id: [texts[at] for texts in differing.values()] for at, run in enumerate(shown)}
    table = pd.DataFrame({"setting": [settings_compare.setting_name(path) for path in differing], **cells})
    st.dataframe(
        table,
        hide_index=True,
        column_config={"setting": st.column_config.TextColumn("Setting", pinned=True), **names},
        alt="Settings in which the selected runs differ, with a column for each run.",
    )
    if (table == settings_compare.NO_EFFECT).to_numpy().any():
        st.caption(f"“{settings_compare.NO_EFFECT}”: the setting has no effect in that run.")


def parallel(runs: Sequence[RunSummary], paths: Sequence[str]) -> None:
    """Draw settings and accuracy as parallel coordinates, with a line for each run."""
    if len(runs) < 3 or not paths:
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
        figures_compare.parallel_coordinates(runs, axes),
        "compare-parallel",
        "Parallel coordinates: "
        + ", ".join(settings_compare.setting_name(path) for path in axes)
        + ", and the accuracy.",
    )
    st.caption("Drag along an axis to show only the runs in that range. Drag the name of an axis to move it.")


def exports_box(run_ids: Sequence[str], picked: Sequence[str]) -> None:
    """Offer files of the runs that can be read, and the link to this view."""
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


def picked_part(picked: Sequence[AnyRun], labels: Mapping[str, str]) -> None:
    """Show everything about the selected runs."""
    for run in picked:
        if isinstance(run, DamagedRun):
            error_box(run.error)
    runs = readable(picked)
    if not runs:
        return
    few = runs[:MOST_DRAWN]
    groups = contenders.group_runs(few, labels)
    look, grouped = curve_controls(several_seeds=len(groups) < len(few))
    if not grouped:
        groups = contenders.group_runs(few, labels, grouped=False)
    colours = curves_views.colours([group.id for group in groups])
    if len(runs) > len(few):
        st.caption(
            f"Showing the first {MOST_DRAWN} of {len(runs):,} selected runs; “Settings and accuracy” shows them all."
        )
    charts(groups, labels, colours, look)
    results(few, groups, labels, colours)
    differing = settings_compare.differing_settings([run.config for run in runs])
    settings(differing, runs, labels)
    gap_box(groups, colours)
    parallel(runs, list(differing))
    exports_box([run.id for run in runs], [run.id for run in picked])


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
        st.caption(f"{len(shown):,} of {len(runs):,} run{'s' * (len(runs) != 1)}", width="stretch")
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
