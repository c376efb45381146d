"""Dataset: browse the images, see how augmentation changes one, and how a split divides them.

The chosen image is in the address; the settings are a Draft that is kept, as on New run.
"""

import streamlit as st

from core.base import paths
from core.base.errors import LabError
from core.base.text import counted
from core.config.draft import Draft, split_text
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS
from core.config.sections import ALL_IMAGES, CLASSES
from core.data import cifar10
from core.data.cifar10 import Cifar10
from core.figures import preview as figures
from core.images import gallery
from core.images.gallery import OFFICIAL_SETS
from core.inspect.duplicates import official_text
from core.views import exports
from pages.parts.components.image_grid import image_grid
from pages.parts.components.live_chart import live_chart
from pages.parts.get_data import get_data_box
from pages.parts.kept import keep_draft, kept_draft
from pages.parts.settings_form import class_picker, settings_grid
from pages.parts.shared import download_button, error_box, literal, open_page

PAGE_SIZE = 78  # fills rows of 13 and of 6, as wide screens and phones have them
VIEWS = ("Images", "Augmentation", "Split")
EPOCHS = 12
AUGMENT = [path for path in SETTINGS if path.startswith("augment.")]
SPLIT = [path for path in SETTINGS if path.startswith("data.") and path not in ("data.classes", "data.normalization")]


def current_draft() -> Draft:
    """Return this session's draft. It begins with a preset that augments."""
    draft = kept_draft("dataset", Draft("fast", PRESETS["fast"].config))
    keep_draft("dataset")
    return draft


def choose(index: int) -> None:
    """Open the augmentation of an image."""
    st.session_state["image"], st.session_state["view"] = index, "Augmentation"


def follow_link() -> None:
    """Show the image that the address names: ``?image=``, or ``?picture=`` in old links.

    A widget bound to the address would ignore an image that a callback chose before the widget existed.
    """
    text = st.query_params.get("image") or st.query_params.pop("picture", None)
    if "image" not in st.session_state and (index := gallery.image_in_link(text)):
        st.session_state["image"] = index


def first_page() -> None:
    """Go back to the first page when other images are asked for."""
    st.session_state["page"] = 1


# --- the images -------------------------------------------------------------------------------------


def browse(data: Cifar10) -> None:
    """Show a page of images of a class and an official set."""
    classes, sets = st.columns([7, 3], gap="medium")
    with classes:
        name = st.pills("Class", CLASSES, key="class", bind="query-params", on_change=first_page, wrap=True)
    with sets:
        side = st.segmented_control(
            "Official set",
            list(OFFICIAL_SETS),
            default="all",
            required=True,
            format_func=OFFICIAL_SETS.__getitem__,
            key="side",
            bind="query-params",
            on_change=first_page,
        )
    indices = gallery.indices(data.labels, name, side)
    pages = -(-len(indices) // PAGE_SIZE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        page = st.pagination(pages, key="page", bind="query-params")
        st.caption(f"{counted(len(indices), 'image')}. Click an image to see it augmented.", width="content")
    here = indices[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    image_grid(
        data.images[here],
        [gallery.description(data, int(index)) for index in here],
        "images",
        f"Images of {name or 'all classes'}, page {page} of {pages}",
        captions=[f"{index:,}" if name else CLASSES[data.labels[index]] for index in here],
        chosen=gallery.position(here, st.session_state.get("image")),
        on_pick=lambda place: choose(int(here[place])),
    )


# --- augmentation -------------------------------------------------------------------------------------


def augmentation(data: Cifar10, draft: Draft) -> None:
    """Show one image, the augmentation settings, and the image as the first epochs see it."""
    left, right = st.columns([2, 5], gap="medium")
    with left:
        index = st.number_input(
            "Image number",
            0,
            ALL_IMAGES - 1,
            key="image",
            persist_state="session",
            help="0 to 49,999 are the official training images, 50,000 to 59,999 the test images.",
        )
        st.query_params["image"] = str(index)
        label = gallery.description(data, index)
        image_grid(data.images[[index]], [label], "chosen", "The chosen image", columns=1, widest=320)
        st.caption(label)
    with right:
        choose_preset(draft, "augmentation-preset")
        problems = draft.problems()
        settings_grid(draft, [path for path in AUGMENT if draft.config.in_effect(path)], problems, draft.changed())
        if problems:
            problem_boxes(problems)
            return
        st.markdown(gallery.augmentation_text(draft.config))
        last = min(EPOCHS, draft.config.train.epochs)
        with st.spinner("Augmenting…", show_time=False):
            versions = gallery.as_trained(draft.config, data, [index], range(1, last + 1))[:, 0]
        epochs = [f"epoch {epoch}" for epoch in range(1, last + 1)]
        image_grid(
            versions,
            [f"The image in {epoch}" for epoch in epochs],
            "augmented",
            f"The chosen image in {'the first epoch' if last == 1 else f'the first {last} epochs'}",
            captions=epochs,
            side=84,
        )
        st.caption(
            f"A run with these settings and seed {draft.config.train.seed} trains on exactly these images."
            if gallery.trains_on(draft.config, data, index)
            else "A run with this split does not train on this image. It augments its training images in the same way."
        )
        use_in_new_run(draft, "use-augmentation")


# --- splits -------------------------------------------------------------------------------------------


def split_preview(data: Cifar10, draft: Draft) -> None:
    """Show the split settings, and how many images of each class are in each set."""
    choose_preset(draft, "split-preset")
    problems, changed = draft.problems(), draft.changed()
    class_picker(draft, problems.get("data.classes"))
    settings_grid(draft, [path for path in SPLIT if draft.config.in_effect(path)], problems, changed)
    if problems:
        problem_boxes(problems)
        return
    st.markdown(split_text(draft.config))
    counts = gallery.class_counts(draft.config, data.labels)
    text = figures.class_counts_text(counts)
    table, chart = st.columns([2, 3], gap="medium")
    with table:
        shown = counts.copy()
        shown.loc["all"] = counts.sum()
        st.dataframe(
            shown.rename_axis("Class"),
            height="content",
            column_config={str(name): st.column_config.NumberColumn(format="localized") for name in shown},
            alt=text,
        )
        download_button(
            "Export counts (CSV)",
            exports.as_csv(counts.rename_axis("class").reset_index()),
            "split.csv",
            type="tertiary",
        )
    with chart:
        live_chart(figures.class_counts(counts), "dataset-split", text)
    use_in_new_run(draft, "use-split")


def use_in_new_run(draft: Draft, key: str) -> None:
    """Offer to open New run with these settings."""
    if st.button(
        "Use in new run",
        key=key,
        type="primary",
        icon=":material/arrow_forward:",
        help="Opens New run with these classes, this split and this augmentation. Other settings are the preset’s.",
    ):
        st.session_state["draft_from"] = draft.config
        st.session_state["done"] = "The form now has these classes, split and augmentation"
        open_page("pages/new_run.py")


def choose_preset(draft: Draft, key: str) -> None:
    """Ask for the preset to start from."""
    if st.session_state.get(key) != draft.preset:
        st.session_state[key] = draft.preset
    st.selectbox(
        "Preset",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        key=key,
        on_change=lambda: draft.choose_preset(st.session_state[key]),
    )


def problem_boxes(problems: dict[str, str]) -> None:
    """Show what prevents a preview, with the name of the setting: its widget may be in another tab."""
    for path, text in problems.items():
        st.warning(f"**{SETTINGS[path].label}**: {literal(text)}", icon=":material/error:")


# --- the files --------------------------------------------------------------------------------------


def files_box() -> None:
    """Say where the files are, and check them."""
    with st.expander("Downloaded files", icon=":material/hard_drive:"):
        st.markdown(
            f"Stored in {literal(str(paths.data_folder()))}. The files are checked against the official hashes after "
            "the download, and again when a process first reads them."
        )
        if st.button("Check files", key="verify", icon=":material/verified:"):
            with st.spinner("Comparing with the official hashes…"):
                try:
                    cifar10.verify()
                except LabError as error:
                    error_box(error)
                else:
                    st.success(
                        "All 60,000 images match the official release, byte for byte.", icon=":material/check_circle:"
                    )


st.title("Dataset", anchor=False)
st.markdown(
    "CIFAR-10 has 60,000 colour photographs of 32 × 32 pixels in ten classes: officially 50,000 training images and "
    "10,000 test images ([Krizhevsky, 2009](https://www.cs.toronto.edu/~kriz/cifar.html)). "
    f"{official_text()}"
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
images, augmented, split = st.tabs(VIEWS, key="view", bind="query-params")
if images.open:
    with images:
        browse(data)
if augmented.open:
    with augmented:
        augmentation(data, draft)
if split.open:
    with split:
        split_preview(data, draft)
files_box()
