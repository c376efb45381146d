"""Everything about a run besides its results: tags and note, settings, where it comes from, log and command."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from core.base.errors import LabError
from core.config.presets import command_line
from core.runs.store import RunStore
from core.runs.summary import RunSummary, title
from core.study.store import StudyStore
from core.views import run as run_views
from pages.parts.settings_form import SECTIONS
from pages.parts.shared import error_box, literal, paragraphs, run_link


def tags_and_note(run: RunSummary) -> None:
    """Show what the person added to the run."""
    if run.meta.pinned or run.meta.tags:
        with st.container(horizontal=True, gap="xsmall"):
            if run.meta.pinned:
                st.badge("pinned", icon=":material/keep:", color="gray")
            for tag in run.meta.tags:
                st.badge(literal(tag), icon=":material/sell:", color="gray")
    if run.meta.note:
        st.markdown(paragraphs(run.meta.note))


def opened(label: str, key: str, icon: str, *, expanded: bool = False) -> AbstractContextManager[Any] | None:
    """Return an expander if it is open, else None: a closed one draws nothing."""
    box = st.expander(label, expanded=expanded, key=key, icon=icon, on_change="rerun")
    return box if box.open else None


def details(store: RunStore, view: run_views.RunView, runs: Sequence[RunSummary]) -> None:
    """Show settings, origin, log and command, each behind a fold; ``runs`` are all that can be read."""
    run = view.run
    settings(run)
    if box := opened("Origin and environment", "run_origin", ":material/info:"):
        with box:
            origin(store, run, runs)
    if box := opened("Log", f"run_log {run.id} {run.state}", ":material/article:", expanded=run.state == "failed"):
        with box:
            try:
                st.code(store.run(run.id).log() or "The log is empty.", language=None, wrap_lines=True, height=260)
            except LabError as error:  # for example a link, which is not followed
                error_box(error)
    if box := opened("Equivalent command", "run_command", ":material/terminal:"):
        with box:
            st.code(command_line(run.config), language="bash", wrap_lines=True)


def settings(run: RunSummary) -> None:
    """Show all settings in effect, with those marked that differ from the nearest preset."""
    preset, sections = run_views.setting_rows(run)
    changed = sum(row.preset is not None for rows in sections.values() for row in rows)
    count = f"{changed} changed from preset {preset.title}" if changed else f"preset {preset.title}"
    box = opened(f"Settings ({count})", "run_settings", ":material/tune:")
    if not box:
        return
    with box:
        left, right = st.columns(2)
        for section, rows in sections.items():
            name, icon, _ = SECTIONS[section]
            with right if section == "train" else left:
                st.markdown(f"{icon} **{name}**")
                table = {"Setting": [literal(row.name) for row in rows], "Value": [_value(row) for row in rows]}
                st.table(table, border="horizontal", hide_header=True, hide_index=True)


def _value(row: run_views.SettingRow) -> str:
    if row.preset is None:
        return literal(row.value)
    return f"**{literal(row.value)}** :orange[● preset {literal(row.preset)}]"


def origin(store: RunStore, run: RunSummary, runs: Sequence[RunSummary]) -> None:
    """Show where the run comes from, the runs and the study it belongs to, and its environment."""
    by_id = {other.id: other for other in runs}
    with st.container(gap="xxsmall"):
        if parent := by_id.get(run.meta.parent or ""):
            run_link(parent.id, f"Continues {title(parent)}", ":material/arrow_upward:")
        for child in (other for other in runs if other.meta.parent == run.id):
            run_link(child.id, f"Continued by {title(child)}", ":material/arrow_downward:")
        if run.meta.study in StudyStore(store).ids():
            st.page_link(
                "pages/studies.py",
                label="Part of a study",
                icon=":material/science:",
                query_params={"study": run.meta.study},
            )
    facts = run_views.origin(run)
    if run.meta.parent and run.meta.parent not in by_id:
        facts["Continues"] = f"{run.meta.parent} (not among the runs here)"
    table = {"Name": list(facts), "Value": [literal(text) for text in facts.values()]}
    st.table(table, border="horizontal", hide_header=True, hide_index=True)
