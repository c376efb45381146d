"""Previews of a config before it runs: its learning rates, augmented images and layers.

All expect a config without problems.
"""

from collections.abc import Callable

import numpy as np
import streamlit as st

from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.config.sections import CLASSES, AugmentConfig, DataConfig
from core.data import cifar10
from core.figures import preview as figures
from core.images import gallery
from core.model.layers import layer_table
from core.views import exports
from pages.parts.components.image_grid import image_grid
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import download_button, error_box

IMAGES, EPOCHS = 3, 5


def previews(config: RunConfig) -> None:
    """Show each preview in an expander; a closed one computes nothing."""
    parts: tuple[tuple[str, str, Callable[[RunConfig], None]], ...] = (
        ("Learning rate", ":material/trending_down:", schedule_preview),
        ("Augmented images", ":material/auto_fix_high:", augmentation_preview),
        ("Network layers", ":material/table_rows:", layers_preview),
    )
    for title, icon, part in parts:
        box = st.expander(title, icon=icon, key=f"preview-{title}", on_change="rerun")
        if box.open:
            with box:
                part(config)


def schedule_preview(config: RunConfig) -> None:
    """Draw the learning rate over the epochs."""
    text = figures.schedule_text(config)
    live_chart(figures.schedule(config), "preview-schedule", text)
    st.caption(text)


def augmentation_preview(config: RunConfig) -> None:
    """Show a few training images as the first epochs of this run will see them."""
    if not cifar10.available():
        st.caption("Download the images on the Dataset page to see them augmented.")
        return
    st.caption(gallery.augmentation_text(config))
    try:
        indices, versions = _first_epochs(config.data, config.augment, config.train.seed, config.train.epochs)
    except LabError as error:
        error_box(error)
        return
    data = cifar10.load()
    epochs = [f"epoch {epoch}" for epoch in range(1, len(versions) + 1)]
    names = [CLASSES[data.labels[index]] for index in indices]
    image_grid(
        np.concatenate([[data.images[index], *versions[:, place]] for place, index in enumerate(indices)]),
        [label for name in names for label in (f"{name}, original", *(f"{name} in {epoch}" for epoch in epochs))],
        "preview-augmentation",
        "Augmented training images",
        captions=[caption for name in names for caption in (name, *epochs)],
        columns=len(versions) + 1,
    )


@st.cache_data(max_entries=16, show_spinner="Augmenting…")
def _first_epochs(data: DataConfig, augment: AugmentConfig, seed: int, epochs: int) -> tuple[list[int], gallery.Pixels]:
    """Return a few images' indices, and the images in the first epochs: uint8 (epochs, images, 3, 32, 32)."""
    config = RunConfig(data=data, augment=augment).replace({"train.seed": seed, "train.epochs": epochs})
    cifar = cifar10.load()
    indices = gallery.sample_training_images(config, cifar, IMAGES)
    return indices, gallery.as_trained(config, cifar, indices, range(1, min(EPOCHS, epochs) + 1))


def layers_preview(config: RunConfig) -> None:
    """Show every layer with its output, parameters and cost."""
    table = layer_table(config)
    parameters, macs = table["parameters"].sum(), table["macs"].sum()
    st.caption(f"{parameters:,} trainable parameters, {macs / 1e6:,.1f} million multiply–accumulates per image.")
    of = st.column_config
    st.dataframe(
        table,
        hide_index=True,
        height=320,
        column_config={
            "layer": "Layer",
            "kind": "Kind",
            "output": "Output",
            "parameters": of.NumberColumn("Parameters", format="localized"),
            "macs": of.NumberColumn("MACs", format="localized", help="Multiply–accumulate operations per image."),
        },
        alt=f"The network’s {len(table)} layers with {parameters:,} parameters",
    )
    download_button("Export layers (CSV)", lambda: exports.as_csv(table), "layers.csv", type="tertiary")
