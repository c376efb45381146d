"""Settings of the selected runs: where they differ, and how accuracy changes with them."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core.base.text import shortened
from core.compare import settings as settings_compare
from core.config.run_config import SETTINGS
from core.figures import compare as figures_compare
from core.figures import study as figures_study
from core.runs.summary import RunSummary
from core.study.outcomes import outcomes_by
from core.views import exports
from core.views.compare import differing_table, left_out_text
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import download_button

#: Letters of a name above a column.
_LETTERS = 32


def settings(
    differing: Mapping[str, Sequence[str]], runs: Sequence[RunSummary], labels: Mapping[str, str], most: int
) -> None:
    """Draw accuracy against one of the settings in which the runs differ, and list them for the first ``most`` runs."""
    if not differing:
        alone = len(runs) == 1
        st.caption("Select a second run to compare settings." if alone else "These runs have the same settings.")
        return
    _effect(runs, [path for path in differing if path != "train.seed"])
    shown = runs[:most]
    short = shortened((labels[run.id] for run in shown), _LETTERS)
    names = {run.id: st.column_config.TextColumn(short[labels[run.id]], help=labels[run.id]) for run in shown}
    cells = {run.id: [texts[at] for texts in differing.values()] for at, run in enumerate(shown)}
    table = pd.DataFrame({"setting": [settings_compare.setting_name(path) for path in differing], **cells})
    st.dataframe(
        table,
        hide_index=True,
        column_config={"setting": st.column_config.TextColumn("Setting", pinned=True), **names},
        alt="Settings in which the selected runs differ, with a column for each run.",
    )
    download_button(
        "Export settings (CSV)",
        lambda: exports.as_csv(differing_table(differing, runs, labels)),
        "settings.csv",
        "The settings in which the selected runs differ, with a row for each run.",
        type="tertiary",
    )
    if (table == settings_compare.NO_EFFECT).to_numpy().any():
        st.caption(f"“{settings_compare.NO_EFFECT}”: the setting has no effect in that run.")


def _effect(runs: Sequence[RunSummary], paths: Sequence[str]) -> None:
    """Draw test accuracy against a setting: the mean of each value, its deviation, and every run."""
    if not paths:
        return
    if st.session_state.get("setting") not in paths:
        st.session_state.pop("setting", None)
    path = st.selectbox(
        "Accuracy against",
        paths,
        key="setting",
        bind="query-params",
        format_func=lambda path: SETTINGS[path].label,
        width=320,
    )
    table = outcomes_by(runs, path)
    if not table.empty:
        live_chart(figures_study.outcome(table, path), "compare-setting", figures_study.outcome_text(table, path))
    if left_out := left_out_text(runs, path):
        st.caption(left_out)


def parallel(runs: Sequence[RunSummary], paths: Sequence[str]) -> None:
    """Draw settings and accuracy as parallel coordinates, with a line for each run."""
    if len(runs) < 3 or not paths:
        st.caption("Select three runs or more that differ in a setting.")
        return
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
    st.caption(
        "Each line is a run, coloured by its accuracy from orange (low) to blue (high). Drag along an axis to show "
        "only the runs in that range. Drag the name of an axis to move it."
    )
