"""Confirming the best trials of a search: their runs with new seeds, and the verdict."""

from collections.abc import Sequence

import streamlit as st

from core.base.text import percent
from core.search.confirm import MOST_SEEDS, SEEDS, Side, confirm, verdict
from core.search.search import Search
from core.search.store import Control
from core.stats.finding import ACCURACY
from pages.parts.actions import action_button, key_for
from pages.parts.finding import finding_box
from pages.parts.predictions import predict_button
from pages.parts.shared import get_store, literal


def confirm_button(search_id: str, search: Search, control: Control) -> None:
    """Ask how many seeds to confirm with, and queue their runs."""
    store = get_store()
    with st.popover("Confirm best trials", icon=":material/verified:"):
        st.markdown(
            "Trains the three best trials and the base with new seeds. The best of many trials owes part of its "
            "accuracy to chance; only new seeds show how much better it is."
        )
        fewest = max(2, len(control.confirm_seeds))
        seeds = st.number_input(
            "New seeds for each", fewest, MOST_SEEDS, max(SEEDS, fewest), key=f"confirm_seeds_{search_id}"
        )
        action_button(
            "Queue runs",
            key=key_for("confirm", search_id),
            icon=":material/play_arrow:",
            type="primary",
            action=lambda: confirm(store, search_id, int(seeds)),
            done="queued",
        )


def confirmed(sides: Sequence[Side]) -> None:
    """Show the confirmation as far as it is: a row for each side, and the verdict."""
    if not sides:
        return
    st.markdown("**Confirmation with new seeds**")
    judged = verdict(sides, get_store().many_predictions)
    if judged is None:
        st.caption("The verdict appears when the base and a trial have two finished runs each.")
    else:
        finding_box(judged.finding)
        predict_button(judged.finding, [run.id for side in (judged.base, judged.winner) for run in side.finished])
        if judged.selection_text:
            st.markdown(f":material/filter_alt: {literal(judged.selection_text)}")
    st.dataframe(
        [_row(side) for side in sides],
        hide_index=True,
        alt="Accuracy of the base and of the best trials, in the search and with new seeds.",
    )


def _row(side: Side) -> dict[str, str | None]:
    validation, test = (ACCURACY.spread_text(found) if found else "–" for found in (side.validation, side.test))
    return {
        "": side.label,
        "New seeds": f"{len(side.finished)} of {len(side.runs) + len(side.missing)} finished",
        "Validation in the search": percent(side.searched),
        "Validation, new seeds": validation,
        "Test, new seeds": test,
    }
