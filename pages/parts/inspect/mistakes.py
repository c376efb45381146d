"""The tab Mistakes: the confusion matrix, and the images of a cell, the most confident answers first."""

from collections.abc import Sequence

import streamlit as st

from core.figures import inspect as figures
from core.inspect.mistakes import Cell, answer_text, cell_text, confusion, ranked, table
from core.inspect.subject import Subject
from core.runs.store import RunStore
from core.views import exports
from pages.parts.components.live_chart import live_chart
from pages.parts.inspect.gallery import gallery
from pages.parts.shared import download_button, literal

_CELLS = {"images": "Images", "rows": "% of the true class"}


def mistakes(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show the mistakes of one run, or of two beside each other; a click on a cell redraws only this tab."""
    st.fragment(_mistakes)(subjects)


def _mistakes(subjects: Sequence[Subject]) -> None:
    rows = (
        st.segmented_control(
            "Cells of the confusion matrix",
            list(_CELLS),
            default="images",
            required=True,
            format_func=_CELLS.__getitem__,
            key="inspect_cells",
            label_visibility="collapsed",
        )
        == "rows"
    )
    if len(subjects) == 1:
        left, right = st.columns(2, gap="medium")
        with left:
            cell = _matrix(subjects[0], 0, rows)
        with right:
            _images(subjects[0], 0, cell)
        return
    for side, (column, subject) in enumerate(zip(st.columns(2, gap="medium"), subjects, strict=True)):
        with column:
            st.markdown(f"**{literal(subject.label)}**")
            _images(subject, side, _matrix(subject, side, rows))


def _matrix(subject: Subject, side: int, rows: bool) -> Cell:
    """Draw the confusion matrix and ask for a cell. Return the chosen one."""
    classes, matrix = subject.classes, confusion(subject.answers)
    keys = {name: f"inspect_{name}_{side}" for name in ("true", "predicted")}
    for name, key in keys.items():
        if key not in st.session_state and side == 0:  # a link names a cell of the first run
            st.session_state[key] = st.query_params.get(name)
        if st.session_state.get(key) not in classes:
            st.session_state[key] = None
    true, predicted = (st.session_state[key] for key in keys.values())
    cell = Cell(*(None if name is None else classes.index(name) for name in (true, predicted)))

    def choose(called: str, of: str) -> None:
        same = (st.session_state[keys["true"]], st.session_state[keys["predicted"]]) == (of, called)
        st.session_state[keys["true"]], st.session_state[keys["predicted"]] = (None, None) if same else (of, called)

    live_chart(
        figures.confusion_matrix(matrix, classes, rows=rows, chosen=cell),
        f"confusion-{side}",
        f"{figures.confusion_text(matrix, classes)} The images are listed next to it.",
        on_click=choose,
    )
    with st.container(horizontal=True):
        for name, label in (("true", "True class"), ("predicted", "Prediction")):
            st.selectbox(label, classes, index=None, key=keys[name], placeholder="Any class", width=180)
            if side == 0:
                _keep(name, st.session_state[keys[name]])
    return cell


def _keep(name: str, chosen: str | None) -> None:
    """Put the chosen class into the address."""
    if chosen is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = chosen


def _images(subject: Subject, side: int, cell: Cell) -> None:
    """Show the images of a cell."""
    answers, classes = subject.answers, subject.classes
    places, title = ranked(answers, cell), cell_text(answers, cell, classes)
    one_kind = cell.true is not None and cell.predicted is not None

    def describe(place: int) -> tuple[str, str]:
        at = int(places[place])
        kind = f"{classes[answers.labels[at]]} → {classes[answers.predicted[at]]}"
        return answer_text(answers, at, classes), f"{100 * answers.confidence[at]:.1f} %" if one_kind else kind

    st.markdown(f"**{literal(title)}**" + ", the most confident first" * bool(len(places)))
    if len(places):
        key = f"mistakes {side} {subject.run.id} {answers.part} {answers.epoch} {cell.true} {cell.predicted}"
        gallery(answers.images[places], describe, key, title, [subject])
    with st.container(horizontal=True):
        download_button(
            "Export these images (CSV)",
            lambda: exports.as_csv(table(answers.at(places), classes)),
            "mistakes.csv",
            "The images above with class, prediction and the probability of every class.",
            key=f"mistakes csv {side}",
            type="tertiary",
        )
        download_button(
            "Export all predictions (CSV)",
            lambda: exports.as_csv(table(answers, classes)),
            "predictions.csv",
            "Every image of this set with class, prediction and the probability of every class.",
            key=f"predictions csv {side}",
            type="tertiary",
        )
