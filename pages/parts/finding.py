"""A finding on a page: the verdict in bold, the effect, advice, and the details behind a fold."""

import streamlit as st

from core.stats.finding import Finding
from pages.parts.shared import literal


def finding_box(finding: Finding, label: str = "") -> None:
    """Show what a comparison says; ``label`` names it where there are several."""
    if label:
        st.caption(literal(label))
    st.markdown(f"**{literal(finding.headline)}** {literal(finding.summary)}")
    if finding.advice:
        st.markdown(f":small[:orange[:material/lightbulb:] {literal(finding.advice)}]")
    if finding.details:
        with st.expander("Details", icon=":material/info:"):
            for detail in finding.details:
                st.markdown(f"- {literal(detail)}")
