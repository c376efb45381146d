"""Classify in a real browser: dropped files, one of them corrupt, and a manual crop."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from core.base.text import percent
from core.config.run_config import RunConfig
from core.images.classify import Classifier
from core.images.read import Square, read_image, to_network
from core.inspect.features import Shelf
from core.inspect.unlike import kept_knowledge
from tests.made import made_record, made_run, made_weights

SEEN = re.compile("Network input")


@pytest.fixture(scope="module")
def run_id(lab):
    """A run with weights."""
    config = RunConfig().replace({"model.depth": 8, "model.width": 4, "train.epochs": 4, "data.train_size": 2_500})
    made = made_run(lab.store, config=config.replace({"data.validation_size": 500}), name="the network")
    made_weights(lab.store, made)
    return made


@pytest.fixture
def wide(tmp_path):
    """An image three times as wide as high, with different parts."""
    pixels = np.random.default_rng(1).integers(0, 256, (6, 18, 3), np.uint8)
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).resize((300, 100), Image.Resampling.BICUBIC).save(path)
    return path


def said(lab, run_id, path, square=None):
    """What a card says about the image in ``path``: the most likely class and its probability."""
    seen = to_network(read_image(path, path.name), "hand" if square else "centre", square)
    network = Classifier.load(lab.store, run_id)
    row = network.probabilities(seen[None])[0]
    return f"{network.classes[row.argmax()]} {100 * row.max():.1f} %"


def drop(page, lab, run_id, *paths):
    page.goto(f"{lab.url}/classify?run={run_id}")
    page.locator("input[type=file]").first.set_input_files(paths)


def test_of_three_dropped_files_two_are_classified_and_a_warning_names_the_third(lab, page, run_id, wide, tmp_path):
    whole, corrupt = tmp_path / "whole.jpg", tmp_path / "corrupt.jpg"
    Image.open(wide).resize((200, 200)).save(whole)
    corrupt.write_bytes(whole.read_bytes()[:400])
    drop(page, lab, run_id, wide, corrupt, whole)
    expect(page.get_by_role("img", name=SEEN)).to_have_count(2)
    warning = page.get_by_role("alert").filter(has_text="corrupt.jpg")
    expect(warning).to_have_count(1)
    for path in (wide, whole):
        expect(page.get_by_text(path.name).first).to_be_visible()
        expect(page.get_by_text(said(lab, run_id, path))).to_be_visible()


def test_a_crop_is_moved_by_keyboard_and_pointer(lab, page, run_id, wide):
    drop(page, lab, run_id, wide)
    expect(page.get_by_text(said(lab, run_id, wide))).to_be_visible()
    page.get_by_text("Manual crop", exact=True).click()
    square = page.get_by_role("slider", name=re.compile("wide.png"))
    square.focus()
    for key in ["ArrowLeft"] * 5 + ["-"] * 20 + ["Shift+ArrowUp"]:
        page.keyboard.press(key)
    expect(page.get_by_role("img", name=re.compile("manual crop, x 35–55 %, y 10–70 %"))).to_be_visible()
    cut = Square(0.45, 0.4, 0.6)
    expect(page.get_by_text(said(lab, run_id, wide, cut))).to_be_visible()
    expect(square).to_have_attribute("aria-valuetext", re.compile("^60 % of the shorter side, centre 45 %"))
    expect(square).to_be_focused()

    place = square.bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + 400, place["y"] - 100, steps=4)
    page.mouse.up()
    expect(page.get_by_text(said(lab, run_id, wide, Square(1, 0, 0.6)))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("manual crop, x 80–100 %, y 0–60 %"))).to_be_visible()

    page.get_by_role("button", name="Reset crop").click()
    expect(page.get_by_text(said(lab, run_id, wide))).to_be_visible()


def test_the_box_names_the_run_that_predicts_though_its_label_changes(lab, page, run_id, wide):
    made_weights(lab.store, made_run(lab.store, config=lab.store.run(run_id).config(), name="a newer one"), seed=1)
    page.goto(f"{lab.url}/classify?run={run_id}")
    box = page.get_by_role("combobox", name="Run", exact=True)
    expect(box).to_have_value(re.compile("the network"))
    for epoch, name in ((5, "one.png"), (6, "two.png")):
        record = made_record(epoch)
        lab.store.run(run_id).append_record(record)
        wide = wide.rename(wide.with_name(name))  # another file, or the field sees no change
        page.locator("input[type=file]").first.set_input_files(wide)
        expect(page.get_by_role("img", name=SEEN)).to_have_count(epoch - 4)
        expect(box).to_have_value(re.compile(f"the network .*{percent(record.val_accuracy)}"))
    expect(page.get_by_role("heading", name="Predictions of the network")).to_be_visible()


def test_noise_is_flagged_once_the_training_images_were_looked_at(lab, page, run_id, tmp_path):
    noise, shelf = tmp_path / "noise.png", Shelf(lab.store, run_id)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(noise)
    drop(page, lab, run_id, noise)
    expect(page.get_by_role("img", name=re.compile("Grad-CAM of noise.png"))).to_be_visible()
    page.get_by_role("button", name="Find nearest training images").click()
    expect(page.get_by_text("Unlike the training images").first).to_be_visible()
    nearest = page.get_by_role("group", name=re.compile("Nearest training images"))
    expect(nearest.get_by_role("img")).to_have_count(6)
    assert kept_knowledge(shelf) is not None, "the next visit does not compute it again"
