"""The tab What it looks at: Grad-CAM, occlusion, nearest training images, and the maps inside the network."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.base.errors import LabError
from core.base.text import one_line, percent
from core.config.sections import ALL_IMAGES, CLASSES
from core.data import cifar10
from core.images.gallery import description
from core.inspect.mistakes import Cell, ranked
from core.inspect.subject import Subject
from core.runs.store import RunStore
from pages.parts.components.image_grid import image_grid
from pages.parts.explained import heat_image, nearest_images, unlike_flag
from pages.parts.get_data import get_data_box
from pages.parts.kept import kept_tray
from pages.parts.networks import Network, grad_cams, knowledge, load_network, occlusion, offer_to_learn, seen
from pages.parts.shared import literal

SIDE = 168
SOURCES = {"cifar": "CIFAR-10 image", "own": "Your image"}
STAGE_NAMES = {1: "Stage 1 (32 × 32)", 2: "Stage 2 (16 × 16)", 3: "Stage 3 (8 × 8)"}
MOST_MAPS = 64
#: An occlusion map is scaled to its strongest value, but not below one point: that would show nothing at its loudest.
LEAST_FALL = 0.01


def looks(store: RunStore, subjects: Sequence[Subject]) -> None:
    """Show what one network looks at in an image, or two networks beside each other."""
    try:
        cifar10.load()
    except LabError as error:
        get_data_box(str(error))
        return
    image = _chosen_image(subjects[0])
    if image is None:
        return
    for column, subject in zip(st.columns(len(subjects), gap="large"), subjects, strict=True):
        with column:
            if len(subjects) > 1:
                st.markdown(f"**{literal(subject.label)}**")
            explained(subject, load_network(subject.run.id), image, f"looks {subject.run.id}", inside=True)


# --- which image ------------------------------------------------------------------------------------------


def _chosen_image(subject: Subject) -> int | tuple[str, NDArray[np.uint8]] | None:
    """Ask for an image: the number of one in CIFAR-10, or the name and pixels of one of Classify's images."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.segmented_control(
            "Image from",
            list(SOURCES),
            default="cifar",
            required=True,
            format_func=SOURCES.__getitem__,
            key="looks_source",
        )
        if source == "own":
            return _own_image()
        if "inspect_image" not in st.session_state:
            st.session_state["inspect_image"] = _first_image(subject)
        st.button(
            "Show random mistake",
            key="looks mistake",
            icon=":material/casino:",
            on_click=_draw,
            args=(subject, True),
            disabled=bool(subject.answers.correct.all()),
        )
        st.button(
            "Show random image", key="looks any", icon=":material/shuffle:", on_click=_draw, args=(subject, False)
        )
        number = st.number_input(
            "Image number",
            0,
            ALL_IMAGES - 1,
            key="inspect_image",
            persist_state="session",
            width=180,
            help="0 to 49,999 are the official training images, 50,000 to 59,999 the test images.",
        )
        st.query_params["image"] = str(number)
        return number


def _first_image(subject: Subject) -> int:
    """Return the image in the address, or the most confident mistake."""
    text = st.query_params.get("image", "")
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) < ALL_IMAGES:
        return int(text)
    mistakes = ranked(subject.answers, Cell())
    return int(subject.answers.images[mistakes[0] if len(mistakes) else 0])


def _draw(subject: Subject, mistake: bool) -> None:
    """Choose an image of the shown answers at random."""
    answers = subject.answers
    among = answers.images[~answers.correct] if mistake else answers.images
    st.session_state["inspect_image"] = int(np.random.default_rng().choice(among))


def _own_image() -> tuple[str, NDArray[np.uint8]] | None:
    tray = kept_tray()
    if not tray.images:
        st.page_link("pages/classify.py", label="Add images on Classify first", icon=":material/image_search:")
        return None
    names = {image.number: one_line(image.name, 60) for image in tray.images}
    number = st.selectbox("Your image", list(names), format_func=names.__getitem__, key="looks_own")
    image = next(each for each in tray.images if each.number == number)
    return image.name, image.pixels("centre")


# --- what the network makes of it ----------------------------------------------------------------------------


def explained(
    subject: Subject, network: Network, image: int | tuple[str, NDArray[np.uint8]], key: str, *, inside: bool = False
) -> None:
    """Show what a network looks at in an image, and the training images nearest to it.

    ``image``: its number in CIFAR-10, or name and pixels, uint8 (3, 32, 32). ``inside``: also the maps of each layer
    and the first filters.
    """
    classes, data = network.classifier.classes, cifar10.load()
    if isinstance(image, int):
        name, pixels = description(data, image), data.images[image]
        truth = CLASSES[data.labels[image]]
    else:
        (name, pixels), truth = image, ""
    probabilities = network.classifier.probabilities(pixels[None])[0]
    predicted = int(probabilities.argmax())
    verdict = ""
    if truth in classes:
        verdict = ":green[:material/check: correct]" if classes[predicted] == truth else ":red[:material/close: wrong]"
    elif truth:
        verdict = ":gray[the network does not know this class]"
    st.markdown(f"{literal(name)} · **{classes[predicted]}** {percent(float(probabilities[predicted]))} {verdict}")
    known = knowledge(network)
    activations = seen(network, pixels[None])
    if known and known.detector.unlike(activations)[0]:
        unlike_flag()
    label, stage, patch = _settings(classes, predicted, key)
    heat = grad_cams(network, pixels[None], np.array([label]), stage)[0]
    falls = occlusion(network, pixels, label, patch)
    with st.container(horizontal=True):
        st.image(
            np.repeat(np.repeat(pixels.transpose(1, 2, 0), 8, 0), 8, 1),
            "image",
            width=SIDE,
            output_format="PNG",
            alt=name,
        )
        heat_image(pixels, heat, f"Grad-CAM for {classes[label]}", f"Grad-CAM of {name} for {classes[label]}", SIDE)
        strongest = float(np.abs(falls).max())
        heat_image(
            pixels,
            falls / max(strongest, LEAST_FALL),
            f"Occlusion, up to {100 * strongest:.1f} points",
            f"Occlusion map of {name} for {classes[label]}",
            SIDE,
        )
    if not heat.any():
        st.caption(f"Grad-CAM is dark everywhere: nothing at stage {stage} raises the score of {classes[label]}.")
    st.caption(
        f"Grad-CAM is bright where the image raises the score of {classes[label]}. Occlusion covers a part of the "
        f"image with a grey square: it is bright where that lowers the probability of {classes[label]}, which is "
        f"{percent(float(probabilities[label]))}, and blue where that raises it."
    )
    if known is None:
        offer_to_learn({subject.label: network})
    else:
        st.markdown("**Nearest training images**", help="By the cosine similarity of the penultimate features.")
        nearest_images(known, activations.features[0], f"nearest {key}", columns=6, widest=84)
    if inside:
        _inside(network, pixels, key)


def _settings(classes: Sequence[str], predicted: int, key: str) -> tuple[int, int, int]:
    """Ask for the class to explain, the stage of Grad-CAM and the side of the square."""
    from core.inspect.explain import PATCHES

    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Explain class",
            [None, *range(len(classes))],
            format_func=lambda at: f"prediction ({classes[predicted]})" if at is None else classes[at],
            key=f"class {key}",
            width=200,
        )
        stage = st.selectbox(
            "Grad-CAM at",
            list(STAGE_NAMES),
            index=2,
            format_func=STAGE_NAMES.__getitem__,
            key=f"stage {key}",
            width=180,
            help="The last stage has seen most of the image and decides. Earlier ones are sharper and more local.",
        )
        patch = st.selectbox(
            "Grey square",
            PATCHES,
            index=1,
            format_func=lambda side: f"{side} × {side} pixels",
            key=f"patch {key}",
            width=160,
        )
    return predicted if chosen is None else chosen, stage, patch


def _inside(network: Network, pixels: NDArray[np.uint8], key: str) -> None:
    """Show the maps of a layer, and the filters of the first one."""
    from core.inspect.explain import as_colours, as_grey, feature_maps, first_filters, map_layers

    maps, filters = st.tabs(["Feature maps", "First-layer filters"], key=f"inside {key}", on_change="rerun")
    if maps.open:
        with maps:
            layer = st.selectbox("Layer", map_layers(network.classifier), key=f"layer {key}", width=240)
            values = feature_maps(network.classifier, pixels, layer)
            shown = values[:MOST_MAPS]
            image_grid(
                as_grey(shown),
                [f"Channel {at}: {low:.2f} to {high:.2f}" for at, (low, high) in enumerate(_ranges(shown))],
                f"maps {key}",
                f"{len(shown)} feature maps of layer {layer}",
                captions=[str(at) for at in range(len(shown))],
                side=72,
            )
            more = f" The first {MOST_MAPS} of {len(values)} channels." if len(values) > MOST_MAPS else ""
            st.caption(
                f"The output of {layer}, {values.shape[1]} × {values.shape[2]} values per channel, each map from its "
                f"lowest (black) to its highest value (white); a channel with one value everywhere is black.{more}"
            )
    if filters.open:
        with filters:
            weights = first_filters(network.classifier)
            image_grid(
                as_colours(weights),
                [f"Filter {at}" for at in range(len(weights))],
                f"filters {key}",
                f"{len(weights)} filters of the first layer",
                captions=[str(at) for at in range(len(weights))],
                side=72,
            )
            st.caption(
                "The weights of each filter for red, green and blue at 3 × 3 pixels: grey is zero, each filter is "
                "scaled to its largest weight. Filter n makes channel n of layer conv."
            )


def _ranges(maps: NDArray[np.float32]) -> list[tuple[float, float]]:
    return [(float(each.min()), float(each.max())) for each in maps]
