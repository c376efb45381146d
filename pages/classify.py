"""Classify: show images to a trained network, and see which class it predicts.

The images are a :class:`~core.images.tray.Tray`, which survives a visit to another page and a refresh of this one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from core.base.errors import LabError
from core.base.text import one_line
from core.config.sections import CLASSES
from core.figures import bars as figures
from core.images.read import CROPS, FORMATS, MAX_BYTES, Crop
from core.images.tray import (
    FITS,
    MAX_IMAGES,
    Tray,
    TrayImage,
    classify,
    fit_text,
    labels,
    not_counted,
    results_table,
    runs_with_weights,
    score_text,
)
from core.runs.summary import RunSummary
from core.runs.summary import labels as run_labels
from core.views import exports
from pages.parts.actions import add_problems, forget_problems, key_for, show_problems
from pages.parts.components.crop_image import crop_image
from pages.parts.explained import UNLIKE, UNLIKE_HELP, heat_image, nearest_images, unlike_flag
from pages.parts.kept import keep_tray, kept_tray
from pages.parts.networks import Network, grad_cams, knowledge, load_network, offer_to_learn, seen
from pages.parts.shared import download_button, error_box, get_store, literal, open_page

if TYPE_CHECKING:
    from core.images.classify import Classifier
    from core.inspect.unlike import Knowledge

PAGE_SIZE = 12
#: Pixels for the nearest training images, beside the Grad-CAM map.
NEAREST_WIDTH = 136
HOW_TO_READ = (
    "Grad-CAM is bright where the image raises the score of the prediction, and dark where it does not. The "
    "nearest training images are those with the most similar penultimate features (cosine similarity)."
)
SOURCES = {
    "files": ":material/upload_file: Files",
    "test": ":material/grid_view: Test images",
    "camera": ":material/photo_camera: Camera",
}

store = get_store()


# --- the runs -----------------------------------------------------------------------------------------


def keep_choice(known: list[str]) -> None:
    """Keep the ids of the chosen runs; the address names them.

    A browser knows a run by its label, which changes while it trains. A choice by an old label is ignored.
    """
    forget_problems()
    first, second = st.session_state["classify.run"], st.session_state["classify.other"]
    if first in known:
        st.query_params["run"] = first
    if second is None or second in known:
        st.session_state["classify.second"] = second
        st.query_params["with"] = second or ""


def choose_runs(runs: dict[str, RunSummary]) -> list[str]:
    """Ask for a run, and for a second one to compare. ``?run=ID&with=ID`` chooses them."""
    known = list(runs)
    asked = st.query_params.get("run") or st.session_state.get("classify.first")
    other = st.query_params.get("with") or st.session_state.get("classify.second")
    if asked and asked not in known:
        add_problems([f"Run “{one_line(asked, 60)}” does not exist or has no trained network. Showing another run."])
    if other and other not in known:
        add_problems([f"Run “{one_line(other, 60)}” does not exist or has no trained network to compare with."])
    wanted = [st.query_params.get("run", ""), st.session_state.get("classify.first", ""), known[0]]
    first = next(run_id for run_id in wanted if run_id in known)
    second = other if other in known and other != first else None
    st.query_params["run"] = st.session_state["classify.first"] = first
    st.session_state["classify.second"] = second
    if second:
        st.query_params["with"] = second
    else:
        st.query_params.pop("with", None)
    # Set in every script run: otherwise the browser keeps an old label.
    st.session_state["classify.run"], st.session_state["classify.other"] = first, second
    left, right = st.columns(2)
    text = labels(runs).__getitem__
    left.selectbox("Run", known, format_func=text, key="classify.run", on_change=keep_choice, args=(known,))
    right.selectbox(
        "Compare with",
        [run_id for run_id in known if run_id != first],
        index=None,
        format_func=text,
        key="classify.other",
        on_change=keep_choice,
        args=(known,),
        placeholder="Add a second run",
    )
    return [first, second] if second else [first]


# --- the images ---------------------------------------------------------------------------------------


def add_images(tray: Tray, run_id: str) -> None:
    """Ask for images: files, test images or a photo."""
    source = st.segmented_control(
        "Images from",
        list(SOURCES),
        default="files",
        required=True,
        format_func=SOURCES.__getitem__,
        key="classify.source",
    )
    if source == "files":
        files = st.file_uploader(
            f"Drop images here: {', '.join(FORMATS)}; up to {MAX_IMAGES} files of at most {MAX_BYTES >> 20} MB",
            accept_multiple_files=True,
            key=f"files-{tray.uploads}",
        )
        if tray.read_uploads(files):
            st.rerun()
    elif source == "camera":
        if photo := st.camera_input("Take a photo", key=f"photo-{tray.uploads}"):
            tray.empty_field()
            tray.read([("photo.jpg", photo.getvalue())])
            st.rerun()
    else:
        st.caption("Adds one test image of each class. This run did not train on them.")
        if st.button("Add test images", key=key_for("add-test", run_id), icon=":material/add_photo_alternate:"):
            try:
                tray.add_test_images(store.run(run_id).config())
            except LabError as error:
                error_box(error)


# --- the results --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Looked:
    """What a network looks at in an image, and what it knows like it.

    ``heat``: its Grad-CAM map, float32 (32, 32). The rest is ``None`` until the training images were looked at:
    ``unlike``, whether the image is flagged; ``features``, float32 (d,), and the ``knowledge`` to compare them with.
    """

    heat: np.ndarray
    unlike: bool | None = None
    features: np.ndarray | None = None
    knowledge: "Knowledge | None" = None


def card(
    image: TrayImage,
    crop: Crop,
    networks: dict[str, "Classifier"],
    rows: list[np.ndarray],
    doubt: str,
    looked: list[Looked],
) -> None:
    """Show an image, what the networks see of it and look at, the first one's prediction, and whether it is correct.

    ``rows`` and ``looked`` have an entry for each network.
    """
    first = next(iter(networks.values()))
    prediction, probability = first.classes[rows[0].argmax()], f"{100 * rows[0].max():.1f} %"
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{prediction}** {probability}{verdict(image, prediction, doubt)}")
        if looked[0].unlike and len(networks) == 1:
            unlike_flag()
        if image.truth is None:
            fits = rows[0].max() >= FITS
            text = literal(fit_text(first.classes, float(rows[0].max())))
            st.markdown(f":small[:gray[{text}]]" if fits else f":orange[:material/warning: **{text}**]")
        with st.container(horizontal=True):
            crop_image(image, crop, f"crop-{image.number}", image.cut)
            st.image(
                Image.fromarray(image.pixels(crop).transpose(1, 2, 0)).resize((128, 128), Image.Resampling.NEAREST),
                "network input",
                width=128,
                output_format="PNG",
                alt=f"Network input of {image.name}, 32 × 32 pixels, {image.crop_text(crop)}",
            )
        with st.container(horizontal=True):
            for (label, network), row, own in zip(networks.items(), rows, looked, strict=True):
                with st.container(width="stretch" if own.knowledge else 128, gap="small"):
                    if len(networks) > 1:
                        st.caption(f"**{literal(label)}**")
                        if own.unlike:
                            unlike_flag()
                    looks(image, crop, network.classes[row.argmax()], own, f"{network.run_id}-{image.number}")
        st.plotly_chart(
            bars(networks, rows),
            key=f"bars-{image.number}",
            config={"displayModeBar": False},
            alt=f"Most likely classes of {image.name}: {prediction} {probability}",
        )
        st.caption(f"{literal(image.name)} · {image.about}")


def looks(image: TrayImage, crop: Crop, prediction: str, looked: Looked, key: str) -> None:
    """Show where a network looks in an image, and the training images nearest to it if they are known."""
    with st.container(horizontal=True):
        heat_image(
            image.pixels(crop),
            looked.heat,
            f"Grad-CAM for {prediction}",
            f"Grad-CAM of {image.name} for {prediction}",
            128,
        )
        if looked.knowledge is not None and looked.features is not None:
            with st.container(width=NEAREST_WIDTH, gap="xsmall"):
                classes = nearest_images(
                    looked.knowledge, looked.features, f"nearest-{key}", columns=3, widest=40, captions=False
                )
                st.caption(f"nearest training images: {most_common(classes)}")


def most_common(classes: Sequence[str]) -> str:
    """Return how often each class occurs, the most common first: ``5 automobile, 1 truck``."""
    return ", ".join(f"{count} {name}" for name, count in Counter(classes).most_common())


def bars(networks: dict[str, "Classifier"], rows: list[np.ndarray]) -> go.Figure:
    """Return the most likely classes of one image as bars, without the axis that every card would repeat."""
    known = [name for name in CLASSES if any(name in network.classes for network in networks.values())]
    by_run = {}
    for (label, network), row in zip(networks.items(), rows, strict=True):
        by_class = dict(zip(network.classes, map(float, row), strict=True))
        by_run[label] = [by_class.get(name) for name in known]
    figure = figures.probabilities(known, by_run, top=3)
    return figure.update_xaxes(visible=False).update_layout(height=100 if len(networks) == 1 else 210)


def verdict(image: TrayImage, prediction: str, doubt: str) -> str:
    """Return whether a prediction is correct as Markdown, if that is known and counts."""
    if image.truth is None:
        return ""
    if doubt:
        return f" :gray[true class: {image.truth} ({doubt}, not counted)]"
    if prediction == image.truth:
        return " :green[:material/check: correct]"
    return f" :red[:material/close: true class: {image.truth}]"


@st.fragment
def results(tray: Tray, names: dict[str, str]) -> None:
    """Show the results of the runs in ``names``. A manual crop redraws only these."""
    if not tray.images:
        st.rerun()  # they were just cleared
    keep_tray(tray)
    try:
        cards_and_tables(tray, names)
    except LabError as error:
        error_box(error)


def keep_crop() -> None:
    """Keep the chosen crop in the address, for a refresh."""
    st.query_params["crop"] = st.session_state["classify.crop"]


def cards_and_tables(tray: Tray, names: dict[str, str]) -> None:
    """Show a card for each image, and a table for each run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # A widget bound to the address can lose the first click while the page is still drawn (Streamlit 1.67).
        linked = st.query_params.get("crop", "")
        st.session_state.setdefault("classify.crop", linked if linked in CROPS else "centre")
        chosen = st.segmented_control(
            "Crop",
            list(CROPS),
            required=True,
            format_func=CROPS.__getitem__,
            key="classify.crop",
            persist_state="session",
            on_change=keep_crop,
            wrap=True,
            help="How an image is made square before it is scaled to 32 × 32 pixels.",
        )
        st.button("Clear images", on_click=tray.clear, icon=":material/delete:", key="clear")
        learning = st.container(width="content")
    crop: Crop = chosen or "centre"  # it is required, but typed as if it were not
    loaded = {name: load_network(run_id) for run_id, name in names.items()}
    networks = {name: network.classifier for name, network in loaded.items()}
    rows = [classify(tray.images, network.classifier, network.time, crop) for network in loaded.values()]
    doubts = [not_counted(tray.images, network.config) for network in networks.values()]
    flags = [flagged(tray, network, crop) for network in loaded.values()]
    pages = -(-len(tray.images) // PAGE_SIZE)
    page = st.pagination(pages, key="classify.page") if pages > 1 else 1
    shown = range((page - 1) * PAGE_SIZE, min(page * PAGE_SIZE, len(tray.images)))
    looked = [look(tray, network, crop, shown, row) for network, row in zip(loaded.values(), rows, strict=True)]
    grid = st.grid(3, min_column_width=300)
    for at in shown:
        with grid.cell():
            card(
                tray.images[at],
                crop,
                networks,
                [row[at] for row in rows],
                doubts[0][at],
                [each[at - shown.start] for each in looked],
            )
    st.caption(HOW_TO_READ)
    for (name, network), row, doubt, flag in zip(networks.items(), rows, doubts, flags, strict=True):
        table = results_table(tray.images, network, row, crop, doubt)
        if flag is not None:
            table.insert(4, "unlike", flag)
        run_results(name, network.run_id, table)
    with learning:
        offer_to_learn(loaded)


def pixels(tray: Tray, crop: Crop, places: range) -> np.ndarray:
    """Return what the networks see of images: uint8 (n, 3, 32, 32)."""
    return np.stack([tray.images[at].pixels(crop) for at in places])


def flagged(tray: Tray, network: Network, crop: Crop) -> np.ndarray | None:
    """Return which images a network should rather not answer for: bool (n,); ``None`` if that is not known yet."""
    known = knowledge(network)
    if known is None:
        return None
    return known.detector.unlike(seen(network, pixels(tray, crop, range(len(tray.images)))))


def look(tray: Tray, network: Network, crop: Crop, places: range, rows: np.ndarray) -> list[Looked]:
    """Return what a network looks at in the images at ``places``. ``rows`` are the probabilities of all images."""
    images, known = pixels(tray, crop, places), knowledge(network)
    heats = grad_cams(network, images, rows[places.start : places.stop].argmax(1))
    if known is None:
        return [Looked(heat) for heat in heats]
    activations = seen(network, images)
    unlike = known.detector.unlike(activations)
    return [
        Looked(heat, bool(flag), own, known)
        for heat, flag, own in zip(heats, unlike, activations.features, strict=True)
    ]


def run_results(name: str, run_id: str, table: pd.DataFrame) -> None:
    """Show the results of one run as a table."""
    st.subheader(f"Predictions of {literal(name)}", anchor=False)
    if score := score_text(table):
        st.caption(score)
    of = st.column_config
    columns = {
        "image": of.TextColumn("Image"),
        "prediction": of.TextColumn("Prediction"),
        "probability": of.ProgressColumn("Probability", format="percent", min_value=0.0, max_value=1.0),
        "second choice": of.TextColumn("Second choice"),
        "unlike": of.CheckboxColumn(UNLIKE, help=UNLIKE_HELP),
        "crop": of.TextColumn("Crop"),
        "true class": of.TextColumn("True class"),
        "not counted": of.TextColumn("Not counted", help="Why the image does not count in the score above."),
    }
    hidden = [name for name in ("true class", "not counted") if not table[name].any()]
    hidden += {"unlike"} - set(table)
    st.dataframe(
        table,
        hide_index=True,
        column_order=[column for column in columns if column not in hidden],
        column_config=columns,
        alt="The prediction for each image, with its probability",
    )
    download_button(
        "Export predictions (CSV)", lambda: exports.as_csv(table), f"classified-{run_id}.csv", key=f"csv-{run_id}"
    )


st.title("Classify", anchor=False)
runs = runs_with_weights(store)
if not runs:
    st.info(
        "No trained network yet. Create a run; its network can classify images after the first epoch.",
        icon=":material/image_search:",
    )
    if st.button("Create run", key="new-run", icon=":material/add_circle:", type="primary"):
        open_page("pages/new_run.py")
    st.stop()

st.markdown(
    "Show images to a trained network. It knows only the classes it was trained on, and always picks one of them."
)
tray = kept_tray()
run_ids = choose_runs(runs)
show_problems()
add_images(tray, run_ids[0])
keep_tray(tray)
if tray.refused:
    st.warning("  \n".join(map(literal, tray.refused)), icon=":material/broken_image:")
if tray.images:
    names = run_labels(runs.values())
    results(tray, {run_id: names[run_id] for run_id in run_ids})
