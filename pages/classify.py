"""Classify: show a trained network pictures, and see what it takes them for.

The pictures stay in the session (a :class:`~core.images.tray.Tray`) when another page is looked at.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from core.base.errors import LabError
from core.config.run_config import CLASSES
from core.data import cifar10
from core.figures import bars as figures
from core.images.read import CROPS, FORMATS, MAX_BYTES, Crop, LoadedImage, read_many
from core.images.tray import (
    MAX_IMAGES,
    Tray,
    TrayImage,
    classify,
    labels,
    not_counted,
    results_table,
    runs_with_weights,
    sample_test_images,
    score_text,
)
from core.runs.summary import RunSummary
from pages.parts.components.crop_image import cut_picture
from pages.parts.shared import error_box, get_store, literal

if TYPE_CHECKING:
    from core.images.classify import Classifier

A_PAGE = 12
FIELD_BYTES = 64 * 2**20  # of files the server keeps for one session
ENDINGS = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"]
SOURCES = {
    "files": ":material/upload_file: Files",
    "test": ":material/grid_view: Test images",
    "camera": ":material/photo_camera: Camera",
}

store = get_store()


@st.cache_resource(max_entries=4, show_spinner="Loading the network…")
def classifier(root: str, run_id: str, weights_time: int) -> "Classifier":
    """The run's network; loaded anew when its weights file has another time."""
    from core.images.classify import Classifier  # torch takes seconds, and the page is seen before

    return Classifier.load(store, run_id)


def load(run_id: str) -> tuple["Classifier", int]:
    """The run's network and the time of its weights file. Raises StoreError."""
    time = store.run(run_id).best_weights().stat().st_mtime_ns
    return classifier(str(store.root), run_id, time), time


# --- choosing -----------------------------------------------------------------------------------------


def keep_choice(known: list[str]) -> None:
    """Keep by its id what the boxes hold; the address names the first.

    A browser knows a run by its words, which change while it trains: what it still calls by older ones is no choice.
    """
    first, second = st.session_state["classify.run"], st.session_state["classify.other"]
    if first in known:
        st.query_params["run"] = first
    if second is None or second in known:
        st.session_state["classify.second"] = second


def choose_runs(runs: dict[str, RunSummary]) -> list[str]:
    """One run, or two to see side by side. The address names the first: ``?run=ID`` chooses it."""
    known: list[str] = list(runs)
    wanted = [st.query_params.get("run", ""), st.session_state.get("classify.first", ""), known[0]]
    first = next(one for one in wanted if one in known)
    second = st.session_state.get("classify.second")
    if second not in known:
        second = None
    st.query_params["run"] = st.session_state["classify.first"] = first
    # Set at every drawing, or a browser goes on with the words of an earlier one.
    st.session_state["classify.run"], st.session_state["classify.other"] = first, second
    left, right = st.columns(2)
    words = labels(runs)
    left.selectbox(
        "Run", known, format_func=words.__getitem__, key="classify.run", on_change=keep_choice, args=(known,)
    )
    right.selectbox(
        "Beside it",
        known,
        index=None,
        format_func=words.__getitem__,
        key="classify.other",
        on_change=keep_choice,
        args=(known,),
        placeholder="Another run, to compare",
    )
    return [first] if second in (None, first) else [first, second]


# --- where pictures come from -------------------------------------------------------------------------


def take(tray: Tray, files: list[tuple[str, bytes]]) -> None:
    """Read files into the tray; a sentence for each that cannot be read, the others go on."""
    tray.refused = []
    read = read_many(files[: tray.room(len(files))])
    tray.add([TrayImage(one) for one in read if isinstance(one, LoadedImage)])
    tray.refused += [str(one) for one in read if not isinstance(one, LoadedImage)]
    st.rerun()


def take_test_images(tray: Tray, run_id: str) -> None:
    """One image a class that the run did not train on."""
    new = sample_test_images(store.run(run_id).config(), cifar10.load(), tray.draw)
    tray.draw += 1
    tray.refused = []
    tray.add(new)


def bring_pictures(tray: Tray, run_id: str) -> None:
    """Files, test images or the camera."""
    source = st.segmented_control(
        "Pictures from",
        list(SOURCES),
        default="files",
        required=True,
        format_func=SOURCES.__getitem__,
        key="classify.source",
    )
    if source == "files":
        files = st.file_uploader(
            f"Drop pictures here: {', '.join(FORMATS)}; up to {MAX_IMAGES}, of {MAX_BYTES >> 20} MB each",
            ENDINGS,
            accept_multiple_files=True,
            key=f"files-{tray.uploads}",
        )
        # The field is not emptied at once: beside a file of more than 10 MB it says that this one was not taken.
        if new := [one for one in files if one.file_id not in tray.taken]:
            tray.taken |= {one.file_id for one in new}
            if sum(one.size for one in files) > FIELD_BYTES or len(files) > MAX_IMAGES:
                tray.empty_field()
            take(tray, [(one.name, one.getvalue()) for one in new])
    elif source == "camera":
        photo = st.camera_input("Take a photo", key=f"photo-{tray.uploads}")
        if photo:
            tray.empty_field()
            take(tray, [("photo.jpg", photo.getvalue())])
    else:
        st.caption("One image of each class, from the part this run did not train on.")
        if st.button("Add test images", key="add-test", icon=":material/add_photo_alternate:"):
            try:
                take_test_images(tray, run_id)
            except LabError as error:
                error_box(error)


# --- what came out ------------------------------------------------------------------------------------


def card(one: TrayImage, crop: Crop, networks: list["Classifier"], rows: list[np.ndarray], doubt: str) -> None:
    """A picture, what the network sees of it, what it says, and whether that is right or does not count."""
    said, surely = networks[0].classes[rows[0].argmax()], f"{100 * rows[0].max():.1f} %"
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{said}** {surely}{verdict(one, said, doubt)}")
        with st.container(horizontal=True):
            cut_picture(one, crop, f"cut-{one.number}", one.cut)
            st.image(
                Image.fromarray(one.pixels(crop).transpose(1, 2, 0)).resize((128, 128), Image.Resampling.NEAREST),
                "as the network sees it",
                width=128,
                output_format="PNG",
                alt=f"{one.name}, as the network sees it, 32 × 32 pixels, {one.crop_text(crop)}",
            )
        st.plotly_chart(
            bars(networks, rows),
            key=f"bars-{one.number}",
            config={"displayModeBar": False},
            alt=f"Probabilities of the likeliest classes of {one.name}: {said} {surely}",
        )
        st.caption(f"{literal(one.name)} · {one.about}")


def bars(networks: list["Classifier"], rows: list[np.ndarray]) -> go.Figure:
    """The likeliest classes of one picture, without the axis that would be repeated on every card."""
    known = [name for name in CLASSES if any(name in network.classes for network in networks)]
    by_run = {}
    for network, row in zip(networks, rows, strict=True):
        by_class = dict(zip(network.classes, map(float, row), strict=True))
        by_run[run_name(network.run_id)] = [by_class.get(name) for name in known]
    figure = figures.probabilities(known, by_run, top=3)
    return figure.update_xaxes(visible=False).update_layout(height=100 if len(networks) == 1 else 210)


def run_name(run_id: str) -> str:
    """The run's name with the end of its id, which tells namesakes apart."""
    name = store.run(run_id).meta().name
    return f"{name} ({run_id[-4:]})" if name else run_id


def verdict(one: TrayImage, said: str, doubt: str) -> str:
    """Whether the network is right, where that is known and counts."""
    if one.truth is None:
        return ""
    if doubt:
        return f" :gray[truth: {one.truth}, {doubt}]"
    return " :green[:material/check: right]" if said == one.truth else f" :red[:material/close: truth: {one.truth}]"


@st.fragment
def results_part(tray: Tray, run_ids: list[str]) -> None:
    """All about the pictures there are; a square cut by hand redraws this part alone."""
    if not tray.images:
        st.rerun()  # they were just cleared
    try:
        show_results(tray, run_ids)
    except LabError as error:
        error_box(error)


def show_results(tray: Tray, run_ids: list[str]) -> None:
    """Cards by the page, then everything as a table."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        crop = st.segmented_control(
            "The network sees",
            list(CROPS),
            default="centre",
            required=True,
            format_func=CROPS.__getitem__,
            key="classify.crop",
            persist_state="session",
        )
        st.button("Clear", on_click=tray.clear, icon=":material/delete:", key="clear")
    loaded = [load(run_id) for run_id in run_ids]
    networks = [network for network, _ in loaded]
    rows = [classify(tray.images, network, time, crop) for network, time in loaded]
    doubts = [not_counted(tray.images, network.config) for network in networks]
    pages = -(-len(tray.images) // A_PAGE)
    page = st.pagination(pages, key="classify.page") if pages > 1 else 1
    grid = st.grid(3, min_column_width=300)
    for at in range((page - 1) * A_PAGE, min(page * A_PAGE, len(tray.images))):
        with grid.cell():
            card(tray.images[at], crop, networks, [row[at] for row in rows], doubts[0][at])
    for network, row, doubt in zip(networks, rows, doubts, strict=True):
        show_table(network, results_table(tray.images, network, row, crop, doubt))


def show_table(network: "Classifier", results: pd.DataFrame) -> None:
    """The results of one run, with a download."""
    st.subheader(f"Results of {literal(run_name(network.run_id))}", anchor=False)
    if score := score_text(results):
        st.caption(score)
    known = [name for name in ("true class", "not counted") if (results[name] != "").any()]
    st.dataframe(
        results,
        hide_index=True,
        column_order=["image", "prediction", "probability", "second choice", "crop", *known],
        column_config={"probability": st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=1.0)},
        alt="The prediction for each image, with its probability",
    )
    st.download_button(
        "Download as CSV",
        results.to_csv(index=False),
        f"classified-{network.run_id}.csv",
        "text/csv",
        icon=":material/download:",
        key=f"csv-{network.run_id}",
        on_click="ignore",
    )


st.title("Classify", anchor=False)
runs = runs_with_weights(store)
if not runs:
    st.info(
        "No run has weights yet. They are kept from a run's first finished epoch on; the quick preset gets there "
        "in seconds.",
        icon=":material/image_search:",
    )
    st.page_link("pages/new_run.py", label="Start a run", icon=":material/add_circle:")
    st.stop()

tray: Tray = st.session_state.setdefault("classify", Tray())
run_ids = choose_runs(runs)
bring_pictures(tray, run_ids[0])
for sentence in tray.refused:
    st.warning(literal(sentence), icon=":material/broken_image:")
if tray.images:
    results_part(tray, run_ids)
else:
    st.caption("The network knows only the classes it was trained on, and takes anything else for one of them.")
