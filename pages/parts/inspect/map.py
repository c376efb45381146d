"""The tab Map: the images of one run, or of two beside each other, placed by what the network makes of them."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.base.errors import LabError
from core.base.text import counted, percent
from core.data import cifar10
from core.inspect.map import METHODS, TSNE_IMAGES, Method, keep_map, kept_map, publish_sheets, tsne_map
from core.inspect.subject import Subject
from core.runs.predictions import Answers
from core.runs.store import RunStore
from core.views.curves import NEUTRAL, PALETTE
from pages.parts.components.image_map import image_map
from pages.parts.get_data import get_data_box
from pages.parts.inspect.looks import explained
from pages.parts.networks import Network, features, load_network, shelf
from pages.parts.shared import literal

COLOURINGS = {"class": "True class", "predicted": "Prediction", "error": "Right or wrong"}
#: Ten colours for ten classes: the palette without its grey, and three more.
CLASS_COLOURS = (*(colour for colour in PALETTE if colour != NEUTRAL), "#9c2c2c", "#7f9a1f", "#5b6169")
RIGHT, WRONG = NEUTRAL, PALETTE[1]


def image_maps(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show the map of each run, and what the network looks at in the image that was clicked."""
    try:
        cifar10.load()
    except LabError as error:
        get_data_box(str(error))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control(
            "Method",
            list(METHODS),
            default="pca",
            required=True,
            format_func=METHODS.__getitem__,
            key="map_method",
            bind="query-params",
            wrap=True,
        )
        colouring = st.segmented_control(
            "Colour",
            list(COLOURINGS),
            default="class",
            required=True,
            format_func=COLOURINGS.__getitem__,
            key="map_colour",
            bind="query-params",
            wrap=True,
        )
    for column, subject in zip(st.columns(len(subjects)), subjects, strict=True):
        with column:
            network = load_network(subject.run.id)
            _map(subject, network, method, colouring, titled=len(subjects) > 1)
            if image := st.session_state.get("map image"):
                explained(subject, network, image, f"map {subject.run.id}")


def _map(subject: Subject, network: Network, method: Method, colouring: str, titled: bool) -> None:
    answers = subject.predictions.answers(subject.answers.part, "best")
    if answers is None:
        st.info("The map is that of the best epoch, whose predictions are not kept.", icon=":material/info:")
        return
    if titled:
        st.markdown(f"**{literal(subject.label)}**")
    kept = features(network, answers.part)
    places = kept_map(shelf(network), kept, answers.part, method)
    if places is None:
        count = min(TSNE_IMAGES, len(kept))
        if not st.button(
            f"Compute t-SNE map of {count:,} images", key=f"t-sne {subject.run.id}", icon=":material/scatter_plot:"
        ):
            st.caption("Takes about 15 seconds of one processor core, once for these weights.")
            return
        with st.spinner("Computing the t-SNE map…", show_time=True):
            places = tsne_map(kept)
        keep_map(shelf(network), answers.part, places)
    images = kept.images[places.rows]
    rows = np.searchsorted(answers.images, images)
    groups, names, colours = _groups(subject, answers, rows, colouring)
    image_map(
        places.places,
        images,
        groups,
        names,
        colours,
        [_text(subject, answers, row) for row in rows],
        f"map-{subject.run.id}",
        f"Map of {counted(len(images), f'{answers.part} image')} of {subject.label}",
        _open,
        sheets=bool(publish_sheets(cifar10.load(), images)),
        chosen=st.session_state.get("map image"),
    )
    if places.explained:
        first, second = places.explained
        st.caption(
            f"All {counted(len(images), 'image')} along the two directions in which their features differ most; these "
            f"hold {percent(first)} and {percent(second)} of the variance. Point at an image to see it, click to open "
            "it."
        )
    else:
        st.caption(
            f"{counted(len(images), 'image')}, drawn at random with a fixed seed. Images that lie together are alike "
            "to the network; distances between groups and the sizes of groups mean little in t-SNE. Point at an "
            "image to see it, click to open it."
        )


def _groups(
    subject: Subject, answers: Answers, rows: np.ndarray, colouring: str
) -> tuple[np.ndarray, Sequence[str], Sequence[str]]:
    """Return the group of each point, and the groups' names and colours."""
    if colouring == "error":
        return (~answers.correct[rows]).astype(int), ("Right", "Wrong"), (RIGHT, WRONG)
    labels = answers.labels if colouring == "class" else answers.predicted
    return labels[rows], subject.classes, CLASS_COLOURS[: len(subject.classes)]


def _text(subject: Subject, answers: Answers, row: int) -> str:
    true, predicted = subject.classes[answers.labels[row]], subject.classes[answers.predicted[row]]
    answer = "right" if true == predicted else f"called {predicted}"
    return f"{answers.images[row]:,}: {true}, {answer} ({percent(float(answers.confidence[row]))})"


def _open(image: int) -> None:
    st.session_state["map image"] = image
