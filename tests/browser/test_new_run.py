"""New run in a real browser: cards that are buttons, a start button that stays in sight, a study from here."""

import re

import pytest
from playwright.sync_api import expect

from core.config.presets import PRESETS, preset


def in_sight(page, button) -> bool:
    box, size = button.bounding_box(), page.viewport_size
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


@pytest.fixture
def form(lab, page):
    page.goto(f"{lab.url}/new_run")
    page.get_by_role("button", name="Start run").wait_for()
    return page


def test_a_click_anywhere_on_a_card_chooses_the_preset(form):
    card = form.locator(".st-key-card-he2016")
    plain = card.evaluate("at => getComputedStyle(at).backgroundColor")
    card.click(position={"x": 100, "y": 150})  # on its text
    expect(form.get_by_role("textbox", name=re.compile("^Epochs"))).to_have_value("182")
    expect(card).not_to_have_css("background-color", plain)
    form.locator(".st-key-card-fast").click(position={"x": 100, "y": 150})
    expect(card).to_have_css("background-color", plain)


def test_the_form_fits_a_laptop_and_a_phone(form):
    """Each look at it is at one and the same page, which takes seconds to open."""
    cards = [form.locator(f".st-key-card-{name}").bounding_box() for name in PRESETS]
    main = form.get_by_test_id("stMainBlockContainer").bounding_box()
    assert all(card["x"] + card["width"] <= main["x"] + main["width"] for card in cards)
    assert len({card["y"] for card in cards}) == 2, "rows of three"
    for name, shown in PRESETS.items():
        # Nothing of a card is cut off, and its button has a name of its own.
        assert form.locator(f".st-key-card-{name}").evaluate("at => at.scrollWidth <= at.clientWidth")
        expect(form.get_by_role("button", name=shown.title, exact=True)).to_have_count(1)
    button = form.get_by_role("button", name="Select all ten")
    button.focus()
    form.keyboard.press("Tab")
    form.keyboard.press("Shift+Tab")
    style = button.evaluate("at => [getComputedStyle(at).outlineStyle, parseFloat(getComputedStyle(at).outlineWidth)]")
    assert style[0] == "solid" and style[1] >= 2, "the focus is seen"
    start = form.get_by_role("button", name="Start run")
    for width in (1_440, 390):
        form.set_viewport_size({"width": width, "height": 844})
        form.get_by_text("Network layers").scroll_into_view_if_needed()
        form.wait_for_timeout(300)
        assert in_sight(form, start), width


def test_a_study_of_a_setting_begins_with_the_settings_of_the_form(form):
    epochs = preset("fast").config.train.epochs
    form.locator(".st-key-card-fast").click()
    expect(form.get_by_role("textbox", name=re.compile("^Epochs"))).to_have_value(str(epochs))
    form.get_by_role("button", name="Vary a setting").click()
    form.get_by_role("button", name="Create study").click()
    expect(form.get_by_role("heading", name="Studies")).to_be_visible()
    expect(form.get_by_role("combobox", name="Base settings")).to_have_value("Current settings of New run")
    expect(form.get_by_text(re.compile(f"{epochs} epochs")).first).to_be_visible()
