"""The box that offers to get CIFAR-10 and shows how far that is, in whichever tab one looks."""

import streamlit as st

from core.base import paths
from core.data.fetch import FETCH
from pages.parts.shared import error_box, literal


def get_data_box(trouble: str | None = None) -> None:
    """Offer the pictures where there are none, or where ``trouble`` says what is wrong with them."""
    with st.container(border=True):
        st.subheader("First, the pictures" if trouble is None else "The pictures are damaged", anchor=False)
        if trouble:
            error_box(trouble)
        else:
            st.markdown(
                "CIFAR-10 is not on this computer yet. It is downloaded once, about 170 MB, and every byte is compared "
                "with the official release. You can leave this page meanwhile."
            )
        if FETCH.running:
            _watch()
            return
        if FETCH.error:
            error_box(FETCH.error)
        label, icon = ("Try again", ":material/refresh:") if FETCH.error else ("Get the data", ":material/download:")
        if st.button(label, key="get-data", type="primary", icon=icon):
            FETCH.start()
            st.rerun()
        st.caption(f"They go to {literal(str(paths.data_folder()))} (RESNET_LAB_DATA names another folder).")


@st.fragment(run_every="0.5s")
def _watch() -> None:
    if not FETCH.running:
        st.rerun()
    st.progress(FETCH.share(), FETCH.in_words())
