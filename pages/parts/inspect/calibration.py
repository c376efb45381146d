"""The tab Calibration: is the network right as often as it is confident, and what a temperature changes."""

from collections.abc import Sequence

import streamlit as st

from core.base.text import counted
from core.figures import inspect as figures
from core.inspect.calibration import BINS, Calibration, at_temperature, fitted_temperature, reliability, verdict
from core.inspect.calibration import calibration as calibration_of
from core.inspect.subject import Subject
from core.runs.predictions import Answers
from core.runs.store import RunStore
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import literal

_BEFORE, _AFTER = "as trained", "with temperature"


def calibration(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show the calibration of one run, or of two beside each other."""
    if len(subjects) == 1:
        found = _facts(subjects[0])
        left, right = st.columns(2, gap="medium")
        with right:
            cooled = _temperature(subjects[0], found)
        with left:
            _diagrams(subjects[0], cooled, 0)
        return
    for side, (column, subject) in enumerate(zip(st.columns(2, gap="medium"), subjects, strict=True)):
        with column:
            st.markdown(f"**{literal(subject.label)}**")
            found, diagrams = _facts(subject), st.container()
            cooled = _temperature(subject, found)
            with diagrams:
                _diagrams(subject, cooled, side)


def _facts(subject: Subject) -> Calibration:
    """Show the verdict and the numbers of a network as it was trained."""
    found = calibration_of(subject.answers)
    st.markdown(f"**{literal(verdict(found, len(subject.answers)))}**")
    _numbers(found)
    return found


def _diagrams(subject: Subject, cooled: Answers | None, side: int) -> None:
    """Draw accuracy against confidence, and how many answers have which confidence."""
    diagrams = {_BEFORE: reliability(subject.answers)} | ({_AFTER: reliability(cooled)} if cooled else {})
    live_chart(figures.reliability(diagrams), f"reliability-{side}", figures.reliability_text(diagrams))
    live_chart(figures.bin_counts(diagrams), f"confidence-{side}", f"Number of answers in {BINS} bins of confidence.")


def _numbers(found: Calibration) -> None:
    low, high = found.ece_interval
    facts = (
        (
            "Calibration error",
            f"{100 * found.ece:.2f} %",
            f"95 % interval {100 * low:.1f}–{100 * high:.1f} %",
            f"Expected calibration error: the mean distance of confidence and accuracy over {BINS} bins of equal "
            "width, weighted by their images.",
        ),
        (
            "Negative log-likelihood",
            f"{found.nll:.4f}",
            "nats per image",
            "The cross-entropy: the mean of −ln p of the true class. Lower is better.",
        ),
        (
            "Brier score",
            f"{found.brier:.4f}",
            "0 is perfect, 2 the worst",
            "The squared distance of the probabilities from the truth, summed over the classes, and averaged.",
        ),
    )
    with st.grid(3, min_column_width=200):
        for label, value, note, help in facts:
            st.metric(label, value, note, delta_color="off", delta_arrow="off", border=True, help=help)


def _temperature(subject: Subject, before: Calibration) -> Answers | None:
    """Fit a temperature on held-out images, and show what it changes on test images. Return the changed answers."""
    st.markdown("**Temperature**")
    if subject.held_out is None:
        st.caption(
            "This run has no validation images of its own: it was validated on the test images, and those must not "
            "choose the temperature they are then measured with. Hold out images in New run to fit one."
        )
        return None
    if subject.answers.part == "validation":
        st.caption("The temperature is fitted on these images. Switch to the test images to see what it changes.")
        return None
    try:
        temperature = fitted_temperature(subject.held_out)
    except ValueError:
        st.caption("The held-out images have no mistakes, or are answered by chance, so no temperature is best.")
        return None
    cooled = at_temperature(subject.answers, temperature)
    st.markdown(
        f"Dividing the logits by **{temperature:.3f}** gives the best likelihood on "
        f"{counted(len(subject.held_out), 'held-out image')}. On the test images:"
    )
    rows = {
        "": ["Calibration error", "Negative log-likelihood", "Brier score", "Mean confidence", "Accuracy"],
        _BEFORE.capitalize(): _column(before),
        _AFTER.capitalize(): _column(calibration_of(cooled)),
    }
    st.table(rows, border="horizontal", hide_index=True)
    return cooled


def _column(found: Calibration) -> list[str]:
    return [
        f"{100 * found.ece:.2f} %",
        f"{found.nll:.4f}",
        f"{found.brier:.4f}",
        f"{100 * found.confidence:.2f} %",
        f"{100 * found.accuracy:.2f} %",
    ]
