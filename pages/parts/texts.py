"""The name and the note of the selected runs. A text that another window changed meanwhile is not overwritten.

A note that was typed and not saved is there again after a visit to another page or a refresh.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from core.base.errors import Conflict, Outcome, each
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary
from pages.parts.actions import act, key_for
from pages.parts.kept import keep_content, kept_content
from pages.parts.shared import literal

Field = Literal["name", "note"]

#: The parameter of the address that says where unsaved notes are kept.
UNSAVED = "note"
_CONFLICTS = "compare_conflicts"
_KEYS = {"name": "rename", "note": "note"}
_BUTTONS = {"name": "Rename run", "note": "Save note"}
_DONE = {"name": "renamed", "note": "annotated"}


@dataclass(frozen=True)
class _Conflicts:
    """A text that was not saved, because the ``stored`` texts (by run id) are not those that the form showed."""

    field: Field
    key: str
    text: str
    stored: dict[str, str]


def text_form(store: RunStore, field: Field, selected: Sequence[AnyRun]) -> None:
    """Show a form for the name or the note of the selected runs."""
    stored = {run.id: _stored(run, field) for run in selected}
    if len(set(stored.values())) > 1:
        st.caption("The selected runs have different notes. Saving replaces them all.")
    key = f"{_KEYS[field]} {','.join(stored)}"
    if field == "note":
        _load_notes()
    if not _typed(key):  # what the form shows is what saving may replace
        st.session_state[key] = _common(stored)
        st.session_state[_shown(key)] = stored
    button: dict[str, Any] = {
        "label": _BUTTONS[field],
        "key": key_for(f"save_{field}", *stored),
        "type": "primary",
        "on_click": _save,
        "args": (store, field, key),
    }
    if field == "name":
        with st.form(field, border=False):
            st.text_input("Name", max_chars=80, key=key)
            st.form_submit_button(**button)
    else:  # a form would send nothing before its button is pressed
        st.text_area("Note", key=key, persist_state="session")
        if _typed(key):
            st.caption("Not saved yet.")
        st.button(**button)
        _keep_notes()


def conflict_box(store: RunStore) -> None:
    """Show the texts that changed meanwhile beside the person's own, and ask which to keep."""
    conflicts: _Conflicts | None = st.session_state.get(_CONFLICTS)
    if conflicts is None:
        return
    with st.container(border=True):
        st.markdown(
            f":material/warning: **Nothing was saved: the {conflicts.field} changed after you opened the form.**"
        )
        for run_id, text in conflicts.stored.items():
            st.markdown(literal(f"Stored for run {run_id}:"))
            st.code(text or "(empty)", language=None, wrap_lines=True)
        st.markdown("Yours:")
        st.code(conflicts.text or "(empty)", language=None, wrap_lines=True)
        with st.container(horizontal=True):
            save, discard = (key_for(action, *conflicts.stored) for action in ("save_anyway", "discard_mine"))
            st.button("Save anyway", key=save, type="primary", on_click=_save_anyway, args=(store, conflicts))
            st.button("Discard mine", key=discard, on_click=_discard, args=(conflicts,))


def _stored(run: AnyRun, field: Field) -> str:
    return str(getattr(run.meta, field)) if isinstance(run, RunSummary) else ""


def _shown(key: str) -> str:
    return f"shown {key}"


def _common(stored: Mapping[str, str]) -> str:
    """Return the text that all runs have, or none."""
    texts = set(stored.values())
    return texts.pop() if len(texts) == 1 else ""


def _typed(key: str) -> bool:
    """Whether the field holds something else than what it was filled with."""
    return key in st.session_state and st.session_state[key] != _common(st.session_state.get(_shown(key), {}))


def _load_notes() -> None:
    """Bring back the notes that were not saved before the page was refreshed."""
    for key, note in kept_content(UNSAVED).items():
        st.session_state[key], st.session_state[_shown(key)] = str(note["text"]), dict(note["shown"])


def _keep_notes() -> None:
    """Keep every note that was typed and not saved."""
    keys = [key.removeprefix(_shown("")) for key in map(str, st.session_state) if key.startswith(_shown("note "))]
    keep_content(
        UNSAVED,
        {
            key: {"text": st.session_state[key], "shown": st.session_state[_shown(key)]}
            for key in sorted(keys)
            if _typed(key)
        },
    )


# --- what the buttons do --------------------------------------------------------------------------


def _save(store: RunStore, field: Field, key: str) -> None:
    _annotate(store, field, key, st.session_state[key].strip(), st.session_state[_shown(key)])


def _save_anyway(store: RunStore, conflicts: _Conflicts) -> None:
    _annotate(store, conflicts.field, conflicts.key, conflicts.text, conflicts.stored)


def _annotate(store: RunStore, field: Field, key: str, text: str, shown: dict[str, str]) -> None:
    """Save ``text`` for each run whose stored text is the one in ``shown``, and keep the others as conflicts."""
    stored: dict[str, str] = {}

    def save(run_id: str) -> None:
        try:
            store.run(run_id).annotate(shown={field: shown[run_id]}, **{field: text})
        except Conflict as conflict:
            stored[run_id] = conflict.stored

    def save_all() -> Outcome | str:
        outcome = each(shown, save)
        done = [run_id for run_id in outcome.done if run_id not in stored]
        if key in st.session_state and done:
            st.session_state[key] = text  # without the spaces around it
            st.session_state[_shown(key)] |= dict.fromkeys(done, text)
        return Outcome(done, outcome.problems) if done or outcome.problems else ""

    act(save_all, _DONE[field])
    st.session_state[_CONFLICTS] = _Conflicts(field, key, text, stored) if stored else None


def _discard(conflicts: _Conflicts) -> None:
    """Keep the stored texts, and show them in the form."""
    st.session_state[_CONFLICTS] = None
    for key in (conflicts.key, _shown(conflicts.key)):
        st.session_state.pop(key, None)
