"""The report, checked: each claim of the report with the evidence for and against it, its own numbers and ours."""

import streamlit as st

from core.study.checked import (
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
from core.views.report import results_table, results_text
from pages.parts.shared import REPORT, download_button, get_store, literal, run_link

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
            st.markdown(f":gray-badge[In print] {literal(sentence)}")
        for evidence in found.ours:
            our_evidence(evidence)
        if not found.ours and claim.about:
            st.caption("No finished run or study on this computer tests this yet.")
        if not found.ours and claim.about == "effect":
            st.page_link(
                "pages/studies.py", label="Create study", icon=":material/science:", query_params={"study": "new"}
            )


def our_evidence(evidence: Evidence) -> None:
    """Show what a run or a study of ours says, and the link to it."""
    with st.container(gap="xxsmall"):
        st.markdown(f":{SAYS[evidence.says]}-badge[Here: {SAYS_TEXTS[evidence.says]}] {literal(evidence.text)}")
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
    of = st.column_config
    st.dataframe(
        results_table(),
        hide_index=True,
        height=38 + 35 * 14,
        column_order=("table", "method", "accuracy", "note", "authors", "printed", "paper"),
        column_config={
            "table": of.NumberColumn("Table", width=56),
            "method": of.TextColumn("Method", width=250),
            "accuracy": of.NumberColumn("In print", format="%.2f %%", width=80),
            "note": of.TextColumn("What the number is, where checked", width=430),
            "authors": of.TextColumn("Authors", width=180),
            "printed": of.TextColumn("Wrong in print", width=150),
            "paper": of.LinkColumn("Paper", display_text=r"(?:abs/|//(?!arxiv))([^/]*)", width=120),
        },
        placeholder="",
        alt="The results that the report compares itself with, with corrected references.",
    )


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
