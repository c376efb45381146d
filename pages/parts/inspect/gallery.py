"""The gallery of Inspect: images of a cell page by page, and all probabilities of the one that is picked."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.base.errors import LabError
from core.data import cifar10
from core.figures import bars as bars_figures
from core.images import gallery as images
from core.inspect.subject import Subject
from core.views.curves import RUN_COLOURS
from pages.parts.components.image_grid import image_grid
from pages.parts.components.live_chart import live_chart
from pages.parts.get_data import get_data_box

#: Images on a page.
PAGE_SIZE = 30


def gallery(
    numbers: NDArray[np.int64],
    labels: Sequence[str],
    captions: Sequence[str],
    key: str,
    alt: str,
    about: Sequence[Subject],
) -> None:
    """Show the images with these ``numbers`` in CIFAR-10, page by page.

    A click on an image shows what the networks of ``about`` answer for it; ``key`` changes with the images.
    """
    try:
        data = cifar10.load()
    except LabError as error:
        get_data_box(str(error))
        return
    pages = -(-len(numbers) // PAGE_SIZE)
    page = st.pagination(pages, key=f"page of {key}") if pages > 1 else 1
    here = slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE)
    picked_key = f"picked of {key}"
    picked = st.session_state.get(picked_key)
    shown = numbers[here]

    def pick(place: int) -> None:
        st.session_state[picked_key] = int(shown[place])

    found = np.flatnonzero(shown == picked)
    image_grid(
        data.images[shown],
        labels[here],
        f"{key} {page}",
        alt,
        captions=captions[here],
        side=84,
        chosen=int(found[0]) if len(found) else None,
        on_pick=pick,
    )
    if len(found):
        _answers(data, int(shown[found[0]]), key, about)
    else:
        st.caption("Click an image to see the probability of every class.")


def _answers(data: cifar10.Cifar10, number: int, key: str, about: Sequence[Subject]) -> None:
    """Show an image large, with the probabilities that each network gives it."""
    rows, colours, classes = {}, {}, about[0].classes
    for at, subject in enumerate(about):
        if (place := images.position(subject.answers.images, number)) is not None:
            rows[subject.label] = [float(share) for share in subject.answers.probabilities[place]]
            colours[subject.label] = RUN_COLOURS[at]
    with st.container(border=True):
        left, right = st.columns([2, 5], vertical_alignment="center")
        with left:
            image_grid(
                data.images[[number]], [images.description(data, number)], f"large {key}", "The image", columns=1
            )
            st.page_link(
                "pages/dataset.py",
                label="Open in Dataset",
                icon=":material/photo_library:",
                query_params={"image": str(number)},
            )
        with right:
            st.markdown(f"**{images.description(data, number)}**")
            figure = bars_figures.probabilities(classes, rows, run_colours=colours)
            listed = "; ".join(f"{label}: {classes[int(np.argmax(row))]} {max(row):.1%}" for label, row in rows.items())
            live_chart(figure, f"probabilities {key}", f"Probabilities of the five likeliest classes. {listed}")
