"""A picture with what the network sees of it marked; the square can be cut by hand.

It is dragged, or pulled at its corners, by mouse, pen or finger; a key reaches it too: the arrows move
it, + and − change its size, Home puts it back. The browser's side is in cut_picture.js and .css.
"""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.images.read import LEAST_SIDE, Crop, Square
from core.images.tray import TrayImage

SIDE = 144  # of the box the picture is fitted into, in pixels

_HTML = """
<figure class="cut">
  <div class="box"><div class="frame"><img draggable="false"><div class="square">
    <span class="corner" data-at="0 0"></span><span class="corner" data-at="1 0"></span>
    <span class="corner" data-at="0 1"></span><span class="corner" data-at="1 1"></span>
  </div></div></div>
  <figcaption><span></span> <button type="button" hidden>Back to the middle</button></figcaption>
</figure>
"""

_component = st.components.v2.component(
    "resnet_lab_cut_picture",
    html=_HTML,
    css=Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def cut_picture(one: TrayImage, crop: Crop, key: str, on_cut: Callable[[Square], None]) -> None:
    """Show a picture and mark what ``crop`` takes of it.

    Where that is by hand, ``on_cut`` is called with the new square before the page is run again. The
    browser has the last word on where the square is while the same picture is shown under the same ``key``.
    """

    def cut() -> None:
        if (place := st.session_state[key].square) is not None:
            on_cut(Square(*map(float, place)))

    _component(
        key=key,
        data={
            "picture": one.address,
            "width": one.source.image.width,
            "height": one.source.image.height,
            "name": one.name,
            "crop": crop,
            "square": [one.square.x, one.square.y, one.square.side],
            "least": LEAST_SIDE,
            "side": SIDE,
        },
        width=SIDE,
        on_square_change=cut,
    )
