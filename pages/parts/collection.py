"""What the pages Studies and Search share: the address names the item that is shown, and the trash has a way back."""

from collections.abc import Collection as Ids
from collections.abc import Mapping
from functools import partial

import streamlit as st

from core.base.errors import LabError
from core.base.text import counted
from core.search.store import SearchStore
from core.study.store import StudyStore
from pages.parts.actions import action_button, forget_problems, key_for, undo_line
from pages.parts.shared import error_box, literal

#: In the address and in the list: an item that is not made yet.
NEW = "new"


class Collection:
    """The studies or searches of a page. ``noun`` is their name and the parameter of the address."""

    def __init__(self, items: StudyStore | SearchStore, noun: str, plural: str):
        self._items, self._trash, self._noun, self._plural = items, items.trash, noun, plural
        self._shown, self._undo = f"{noun}_shown", f"{noun}_undo"

    def go_to(self, item_id: str) -> None:
        """Show an item; the address names it."""
        forget_problems()
        st.query_params[self._noun] = item_id

    def put_away(self, item_id: str) -> None:
        """Move an item to the trash, with a way back."""
        self._trash.put(item_id)
        st.session_state[self._undo] = item_id
        st.query_params.pop(self._noun, None)

    def bring_back(self, item_id: str) -> None:
        """Restore an item from the trash, and show it."""
        self._trash.restore(item_id)
        st.session_state.pop(self._undo, None)
        self.go_to(item_id)

    def chosen(self, known: Ids[str]) -> str:
        """Return the id of the item that the address names, by default the newest of ``known``, or :data:`NEW`.

        An address that names no item gets an error box.
        """
        wanted = st.query_params.get(self._noun)
        if wanted and wanted != NEW and wanted not in known:
            try:
                found = self._items.find(wanted)
                wanted = found if found in known else None  # its problem is on the page already
            except LabError as error:
                error_box(error)
                wanted = None
        chosen = wanted or next(iter(known), NEW)
        st.query_params[self._noun] = chosen
        return chosen

    def chooser(self, labels: Mapping[str, str], chosen: str) -> None:
        """Show the list of items, by their ``labels``, and the button for a new item."""
        st.session_state[self._shown] = chosen
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox(
                self._noun.capitalize(),
                [*labels, NEW],
                key=self._shown,
                format_func=lambda item_id: labels.get(item_id, f"New {self._noun}"),
                on_change=lambda: self.go_to(st.session_state[self._shown]),
            )
            st.button(
                f"Create {self._noun}",
                key=f"new_{self._noun}",
                icon=":material/add:",
                on_click=self.go_to,
                args=(NEW,),
                disabled=chosen == NEW,
            )

    def undo_box(self) -> None:
        """Offer to undo the last move to the trash."""
        trashed = st.session_state.get(self._undo)
        if not trashed or trashed not in self._trash.ids():
            return
        title = self._noun.capitalize()
        text = f"{title} moved to the trash. Its runs are kept."
        undo_line(text, trashed, lambda: self.bring_back(trashed), f"{title} restored")

    def trash_button(self, item_id: str) -> None:
        """Offer to move an item to the trash."""
        action_button(
            "Move to trash",
            key=key_for("trash", item_id),
            icon=":material/delete:",
            help=f"Its runs are kept. You can restore the {self._noun}.",
            action=lambda: self.put_away(item_id),
        )

    def trash_box(self) -> None:
        """List what is in the trash, which can be restored."""
        count = len(self._trash.ids())
        if not count:
            return
        label = f"Trash ({counted(count, self._noun, self._plural)})"
        box = st.expander(label, icon=":material/delete:", on_change="rerun", key="trash_box")
        if not box.open:
            return
        title = self._noun.capitalize()
        with box:
            for item_id, name in self._trash.labels().items():
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.markdown(literal(name), width="content")
                    action_button(
                        f"Restore {self._noun}",
                        key=key_for("restore", item_id),
                        icon=":material/restore_from_trash:",
                        action=partial(self.bring_back, item_id),
                        done=f"{title} restored",
                    )
