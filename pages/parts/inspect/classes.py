"""The tab Classes: recall, precision and F1 of each class with intervals, accuracy, and the second choice."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from core.base.text import percent, percent_range
from core.figures import inspect as figures
from core.inspect.classes import SCORES, class_scores, top_two, with_units
from core.inspect.subject import Subject
from core.runs.store import RunStore
from core.stats.intervals import wilson
from core.views import exports
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import download_button, literal

_HELP = {
    "recall": "Of the images of a class, the share that the network recognises.",
    "precision": "Of the images that the network puts into a class, the share that belongs there.",
    "f1": "The harmonic mean of recall and precision.",
}


def classes(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show how well each class is recognised."""
    st.fragment(_classes)(subjects)


def _classes(subjects: Sequence[Subject]) -> None:
    for column, subject in zip(st.columns(2, gap="medium"), subjects, strict=False):
        with column:
            if len(subjects) > 1:
                st.markdown(f"**{literal(subject.label)}**")
            _facts(subject)
    score = st.segmented_control(
        "Score",
        list(SCORES),
        default="recall",
        required=True,
        format_func=SCORES.__getitem__,
        key="inspect_score",
        label_visibility="collapsed",
    )
    st.caption(f"{_HELP[score]} Bars are 95 % intervals, which count the sampling of the images.")
    tables = {subject.label: class_scores(subject.answers, subject.classes) for subject in subjects}
    chart, numbers = st.columns(2, gap="medium")
    with chart:
        texts = [
            f"{label}: "
            + ", ".join(f"{name} {percent(value)}" for name, value in zip(table["class"], table[score], strict=True))
            for label, table in tables.items()
        ]
        live_chart(
            figures.class_scores(tables, score), f"class-{score}", f"{SCORES[score]} by class. {'; '.join(texts)}"
        )
    with numbers:
        for subject, table in zip(subjects, tables.values(), strict=True):
            if len(tables) > 1:
                st.markdown(f"**{literal(subject.label)}**")
            _table(table)
            download_button(
                "Export scores (CSV)",
                partial(exports.as_csv, with_units(table)),
                "classes.csv",
                key=f"classes csv {subject.run.id}",
                type="tertiary",
            )


def _facts(subject: Subject) -> None:
    answers = subject.answers
    shares = [("Accuracy", answers.accuracy, "The true class is the likeliest one.")]
    if len(subject.classes) > 2:
        shares.append(("Top-2 accuracy", top_two(answers), "The true class is one of the two likeliest."))
    with st.grid(2, min_column_width=150):
        for label, share, help in shares:
            interval = f"95 % interval {percent_range(*wilson(share, len(answers)))}"
            st.metric(label, percent(share), interval, delta_color="off", delta_arrow="off", border=True, help=help)


def _table(table: pd.DataFrame) -> None:
    """Show all scores as text with their intervals."""
    shown = table[["class", "images"]].copy()
    for name, label in SCORES.items():
        values = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        shown[label] = [f"{100 * value:.1f} ({100 * low:.1f}–{100 * high:.1f})" for value, low, high in values]
    st.dataframe(
        shown.rename(columns={"class": "Class"}),
        hide_index=True,
        height="content",
        column_config={"images": st.column_config.NumberColumn("Images", format="localized")},
        alt="Recall, precision and F1 of each class in percent, with 95 % intervals.",
    )
