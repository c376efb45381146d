"""An image with its crop marked. A manual crop can be dragged, or resized at its corners, by mouse, pen or finger.

A keyboard reaches it too: arrows move it, + and − resize it, Home resets it. See crop_image.js and .css.
"""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.images.read import LEAST_SIDE, Crop, Square
from core.images.tray import TrayImage

SIDE = 128  # of the box around the image, in pixels

_HTML = """
<figure class="crop">
  <div class="box"><div class="frame"><img draggable="false"><div class="square">
    <span class="corner" data-at="0 0"></span><span class="corner" data-at="1 0"></span>
    <span class="corner" data-at="0 1"></span><span class="corner" data-at="1 1"></span>
  </div></div></div>
  <figcaption><span></span> <button type="button" hidden>Reset crop</button></figcaption>
</figure>
"""

_component = st.components.v2.component(
    "resnet_lab_crop_image",
    html=_HTML,
    css=Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def crop_image(image: TrayImage, crop: Crop, key: str, on_cut: Callable[[Square], None]) -> None:
    """Show an image and mark what ``crop`` takes of it.

    For a manual crop, ``on_cut`` is called with the new square before the page reruns. While the same image is shown
    under the same ``key``, the browser decides where the square is.
    """

    def cut() -> None:
        if (place := st.session_state[key].square) is not None:
            on_cut(Square(*map(float, place)))

    _component(
        key=key,
        data={
            "address": image.address,
            "width": image.source.image.width,
            "height": image.source.image.height,
            "name": image.name,
            "crop": crop,
            "square": [image.square.x, image.square.y, image.square.side],
            "least": LEAST_SIDE,
            "side": SIDE,
        },
        width=SIDE,
        on_square_change=cut,
    )
