"""The field for the settings that a study or a search begins with."""

import streamlit as st

from core.config.presets import PRESETS
from core.config.run_config import RunConfig

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
