"""A grid of 32 × 32 images that wraps with the page's width, sharp at any size, with or without choosing one.

All images travel as one PNG, which image_grid.js cuts into tiles. A tile that can be chosen is a button, so that a
keyboard reaches it and a screen reader names it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from core.images import gallery

SHEET_COLUMNS = 16  # of the PNG; the tiles wrap by themselves

_CSS = """
.tiles { display: grid; gap: 4px; align-items: start; }
.tiles:has(.group) { gap: 12px; }
.tiles .group { display: grid; gap: 2px; }
.tiles :is(button, figure) { margin: 0; padding: 0; border: 0; background: none; font: inherit; }
.tiles :is(button, figure) { color: var(--st-gray-text-color); min-width: 0; }
.tiles canvas { width: 100%; display: block; image-rendering: pixelated; border-radius: 3px; }
.tiles span { display: block; text-align: center; font-size: 0.75rem; line-height: 1.5; }
.tiles span { overflow: hidden; text-overflow: ellipsis; }
.tiles button { cursor: pointer; border-radius: 3px; }
.tiles button:hover { outline: 2px solid var(--st-border-color); }
.tiles button:focus-visible { outline: 3px solid var(--st-text-color); outline-offset: 1px; }
.tiles button[aria-pressed="true"] { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
"""

_component = st.components.v2.component(
    "resnet_lab_image_grid",
    html='<div class="tiles" role="group"></div>',
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def image_grid(
    images: gallery.Pixels,
    labels: Sequence[str],
    key: str,
    alt: str,
    *,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    widest: int | None = None,
    side: int = 52,
    group: int = 1,
    chosen: int | None = None,
    on_pick: Callable[[int], None] | None = None,
) -> None:
    """Show ``images``, uint8 (n, 3, 32, 32). With ``on_pick`` each is a button that calls it with the image's place.

    ``labels`` name the images for pointers and screen readers; ``captions`` stand below them, ``alt`` names the grid.
    Without a number of ``columns``, as many fit into a row as the width allows, each at least ``side`` pixels wide;
    ``widest`` limits the width where ``columns`` is given. Each ``group`` of images stays side by side, and columns and
    sides are then those of groups. ``chosen`` is the place of the marked image.
    """
    tiles = [
        {"label": label, "caption": caption}
        for label, caption in zip(labels, captions or [""] * len(labels), strict=True)
    ]

    width = f"0, {f'{widest}px' if widest else '1fr'}" if columns else f"max({side}px, 7%), 1fr"

    def pick() -> None:
        if on_pick is not None and (place := st.session_state[key].picked) is not None:
            on_pick(int(place))

    _component(
        key=key,
        data={
            "sheet": gallery.data_url(gallery.sheet(images, SHEET_COLUMNS), compress_level=1),
            "sheetColumns": SHEET_COLUMNS,
            "tiles": tiles,
            "label": alt,
            "columns": f"repeat({columns or 'auto-fill'}, minmax({width}))",
            "clickable": on_pick is not None,
            "chosen": chosen,
            "group": group,
        },
        on_picked_change=pick,
    )
