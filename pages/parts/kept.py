"""What a refresh of the page must not lose: forms, unsaved notes and the images of Classify. The address says where
they are.

The session has them while it lasts; the disk has them for a day (:mod:`core.base.kept`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from core.base.errors import LabError
from core.base.kept import Kept
from core.config.draft import Draft
from core.images.tray import Tray
from pages.parts.shared import get_store


def kept() -> Kept:
    """Return where this server keeps what tabs have not finished."""
    return Kept(get_store().cache_folder / "kept")


def kept_draft(name: str, default: Draft) -> Draft:
    """Return the draft of this tab that is called ``name``, or ``default`` if there is none."""
    if name not in st.session_state:
        linked = st.query_params.get("draft", "")
        loaded = _loaded(linked)
        st.session_state[name], st.session_state[_linked(name)] = loaded or default, linked if loaded else ""
        st.session_state[f"{name} saved"] = st.session_state[name].to_dict()
    draft: Draft = st.session_state[name]
    return draft


def _loaded(kept_id: str) -> Draft | None:
    if content := kept().load(kept_id):
        try:
            return Draft.from_dict(content)
        except (LabError, KeyError, TypeError, ValueError):
            return None  # an older program kept it
    return None


def keep_draft(name: str) -> None:
    """Keep a draft if it has changed, and put its place into the address."""
    _keep(name, "draft", st.session_state[name].to_dict())


def kept_content(param: str) -> dict[str, Any]:
    """Return what :func:`keep_content` kept where the address says under ``param``; empty after the first time."""
    seen = f"{param} loaded"
    if seen in st.session_state:
        return {}
    st.session_state[seen] = True
    linked = st.query_params.get(param, "")
    content = kept().load(linked)
    st.session_state[f"{param} saved"], st.session_state[_linked(param)] = content, linked if content else ""
    return content


def keep_content(param: str, content: Mapping[str, Any]) -> None:
    """Keep ``content``, which JSON can hold, if it has changed, and put its place into the address under ``param``.

    Nothing is kept of an empty content.
    """
    _keep(param, param, content)


def load_fields(param: str, is_field: Callable[[str], bool]) -> None:
    """Fill a form in as it was before the page was refreshed. ``is_field`` says which keys of the session are its."""
    for key, value in kept_content(param).items():
        if is_field(key):
            st.session_state[key] = value


def keep_fields(param: str, is_field: Callable[[str], bool]) -> None:
    """Keep the fields of a form for :func:`load_fields` from the first change on."""
    fields = {str(key): value for key, value in st.session_state.items() if is_field(str(key))}
    untouched = st.session_state.setdefault(f"{param} untouched", fields)
    if untouched != fields or st.query_params.get(param) or st.session_state.get(_linked(param)):
        keep_content(param, fields)


def _keep(name: str, param: str, content: Mapping[str, Any]) -> None:
    key = f"{name} kept"
    if content != st.session_state.get(f"{name} saved", {}):
        st.session_state[key] = kept().save(content, st.session_state.get(key, "")) if content else ""
        st.session_state[f"{name} saved"] = content
        st.session_state.pop(_linked(name), None)
    if place := st.session_state.get(key) or st.session_state.get(_linked(name)):
        st.query_params[param] = place
    elif not content:
        st.query_params.pop(param, None)


def _linked(name: str) -> str:
    """Return the session's key for the place that the address named first: the content is there until it changes.

    It may be another tab's, so nothing is written there.
    """
    return f"{name} linked"


def kept_tray() -> Tray:
    """Return the images of this tab."""
    if "classify.tray" not in st.session_state:
        linked = st.query_params.get("images", "")
        restored = st.session_state["classify.tray"] = Tray.restored(kept(), linked)
        st.session_state[_linked("images")] = linked if restored.images else ""
    tray: Tray = st.session_state["classify.tray"]
    return tray


def keep_tray(tray: Tray) -> None:
    """Keep the images if they have changed, and put their place into the address."""
    if tray.keep(kept()):
        st.session_state.pop(_linked("images"), None)
    if place := tray.kept_id or st.session_state.get(_linked("images")):
        st.query_params["images"] = place
