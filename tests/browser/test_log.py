"""The server's log has nothing to say while a person uses the pages."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import IDLE
from tests.made import made_run
from tests.pages.test_classify_page import png, run_with_weights


def test_clicks_in_all_pages_write_no_warning_into_the_log(lab, page):
    run_id, other = (made_run(lab.store, name=name) for name in ("one", "two"))
    weights = run_with_weights(lab.store)
    page.goto(f"{lab.url}/compare?runs={run_id},{other}")
    for name in ("Pin runs", "Unpin runs"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_text(re.compile("2 runs (un)?pinned")).last).to_be_visible()
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_text("2 runs moved to the trash").last).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("2 runs restored")).to_be_visible()
    page.goto(f"{lab.url}/run?run={run_id}")
    page.wait_for_function(IDLE)
    page.get_by_text("Log x", exact=True).click()
    page.wait_for_function(IDLE)
    page.goto(f"{lab.url}/classify?run={weights}")
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "a.png", "mimeType": "image/png", "buffer": png(1)}]
    )
    page.get_by_text("Manual crop").click()
    page.get_by_role("slider").first.press("ArrowRight")
    page.get_by_role("button", name="Clear images").click()
    for path in ("", "new_run", "studies", "leaderboard", "dataset"):
        page.goto(f"{lab.url}/{path}")
        page.locator("h1").first.wait_for()
        page.wait_for_function(IDLE)
    page.get_by_test_id("stButtonGroup").filter(has_text="Official set").get_by_text("Test", exact=True).click()
    expect(page.get_by_text("10,000 images")).to_be_visible()
    lines = [line for line in lab.log.splitlines() if line.strip()]
    expected = ("You can now view", "URL:", "ResNet Lab is at")
    assert [line for line in lines if not any(text in line for text in expected)] == []
