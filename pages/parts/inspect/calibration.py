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
    for side, (column, subject) in enumerate(zip(st.columns(len(subjects), gap="medium"), subjects, strict=True)):
        with column:
            if len(subjects) > 1:
                st.markdown(f"**{literal(subject.label)}**")
            _calibration(subject, side)


def _calibration(subject: Subject, side: int) -> None:
    answers = subject.answers
    found = calibration_of(answers)
    st.markdown(f"**{literal(verdict(found, len(answers)))}**")
    _numbers(found)
    diagrams, after = {_BEFORE: reliability(answers)}, None
    temperature, reason = _temperature(subject)
    if temperature is not None:
        after = at_temperature(answers, temperature)
        diagrams[_AFTER] = reliability(after)
    live_chart(figures.reliability(diagrams), f"reliability-{side}", figures.reliability_text(diagrams))
    live_chart(figures.bin_counts(diagrams), f"confidence-{side}", f"Number of answers in {BINS} bins of confidence.")
    st.markdown("**Temperature**")
    if temperature is None or after is None:
        st.caption(reason)
    else:
        _change(found, after, temperature, subject.held_out)


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
            "Log-likelihood",
            f"{found.nll:.4f}",
            "negative, nats per image",
            "The cross-entropy: the mean of −ln p of the true class. Lower is better.",
        ),
        (
            "Brier score",
            f"{found.brier:.4f}",
            "0 is perfect, 2 the worst",
            "The squared distance of the probabilities from the truth, summed over the classes, and averaged.",
        ),
    )
    with st.grid(3, min_column_width=150):
        for label, value, note, help in facts:
            st.metric(label, value, note, delta_color="off", delta_arrow="off", border=True, help=help)


def _temperature(subject: Subject) -> tuple[float | None, str]:
    """Return the temperature fitted on held-out images, or why there is none."""
    if subject.held_out is None:
        return None, (
            "This run has no validation images of its own: it was validated on the test images, and those must not "
            "choose the temperature they are then measured with. Hold out images in New run to fit one."
        )
    if subject.answers.part == "validation":
        return None, "The temperature is fitted on these images. Switch to the test images to see what it changes."
    try:
        return fitted_temperature(subject.held_out), ""
    except ValueError:
        return None, "The held-out images have no mistakes, or are answered by chance, so no temperature is best."


def _change(before: Calibration, cooled: Answers, temperature: float, held_out: Answers | None) -> None:
    """Show what the temperature changes on the test images."""
    after = calibration_of(cooled)
    rows = {
        "": ["Calibration error", "Log-likelihood (negative)", "Brier score", "Mean confidence", "Accuracy"],
        _BEFORE.capitalize(): _column(before),
        _AFTER.capitalize(): _column(after),
    }
    images = counted(len(held_out) if held_out else 0, "held-out image")
    st.markdown(
        f"Dividing the logits by **{temperature:.3f}** gives the best likelihood on {images}. On the test images:"
    )
    st.table(rows, border="horizontal", hide_index=True)


def _column(found: Calibration) -> list[str]:
    return [
        f"{100 * found.ece:.2f} %",
        f"{found.nll:.4f}",
        f"{found.brier:.4f}",
        f"{100 * found.confidence:.2f} %",
        f"{100 * found.accuracy:.2f} %",
    ]
