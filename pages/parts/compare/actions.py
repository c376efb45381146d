"""What can be done with the selected runs: rename, tag, note, pin, trash; and with others: restore, delete, import.

An action on several runs goes on when a run refuses; the page then shows the reason.
"""

from collections.abc import Sequence
from typing import BinaryIO

import streamlit as st

from core.base.errors import Outcome, collected, each
from core.base.text import choice_names, file_name, filesize
from core.compare import contenders, filters
from core.inspect.subject import inspectable
from core.runs import transfer
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary, readable
from pages.parts.actions import act, action_button, key_for, runs_text
from pages.parts.compare.table import PICKED, pick
from pages.parts.texts import conflict_box, tags_field, tags_saved, text_form

_TRASHED = "compare_trashed"
#: The fields for tags to add to the selected runs, and to remove from them.
_ADD, _REMOVE = "tags_add", "tags_remove"


def actions(store: RunStore, runs: Sequence[AnyRun], selected: Sequence[AnyRun]) -> None:
    """Show the buttons for the selected runs."""
    picked = [run.id for run in selected]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{runs_text(len(picked))} selected**", width="content")
        # A closed popover is empty: its form takes the browser's time at every click in the table.
        name = st.popover(
            "Rename run",
            icon=":material/edit:",
            disabled=len(picked) != 1,
            help="Select a single run.",
            key="name_box",
            on_change="rerun",
        )
        if name.open and len(selected) == 1:
            with name:
                text_form(store, "name", selected)
        tags = st.popover("Edit tags", icon=":material/sell:", key="tags_box", on_change="rerun")
        if tags.open:
            with tags:
                _tags(store, runs, selected)
        note = st.popover("Edit note", icon=":material/sticky_note_2:", key="note_box", on_change="rerun")
        if note.open:
            with note:
                text_form(store, "note", selected)
        pinned = all(isinstance(run, RunSummary) and run.meta.pinned for run in selected)
        st.button(
            "Unpin runs" if pinned else "Pin runs",
            key=key_for("pin", *picked),
            icon=":material/keep_off:" if pinned else ":material/keep:",
            help=None if pinned else "Keeps the runs at the top of the table.",
            on_click=_pin,
            args=(store, picked, not pinned),
        )
        st.button(
            "Move to trash",
            key=key_for("trash", *picked),
            icon=":material/delete:",
            on_click=_trash,
            args=(store, picked),
            help="You can restore the runs from the trash.",
        )
        if len(inspectable(selected)) == len(selected) <= 2 and st.button(
            "Inspect answers",
            key=key_for("inspect", *picked),
            icon=":material/troubleshoot:",
            help="Shows which images the networks get wrong, and on which images two networks differ.",
        ):
            # Not in the address: a widget of this page is bound to “view” too.
            st.session_state["inspect_tab"] = "Two runs" if len(picked) == 2 else None
            st.switch_page("pages/inspect.py", query_params=dict(zip(("run", "with"), picked, strict=False)))
        if more := contenders.siblings(readable(runs), picked):
            st.button(
                f"Add {runs_text(len(more))} with other seeds",
                key=key_for("add_seeds", *picked),
                icon=":material/library_add:",
                on_click=pick,
                args=([*picked, *more],),
                help="Selects the runs that differ from a selected run only in their seed.",
            )
        st.button("Clear selection", icon=":material/deselect:", type="tertiary", on_click=pick, args=([],))
    conflict_box(store)


def _pin(store: RunStore, run_ids: Sequence[str], pinned: bool) -> None:
    done = "pinned" if pinned else "unpinned"
    act(lambda: each(run_ids, lambda run_id: store.run(run_id).annotate(pinned=pinned)), done)


# --- tags ----------------------------------------------------------------------------------------


def _tags(store: RunStore, runs: Sequence[AnyRun], selected: Sequence[AnyRun]) -> None:
    tags_field("Add tags", _ADD, filters.tags_in_use(runs), new=True)
    tags_field("Remove tags", _REMOVE, filters.tags_in_use(selected))
    run_ids = [run.id for run in selected]
    st.button(
        "Save tags", key=key_for("save_tags", *run_ids), type="primary", on_click=_save_tags, args=(store, run_ids)
    )


def _save_tags(store: RunStore, run_ids: Sequence[str]) -> None:
    add, remove = st.session_state[_ADD], st.session_state[_REMOVE]
    if act(lambda: each(run_ids, lambda run_id: store.run(run_id).retag(add, remove)), "tagged"):
        tags_saved(_ADD)
        tags_saved(_REMOVE)


# --- trash ----------------------------------------------------------------------------------------


def _trash(store: RunStore, picked: Sequence[str]) -> None:
    outcome = act(lambda: each(picked, store.trash.put), "moved to the trash")
    trashed = outcome.done if outcome else []
    st.session_state[_TRASHED] = trashed
    pick([run_id for run_id in picked if run_id not in trashed])


def _restore(store: RunStore, run_ids: Sequence[str]) -> None:
    outcome = act(lambda: each(run_ids, store.trash.restore), "restored")
    st.session_state.pop(_TRASHED, None)
    if outcome:
        pick([*st.session_state.get(PICKED, []), *outcome.done])


def undo_box(store: RunStore) -> None:
    """Offer to undo the last move to the trash."""
    trashed = [run_id for run_id in st.session_state.get(_TRASHED, []) if run_id in store.trash.ids()]
    if trashed:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f":material/delete: {runs_text(len(trashed))} moved to the trash.", width="content")
            st.button(
                "Undo",
                key=key_for("undo", *trashed),
                icon=":material/undo:",
                type="primary",
                on_click=_restore,
                args=(store, trashed),
            )
            st.button("Dismiss", type="tertiary", on_click=st.session_state.pop, args=(_TRASHED, None))


def trash_box(store: RunStore) -> None:
    """Show the trash: runs can be restored from it, or all of them deleted for good."""
    trashed = store.trash.ids()
    if not trashed:
        return
    count = len(trashed)
    box = st.expander(f"Trash ({runs_text(count)})", icon=":material/delete:", on_change="rerun", key="trash_box")
    if not box.open:
        return
    with box:
        with st.form("restore_form", border=False, clear_on_submit=True):
            labels = choice_names(store.trash.labels(), 60)  # each ends with its id
            chosen = st.multiselect("Runs to restore", list(labels), format_func=labels.__getitem__, key="restore")
            if st.form_submit_button("Restore runs", key="save_restore", icon=":material/restore_from_trash:"):
                _restore(store, chosen)
                st.rerun()
        size = filesize(store.trash.size(trashed))
        with st.popover(f"Empty trash ({size})", icon=":material/delete_forever:"):
            st.markdown(f"This deletes {runs_text(count)} permanently and frees {size}. You cannot undo it.")
            action_button(
                "Delete permanently",
                key=key_for("empty_trash", *trashed),
                icon=":material/delete_forever:",
                type="primary",
                action=lambda: f"Trash emptied, {filesize(store.trash.empty(trashed))} freed",
            )


# --- import ---------------------------------------------------------------------------------------


def import_box(store: RunStore) -> None:
    """Import runs from .zip files that another ResNet Lab exported."""
    box = st.expander("Import runs", icon=":material/unarchive:", on_change="rerun", key="import_box")
    if not box.open:
        return
    with box, st.form("import", border=False, clear_on_submit=True):
        files = st.file_uploader(
            "Files that a ResNet Lab made with “Export runs (.zip)”",
            type="zip",
            accept_multiple_files=True,
            key="import_files",
        )
        st.caption("For larger files, use `resnet-lab import FILE`. Runs that exist here already are not changed.")
        if st.form_submit_button("Import runs", key="import_runs", icon=":material/unarchive:"):
            outcome = act(lambda: _import(store, files), "imported")
            if outcome and outcome.done:
                pick([*st.session_state.get(PICKED, []), *outcome.done])
            st.rerun()


def _import(store: RunStore, files: Sequence[BinaryIO]) -> Outcome:
    run_ids: list[str] = []
    problems: list[str] = []
    for file in files:
        name = file_name(file.name)
        with collected(problems, name):
            outcome = transfer.import_runs(store, file, name)
            problems += outcome.problems
            run_ids += outcome.done
    return Outcome(run_ids, problems)
