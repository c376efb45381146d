"""The report, checked: each claim of the report with the evidence for and against it, its own numbers and ours."""

import streamlit as st

from core.config.run_config import RunConfig
from core.published.claims import Claim
from core.study.checked import (
    PRINTED,
    SAYS_TEXTS,
    VERDICTS,
    Checked,
    Evidence,
    Says,
    Verdict,
    as_markdown,
    by_verdict,
    checked,
    counts_text,
)
from core.views.report import results_markdown, results_text
from pages.parts.actions import key_for
from pages.parts.shared import REPORT, download_button, get_store, literal, open_page, run_link
from pages.parts.studies.form import repeat_figure

#: Icon and colour of each verdict, and of what a piece of evidence says.
LOOKS: dict[Verdict, tuple[str, str]] = {
    "contradicted": (":material/rule:", "orange"),
    "reproduced": (":material/check_circle:", "green"),
    "not reproduced": (":material/cancel:", "red"),
    "open": (":material/help:", "gray"),
}
#: Colour of what a piece of evidence of ours says.
SAYS: dict[Says, str] = {"for": "green", "against": "red", "undecided": "gray", "result": "blue"}

store = get_store()


def claim_box(found: Checked) -> None:
    """Show a claim, what the report's own numbers say, and what our runs and studies say, with links."""
    claim = found.claim
    with st.container(border=True):
        st.markdown(f"**{literal(claim.text)}** :gray[{literal(claim.where)}]")
        for sentence in claim.evidence:
            st.markdown(f":gray-badge[{PRINTED}] {literal(sentence)}")
        for evidence in found.ours:
            our_evidence(evidence)
        if not found.ours and claim.about:
            st.caption("No finished run or study on this computer tests this yet.")
        if found.next_step is not None:
            next_step(claim, found.next_step)


def next_step(claim: Claim, step: int | RunConfig) -> None:
    """Offer what would test a claim: the study of the figure with this number, or a run with these settings."""
    key = key_for("test", claim.text)
    if isinstance(step, int):
        if st.button("Create study", key=key, icon=":material/science:", help=f"Repeats Figure {step} of the report."):
            repeat_figure(step)
            st.switch_page("pages/studies.py", query_params={"study": "new"})
    elif st.button(
        "Create run",
        key=key,
        icon=":material/add_circle:",
        help="Opens New run with the report’s recipe on these classes.",
    ):
        st.session_state["draft_from"] = step
        open_page("pages/new_run.py")


def our_evidence(evidence: Evidence) -> None:
    """Show what a run or a study of ours says, and the link to it."""
    with st.container(gap="xxsmall"):
        st.markdown(f":{SAYS[evidence.says]}-badge[{SAYS_TEXTS[evidence.says]}] {literal(evidence.text)}")
        if evidence.study:
            st.page_link(
                "pages/studies.py",
                label=literal(evidence.name),
                icon=":material/science:",
                query_params={"study": evidence.study},
            )
        if evidence.run:
            run_link(evidence.run, evidence.name)


def tables() -> None:
    """List the results of Tables 1 and 2 with right references, and what the numbers are where that was checked."""
    st.subheader("Tables 1 and 2", anchor=False)
    st.caption(results_text())
    with st.container(key="report-tables"):
        st.markdown(results_markdown())


st.title("The report, checked", anchor=False)
st.markdown(
    f"This laboratory repeats {REPORT}. Each of its claims is listed with what its own numbers say and what the runs "
    "on this computer say."
)
claims = checked(store)
st.markdown(f"**{counts_text(claims)}**")
for verdict, group in by_verdict(claims).items():
    icon, colour = LOOKS[verdict]
    st.subheader(f":{colour}[{icon}] {VERDICTS[verdict]}", anchor=False)
    for found in group:
        claim_box(found)
tables()
download_button("Export claims (Markdown)", lambda: as_markdown(claims), "report-checked.md")
