"""The page Home in a real browser: it notices what happens elsewhere."""

from playwright.sync_api import expect

from tests.browser.conftest import IDLE
from tests.made import tiny_config


def test_home_shows_a_run_that_begins_elsewhere_while_nothing_trains(lab, page):
    page.goto(lab.url)
    page.locator("h1").first.wait_for()
    page.wait_for_function(IDLE)
    lab.store.create(tiny_config(), name="From another window")
    expect(page.get_by_text("From another window").first).to_be_visible()
