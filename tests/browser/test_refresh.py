"""A refresh of the page loses nothing: neither the form of New run, nor that of Dataset, nor the images of Classify."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import settle
from tests.pages.test_classify_page import png, run_with_weights


def field(page, name):
    return page.get_by_role("textbox", name=name, exact=True)


def test_the_form_of_a_new_run_survives_a_refresh_and_is_a_tabs_own(lab, page):
    page.goto(f"{lab.url}/new_run")
    field(page, "Depth (layers)").fill("14")
    field(page, "Epochs").fill("many")
    field(page, "Name").fill("é :smile: [x]")
    field(page, "Note").fill("two\nlines")
    field(page, "Note").blur()
    expect(page).to_have_url(re.compile("draft=[0-9a-f]{32}"))
    settle(page)
    other = page.context.new_page()
    other.goto(page.url)
    page.reload()
    for tab in (page, other):
        expect(field(tab, "Depth (layers)")).to_have_value("14")
        expect(field(tab, "Epochs")).to_have_value("many")
        expect(field(tab, "Name")).to_have_value("é :smile: [x]")
        expect(field(tab, "Note")).to_have_value("two\nlines")
    before = page.url
    field(other, "Depth (layers)").fill("20")
    expect(other).not_to_have_url(before)
    page.reload()
    expect(field(page, "Depth (layers)")).to_have_value("14")
    fresh = page.context.new_page()
    fresh.goto(f"{lab.url}/new_run")
    expect(field(fresh, "Depth (layers)")).to_have_value("20")
    expect(fresh).not_to_have_url(re.compile("draft="))


def test_the_settings_of_dataset_survive_a_refresh(lab, page):
    page.goto(f"{lab.url}/dataset?view=Split")
    field(page, "Split seed").fill("7")
    expect(page).to_have_url(re.compile("draft="))
    settle(page)
    page.reload()
    expect(field(page, "Split seed")).to_have_value("7")


def test_the_images_of_classify_survive_a_refresh_with_their_crops(lab, page):
    run_with_weights(lab.store)
    page.goto(f"{lab.url}/classify")
    page.locator("input[type=file]").first.set_input_files(
        [{"name": f"image {at}.png", "mimeType": "image/png", "buffer": png(at)} for at in (1, 2)]
    )
    expect(page.get_by_text(re.compile("48 × 40 PNG"))).to_have_count(2)
    page.get_by_text("Manual crop").click()
    page.get_by_role("slider").first.press("ArrowRight")
    page.get_by_role("slider").first.press("-")
    page.wait_for_timeout(2_000)
    seen = page.get_by_role("slider").first.get_attribute("aria-valuetext")
    page.reload()
    expect(page.get_by_text(re.compile("48 × 40 PNG"))).to_have_count(2)
    expect(page.get_by_role("slider").first).to_have_attribute("aria-valuetext", seen)
    page.get_by_role("button", name="Clear images").click()
    expect(page.get_by_text(re.compile("48 × 40 PNG"))).to_have_count(0)
    settle(page)
    page.reload()
    expect(page.get_by_text("Drop images here")).to_be_visible()
    expect(page.get_by_text(re.compile("48 × 40 PNG"))).to_have_count(0)
