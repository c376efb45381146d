"""The gallery of Inspect: images of a cell page by page, and all probabilities of the one that is picked."""

from collections.abc import Callable, Sequence

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
from pages.parts.shared import error_box

#: Images on a page.
PAGE_SIZE = 30


def gallery(
    numbers: NDArray[np.int64], describe: Callable[[int], tuple[str, str]], key: str, alt: str, about: Sequence[Subject]
) -> None:
    """Show the images with these ``numbers`` in CIFAR-10, page by page.

    ``describe`` returns what to call the image at a place of ``numbers``, in full and in a few letters. A click on an
    image shows what the networks of ``about`` answer for it; ``key`` changes with the images.
    """
    if not cifar10.available():
        st.info("The images are not on this computer. Download them on the page Dataset.", icon=":material/download:")
        return
    try:
        data = cifar10.load()
    except LabError as error:
        error_box(error)
        return
    pages = -(-len(numbers) // PAGE_SIZE)
    page = st.pagination(pages, key=f"page of {key}") if pages > 1 else 1
    start = (page - 1) * PAGE_SIZE
    shown = numbers[start : start + PAGE_SIZE]
    texts = [describe(start + place) for place in range(len(shown))]
    picked = images.position(np.sort(shown), st.session_state.get(f"picked of {key}"))
    chosen = None if picked is None else int(np.argsort(shown)[picked])

    def pick(place: int) -> None:
        st.session_state[f"picked of {key}"] = int(shown[place])

    image_grid(
        data.images[shown],
        [label for label, _ in texts],
        f"{key} {page}",
        alt,
        captions=[caption for _, caption in texts],
        side=84,
        chosen=chosen,
        on_pick=pick,
    )
    if chosen is None:
        st.caption("Click an image to see the probability of every class.")
    else:
        _answers(data, int(shown[chosen]), key, about)


def _explain(number: int) -> None:
    """Open an image on the tab What it looks at."""
    st.session_state.update(inspect_image=number, looks_source="cifar", view="What it looks at")


def _answers(data: cifar10.Cifar10, number: int, key: str, about: Sequence[Subject]) -> None:
    """Show an image large, with the probabilities that each network gives it."""
    rows, colours, classes = {}, {}, about[0].classes
    for at, subject in enumerate(about):
        if (place := images.position(subject.answers.images, number)) is not None:
            rows[subject.label] = [float(share) for share in subject.answers.probabilities[place]]
            colours[subject.label] = RUN_COLOURS[at]
    with st.container(border=True):
        st.markdown(f"**{images.description(data, number)}**")
        left, right = st.columns([3, 5], vertical_alignment="center")
        with left:
            image_grid(
                data.images[[number]], [images.description(data, number)], f"large {key}", "The image", columns=1
            )
            st.session_state["image"] = number  # Dataset shows the image of its last visit, whatever its address says
            st.page_link(
                "pages/dataset.py",
                label="Open in Dataset",
                icon=":material/photo_library:",
                query_params={"image": str(number), "view": "Augmentation"},
            )
            if st.button(
                "Explain prediction" if len(about) == 1 else "Explain predictions",
                key=f"explain {key}",
                icon=":material/visibility:",
                type="tertiary",
                help="Opens this image on the tab What it looks at.",
                on_click=_explain,
                args=(number,),
            ):
                st.rerun()  # the whole page: another tab is open now
        with right:
            figure = bars_figures.probabilities(classes, rows, run_colours=colours)
            listed = "; ".join(f"{label}: {classes[int(np.argmax(row))]} {max(row):.1%}" for label, row in rows.items())
            live_chart(figure, f"probabilities {key}", f"Probabilities of the five likeliest classes. {listed}")
