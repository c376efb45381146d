"""Is the gap real? What the accuracies of two of the selected experiments show, with a figure."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.base.errors import LabError
from core.base.text import choice_names
from core.compare import contenders
from core.compare.contenders import Contender, group_key
from core.compare.gap import Gap, gap
from core.figures import compare as figures_compare
from core.study import planner
from core.views.curves import Mark
from pages.parts.actions import key_for
from pages.parts.components.live_chart import live_chart
from pages.parts.finding import finding_box
from pages.parts.plan import plan_box
from pages.parts.predictions import predict_button
from pages.parts.shared import get_store, sentence

#: Letters of a name in a field.
_LETTERS = 56


def gap_box(groups: Sequence[Contender], marks: Mapping[str, Mark]) -> None:
    """Say whether the difference between two runs, or two groups of seeds, may be due to chance."""
    if len(groups) < 2:
        st.caption("Select a run with other settings to see whether the difference may be due to chance.")
        return
    first, second = choose_two(groups)
    if first.id == second.id:
        st.caption("Choose two different experiments.")
        return
    try:
        looked_at = sum(not group.repeat for group in groups)
        finding = gap(first, second, looked_at, get_store().many_predictions)
    except LabError as error:
        st.info(sentence(error), icon=":material/info:")
        return
    by_run = {run_id: marks[group.id].colour for group in groups for run_id in group.run_ids}
    left, right = st.columns(2)
    with left:
        finding_box(finding)
        predict_button(finding, [*finding.better.run_ids, *finding.other.run_ids])
        plan_seeds(finding, (first, second))
    with right:
        live_chart(
            figures_compare.gap_intervals(
                finding, [by_run[side.run_ids[0]] for side in (finding.better, finding.other)]
            ),
            "compare-gap",
            f"Accuracies with 95 % intervals. {finding.summary}",
        )


def plan_seeds(finding: Gap, sides: Sequence[Contender]) -> None:
    """Offer to plan more seeds of both sides, where seeds of one experiment make a side."""
    store, judgement = get_store(), finding.judgement
    if judgement is None or any(len({group_key(run.config) for run in side.counted}) > 1 for side in sides):
        return
    plan_box(
        key_for("compare", *(run_id for side in sides for run_id in side.run_ids)),
        finding,
        lambda difference: planner.plan_contenders(judgement, sides, difference, store),
        lambda difference: planner.queue_contenders(judgement, sides, difference, store),
    )


def choose_two(groups: Sequence[Contender]) -> tuple[Contender, Contender]:
    """Return the two to compare. Of more than two, the best unless others are chosen."""
    by_id = {group.id: group for group in groups}
    short = choice_names({group.id: group.label for group in groups}, _LETTERS)
    if len(groups) == 2:
        for key in ("a", "b"):
            st.query_params.pop(key, None)
        return groups[0], groups[1]
    chosen = []
    columns = st.columns(2)
    for key, column, usual in zip(("a", "b"), columns, contenders.best_two(groups), strict=True):
        if st.session_state.get(key) not in by_id:
            st.session_state[key] = st.query_params.get(key) if st.query_params.get(key) in by_id else usual
        label = {"a": "First experiment", "b": "Second experiment"}[key]
        chosen.append(by_id[column.selectbox(label, list(by_id), key=key, format_func=short.__getitem__)])
        st.query_params[key] = st.session_state[key]
    return chosen[0], chosen[1]
