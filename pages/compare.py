"""Compare: a table of all runs; the picked ones overlaid, their settings that differ, and whether a gap is real.

What is picked and how it is looked at is in the address, so a link opens exactly this view.
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
from pages.parts.compare.actions import actions, import_box, messages, note_problems, trash_box
from pages.parts.compare.gap import gap_box
from pages.parts.compare.table import filters, picked_runs, run_table
from pages.parts.components.live_chart import as_data, live_chart
from pages.parts.curve_controls import AXES, SMOOTHING, curve_controls
from pages.parts.shared import error_box, get_store
from pages.parts.watch import redraw_when_changed

#: Pixels a chart needs to be read beside another one.
WIDE_ENOUGH = 400
#: Runs drawn in one chart: more are no longer told apart.
MOST_DRAWN = 24
BELOW = "The numbers are in the table below."
#: What a link may say; the page's words are the address's.
CHOICES: dict[str, Mapping[Any, str]] = {
    "x": AXES,
    "smoothing": SMOOTHING,
    "sort": {one: words for one, (words, *_) in SORTS.items()},
}

store = get_store()


def any_active(frame: pd.DataFrame) -> bool:
    """Whether some run waits or is at work."""
    return bool(frame["state"].isin([*AT_WORK, "queued"]).any())


# --- the page, from top to bottom -----------------------------------------------------------------


def charts(groups: Sequence[Contender], labels: Mapping[str, str], colours: Mapping[str, str], look: View) -> None:
    """Accuracy beside loss: curves of runs, or where there are seeds to group, means and bands."""
    # A finished run has the same curves at every refresh; the rows of the table tell when one has not.
    seen = [(row["id"], row["epoch"], row["seconds"], row["last_val_loss"]) for group in groups for row in group.rows]
    about = [(group.id, group.label, colours[group.id], group.config.data, group.run_ids) for group in groups]
    told = [labels[run_id] for group in groups for run_id in group.run_ids]
    accuracy, loss = _drawn(repr((str(store.root), seen, about, told, look)), groups, labels, colours, look)
    names = ", ".join(group.label for group in groups)
    # On a narrow screen each name takes a line above the curves.
    height = 380 + 12 * min(len(groups), MOST_DRAWN)
    with st.grid(2, min_column_width=WIDE_ENOUGH):
        live_chart(accuracy, "compare-accuracy", f"Accuracy of each epoch of {names}. {BELOW}", height)
        live_chart(loss, "compare-loss", f"Cross-entropy of each epoch of {names}. {BELOW}", height)


@st.cache_resource(max_entries=32, show_spinner=False)
def _drawn(
    key: str,  # all that decides what is drawn
    _groups: Sequence[Contender],
    _labels: Mapping[str, str],
    _colours: Mapping[str, str],
    _look: View,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two charts as the browser gets them."""
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
    """Best and last of each run, and over seeds, each with the colour it has in the charts."""
    st.subheader("Best and last", anchor=False)
    of = st.column_config
    table = contenders.results(rows, labels)
    table["selected_on"] = table["selected_on"].map(SELECTED_ON)
    share = "%.2f %%"
    by_run = {run_id: colours[group.id] for group in groups for run_id in group.run_ids}
    st.dataframe(
        dotted(table, [by_run[run_id] for run_id in rows["id"]]),
        hide_index=True,
        column_config={
            "colour": of.TextColumn("", width=34, pinned=True, help="Its colour in the charts."),
            "label": of.TextColumn("Run", pinned=True),
            "state": "State",
            "best_val_accuracy": of.NumberColumn("Best validation accuracy", format=share),
            "best_epoch": of.NumberColumn("At epoch", format="%d"),
            "selected_on": of.TextColumn("Best epoch chosen on"),
            "last_val_accuracy": of.NumberColumn("Last validation accuracy", format=share),
            "epoch": of.NumberColumn("At epoch", format="%d"),
            "test_accuracy": of.NumberColumn(
                "Test accuracy", help="Measured once, on images that chose nothing.", format=share
            ),
            "min_val_loss": of.NumberColumn("Lowest cross-entropy", format="%.4f"),
            "seconds": of.NumberColumn("Training time", format="compact"),
        },
        placeholder="–",
        alt="Best and last accuracy of each picked run, with the epoch and the images that chose it.",
    )
    seeds = contenders.over_seeds(groups)
    if len(seeds):
        st.caption("Over seeds, of finished runs where there are any: mean ± standard deviation (n − 1) in percent")
        st.dataframe(
            seeds,
            hide_index=True,
            column_config={
                "label": of.TextColumn("Experiment", pinned=True),
                "n": of.NumberColumn("n"),
                "best_val_accuracy": "Best validation accuracy",
                "last_val_accuracy": "Last validation accuracy",
                "test_accuracy": "Test accuracy",
            },
            alt="Mean and standard deviation over the seeds of each experiment.",
        )


def dotted(table: pd.DataFrame, colours: Sequence[str]) -> Styler:
    """The table with a dot in each row's colour, as the theme has it, in front."""
    themed = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or curves_views.PALETTE
    shown = [f"color: {themed[curves_views.PALETTE.index(colour)]}" for colour in colours]
    table.insert(0, "colour", "●")
    return table.style.apply(lambda _: shown, subset=pd.Index(["colour"]))


def settings(table: pd.DataFrame, labels: Mapping[str, str]) -> None:
    """Only the settings that differ, apart from the figures."""
    st.subheader("Settings that differ", anchor=False)
    if table.empty:
        alone = len(table.columns) == 1
        st.caption("Pick a second run to compare with." if alone else "None: these runs have the same settings.")
        return
    table = table[list(table.columns[:MOST_DRAWN])]
    names = {run_id: st.column_config.TextColumn(labels[run_id]) for run_id in table.columns}
    table.insert(0, "setting", [settings_compare.setting_name(path) for path in table.index])
    st.dataframe(
        table,
        hide_index=True,
        column_config={"setting": st.column_config.TextColumn("Setting", pinned=True), **names},
        alt="Settings that differ among the picked runs, a column for each run.",
    )
    if (table == settings_compare.NO_EFFECT).to_numpy().any():
        st.caption(f"“{settings_compare.NO_EFFECT}”: the setting has no effect in that run.")


def parallel(rows: pd.DataFrame, paths: Sequence[str]) -> None:
    """Settings against accuracy, a line a run."""
    if len(rows) < 3 or not paths:
        return
    st.subheader("Settings against accuracy", anchor=False)
    usual = settings_compare.default_axes(paths)
    # The choice is kept as long as it names settings that differ among the picked runs.
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
    st.caption("Drag along an axis to keep only the runs that pass there; drag an axis by its name to move it.")


def take_away(rows: pd.DataFrame, picked: Sequence[str]) -> None:
    """Files, and the link to this view."""
    sound = rows.loc[rows["state"] != "damaged", "id"].tolist()
    with st.container(horizontal=True):
        st.download_button(
            "Epochs as CSV",
            lambda: exports.metrics_csv(store, sound),
            "epochs.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Every epoch of the picked runs.",
        )
        st.download_button(
            "Runs as JSON",
            lambda: exports.runs_json(store, sound),
            "runs.json",
            "application/json",
            icon=":material/data_object:",
            on_click="ignore",
            help="The picked runs whole: settings, result, every epoch.",
        )
        st.download_button(
            "Runs as .zip",
            lambda: exports.runs_zip(store, sound),
            "runs.zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="The picked runs with their weights, to open them in a ResNet Lab elsewhere.",
        )
        with st.popover("Link to this view", icon=":material/link:"):
            address = (st.context.url or "").split("?")[0]
            # All values of each: of a filter by two tags, a plain mapping has the last alone.
            view = urlencode({key: st.query_params.get_all(key) for key in st.query_params}, doseq=True)
            st.code(f"{address}?{view}", language=None, wrap_lines=True)
            if len(picked) > MOST_LINKED:
                st.caption(f"A link holds the first {MOST_LINKED} picked runs.")
    st.caption("A chart’s camera button saves it as PNG.")


def picked_part(frame: pd.DataFrame, picked: Sequence[str], labels: Mapping[str, str]) -> None:
    """Everything about the picked runs."""
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
            f"The first {MOST_DRAWN} of the {len(sound):,} picked runs are drawn and compared; settings against "
            "accuracy, further down, has them all."
        )
    charts(groups, labels, colours, look)
    results(few, groups, labels, colours)
    differing = settings_compare.differing_settings(sound)
    settings(differing, labels)
    gap_box(groups, colours)
    parallel(sound, list(differing.index))
    take_away(rows, picked)


def body(fresh: list[pd.DataFrame]) -> None:
    """The whole page below its title. ``fresh`` holds the table of runs when the page has just read it."""
    frame = fresh.pop() if fresh else store.frame()
    if frame.empty:
        st.rerun()  # the last runs went away; what is said without any, Undo too, stands outside this fragment
    labels = live.labels(frame)
    picked = picked_runs(store, frame)
    wanted, columns = filters(frame)
    rows = filtered(frame, wanted)
    if rows.empty:
        st.info(
            "No run passes these filters. Empty the search or the filters to see all.", icon=":material/filter_alt:"
        )
    run_table(rows, labels, columns, picked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(rows):,} of {len(frame):,} run{'s' * (len(frame) != 1)}", width="stretch")
        st.download_button(
            "Table as CSV",
            lambda: exports.table_csv(rows),
            "runs.csv",
            "text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help="The runs shown, with every setting.",
        )
    messages(store)
    if picked:
        actions(store, frame, picked)
        try:
            picked_part(frame, picked, labels)
        except LabError as error:  # a run went away since the table was read
            error_box(error)
    else:
        st.info(
            "Pick runs with the boxes at the left of the table: their curves, the settings that differ and what "
            "their gap means appear here.",
            icon=":material/check_box:",
        )
    import_box(store)
    trash_box(store)


st.title("Compare", anchor=False)
start = store.frame()
if start.empty:
    st.info("There is no run yet. Train two, and compare them here.", icon=":material/compare_arrows:")
    if st.button("New run", icon=":material/add_circle:", type="primary"):
        st.switch_page("pages/new_run.py")
    messages(store)
    import_box(store)
    trash_box(store)
    st.stop()
note_problems(problems_in_link(st.query_params, CHOICES))
st.fragment(body)([start])
if any_active(start):
    redraw_when_changed(fingerprint(start), lambda: fingerprint(store.frame()), seconds=5)
