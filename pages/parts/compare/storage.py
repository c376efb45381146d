"""How much space the runs take, after how many days something is deleted to save it, and whether files are damaged."""

import streamlit as st

from core.base.errors import LabError
from core.base.text import filesize
from core.runs.check import check, summary
from core.runs.storage import Storage, days_text
from core.runs.store import RunStore
from pages.parts.actions import act
from pages.parts.shared import error_box, literal, sentence

#: Days to choose from; ``None`` is never.
CHOICES = (None, 7, 30, 90, 365)
_CHECKED = "checked_files"


def storage_box(store: RunStore) -> None:
    """Show the sizes and the two settings."""
    box = st.expander("Storage", icon=":material/hard_drive:", on_change="rerun", key="storage_box")
    if not box.open:
        return
    with box:
        storage = Storage(store)
        _sizes(storage)
        _settings(storage)
        _check(store)


def _sizes(storage: Storage) -> None:
    sizes = storage.sizes()
    st.markdown(
        f"Runs take **{filesize(sizes.runs)}**, of which {filesize(sizes.states)} are saved states of finished runs. "
        f"The trash takes {filesize(sizes.trash)}, caches {filesize(sizes.cache)}. {filesize(sizes.free)} are free on "
        "the disk."
    )
    try:
        if notice := storage.notice(storage.due()):
            st.caption(literal(notice))
    except LabError as error:
        error_box(error)


def _settings(storage: Storage) -> None:
    settings = storage.settings_or_never()
    with st.form("storage", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        trash = _days(
            "Delete runs and studies in the trash",
            settings.empty_trash_after,
            "storage_trash",
            "Days after a run or a study was moved to the trash. You cannot undo it.",
        )
        states = _days(
            "Delete saved states of finished runs",
            settings.delete_states_after,
            "storage_states",
            "Days after a run finished. Results and weights are kept, but epochs cannot be added to the run any more.",
        )
        if st.form_submit_button("Save storage settings", key="save_storage", icon=":material/save:"):
            act(lambda: storage.change(empty_trash_after=trash, delete_states_after=states), "Storage settings saved")
            st.rerun()


def _days(label: str, value: int | None, key: str, help: str) -> int | None:
    """Let the person choose a number of days; the present one is among the choices."""
    choices = sorted({*CHOICES, value}, key=lambda days: days or 0)
    return st.selectbox(
        label,
        choices,
        choices.index(value),
        format_func=lambda days: days_text(days).capitalize(),
        key=f"{key} {value}",  # a choice made for an older value is forgotten
        help=help,
    )


def _check(store: RunStore) -> None:
    """Check every file, and show what is wrong and what can be done about it."""
    help = "Compares every file of all runs and studies with its record."
    if st.button("Check all files", key="check_files", icon=":material/fact_check:", help=help):
        with st.spinner("Checking all files…"):
            st.session_state[_CHECKED] = check(store)
    checked = st.session_state.get(_CHECKED)
    if checked is None:
        return
    wrong = [item for item in checked if item.problems]
    if any(problem.repairable for item in wrong for problem in item.unsolved):
        help = "Damaged files are kept under another name."
        if st.button("Repair files", key="repair_files", icon=":material/build:", help=help):
            from core.jobs.repair import repair_all  # imports torch, which takes seconds

            with st.spinner("Repairing files…"):
                st.session_state[_CHECKED] = repair_all(store, checked)
            st.rerun()
    if any(item.unsolved for item in wrong):
        st.error(summary(checked), icon=":material/broken_image:")
    else:
        st.success(summary(checked), icon=":material/check_circle:")
    for item in wrong:
        st.markdown(f"**{literal(f'{item.kind.capitalize()} {item.id}')}**")
        for problem in item.problems:
            then = problem.advice if problem.repaired is None else f"Repaired: {problem.repaired}"
            st.markdown(f"- {sentence(problem.problem)} {sentence(then)}")
