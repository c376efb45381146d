"""What the forms of studies and searches share: the field for the settings they begin with, and what is wrong."""

import streamlit as st

from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from pages.parts.shared import literal

#: The settings in the form of New run, if it was opened.
DRAFT = "Current settings of New run"


def base_field(key: str, explanation: str) -> tuple[RunConfig, str]:
    """Ask for the base settings. Return them and their title."""
    draft = st.session_state.get("new_run")
    titles = {preset.title: preset.config for preset in PRESETS.values()} | ({DRAFT: draft.config} if draft else {})
    if st.session_state.get(key) not in (None, *titles):  # the form of New run is gone
        del st.session_state[key]
    chosen = st.selectbox("Base settings", list(titles), key=key, persist_state="session", help=explanation)
    return titles[chosen], chosen


def form_problems(problems: dict[str, str], labels: dict[str, str]) -> None:
    """Show what is wrong with the fields of a form. A name that is still missing is asked for, not called an error.

    ``problems``: a sentence for each setting or other field; ``labels``: names of the fields that are no settings.
    """
    for path, text in problems.items():
        if path == "name":
            st.caption(literal(text))
            continue
        label = SETTINGS[path].label if path in SETTINGS else labels.get(path, path.capitalize())
        st.markdown(f":small[:red[:material/error: **{label}**: {literal(text)}]]")
