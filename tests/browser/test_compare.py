"""Compare in a real browser: the trash and back, and a link that opens exactly the view it was taken from."""

import re

import pytest
from playwright.sync_api import expect

from core.config.run_config import RunConfig
from tests.conftest import wait_for
from tests.made import made_run

CHART = "document.querySelector('.js-plotly-plot')"
CURVES = f"""() => {{
    const chart = {CHART};
    return chart?.layout && [chart.layout.xaxis.title.text, chart.data.map(t => t.uid).filter(Boolean).sort()];
}}"""


@pytest.fixture(scope="module")
def runs(lab):
    """Three runs with other settings; the last is not asked for."""
    base = RunConfig().replace({"data.train_size": 4_500, "data.validation_size": 500, "train.epochs": 6})
    return [
        made_run(lab.store, epochs=6, config=base.replace({"train.lr": lr}), name=f"rate {lr}")
        for lr in (0.1, 0.2, 0.3)
    ]


def test_runs_go_to_the_trash_and_come_back(lab, page, runs):
    page.goto(f"{lab.url}/compare?runs={runs[0]},{runs[1]}")
    page.wait_for_function(f"() => {CHART}?.data?.length > 0")
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_text("2 runs moved to the trash.")).to_be_visible()
    wait_for(lambda: set(lab.store.trash.ids()) == set(runs[:2]))
    expect(page).not_to_have_url(re.compile(runs[0]))
    expect(page.get_by_text("1 of 1 run", exact=True)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("3 of 3 runs")).to_be_visible()
    assert lab.store.trash.ids() == []
    assert set(lab.store.ids()) == set(runs)
    expect(page.get_by_text("2 runs selected")).to_be_visible()
    expect(page).to_have_url(re.compile(f"runs=.*{runs[0]}"))


def test_the_last_runs_come_back_from_the_trash_too(lab, page, runs):
    page.goto(f"{lab.url}/compare?runs={','.join(runs)}")
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_text("No runs yet.", exact=False)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("3 of 3 runs")).to_be_visible()
    assert set(lab.store.ids()) == set(runs)


def test_a_link_opened_in_a_new_tab_shows_exactly_this_view(lab, page, runs):
    page.goto(f"{lab.url}/compare?runs={runs[0]},{runs[1]}")
    page.wait_for_function(f"() => {CHART}?.data?.length > 0")
    page.get_by_role("radio", name="Images seen").or_(page.get_by_text("Images seen", exact=True)).first.click()
    page.get_by_role("combobox", name="Smoothing").click()
    page.get_by_role("option", name="Running median").click()
    page.wait_for_function(f"() => {CHART}.data.some(t => t.uid?.endsWith('measured'))")
    here = page.evaluate(CURVES)
    page.get_by_role("button", name="Copy link").click()
    link = page.get_by_test_id("stCode").filter(has_text="/compare?").inner_text().strip()

    other = page.context.new_page()
    other.goto(link)
    other.wait_for_function(f"() => {CHART}?.data?.some(t => t.uid?.endsWith('measured'))")
    assert other.evaluate(CURVES) == here
    title, uids = here
    assert title == "Images seen"
    assert {uid.split(" ")[0] for uid in uids} - {"key"} == set(runs[:2])
    expect(other.get_by_text("2 runs selected")).to_be_visible()
    expect(other.get_by_role("combobox", name="Smoothing")).to_have_value("Running median")


FITS = """() => {
    const scroller = document.querySelector('[data-testid=stDataFrame] .dvn-scroller');
    return scroller && scroller.scrollWidth <= scroller.clientWidth;
}"""


def test_the_table_fits_and_a_run_is_opened_from_its_row(lab, page, runs):
    page.goto(f"{lab.url}/compare")
    page.wait_for_function(FITS)
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    with page.expect_popup() as popup:
        # The cells are painted, so the place of the link is found by trying.
        for x in range(120, int(box["width"]), 15):
            page.mouse.move(box["x"] + x, box["y"] + 50)
            page.wait_for_timeout(100)
            page.mouse.click(box["x"] + x, box["y"] + 50)
            page.keyboard.press("Escape")  # a second click in a cell opens its text over the cells to its right
            page.wait_for_timeout(50)
            if len(page.context.pages) > 1:
                break
    opened = popup.value
    expect(opened).to_have_url(re.compile(rf"/run\?run={runs[-1]}"))  # the newest is in the first row
    expect(opened.get_by_role("heading", name="Run", exact=True)).to_be_visible()


def test_each_tab_shows_its_part_and_is_in_the_address(lab, page, runs):
    page.goto(f"{lab.url}/compare?runs={','.join(runs)}")
    page.wait_for_function(f"() => {CHART}?.data?.length > 0")
    for name, shown in (
        ("Results", page.get_by_test_id("stDataFrame").nth(1)),
        ("Settings", page.get_by_role("combobox", name="Accuracy against")),
        ("Is the gap real?", page.get_by_role("combobox", name="First experiment")),
        ("Parallel coordinates", page.get_by_text("Drag along an axis")),
    ):
        page.get_by_role("tab", name=name).click()
        expect(shown).to_be_visible()
        expect(page).to_have_url(re.compile("view="))
    link = page.url
    page.goto(link)
    expect(page.get_by_role("tab", name="Parallel coordinates")).to_have_attribute("aria-selected", "true")


def test_plotly_is_read_before_the_first_run_is_selected(lab, page, runs):
    page.goto(f"{lab.url}/compare")
    expect(page.get_by_text("Select runs with the checkboxes", exact=False)).to_be_visible()
    page.wait_for_function("() => Boolean(window.Plotly)")
    assert page.locator(".js-plotly-plot").count() == 0
