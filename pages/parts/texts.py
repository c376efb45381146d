"""The name, the note and the tags of the selected runs. What another window changed meanwhile is not overwritten.

What was entered and not saved is there again after a visit to another page or a refresh. So none of these fields is in
a form: a form sends nothing before its button is pressed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from core.base.errors import Conflict, Outcome, each
from core.runs.store import RunStore
from core.runs.summary import AnyRun, RunSummary
from pages.parts.actions import act, key_for, runs_text
from pages.parts.kept import keep_content, kept_content
from pages.parts.shared import literal

Field = Literal["name", "note"]

#: The parameter of the address that says where the unsaved entries are kept.
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
    """Show the field for the name or the note of the selected runs, and its button."""
    stored = {run.id: _stored(run, field) for run in selected}
    if len(set(stored.values())) > 1:
        st.caption("The selected runs have different notes. Saving replaces them all.")
    key = f"{_KEYS[field]} {','.join(stored)}"
    _load_entries()
    if not _entered(key):  # what the field shows is what saving may replace
        st.session_state[key] = _common(stored)
        st.session_state[_shown(key)] = stored
    if field == "name":
        st.text_input("Name", max_chars=80, key=key, persist_state="session")
    else:
        st.text_area("Note", key=key, persist_state="session")
    _not_saved_note(key)
    st.button(
        _BUTTONS[field], key=key_for(f"save_{field}", *stored), type="primary", on_click=_save, args=(store, field, key)
    )
    _keep_entries()


def tags_field(label: str, key: str, options: Iterable[str], shown: Sequence[str] = (), *, new: bool = False) -> None:
    """Ask for tags; those entered are in the session under ``key`` until :func:`tags_saved`.

    ``shown`` are the tags that are stored. With ``new`` a person can enter tags that are no option.
    """
    _load_entries()
    offered = {*options}
    if not _entered(key):
        st.session_state[key], st.session_state[_shown(key)] = list(shown), list(shown)
    if not new:
        st.session_state[key] = [tag for tag in st.session_state[key] if tag in offered]
    st.multiselect(
        label,
        sorted({*offered, *st.session_state[key]}),
        accept_new_options=new,
        placeholder="Choose or type" if new else "Choose",
        key=key,
        persist_state="session",
    )
    _not_saved_note(key)
    _keep_entries()


def tags_saved(key: str, shown: Sequence[str] = ()) -> None:
    """Empty a :func:`tags_field`, or fill it with the tags that are stored now."""
    st.session_state[key], st.session_state[_shown(key)] = list(shown), list(shown)


def conflict_box(store: RunStore) -> None:
    """Show the texts that changed meanwhile beside the person's own, and ask which to keep."""
    conflicts: _Conflicts | None = st.session_state.get(_CONFLICTS)
    if conflicts is None:
        return
    with st.container(border=True):
        of = "" if len(conflicts.stored) == 1 else f" of {runs_text(len(conflicts.stored))}"
        st.markdown(f":material/warning: **Not saved: the {conflicts.field}{of} changed after you opened the form.**")
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


def _entered(key: str) -> bool:
    """Whether the field holds something else than what it was filled with."""
    shown = st.session_state.get(_shown(key), {})
    return key in st.session_state and st.session_state[key] != (_common(shown) if isinstance(shown, dict) else shown)


def _not_saved_note(key: str) -> None:
    if _entered(key):
        st.caption("Not saved yet.")


def _load_entries() -> None:
    """Bring back what was not saved before the page was refreshed."""
    for key, entry in kept_content(UNSAVED).items():
        st.session_state[key], st.session_state[_shown(key)] = entry["text"], entry["shown"]


def _keep_entries() -> None:
    """Keep everything that was entered and not saved."""
    keys = [key.removeprefix(_shown("")) for key in map(str, st.session_state) if key.startswith(_shown(""))]
    keep_content(
        UNSAVED,
        {
            key: {"text": st.session_state[key], "shown": st.session_state[_shown(key)]}
            for key in sorted(keys)
            if _entered(key)
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
