"""What came out of a study: the figures with their sentences, the curves on fair axes, and each run's four curves."""

from collections.abc import Sequence

import streamlit as st

from core import figures, overfitting
from core.figures import RunCurves
from core.study import Study
from core.study_work import CellStatus
from pages.parts.live_chart import live_chart
from pages.parts.shared import get_store, literal

#: Pixels a chart needs to be read beside another one.
WIDE_ENOUGH = 400


def study_results(study: Study, cells: Sequence[CellStatus]) -> None:
    """Everything about the outcomes; nothing before a run has an epoch."""
    begun = [one for one in cells if one.row is not None and one.row["epoch"]]
    if begun:
        one_run(begun)


def one_run(cells: Sequence[CellStatus]) -> None:
    """Accuracy and loss of one cell, training and validation, with the onset of over-fitting."""
    by_id = {one.run_id: one for one in cells if one.run_id}
    with st.expander("The four curves of a run", icon=":material/show_chart:", expanded=len(by_id) == 1):
        chosen = st.selectbox("Run", list(by_id), key="study_run", format_func=lambda one: by_id[one].cell.in_words())
        if chosen is None:
            return
        config = by_id[chosen].cell.config
        metrics = get_store().metrics(chosen)
        run = RunCurves.of(chosen, by_id[chosen].cell.in_words(), config, metrics)
        view = figures.View()
        accuracy, loss = figures.accuracy([run], view), figures.loss([run], view)
        figures.mark_onsets(accuracy, [run], view, "accuracy")
        figures.mark_onsets(loss, [run], view, "loss")
        words = overfitting.in_words(metrics)
        with st.grid(2, min_column_width=WIDE_ENOUGH):
            live_chart(accuracy, "study-run-accuracy", f"Accuracy of each epoch. {words}")
            live_chart(loss, "study-run-loss", f"Cross-entropy of each epoch. {words}")
        st.markdown(literal(words))
        st.page_link("pages/live.py", label="Open in Live", icon=":material/show_chart:", query_params={"run": chosen})
