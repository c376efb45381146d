"""Dataset: the pictures themselves, what augmentation makes of one, and how a split divides them.

What is chosen is kept in the address (which pictures) and in the session (a Draft, as on New run), so
it is there again when the page is.
"""

import streamlit as st

from core.base import paths
from core.base.errors import LabError
from core.config.draft import Draft, split_text
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS
from core.config.sections import ALL_IMAGES, CLASSES
from core.data import cifar10
from core.data.cifar10 import Cifar10
from core.figures import preview as figures_data
from core.images import gallery
from core.images.gallery import OFFICIAL_SETS
from pages.parts.components.image_grid import image_grid
from pages.parts.components.live_chart import live_chart
from pages.parts.get_data import get_data_box
from pages.parts.settings_form import class_picker, settings_grid
from pages.parts.shared import error_box, literal, open_page

A_PAGE = 78  # fills rows of 13 and of 6, as wide screens and phones have them
VIEWS = ("Pictures", "Augmentation", "Split")
EPOCHS = 12
AUGMENT = [path for path in SETTINGS if path.startswith("augment.")]
SPLIT = [path for path in SETTINGS if path.startswith("data.") and path not in ("data.classes", "data.normalization")]


def current_draft() -> Draft:
    """What the previews are made for; its preset augments, so that there is something to see."""
    if "dataset" not in st.session_state:
        st.session_state["dataset"] = Draft("fast", PRESETS["fast"].config)
    draft: Draft = st.session_state["dataset"]
    return draft


def choose(index: int) -> None:
    """See what augmentation makes of a picture."""
    st.session_state["picture"], st.session_state["view"] = index, "Augmentation"


def follow_link() -> None:
    """Take the picture from ``?picture=`` when the page is opened with it.

    By hand: a widget bound to the address does not tell it what a callback chose before the widget was there.
    """
    if "picture" not in st.session_state and (index := gallery.image_in_link(st.query_params.get("picture"))):
        st.session_state["picture"] = index


def first_page() -> None:
    """Begin at the beginning when other pictures are asked for."""
    st.session_state["page"] = 1


# --- the pictures -------------------------------------------------------------------------------------


def browse(data: Cifar10) -> None:
    """A page of pictures of a class; each can be chosen."""
    with st.container(horizontal=True, gap="medium"):
        name = st.pills("Class", CLASSES, key="class", bind="query-params", on_change=first_page)
        side = st.segmented_control(
            "Official side",
            list(OFFICIAL_SETS),
            default="all",
            required=True,
            format_func=OFFICIAL_SETS.__getitem__,
            key="side",
            bind="query-params",
            on_change=first_page,
        )
    found = gallery.indices(data.labels, name, side)
    pages = -(-len(found) // A_PAGE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        page = st.pagination(pages, key="page", bind="query-params")
        st.caption(f"{len(found):,} pictures. Choose one to see what augmentation makes of it.", width="content")
    here = found[(page - 1) * A_PAGE : page * A_PAGE]
    image_grid(
        data.images[here],
        [gallery.description(data, int(one)) for one in here],
        "pictures",
        f"Pictures of {name or 'all classes'}, page {page} of {pages}",
        captions=[f"{one:,}" if name else CLASSES[data.labels[one]] for one in here],
        chosen=gallery.position(here, st.session_state.get("picture")),
        on_pick=lambda place: choose(int(here[place])),
    )


# --- augmentation -------------------------------------------------------------------------------------


def augmentation(data: Cifar10, draft: Draft) -> None:
    """One picture, the settings, and what the first epochs show of it."""
    left, right = st.columns([2, 5], gap="medium")
    with left:
        index = st.number_input(
            "Picture", 0, ALL_IMAGES - 1, key="picture", persist_state="session", help="0 to 59,999"
        )
        st.query_params["picture"] = str(index)
        image_grid(
            data.images[[index]],
            [gallery.description(data, index)],
            "chosen",
            "The chosen picture",
            columns=1,
            widest=320,
        )
        st.caption(f"{gallery.description(data, index)}.")
    with right:
        choose_preset(draft, "augmentation-preset")
        problems = draft.problems()
        settings_grid(draft, [path for path in AUGMENT if draft.config.in_effect(path)], problems, draft.changed())
        if problems:
            wrong(problems)
            return
        st.markdown(gallery.augmentation_text(draft.config))
        last = min(EPOCHS, draft.config.train.epochs)
        with st.spinner("Augmenting…", show_time=False):
            versions = gallery.as_trained(draft.config, data, [index], range(1, last + 1))[:, 0]
        seed = draft.config.train.seed
        epochs = [f"epoch {epoch}" for epoch in range(1, last + 1)]
        image_grid(
            versions,
            [f"The picture in {one}" for one in epochs],
            "augmented",
            f"The chosen picture in the first {last} epochs",
            captions=epochs,
            side=84,
        )
        st.caption(
            f"Made by training's own code: with these settings and seed {seed}, a run is shown exactly this."
            if gallery.trains_on(draft.config, data, index)
            else "Made by training's own code. This split does not train on the picture; a training picture is "
            "changed like this."
        )
        take_into_a_run(draft, "take-augmentation")


# --- splits -------------------------------------------------------------------------------------------


def split_preview(data: Cifar10, draft: Draft) -> None:
    """The settings of a split, and how many pictures of each class it gives each part."""
    choose_preset(draft, "split-preset")
    problems, changed = draft.problems(), draft.changed()
    class_picker(draft, problems.get("data.classes"))
    settings_grid(draft, [path for path in SPLIT if draft.config.in_effect(path)], problems, changed)
    if problems:
        wrong(problems)
        return
    st.markdown(split_text(draft.config))
    counts = gallery.class_counts(draft.config, data.labels)
    table, chart = st.columns([2, 3], gap="medium")
    with table:
        shown = counts.copy()
        shown.loc["all"] = counts.sum()
        st.dataframe(
            shown.rename_axis("Class"),
            height="content",
            column_config={str(name): st.column_config.NumberColumn(format="localized") for name in shown},
            alt=figures_data.class_counts_text(counts),
        )
        st.download_button(
            "Download as CSV", counts.to_csv(index_label="class"), "split.csv", "text/csv",
            icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip
    with chart:
        live_chart(figures_data.class_counts(counts), "dataset-split", figures_data.class_counts_text(counts))
    take_into_a_run(draft, "take-split")


def take_into_a_run(draft: Draft, key: str) -> None:
    """On with what is previewed: New run opens with it, the rest as the chosen preset has it."""
    if st.button(
        "Take this into a new run",
        key=key,
        type="primary",
        icon=":material/arrow_forward:",
        help="Opens New run with these classes, this split and this augmentation; the rest is the preset’s.",
    ):
        st.session_state["draft_from"] = draft.config
        st.session_state["done"] = "Classes, split and augmentation are in the form."
        open_page("pages/new_run.py")


def choose_preset(draft: Draft, key: str) -> None:
    """Start from a preset's settings."""
    if st.session_state.get(key) != draft.preset:
        st.session_state[key] = draft.preset
    st.selectbox(
        "Settings of the preset",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        key=key,
        on_change=lambda: draft.choose_preset(st.session_state[key]),
    )


def wrong(problems: dict[str, str]) -> None:
    """What stands in the way of a preview, also where its setting is in another tab."""
    for path, text in problems.items():
        st.warning(f"**{SETTINGS[path].label}**: {literal(text)}", icon=":material/error:")


# --- the copy on this computer ------------------------------------------------------------------------


def about_copy() -> None:
    """Where the copy is, and whether it is still what it should be."""
    with st.expander("The copy on this computer", icon=":material/hard_drive:"):
        st.markdown(
            f"Folder: {literal(str(paths.data_folder()))}. All of it was compared with the official hashes when "
            "it was stored, and is again whenever a process reads it first."
        )
        if st.button("Check every byte now", key="verify", icon=":material/verified:"):
            with st.spinner("Comparing with the official hashes…"):
                try:
                    cifar10.verify()
                except LabError as error:
                    error_box(error)
                else:
                    st.success("All 60,000 pictures are CIFAR-10's, byte for byte.", icon=":material/check_circle:")


st.title("Dataset", anchor=False)
st.markdown(
    "CIFAR-10: 60,000 colour photographs of 32 × 32 pixels, 6,000 of each of ten classes; officially 50,000 to train "
    "on and 10,000 to test on. [Krizhevsky, 2009](https://www.cs.toronto.edu/~kriz/cifar.html)"
)
if not cifar10.available():
    get_data_box()
    st.stop()
try:
    data = cifar10.load()
except LabError as error:
    get_data_box(str(error))
    st.stop()

draft = current_draft()
follow_link()
pictures, augmented, split = st.tabs(VIEWS, key="view", bind="query-params")
if pictures.open:
    with pictures:
        browse(data)
if augmented.open:
    with augmented:
        augmentation(data, draft)
if split.open:
    with split:
        split_preview(data, draft)
about_copy()
