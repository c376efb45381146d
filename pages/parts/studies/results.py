"""What came out of a study: the figures with their sentences, the curves on fair axes, and each run's four curves."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.compare.settings import setting_name
from core.figures import curves as curves_figures
from core.figures import panels
from core.figures import study as figures_study
from core.figures import style as style_figures
from core.figures.panels import Panel
from core.stats import overfitting
from core.study.outcomes import outcome_table
from core.study.progress import CellStatus
from core.study.study import Study
from core.views import exports
from core.views.curves import RunCurves
from pages.parts.components.live_chart import live_chart
from pages.parts.curve_controls import AXES
from pages.parts.finding import finding_box
from pages.parts.shared import get_store, literal

#: Pixels a chart needs to be read beside another one.
WIDE_ENOUGH = 400


def study_results(study: Study, cells: Sequence[CellStatus]) -> None:
    """Everything about the outcomes; a word about what will be here before a run has an epoch."""
    begun = [cell for cell in cells if cell.run is not None and cell.run.status.epoch]
    if not begun:
        st.info("The figures appear here when the first run has finished.", icon=":material/insights:")
        return
    x = along(study)
    table = outcome_table(study, cells)
    if not table.empty:
        figures_and_sentences(study, table, x)
    fair_axes(study, cells, x)
    one_run(begun)


def along(study: Study) -> str:
    """The varied setting on the horizontal axis: asked where there are several."""
    paths = [axis.path for axis in study.axes]
    if len(paths) == 1:
        return paths[0]
    chosen: str = st.segmented_control(
        "Along", paths, default=paths[0], required=True, key="study_x", format_func=setting_name, bind="query-params"
    )
    return chosen


def figures_and_sentences(study: Study, table: pd.DataFrame, x: str) -> None:
    """Best accuracy and lowest objective against the setting, and what each says."""
    with st.grid(2, min_column_width=WIDE_ENOUGH) as grid:
        for panel in panels.panels(study, table, x):
            with grid.cell():
                panel_box(panel)
    st.download_button(
        "Figures as CSV",
        lambda: panels.data(study, table, x).to_csv(index=False),
        "study.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="Means, deviations and intervals, the report’s points among them. A chart’s camera saves it as PNG, "
        "the disk beside it as SVG.",
    )


def panel_box(panel: Panel) -> None:
    """A figure and its sentences."""
    st.markdown(f"**{panel.title}**")
    live_chart(panel.figure, f"study-{panel.metric}", panel.alt)
    for found in panel.findings:
        finding_box(found, found.label)


def fair_axes(study: Study, cells: Sequence[CellStatus], x: str) -> None:
    """All cells' curves over epochs, steps, images or time: what is fair depends on what is paid for."""
    box = st.expander(
        "The curves of all values", icon=":material/stacked_line_chart:", key="study_fair", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        axis = st.segmented_control(
            "Over", list(AXES), key="study_over", default="epoch", required=True, format_func=AXES.__getitem__,
            help="With small batches an epoch has more steps; over time or images the comparison may turn round.",
        )  # fmt: skip
        view = style_figures.View(x=axis)
        groups = panels.curves_by_value(get_store(), study, cells, x)
        with st.grid(2, min_column_width=WIDE_ENOUGH):
            live_chart(figures_study.curves(groups, view), "study-curves-accuracy", figures_study.curves_text(groups))
            live_chart(
                figures_study.curves(groups, view, "loss"),
                "study-curves-loss",
                figures_study.curves_text(groups, "loss"),
            )


def one_run(cells: Sequence[CellStatus]) -> None:
    """Accuracy and loss of one cell, training and validation, with the onset of over-fitting."""
    by_id = {one.run_id: one for one in cells if one.run_id}
    box = st.expander("The four curves of a run", icon=":material/show_chart:", key="study_four", on_change="rerun")
    if not box.open:
        return
    with box:
        chosen = st.selectbox("Run", list(by_id), key="study_run", format_func=lambda one: by_id[one].cell.label)
        if chosen is None:
            return
        metrics = get_store().metrics(chosen)
        run = RunCurves.of(get_store().summary(chosen), by_id[chosen].cell.label, metrics)
        view = style_figures.View()
        accuracy, loss = curves_figures.accuracy([run], view), curves_figures.loss([run], view)
        curves_figures.mark_onsets(accuracy, [run], view, "accuracy")
        curves_figures.mark_onsets(loss, [run], view, "loss")
        words = overfitting.onset_text(metrics)
        with st.grid(2, min_column_width=WIDE_ENOUGH):
            live_chart(accuracy, "study-run-accuracy", f"Accuracy of each epoch. {words}")
            live_chart(loss, "study-run-loss", f"Cross-entropy of each epoch. {words}")
        st.markdown(literal(words))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                "Epochs as CSV",
                lambda: exports.metrics_csv(get_store(), [chosen]),
                "epochs.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
            st.page_link(
                "pages/run.py", label="Open in Live", icon=":material/show_chart:", query_params={"run": chosen}
            )
