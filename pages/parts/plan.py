"""Planning seeds where evidence is weak: how many show a difference, what they cost, and a button that queues them."""

from collections.abc import Callable

import streamlit as st

from core.base.errors import Outcome
from core.data import cifar10
from core.stats.finding import Finding
from core.stats.judgement import MOST_SEEDS, POWER
from core.study.planner import Plan, usual_difference
from pages.parts.actions import action_button, key_for, runs_text
from pages.parts.shared import literal


def plan_box(
    key: str, finding: Finding, plan: Callable[[float], Plan], queue: Callable[[float], Outcome], refusal: str = ""
) -> None:
    """Offer to plan seeds unless the finding is clear; ``plan`` and ``queue`` take a difference from 0 to 1.

    ``refusal`` says why nothing can be queued, if so. The plan is made only while the box is open.
    """
    judgement = finding.judgement
    if judgement is None or (judgement.verdict == "real" and not finding.advice):
        return
    box = st.expander("Plan more seeds", icon=":material/calculate:", key=f"plan {key}", on_change="rerun")
    if not box.open:
        return
    with box:
        points = st.number_input(
            "Difference to see (percentage points)",
            min_value=0.05,
            max_value=20.0,
            value=round(100 * usual_difference(judgement), 2),
            step=0.1,
            format="%.2f",
            key=f"plan_points {key}",
            width=260,
            help=f"The smallest true difference in accuracy that you want to find with {100 * POWER:.0f} % probability "
            f"(power). Planned from the measured variation, with at most {MOST_SEEDS} seeds in each group.",
        )
        wanted = plan(points / 100)
        st.markdown(literal(wanted.text))
        if wanted.runs:
            action_button(
                f"Queue {runs_text(wanted.runs)}",
                key=key_for("queue_plan", key, f"{points:g}", f"{wanted.runs}"),
                icon=":material/playlist_add:",
                action=lambda: queue(points / 100),
                done="queued",
                disabled=bool(refusal) or not cifar10.available(),
                help=refusal or "Queues the missing seeds. Finished runs are not trained again.",
            )
