"""The map of images on Inspect in a real browser: hover shows an image, a click opens it."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.config.run_config import RunConfig
from core.data import cifar10
from tests.made import made_predictions, made_run, made_weights

#: A point that no other one covers: where it is on the canvas, and its image.
LONELY = """node => {
  const { data, width, height } = node.map, spot = (at) => [
    12 + (data.x[at] / data.steps) * (width - 24), height - 12 - (data.y[at] / data.steps) * (height - 24)];
  const spots = data.x.map((_, at) => spot(at));
  const room = spots.map(([x, y], at) =>
    Math.min(...spots.map(([a, b], other) => (other === at ? Infinity : Math.hypot(a - x, b - y)))));
  const at = room.indexOf(Math.max(...room));
  return { spot: spots[at], image: data.images[at] };
}"""
PIXELS = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 32, 32).data]"


@pytest.fixture(scope="module")
def run_id(lab):
    """A run of deer and dog with weights and predictions."""
    sizes = {"data.train_size": 600, "data.validation_size": 200, "data.test_size": 100}
    network = {"data.classes": ("deer", "dog"), "model.depth": 8, "model.width": 4, "train.epochs": 4}
    made = made_run(lab.store, config=RunConfig().replace(network | sizes))
    made_weights(lab.store, made)
    made_predictions(lab.store, made)
    return made


def test_hover_shows_the_image_of_a_point_and_a_click_opens_it(lab, page, run_id):
    page.goto(f"{lab.url}/inspect?run={run_id}&view=Map")
    points = page.get_by_role("img", name=re.compile("^Map of 100 test images"))
    expect(points).to_be_visible()
    node = page.locator(".image-map")
    page.wait_for_function("node => node.map.width > 0", arg=node.element_handle())
    found = node.evaluate(LONELY)
    tip, box = page.locator(".image-map .tip"), points.bounding_box()
    expect(tip).to_be_hidden()
    place = box["x"] + found["spot"][0], box["y"] + found["spot"][1]
    page.mouse.move(*place)
    expect(tip).to_be_visible()
    expect(tip).to_contain_text(f"{found['image']:,}:")
    small = tip.locator("canvas")
    expect(small).to_have_attribute("data-image", str(found["image"]))
    shown = np.array(small.evaluate(PIXELS), np.uint8).reshape(32, 32, 4)[..., :3]
    assert (shown.transpose(2, 0, 1) == cifar10.load().images[found["image"]]).all()
    page.mouse.click(*place)
    expect(page.get_by_role("img", name=re.compile(rf"Grad-CAM of Image {found['image']:,}"))).to_be_visible()
    page.mouse.move(box["x"] - 20, box["y"] - 20)
    expect(tip).to_be_hidden()


def test_a_keyboard_goes_from_point_to_point_and_hides_a_class(lab, page, run_id):
    page.goto(f"{lab.url}/inspect?run={run_id}&view=Map")
    points = page.locator(".image-map .points")
    points.focus()
    seen = set()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        seen.add(page.locator(".image-map .tip span").text_content())
    assert len(seen) >= 2 and all(re.match(r"[\d,]+: (deer|dog), ", text) for text in seen)
    deer = page.get_by_role("button", name="deer (50)")
    deer.click()
    expect(deer).to_have_attribute("aria-pressed", "false")
    points.focus()
    for key in ("ArrowLeft", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
        expect(page.locator(".image-map .tip")).to_contain_text(": dog, ")
