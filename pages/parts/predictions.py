"""A button that computes missing predictions, so that runs can be compared image by image."""

from collections.abc import Sequence

import streamlit as st

from core.stats.finding import Finding
from pages.parts.actions import add_problems, key_for, runs_text
from pages.parts.shared import get_store


def predict_button(finding: Finding, run_ids: Sequence[str]) -> None:
    """Offer to compute the predictions that ``finding`` lacks; nothing if it was made image by image already."""
    if finding.judgement is None or finding.judgement.paired:
        return
    store = get_store()
    missing = store.without_predictions(run_ids)
    if not missing or not st.button(
        f"Compute predictions of {runs_text(len(missing))}",
        key=key_for("predict", *missing),
        type="tertiary",
        icon=":material/calculate:",
        help="Runs whose predictions are kept are compared image by image, which shows smaller differences. It takes "
        "seconds to a minute for each run.",
    ):
        return
    from core.jobs.predict import predict_all  # imports torch, which takes seconds

    with st.spinner("Computing predictions…"):
        add_problems(predict_all(store, missing).problems)
    st.rerun()
