"""What can be done to picked runs, many at a time: rename, tag, note, pin, trash; the way back; runs from elsewhere.

Every action says what it did, runs that refuse are named with the reason, and the trash can be undone
where one stands.
"""

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.base import bulk
from core.base.errors import LabError
from core.base.text import filesize
from core.compare import contenders, filters
from core.compare.picks import link_text
from core.runs import transfer
from core.runs.store import RunStore
from pages.parts.compare.table import PICKED, PROBLEMS, pick
from pages.parts.shared import error_box

_TRASHED = "compare_trashed"


def actions(store: RunStore, frame: pd.DataFrame, picked: Sequence[str]) -> None:
    """The buttons for the picked runs."""
    rows = frame[frame["id"].isin(picked)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{_runs(len(picked))} picked**", width="content")
        with st.popover("Name", icon=":material/edit:", disabled=len(picked) != 1, help="Of one run."):
            _rename(store, rows)
        with st.popover("Tags", icon=":material/sell:"):
            _tags(store, frame, rows)
        with st.popover("Note", icon=":material/sticky_note_2:"):
            _note(store, rows)
        if rows["pinned"].fillna(False).astype(bool).all():
            _button(
                "Unpin", ":material/keep_off:", lambda one: store.run(one).annotate(pinned=False), "unpinned", picked
            )
        else:
            _button("Pin", ":material/keep:", lambda one: store.run(one).annotate(pinned=True), "pinned", picked)
        st.button(
            "Trash",
            icon=":material/delete:",
            on_click=_trash,
            args=(store, list(picked)),
            help="Moves the runs to the trash, from where they can be restored.",
        )
        more = contenders.siblings(frame, picked)
        if more:
            st.button(
                f"Add {_runs(len(more))} of other seeds",
                icon=":material/library_add:",
                on_click=pick,
                args=([*picked, *more],),
                help="Runs that differ from a picked one in the seed alone.",
            )
        st.button("Pick none", icon=":material/deselect:", type="tertiary", on_click=pick, args=([],))


def _button(label: str, icon: str, act: Callable[[str], object], done: str, picked: Sequence[str]) -> None:
    st.button(label, icon=icon, on_click=_do, args=(act, done, list(picked)))


def _do(act: Callable[[str], object], done: str, picked: Sequence[str]) -> None:
    _done(act, done, picked)


def _done(act: Callable[[str], object], done: str, picked: Sequence[str]) -> list[str]:
    """Act on the runs, tell it, and return those that did not refuse."""
    outcome = bulk.each(picked, act)
    st.session_state[PROBLEMS] = outcome.problems
    if outcome.done:
        st.toast(f"{_runs(len(outcome.done))} {done}", icon=":material/check:")
    return outcome.done


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


# --- words ----------------------------------------------------------------------------------------


def _rename(store: RunStore, rows: pd.DataFrame) -> None:
    if len(rows) != 1:
        return
    run_id, name = rows["id"].iloc[0], rows["name"].fillna("").iloc[0]
    with st.form("rename", border=False):
        wanted = st.text_input("Name", name, max_chars=80, key=f"rename {run_id}")
        if st.form_submit_button("Rename", type="primary"):
            _do(lambda one: store.run(one).annotate(name=wanted.strip()), "renamed", [run_id])
            st.rerun()


def _tags(store: RunStore, frame: pd.DataFrame, rows: pd.DataFrame) -> None:
    with st.form("tags", border=False, clear_on_submit=True):
        add = st.multiselect(
            "Add", filters.tags_in_use(frame), accept_new_options=True, placeholder="Choose or type", key="tags_add"
        )
        remove = st.multiselect("Remove", filters.tags_in_use(rows), placeholder="Choose", key="tags_remove")
        if st.form_submit_button("Change tags", type="primary"):
            _do(lambda one: store.run(one).retag(add, remove), "tagged", rows["id"].tolist())
            st.rerun()


def _note(store: RunStore, rows: pd.DataFrame) -> None:
    notes = set(rows["note"].fillna(""))
    same = notes.pop() if len(notes) == 1 else ""
    if notes:
        st.caption("Their notes differ; what you write replaces them all.")
    with st.form("note", border=False):
        note = st.text_area("Note", same, key=f"note {link_text(rows['id'].tolist())}")
        if st.form_submit_button("Write", type="primary"):
            _do(lambda one: store.run(one).annotate(note=note.strip()), "noted", rows["id"].tolist())
            st.rerun()


# --- trash ----------------------------------------------------------------------------------------


def _trash(store: RunStore, picked: list[str]) -> None:
    gone = _done(store.trash.put, "moved to the trash", picked)
    st.session_state[_TRASHED] = gone
    pick([one for one in picked if one not in gone])


def _restore(store: RunStore, run_ids: Sequence[str]) -> None:
    back = _done(store.trash.restore, "restored", run_ids)
    st.session_state.pop(_TRASHED, None)
    pick([*st.session_state.get(PICKED, []), *back])


def note_problems(sentences: Sequence[str]) -> None:
    """Keep sentences to be shown until the next thing is done."""
    if sentences:
        st.session_state[PROBLEMS] = list(sentences)


def messages(store: RunStore) -> None:
    """What an action left to say: refusals, and how to undo the trash."""
    for sentence in st.session_state.get(PROBLEMS, []):
        error_box(sentence)
    gone = [one for one in st.session_state.get(_TRASHED, []) if one in store.trash.ids()]
    if gone:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f":material/delete: {_runs(len(gone))} moved to the trash.", width="content")
            st.button("Undo", icon=":material/undo:", type="primary", on_click=_restore, args=(store, gone))
            st.button("Dismiss", type="tertiary", on_click=st.session_state.pop, args=(_TRASHED, None))


def trash_box(store: RunStore) -> None:
    """What is in the trash, back with it, or gone for good."""
    count = len(store.trash.ids())
    if not count:
        return
    box = st.expander(f"Trash ({_runs(count)})", icon=":material/delete:", on_change="rerun", key="trash_box")
    if not box.open:
        return
    with box:
        with st.form("restore", border=False, clear_on_submit=True):
            told = store.trash.labels()
            wanted = st.multiselect("Runs to restore", list(told), format_func=told.__getitem__, key="restore")
            if st.form_submit_button("Restore", icon=":material/restore_from_trash:"):
                _restore(store, wanted)
                st.rerun()
        size = filesize(store.trash.size())
        with st.popover(f"Empty the trash ({size})", icon=":material/delete_forever:"):
            st.markdown(f"{_runs(count)} will be deleted for good; {size} become free. There is no way back.")
            st.button(
                "Delete for good", icon=":material/delete_forever:", type="primary", on_click=_empty, args=(store,)
            )


def _empty(store: RunStore) -> None:
    try:
        freed = store.trash.empty()
    except LabError as error:
        note_problems([str(error)])
    else:
        st.toast(f"The trash is empty; {filesize(freed)} are free again", icon=":material/check:")


# --- from elsewhere -------------------------------------------------------------------------------


def import_box(store: RunStore) -> None:
    """Runs from a .zip that was exported elsewhere."""
    box = st.expander("Bring in runs from elsewhere", icon=":material/unarchive:", on_change="rerun", key="import_box")
    if not box.open:
        return
    with box, st.form("import", border=False, clear_on_submit=True):
        files = st.file_uploader(
            "“Runs as .zip” of a ResNet Lab", type="zip", accept_multiple_files=True, key="import_files"
        )
        st.caption("Larger files: `python -m core import FILE`. A run that is here already is left as it is.")
        if st.form_submit_button("Bring in", icon=":material/unarchive:"):
            _bring_in(store, files)
            st.rerun()


def _bring_in(store: RunStore, files: Sequence[UploadedFile]) -> None:
    problems, come = [], []
    for file in files:
        try:
            outcome = transfer.bring_in(store, file, file.name)
        except LabError as error:
            problems.append(str(error))
        else:
            problems += outcome.problems
            come += outcome.done
    st.session_state[PROBLEMS] = problems
    if come:
        st.toast(f"{_runs(len(come))} brought in", icon=":material/check:")
        pick([*st.session_state.get(PICKED, []), *come])
