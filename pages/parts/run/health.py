"""Health of a training: its three charts, each with what is normal and what to do otherwise."""

from collections.abc import Sequence

import streamlit as st

from core.figures import health as health_figures
from core.figures.style import View
from core.views import run as run_views
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import literal

#: Pixels of a chart, and the narrowest column that still shows one.
_HEIGHT, _WIDTH = 280, 300


def health(views: Sequence[run_views.RunView], look: View) -> None:
    """Draw the health of the runs; the ratio of update to weight has a curve for each stage, of the first run alone."""
    runs, first = [view.curves for view in views], views[0]
    if not health_figures.recorded(runs):
        old = "This run was" if len(runs) == 1 else "These runs were"
        st.caption(f"Not recorded. {old} trained with an earlier version of ResNet Lab.")
        return
    notes = run_views.health_notes(first.run.config)
    figures = {
        "grad_norm": health_figures.gradient_norm(runs, look),
        "update_ratio": health_figures.update_ratio(runs[0], look),
        "dead_relus": health_figures.dead_relus(runs, look),
    }
    with st.grid(3, min_column_width=_WIDTH) as grid:
        for name, figure in figures.items():
            note = notes[name]
            with grid.cell(), st.container(gap="xsmall"):
                alone = f" of “{literal(first.label)}”" if name == "update_ratio" and len(runs) > 1 else ""
                st.markdown(f"**{note.title}**{alone}")
                live_chart(figure, name.replace("_", "-"), f"{note.title} of each epoch. {note.what}", _HEIGHT)
                st.caption(f"{note.what} **Normal:** {note.normal} {note.otherwise}")
