"""What a page shows: its texts, charts and image grids, for the tests of all pages."""

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest


def texts(app: AppTest) -> str:
    """Return all texts of the page, a line each, without the escapes of Markdown."""
    assert not app.exception
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.success, app.subheader)
    shown = [element.value for kind in kinds for element in kind]
    return "\n".join([*shown, *links(app)]).replace("\\", "").replace("\N{WORD JOINER}", "")


def links(app: AppTest) -> list[str]:
    """Return the labels of the links to other pages."""
    return [element.proto.label.replace("\\", "") for element in app.get("page_link")]


def action(app: AppTest, name: str) -> Any:
    """Return the button of an action; its key has the name and what it acts on."""
    (found,) = [button for button in app.button if (button.key or "").split()[:1] == [name]]
    return found


def _components(app: AppTest, name: str) -> list[dict[str, Any]]:
    protos = [element.proto for element in app.get("bidi_component")]
    return [json.loads(proto.json) for proto in protos if proto.component_name == name]


def charts(app: AppTest) -> dict[str, dict[str, Any]]:
    """Return what each chart was given ("figure", "alt", …), by its key."""
    return {chart["file"]: chart for chart in _components(app, "resnet_lab_live_chart") if "figure" in chart}


def image_grids(app: AppTest) -> list[dict[str, Any]]:
    """Return what each image grid was given."""
    return _components(app, "resnet_lab_image_grid")


def pixels(grid: dict[str, Any]) -> np.ndarray:
    """Return the images of a grid: uint8 (n, 3, 32, 32)."""
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(grid["sheet"].partition(",")[2]))))
    corners = [divmod(place, grid["sheetColumns"]) for place in range(len(grid["tiles"]))]
    tiles = [sheet[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] for row, column in corners]
    return np.stack(tiles).transpose(0, 3, 1, 2)


def field(app: AppTest, path: str) -> Any:
    """Return the widget of the setting at ``path``."""
    kinds = (app.text_input, app.selectbox, app.button_group, app.toggle)
    (found,) = [widget for kind in kinds for widget in kind if (widget.key or "").split("#")[0] == path]
    return found
