"""The curves of the selected runs: one for each run, or mean and band of each group."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.compare.contenders import Contender
from core.figures import compare as figures_compare
from core.figures import curves as curves_figures
from core.figures.style import View
from core.published.points import reference_line
from core.runs.store import RunStore
from core.views.curves import Mark, RunCurves
from pages.parts.components.live_chart import as_data, chart_grid, live_chart
from pages.parts.curve_controls import curve_controls


def curves(store: RunStore, groups: Sequence[Contender], labels: Mapping[str, str], marks: Mapping[str, Mark]) -> None:
    """Draw accuracy and loss with the controls of their axes."""
    look = curve_controls(training=not any(len(group.runs) > 1 for group in groups))
    # A run's curves change only with these.
    seen = [(run.id, run.epochs) for group in groups for run in group.runs]
    about = [(group.id, group.label, marks[group.id], group.config.data, group.run_ids) for group in groups]
    names = [labels[run_id] for group in groups for run_id in group.run_ids]
    accuracy, loss = _drawn(repr((str(store.root), seen, about, names, look)), store, groups, labels, marks, look)
    alt = f"of each epoch of {', '.join(group.label for group in groups)}. The numbers are in the tab Results."
    with chart_grid():
        live_chart(accuracy, "compare-accuracy", f"Accuracy {alt}")
        live_chart(loss, "compare-loss", f"Cross-entropy {alt}")
    st.caption("To save a chart, move the pointer over it: the camera saves a PNG, the disk an SVG.")


@st.cache_resource(max_entries=32, show_spinner=False)
def _drawn(
    key: str,  # everything that the charts depend on
    _store: RunStore,
    _groups: Sequence[Contender],
    _labels: Mapping[str, str],
    _marks: Mapping[str, Mark],
    _look: View,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two charts as the browser gets them."""
    published = reference_line(group.config for group in _groups) if _look.chance else None
    drawn = [
        figures_compare.GroupCurves(
            group.id,
            group.label,
            _marks[group.id],
            tuple(
                RunCurves.of(
                    run,
                    group.label if len(group.runs) == 1 else _labels[run.id],
                    _store.metrics(run.id),
                    _marks[group.id],
                )
                for run in group.runs
            ),
        )
        for group in _groups
    ]
    runs = [run for group in drawn for run in group.runs]
    if len(runs) > len(drawn):
        accuracy = figures_compare.bands(drawn, _look, "accuracy", published)
        loss = figures_compare.bands(drawn, _look, "loss")
    else:
        accuracy, loss = curves_figures.accuracy(runs, _look, published), curves_figures.loss(runs, _look)
    return as_data(accuracy), as_data(loss)
