"""What a refresh of the page must not lose: drafts of a run and images of Classify. The address says where they are.

The session has them while it lasts; the disk has them for a day (:mod:`core.base.kept`).
"""

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
    content, key = st.session_state[name].to_dict(), f"{name} kept"
    if content != st.session_state.get(f"{name} saved"):
        st.session_state[key] = kept().save(content, st.session_state.get(key, ""))
        st.session_state[f"{name} saved"] = content
    if st.session_state.get(key):
        st.query_params["draft"] = st.session_state[key]


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
