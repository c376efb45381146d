"""Small pictures as tiles that wrap with the page's width, crisp at any size; any of them can be chosen.

One component and one image for all tiles; the browser's side is in picture_grid.js. A tile that can be
chosen is a button, so the keyboard reaches it and a screen reader names it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from core.images import gallery

SHEET_COLUMNS = 16  # of the image that travels; what is seen wraps by itself

_CSS = """
.tiles { display: grid; gap: 4px; }
.tiles > * { margin: 0; padding: 0; border: 0; background: none; font: inherit; color: var(--st-gray-text-color); }
.tiles canvas { width: 100%; display: block; image-rendering: pixelated; border-radius: 3px; }
.tiles > * { min-width: 0; }
.tiles span { display: block; text-align: center; font-size: 0.75rem; line-height: 1.6; }
.tiles span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tiles button { cursor: pointer; border-radius: 3px; }
.tiles button:hover { outline: 2px solid var(--st-border-color); }
.tiles button:focus-visible { outline: 3px solid var(--st-text-color); outline-offset: 1px; }
.tiles button[aria-pressed="true"] { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
"""

_component = st.components.v2.component(
    "resnet_lab_picture_grid",
    html='<div class="tiles" role="group"></div>',
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def picture_grid(
    images: gallery.Pixels,
    labels: Sequence[str],
    key: str,
    alt: str,
    *,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    widest: int | None = None,
    side: int = 52,
    chosen: int | None = None,
    on_pick: Callable[[int], None] | None = None,
) -> None:
    """Show ``images``, uint8 (n, 3, 32, 32). With ``on_pick`` they are buttons; it is called, before the page
    is run again, with the place of the one that was pressed.

    ``labels`` name each picture to those who point at it or do not see it; ``captions`` stand below.
    Without a number of ``columns`` as many stand beside each other as fit, each at least ``side`` pixels
    wide; ``widest`` limits those of a number of columns. ``chosen`` is the place of the tile to mark.
    """
    tiles = [
        {"label": label, "caption": caption}
        for label, caption in zip(labels, captions or [""] * len(labels), strict=True)
    ]

    def picked() -> None:
        if on_pick is not None and (place := st.session_state[key].picked) is not None:
            on_pick(int(place))

    _component(
        key=key,
        data={
            "sheet": gallery.png(gallery.grid(images, SHEET_COLUMNS)),
            "sheetColumns": SHEET_COLUMNS,
            "tiles": tiles,
            "label": alt,
            "columns": f"repeat({columns}, minmax(0, {f'{widest}px' if widest else '1fr'}))"
            if columns
            else f"repeat(auto-fill, minmax(max({side}px, 7%), 1fr))",
            "clickable": on_pick is not None,
            "chosen": chosen,
        },
        on_picked_change=picked,
    )
