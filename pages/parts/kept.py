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
        st.session_state[name] = _loaded(st.query_params.get("draft", "")) or default
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
    content = kept().load(st.query_params.get(param, ""))
    st.session_state[f"{param} saved"] = content
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
    if st.session_state.setdefault(f"{param} untouched", fields) != fields or st.query_params.get(param):
        keep_content(param, fields)


def _keep(name: str, param: str, content: Mapping[str, Any]) -> None:
    key = f"{name} kept"
    if content != st.session_state.get(f"{name} saved", {}):
        st.session_state[key] = kept().save(content, st.session_state.get(key, "")) if content else ""
        st.session_state[f"{name} saved"] = content
    if st.session_state.get(key):
        st.query_params[param] = st.session_state[key]
    elif not content:
        st.query_params.pop(param, None)


def kept_tray() -> Tray:
    """Return the images of this tab."""
    if "classify.tray" not in st.session_state:
        st.session_state["classify.tray"] = Tray.restored(kept(), st.query_params.get("images", ""))
    tray: Tray = st.session_state["classify.tray"]
    return tray


def keep_tray(tray: Tray) -> None:
    """Keep the images if they have changed, and put their place into the address."""
    tray.keep(kept())
    if tray.kept_id:
        st.query_params["images"] = tray.kept_id
