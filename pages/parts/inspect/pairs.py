"""The tab Two runs: two runs, or two epochs of one run, on the same images."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.base.text import p_text
from core.figures import inspect as figures
from core.inspect.mistakes import answer_text
from core.inspect.pairs import AGREEMENTS, Agreement, Pair, class_differences, pair, pair_table, verdict
from core.inspect.subject import Subject, two_epochs
from core.runs.store import RunStore
from core.views import exports
from pages.parts.components.live_chart import live_chart
from pages.parts.inspect.gallery import gallery
from pages.parts.shared import download_button, literal


def two_runs(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show where two networks agree and differ."""
    if len(subjects) == 1:
        epochs = two_epochs(subjects[0])
        if epochs is None:
            st.info(
                "Choose a second run under “Compare with”. The best and the last epoch of one run can be compared if "
                "the predictions of both are kept.",
                icon=":material/compare_arrows:",
            )
            return
        st.caption("The best and the last epoch of this run. To compare two runs, choose a second one above.")
        subjects = epochs
    first, second = subjects
    if first.classes != second.classes:
        st.info(
            "These runs learn different classes, so their answers cannot be compared. Choose a run with the same "
            "classes.",
            icon=":material/info:",
        )
        return
    both = pair(first.answers, second.answers)
    if both is None:
        st.info(f"These runs have no {first.answers.part} image in common, so there is nothing to compare them on.")
        return
    names = (first.label, second.label) if first.run.id == second.run.id else ("the first run", "the second run")
    _verdict(both, first, second, names)
    st.fragment(_cells)(both, (first, second), names)
    st.markdown("**Classes, the largest difference first**")
    _table(class_differences(both, first.classes))


def _verdict(both: Pair, first: Subject, second: Subject, names: tuple[str, str]) -> None:
    claim, numbers = verdict(both, names)
    st.markdown(f"**{literal(claim)}** {literal(numbers)}")
    longest = max(len(first.answers), len(second.answers))
    shared = (
        f"Compared on the {len(both):,} {first.answers.part} images that both runs have; neither was trained on them. "
        if len(both) < longest
        else ""
    )
    st.caption(
        f"{shared}This compares two networks, and counts the sampling of the images only. Other seeds of the same "
        "settings give other networks; “Is the gap real?” on Compare counts both."
    )


def _cells(both: Pair, subjects: tuple[Subject, Subject], names: tuple[str, str]) -> None:
    """Draw the four cells and the classes, and show the images of the chosen cell."""
    first, second = (name.removeprefix("the ") for name in names)
    labels = {
        "both": f"Both right ({both.counts['both']:,})",
        "first": f"Only the first ({both.counts['first']:,})",
        "second": f"Only the second ({both.counts['second']:,})",
        "neither": f"Both wrong ({both.counts['neither']:,})",
    }
    key = "inspect_agreement"
    if st.session_state.get(key) not in AGREEMENTS:
        st.session_state[key] = "first"

    def choose(x: str, y: str) -> None:
        st.session_state[key] = figures.agreement_at(x, y)

    st.segmented_control(
        "Right answers",
        AGREEMENTS,
        required=True,
        format_func=labels.__getitem__,
        key=key,
        label_visibility="collapsed",
    )
    chosen: Agreement = st.session_state[key]
    left, right = st.columns(2, gap="medium")
    with left:
        live_chart(
            figures.agreement(both, (first.capitalize(), second.capitalize()), chosen),
            "agreement",
            f"Images that the two get right: {', '.join(labels.values())}.",
            on_click=choose,
        )
        table = class_differences(both, subjects[0].classes)
        text = "; ".join(
            f"{name} {100 * gap:+.1f} points" for name, gap in zip(table["class"], table["difference"], strict=True)
        )
        live_chart(
            figures.class_differences(table, (first, second)), "class-differences", f"Difference of recall: {text}."
        )
    with right:
        _images(both, subjects, chosen)


def _table(table: pd.DataFrame) -> None:
    """Show on which classes the two differ, in numbers."""
    of = st.column_config
    st.dataframe(
        table[["class", "images", "first", "second", "only_first", "only_second", "p_holm"]].assign(
            first=100 * table["first"], second=100 * table["second"], p_holm=table["p_holm"].map(p_text)
        ),
        hide_index=True,
        height="content",
        column_config={
            "class": "Class",
            "images": of.NumberColumn("Images", format="localized"),
            "first": of.NumberColumn("Recall of the first", format="%.1f %%"),
            "second": of.NumberColumn("Recall of the second", format="%.1f %%"),
            "only_first": of.NumberColumn("Only the first is right"),
            "only_second": of.NumberColumn("Only the second is right"),
            "p_holm": of.TextColumn(
                "p",
                alignment="right",
                help="Exact McNemar test of each class, corrected for looking at all classes (Holm).",
            ),
        },
        alt="Recall of both networks on each class, images that only one of them recognises, and p-values.",
    )


def _images(both: Pair, subjects: tuple[Subject, Subject], chosen: Agreement) -> None:
    classes, places = subjects[0].classes, both.places(chosen)
    if not len(places):
        st.caption("No image.")
        return

    def describe(place: int) -> tuple[str, str]:
        at = int(places[place])
        ours, theirs = (classes[each.predicted[at]] for each in (both.first, both.second))
        share = 100 * both.second.confidence[at]
        full = f"{answer_text(both.first, at, classes)}; by the second {theirs} ({share:.1f} %)"
        return full, ours if ours == theirs else f"{ours} | {theirs}"

    gallery(
        both.first.images[places],
        describe,
        f"pair {chosen} {' '.join(f'{each.run.id} {each.answers.part} {each.answers.epoch}' for each in subjects)}",
        "Images in the chosen cell, the largest difference between the networks first",
        subjects,
    )
    download_button(
        "Export these images (CSV)",
        lambda: exports.as_csv(pair_table(both, places, classes)),
        "two-runs.csv",
        "The images above with class, both predictions and their confidence.",
        key="pair csv",
        type="tertiary",
    )
