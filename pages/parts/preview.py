"""What a config will do, before it runs: its learning rates, its augmented pictures, its layers, its time.

Each part draws itself where it is called and expects a config without problems. What it shows is
computed in core.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from core.base.errors import LabError
from core.config.run_config import CLASSES, AugmentConfig, DataConfig, RunConfig
from core.cost.estimate import estimate
from core.data import cifar10
from core.figures import preview as figures_data
from core.images import gallery
from pages.parts.components.image_grid import picture_grid
from pages.parts.components.live_chart import live_chart
from pages.parts.shared import error_box, get_store

PICTURES, EPOCHS = 3, 5


def previews(config: RunConfig) -> None:
    """Schedule, augmentation and layers, each behind its heading and made when it is opened."""
    parts: tuple[tuple[str, str, Callable[[RunConfig], None]], ...] = (
        ("Learning rate", ":material/trending_down:", schedule_preview),
        ("Augmented pictures", ":material/auto_fix_high:", augmentation_preview),
        ("Layers", ":material/table_rows:", layer_table_preview),
    )
    for title, icon, part in parts:
        box = st.expander(title, icon=icon, key=f"preview-{title}", on_change="rerun")
        if box.open:
            with box:
                part(config)


def schedule_preview(config: RunConfig) -> None:
    """The learning rate over the epochs."""
    words = figures_data.schedule_text(config)
    live_chart(figures_data.schedule(config), "preview-schedule", words)
    st.caption(words)


def augmentation_preview(config: RunConfig) -> None:
    """A few training pictures as the first epochs show them: what the run will see, by its own code and seed."""
    if not cifar10.available():
        st.caption("The pictures are not on this computer yet; get them on the Dataset page.")
        return
    st.caption(gallery.augmentation_text(config))
    try:
        numbers, versions = _first_epochs(config.data, config.augment, config.train.seed, config.train.epochs)
    except LabError as error:
        error_box(error)
        return
    images, labels, captions = [], [], []
    data = cifar10.load()
    for at, number in enumerate(numbers):
        name = CLASSES[data.labels[number]]
        images += [data.images[number], *versions[:, at]]
        captions += [name, *(f"epoch {epoch}" for epoch in range(1, len(versions) + 1))]
        labels += [f"{name}, as it is", *(f"{name} in epoch {epoch}" for epoch in range(1, len(versions) + 1))]
    picture_grid(
        np.stack(images), labels, "preview-augmentation", "Training pictures, augmented",
        captions=captions, columns=len(versions) + 1,
    )  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Augmenting…")
def _first_epochs(data: DataConfig, augment: AugmentConfig, seed: int, epochs: int) -> tuple[list[int], gallery.Pixels]:
    """Numbers of a few pictures, and what the first epochs make of them: uint8 (epochs, pictures, 3, 32, 32)."""
    config = RunConfig(data=data, augment=augment).replace({"train.seed": seed, "train.epochs": epochs})
    cifar = cifar10.load()
    numbers = gallery.sample_training_images(config, cifar, PICTURES)
    return numbers, gallery.as_trained(config, cifar, numbers, range(1, min(EPOCHS, epochs) + 1))


def layer_table_preview(config: RunConfig) -> None:
    """Every layer with its output, weights and work, and the sums."""
    model = config.model
    table = _layers(model.depth, model.width, model.shortcut, config.data.classes)
    parameters, macs = table["parameters"].sum(), table["macs"].sum()
    st.caption(f"{parameters:,} trainable parameters, {macs / 1e6:,.1f} million multiply-accumulates for a picture.")
    st.dataframe(
        table,
        hide_index=True,
        height=320,
        column_config={
            "layer": "Layer",
            "kind": "Kind",
            "output": "Output",
            "parameters": st.column_config.NumberColumn("Parameters", format="localized"),
            "macs": st.column_config.NumberColumn("MACs", format="localized", help="Multiply-accumulates of a picture"),
        },
        alt=f"The network's {len(table)} layers with {parameters:,} parameters",
    )


@st.cache_data(max_entries=16, show_spinner="Building the network…")
def _layers(depth: int, width: int, shortcut: str, classes: tuple[str, ...]) -> pd.DataFrame:
    from core.model import layer_table  # PyTorch takes seconds to import

    settings = {"model.depth": depth, "model.width": width, "model.shortcut": shortcut, "data.classes": classes}
    return layer_table(RunConfig().replace(settings))


def estimate_line(config: RunConfig, runs: int = 1) -> None:
    """Expected time and memory; without a measurement of this network, a button that makes one."""
    store = get_store()
    expected = estimate(config, store)
    words = expected.in_words(runs)
    st.markdown(f":material/timer: {words[0].upper()}{words[1:]}", help=expected.span_in_words(runs) or None)
    if not expected.measured:
        measure_button(config)


def measure_button(config: RunConfig, key: str = "measure") -> None:
    """Measure how fast this machine trains ``config``, when asked to."""
    if st.button(
        "Measure on this machine",
        key=key,
        type="tertiary",
        icon=":material/speed:",
        help="Trains on made-up pictures for about five seconds.",
    ):
        _measure(config)


def _measure(config: RunConfig) -> None:
    from core.jobs.probe import measure  # PyTorch takes seconds to import

    try:
        with st.spinner("Measuring…"):
            measure(config, get_store())
    except LabError as error:
        error_box(error)
    else:
        st.rerun()
