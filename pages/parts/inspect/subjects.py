"""Which run, which second run, and which of their answers Inspect shows; all of it is in the address."""

from collections.abc import Sequence
from typing import cast

import streamlit as st

from core.base.errors import LabError
from core.base.text import choice_names, counted
from core.cost.estimate import predictions_text
from core.inspect import subject as subject_views
from core.inspect.subject import Subject
from core.runs.predictions import Part, Predictions, Weights
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary
from pages.parts.actions import forget_problems, key_for
from pages.parts.shared import error_box, literal, run_link

_PARTS = {"test": "Test images", "validation": "Validation images"}
_WEIGHTS = {"best": "Best epoch", "last": "Last epoch"}


def choosers(store: RunStore, runs: Sequence[AnyRun], names: dict[str, str]) -> list[str]:
    """Show the fields “Run” and “Compare with”. Return the ids of the runs chosen, none if no run can be inspected."""
    chosen, problem = subject_views.choose_subject(store, runs, st.query_params.get("run"))
    if problem:
        error_box(f"{problem} Showing another run instead." if chosen else problem)
    if chosen is None:
        return []
    other, problem = subject_views.choose_subject(store, runs, linked := st.query_params.get("with"))
    if linked and problem:
        error_box(problem)
    if not linked or problem or other == chosen:
        other = None
    st.session_state["inspect_run"], st.session_state["inspect_with"] = chosen, other
    short = choice_names(names)
    left, right = st.columns(2)
    left.selectbox("Run", list(names), key="inspect_run", format_func=short.__getitem__, on_change=_choose)
    right.selectbox(
        "Compare with",
        [run_id for run_id in names if run_id != chosen],
        key="inspect_with",
        format_func=short.__getitem__,
        on_change=_choose,
        placeholder="Add a second run",
    )
    st.query_params["run"] = chosen
    if other is None:
        st.query_params.pop("with", None)
        return [chosen]
    st.query_params["with"] = other
    return [chosen, other]


def _choose() -> None:
    """Put the chosen runs into the address, so that it can be kept or sent."""
    forget_problems()
    st.query_params["run"] = st.session_state["inspect_run"]
    st.query_params["with"] = st.session_state["inspect_with"] or ""


def subjects(store: RunStore, runs: Sequence[RunSummary], names: dict[str, str]) -> list[Subject]:
    """Return the runs with the answers to show; none if a run has no predictions yet, which is then said."""
    kept = [(run, predictions) for run in runs if (predictions := predictions_or_box(store, run, names[run.id]))]
    if len(kept) < len(runs):
        return []
    if not subject_views.shared_parts([predictions for _, predictions in kept]):
        st.info("These two runs keep no predictions for the same kind of images.", icon=":material/info:")
        return []
    with st.container(horizontal=True, vertical_alignment="center"):
        part, weights = answers_chooser([predictions for _, predictions in kept])
        for number, run in enumerate(runs):
            run_link(run.id, "Open second run" if number else "Open run")
    found = [(run, predictions, predictions.answers(part, weights)) for run, predictions in kept]
    return [Subject(run, names[run.id], predictions, answers) for run, predictions, answers in found if answers]


def answers_chooser(predictions: Sequence[Predictions]) -> tuple[Part, Weights]:
    """Ask for the images and the epoch, where there is a choice, and say which they are."""
    part = cast(Part, _one_of("Images", "part", subject_views.shared_parts(predictions), _PARTS))
    weights = cast(Weights, _one_of("Epoch", "weights", subject_views.shared_weights(predictions, part), _WEIGHTS))
    shown = [answers for each in predictions if (answers := each.answers(part, weights))]
    facts = [f"{counted(len(answers), f'{part} image')}, epoch {answers.epoch}" for answers in shown]
    st.caption(" · ".join(dict.fromkeys(facts)), width="content")
    return part, weights


def _one_of(label: str, key: str, options: Sequence[str], names: dict[str, str]) -> str:
    """Ask for one of the options, if there are several; the address has it if it is not the first."""
    linked = st.query_params.get(key)
    chosen = linked if linked and linked in options else options[0]
    if len(options) == 1:
        st.query_params.pop(key, None)
        return chosen
    st.session_state[key] = chosen

    def keep() -> None:
        st.query_params[key] = st.session_state[key]

    st.segmented_control(
        label,
        options,
        required=True,
        format_func=names.__getitem__,
        key=key,
        on_change=keep,
        label_visibility="collapsed",
    )
    return chosen


def predictions_or_box(store: RunStore, run: RunSummary, label: str) -> Predictions | None:
    """Return a run's predictions; if there are none, offer to compute them."""
    try:
        predictions = store.predictions(run.id)
    except LabError as error:
        error_box(error)
        _repair_button(store, run)
        return None
    if predictions is None:
        _compute_box(store, run, label)
    return predictions


def _repair_button(store: RunStore, run: RunSummary) -> None:
    """Offer to repair a run whose predictions are damaged."""
    st.caption("Repairing the run computes its predictions again from its weights.")
    if not st.button("Repair run", key=key_for("repair", run.id), icon=":material/build:", type="primary"):
        return
    from core.jobs.repair import repair  # imports torch, which takes seconds

    try:
        with st.spinner("Repairing the run…", show_time=True):
            unsolved = repair(store, run.id).unsolved
    except LabError as error:
        error_box(error)
        return
    if not unsolved:
        st.rerun()
    for problem in unsolved:
        error_box(f"{problem.file}: {problem.problem} {problem.advice}")


def _compute_box(store: RunStore, run: RunSummary, label: str) -> None:
    """Offer to compute a run's predictions from its weights."""
    with st.container(border=True):
        st.markdown(
            f"“{literal(label)}” has no predictions yet. Computing them {predictions_text(store, run)}. They are kept, "
            "so this is done once."
        )
        pressed = st.button(
            "Compute predictions", key=key_for("predict", run.id), type="primary", icon=":material/calculate:"
        )
        if not pressed:
            return
        from core.jobs.predict import predictions_of  # imports torch, which takes seconds

        try:
            with st.spinner("Evaluating the network…", show_time=True):
                predictions_of(store, run.id)
        except LabError as error:
            error_box(error)
        else:
            st.rerun()
