"""The results of a study: its figures and findings, the curves of all values, and the curves of one run."""

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
from core.study import planner
from core.study.findings import StudyFinding, effects_table
from core.study.outcomes import outcome_table
from core.study.progress import CellStatus
from core.study.study import Study
from core.views import exports
from core.views.curves import RunCurves
from pages.parts.actions import key_for
from pages.parts.components.live_chart import CHART_WIDTH, chart_grid, live_chart
from pages.parts.curve_controls import AXES
from pages.parts.finding import finding_box
from pages.parts.plan import plan_box
from pages.parts.predictions import predict_button
from pages.parts.shared import download_button, get_store, literal, run_link

#: Columns of the table of effects.
EFFECTS = ("setting", "others", "measure", "low", "high", "n", "effect_text", "interval_text", "verdict")


def study_results(study_id: str, study: Study, cells: Sequence[CellStatus]) -> None:
    """Show all results, or say that there are none yet."""
    begun = [cell for cell in cells if cell.run is not None and cell.run.status.epoch]
    if not begun:
        st.info("Results appear here as the runs finish.", icon=":material/insights:")
        return
    x = along(study)
    table = outcome_table(study, cells)
    if not table.empty:
        figures_and_findings(study_id, study, table, x)
    fair_axes(study, cells, x)
    one_run(begun)


def along(study: Study) -> str:
    """Return the setting on the horizontal axis; with several, ask for it."""
    paths = [axis.path for axis in study.axes]
    if len(paths) == 1:
        return paths[0]
    chosen: str = st.segmented_control(
        "Horizontal axis",
        paths,
        default=paths[0],
        required=True,
        key="study_x",
        format_func=setting_name,
        bind="query-params",
    )
    return chosen


def figures_and_findings(study_id: str, study: Study, table: pd.DataFrame, x: str) -> None:
    """Draw accuracy and objective over the setting, each with its findings."""
    shown = panels.panels(study, table, x, get_store().many_predictions)
    with st.grid(2, min_column_width=CHART_WIDTH) as grid:
        for panel in shown:
            with grid.cell():
                panel_findings(study_id, study, panel)
    with chart_grid():
        for panel in shown:
            live_chart(panel.figure, f"study-{panel.metric}", panel.alt)
    effects(study, table)
    download_button(
        "Export figures (CSV)",
        lambda: exports.as_csv(panels.data(study, table, x)),
        "study.csv",
        "Means, standard deviations and intervals, with the report’s points.",
    )


def panel_findings(study_id: str, study: Study, panel: Panel) -> None:
    """Show the findings of a figure."""
    st.markdown(f":gray[{panel.title}]")
    for finding in panel.findings:
        finding_box(finding, finding.label)
        if panel.metric == "accuracy":
            predict_button(finding, [run_id for group in finding.groups for run_id in group.runs["run_id"]])
            plan_seeds(study_id, study, finding)


def plan_seeds(study_id: str, study: Study, finding: StudyFinding) -> None:
    """Offer to plan more seeds for all values of the study."""
    store, judgement = get_store(), finding.judgement
    if judgement is None:
        return
    plan_box(
        key_for("study", study_id, finding.label),
        finding,
        lambda difference: planner.plan_study(judgement, study_id, study, difference, store),
        lambda difference: planner.queue_study(judgement, study_id, difference, store),
        "This study is read-only. Copy it to add seeds." if study.reference else "",
    )


def effects(study: Study, table: pd.DataFrame) -> None:
    """List the effect of each varied setting with its interval."""
    found = effects_table(table, [axis.path for axis in study.axes], get_store().many_predictions)
    if found.empty:
        return
    of = st.column_config
    st.markdown("**Effects**")
    st.dataframe(
        found,
        hide_index=True,
        column_order=[column for column in EFFECTS if column != "others" or len(study.axes) > 1],
        column_config={
            "setting": of.TextColumn("Setting", pinned=True),
            "others": "With",
            "measure": "Measure",
            "low": of.TextColumn("From", help="The first value, or the worst of those that are no numbers."),
            "high": of.TextColumn("To", help="The last value, or the best of those that are no numbers."),
            "n": of.NumberColumn("Runs"),
            "effect_text": "Effect",
            "interval_text": of.TextColumn("95 % interval", help="Empty where seed-to-seed variation is unknown."),
            "verdict": "Verdict",
        },
        placeholder="–",
        alt="The effect of each varied setting on accuracy and objective, with its 95 % interval.",
    )


def fair_axes(study: Study, cells: Sequence[CellStatus], x: str) -> None:
    """Draw the curves of all values over epochs, steps, images or time."""
    box = st.expander("Curves of all values", icon=":material/stacked_line_chart:", key="study_fair", on_change="rerun")
    if not box.open:
        return
    with box:
        axis = st.segmented_control(
            "Horizontal axis",
            list(AXES),
            key="study_over",
            default="epoch",
            required=True,
            format_func=AXES.__getitem__,
            help="A small batch size takes more steps per epoch, so a comparison can turn around over time or steps.",
        )
        view = style_figures.View(x=axis)
        groups = panels.curves_by_value(get_store(), study, cells, x)
        with chart_grid():
            live_chart(figures_study.curves(groups, view), "study-curves-accuracy", figures_study.curves_text(groups))
            live_chart(
                figures_study.curves(groups, view, "loss"),
                "study-curves-loss",
                figures_study.curves_text(groups, "loss"),
            )


def one_run(cells: Sequence[CellStatus]) -> None:
    """Draw training and validation curves of one run, with the onset of overfitting."""
    by_id = {cell.run_id: cell for cell in cells if cell.run_id}
    box = st.expander("Curves of one run", icon=":material/show_chart:", key="study_four", on_change="rerun")
    if not box.open:
        return
    with box:
        chosen = st.selectbox("Run", list(by_id), key="study_run", format_func=lambda run_id: by_id[run_id].cell.label)
        if chosen is None:
            return
        metrics = get_store().metrics(chosen)
        run = RunCurves.of(get_store().summary(chosen), by_id[chosen].cell.label, metrics)
        view = style_figures.View()
        accuracy, loss = curves_figures.accuracy([run], view), curves_figures.loss([run], view)
        curves_figures.mark_onsets(accuracy, [run], view, "accuracy")
        curves_figures.mark_onsets(loss, [run], view, "loss")
        text = overfitting.onset_text(metrics)
        with chart_grid():
            live_chart(accuracy, "study-run-accuracy", f"Accuracy of each epoch. {text}")
            live_chart(loss, "study-run-loss", f"Cross-entropy of each epoch. {text}")
        st.markdown(literal(text))
        with st.container(horizontal=True, vertical_alignment="center"):
            download_button("Export epochs (CSV)", exports.metrics_csv(get_store(), [chosen]), "epochs.csv")
            run_link(chosen, "Open run")
