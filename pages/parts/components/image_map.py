"""A map of images: a point for each, coloured by group. The image under the pointer is shown; a click reports it.

A canvas, because ten thousand points are slow in Plotly. Buttons, + and −, or the wheel with Ctrl zoom; a drag moves
what is zoomed; a double click shows the whole. Arrow keys go from point to point, Enter opens one. The small images
come from files in the server's static folder (:func:`core.inspect.map.publish_sheets`), which the browser reads when a
point is first shown. See image_map.js.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.inspect.map import SHEET_COLUMNS, SHEET_IMAGES

#: Whole numbers that a coordinate can have: finer than a pixel.
_STEPS = 10_000

_HTML = """
<div class="image-map">
  <div class="stage">
    <canvas class="points" tabindex="0" role="img"></canvas>
    <div class="zoom" role="group" aria-label="Zoom">
      <button type="button" data-factor="1.6" aria-label="Zoom in" title="Zoom in">+</button>
      <button type="button" data-factor="0.625" aria-label="Zoom out" title="Zoom out">−</button>
    </div>
    <div class="tip" hidden><canvas width="32" height="32"></canvas><span></span></div>
  </div>
  <div class="groups" role="group" aria-label="Groups shown"></div>
</div>
"""

_component = st.components.v2.component(
    "resnet_lab_image_map",
    html=_HTML,
    css=Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def image_map(
    places: NDArray[np.float32],
    images: NDArray[np.int64],
    groups: NDArray[np.int64],
    names: Sequence[str],
    colours: Sequence[str],
    texts: Sequence[str],
    key: str,
    alt: str,
    on_open: Callable[[int], None],
    *,
    sheets: bool = True,
    chosen: int | None = None,
) -> None:
    """Show N points at ``places``, float (N, 2); ``on_open`` is called with the image whose point was clicked.

    ``images``: int (N,), places in CIFAR-10. ``groups``: int (N,), into the ``names`` and ``colours`` of the groups; a
    later group is drawn above an earlier one. ``texts`` describe the points. ``sheets``: whether there are small images
    to show. ``chosen`` is the image that is marked.
    """
    low, high = places.min(0), places.max(0)
    scaled = ((places - low) / np.maximum(high - low, 1e-9) * _STEPS).round().astype(int)

    def opened() -> None:
        if (image := st.session_state[key].opened) is not None:
            on_open(int(image))

    _component(
        key=key,
        data={
            "x": scaled[:, 0].tolist(),
            "y": scaled[:, 1].tolist(),
            "steps": _STEPS,
            "images": images.tolist(),
            "groups": groups.tolist(),
            "names": list(names),
            "colours": list(colours),
            "texts": list(texts),
            "label": alt,
            "sheetImages": SHEET_IMAGES,
            "sheetColumns": SHEET_COLUMNS,
            "sheets": sheets,
            "chosen": chosen,
        },
        on_opened_change=opened,
    )
