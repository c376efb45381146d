"""The box that downloads CIFAR-10 and shows the progress, whichever browser tab started it."""

import streamlit as st

from core.base import paths
from core.data import cifar10
from core.data.fetch import FETCH
from pages.parts.shared import error_box, literal


def get_data_box(problem: str | None = None) -> None:
    """Offer to download the images: because there are none, or because of a ``problem`` with them."""
    if not cifar10.available():  # missing images are not damaged ones
        problem = None
    with st.container(border=True):
        st.subheader("Download the images first" if problem is None else "The images are damaged", anchor=False)
        if problem:
            error_box(problem)
        else:
            st.markdown(
                "This page needs the CIFAR-10 images: one download of about 170 MB, checked byte for byte against the "
                "official release. You can leave this page meanwhile."
            )
        if FETCH.running:
            _progress()
            return
        if FETCH.error:
            error_box(FETCH.error)
        label, icon = ("Try again", ":material/refresh:") if FETCH.error else ("Download images", ":material/download:")
        if st.button(label, key="get-data", type="primary", icon=icon):
            FETCH.start()
            st.rerun()
        st.caption(f"Stored in {literal(str(paths.data_folder()))}. To use another folder, set RESNET\\_LAB\\_DATA.")


@st.fragment(run_every="0.5s")
def _progress() -> None:
    if not FETCH.running:
        st.rerun()
    st.progress(FETCH.progress.share, FETCH.progress.text)
