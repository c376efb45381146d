"""The results of a search: its history, its trials over their settings, which settings matter, and all trials."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.base.text import counted
from core.compare.settings import setting_name
from core.config.run_config import SETTINGS
from core.figures import search as figures
from core.search.search import Search
from core.search.space import in_order
from core.search.trials import Trial, nothing_yet
from core.views import exports
from pages.parts.components.live_chart import CHART_WIDTH, live_chart
from pages.parts.shared import download_button

#: What the accuracy of a pruned trial is.
STOPPED = "A pruned trial has the accuracy that it had when it was stopped."
VIEWS = ("Parallel coordinates", "One setting", "Two settings", "Importance")


def search_results(search_id: str, search: Search, trials: Sequence[Trial], table: pd.DataFrame) -> None:
    """Show all figures, or say that there are none yet."""
    if table["value"].isna().all():
        st.info(nothing_yet(trials), icon=":material/insights:")
        return
    live_chart(figures.history(search, table), "search-history", figures.history_text(table))
    view = st.segmented_control(
        "View", VIEWS, key="search_view", default=VIEWS[0], required=True, label_visibility="collapsed"
    )
    # Numbers first: two of them have a surface.
    paths = [one.path for one in sorted(in_order(search.ranges), key=lambda one: bool(one.choices))]
    if view == VIEWS[0]:
        live_chart(
            figures.parallel(search, table),
            "search-parallel",
            f"Each of {counted(len(table), 'trial')} as a line through its settings to its accuracy.",
            height=360,
        )
        st.caption(f"Drag along a scale to highlight the trials within; drag a name to move its scale. {STOPPED}")
    elif view == VIEWS[1]:
        one_setting(search, table, paths)
    elif view == VIEWS[2]:
        two_settings(search, table, paths)
    else:
        importance(search_id, search, trials)


def one_setting(search: Search, table: pd.DataFrame, paths: list[str]) -> None:
    """Draw accuracy against each setting."""
    st.caption(f"Darker trials came later. Crosses: pruned trials. {STOPPED}")
    with st.grid(2, min_column_width=CHART_WIDTH) as grid:
        for path in paths:
            with grid.cell():
                alt = f"Accuracy of each trial against {setting_name(path)}."
                live_chart(figures.slices(search, table, path), f"search-slice-{path}", alt, height=300)


def two_settings(search: Search, table: pd.DataFrame, paths: list[str]) -> None:
    """Draw trials over two settings that the person chooses."""
    if len(paths) < 2:
        st.caption("This search varies one setting.")
        return
    left, right = st.columns(2)
    x = left.selectbox("Horizontal", paths, 0, key="search_x", format_func=setting_name)
    others = [path for path in paths if path != x]
    y = right.selectbox("Vertical", others, 0, key=f"search_y_{x}", format_func=setting_name)
    alt = f"Trials over {setting_name(x)} and {setting_name(y)}, coloured by accuracy."
    live_chart(figures.contour(search, table, x, y), "search-contour", alt)
    st.caption(f"Crosses: pruned trials. {STOPPED} The surface is interpolated between finished trials.")


@st.cache_data(max_entries=20, show_spinner="Computing importance")
def _importance(key: tuple[object, ...], _search: Search, _trials: Sequence[Trial]) -> pd.DataFrame:
    from core.search.suggest import importance  # imports Optuna, which takes a second

    return importance(_search, _trials)


def importance(search_id: str, search: Search, trials: Sequence[Trial]) -> None:
    """Draw how much each setting matters, and say how far to trust it."""
    finished = [trial for trial in trials if trial.state == "finished"]
    shares = _importance((search_id, tuple((trial.number, trial.value) for trial in finished)), search, trials)
    if shares.empty:
        st.caption(f"Importance needs ten finished trials; there are {len(finished)}.")
        return
    live_chart(
        figures.importance(shares),
        "search-importance",
        ", ".join(
            f"{SETTINGS[path].label} {100 * share:.0f} %"
            for path, share in zip(shares["path"], shares["share"], strict=True)
        ),
    )
    st.caption(
        f"How much each setting decides whether a trial is among the better half (PED-ANOVA), from "
        f"{len(finished)} finished trials. Lines: the middle 80 % of the values from trials drawn anew. "
        "Where they overlap, the order is not clear. Settings that only some trials have are left out."
    )


def trial_table(search: Search, table: pd.DataFrame) -> None:
    """List all trials with their settings, state and accuracy."""
    shown = table.drop(columns="best").iloc[::-1].copy()
    shown["value"] *= 100
    shown["run_id"] = [f"run?run={run_id}" for run_id in shown["run_id"]]
    of = st.column_config
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            "number": of.NumberColumn("Trial", width=60, pinned=True),
            "state": of.TextColumn("State", width=90),
            "value": of.NumberColumn("Validation accuracy", format="%.2f %%"),
            "epoch": of.NumberColumn("Epochs", width=80),
            "seconds": of.NumberColumn("Seconds", format="%.0f", width=90),
            "run_id": of.LinkColumn("Run", display_text="Open", width=70),
            **{one.path: _column(one.path) for one in search.ranges},
        },
        placeholder="–",
        alt="Every trial of the search: its settings, state and result.",
    )
    download_button(
        "Export trials (CSV)",
        lambda: exports.as_csv(table),
        "trials.csv",
        "All trials with their settings.",
        type="tertiary",
    )


def _column(path: str) -> Any:
    setting, of = SETTINGS[path], st.column_config
    if setting.kind == "float":
        return of.NumberColumn(setting.label, format="%.4g")
    return of.NumberColumn(setting.label, format="%d") if setting.kind == "int" else of.TextColumn(setting.label)
