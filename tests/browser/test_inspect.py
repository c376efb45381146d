"""Inspect in a real browser: a click on a cell opens its images, a tab and a cell are in the address, two runs."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.made import made_predictions, made_run

MATRIX = "document.querySelector('.live-chart.clickable')"


@pytest.fixture(scope="module")
def runs(lab):
    """Two finished runs with predictions."""
    ids = [made_run(lab.store, name=name) for name in ("first run", "second run")]
    for seed, run_id in enumerate(ids):
        made_predictions(lab.store, run_id, seed)
    return ids


def click_cell(page: Page, x: str, y: str) -> None:
    """Click the middle of a cell of the first clickable heat map."""
    page.wait_for_function(
        f"() => {MATRIX}?._fullLayout?.yaxis?.categoryarray || {MATRIX}?._fullLayout?.xaxis?._length"
    )
    place = page.evaluate(
        f"""([x, y]) => {{
            const chart = {MATRIX};
            chart.scrollIntoView({{ block: 'center' }});
            const {{ xaxis, yaxis }} = chart._fullLayout, box = chart.getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.d2p(x), box.y + yaxis._offset + yaxis.d2p(y)];
        }}""",
        [x, y],
    )
    page.mouse.move(*place)  # Plotly reports a click on what the pointer hovers over
    page.wait_for_timeout(200)
    page.mouse.click(*place)


def test_a_cell_opens_its_images_and_an_image_its_probabilities(lab, page, runs):
    page.goto(f"{lab.url}/inspect?run={runs[0]}")
    expect(page.get_by_role("group", name=re.compile("mistakes among"))).to_be_visible()
    click_cell(page, "deer", "cat")  # made-up mistakes are the next class
    expect(page.get_by_text("images of cat called deer", exact=False).first).to_be_visible()
    expect(page).to_have_url(re.compile("true=cat.*predicted=deer|predicted=deer.*true=cat"))
    tiles = page.get_by_role("button", name=re.compile(r"Image [\d,]+: cat, called deer"))
    tiles.first.click()
    expect(page.get_by_role("img", name=re.compile("Probabilities of the five likeliest classes"))).to_be_visible()
    click_cell(page, "deer", "cat")  # again: the cell is let go
    expect(page.get_by_text("mistakes among", exact=False).first).to_be_visible()


def test_two_runs_have_four_cells_with_images(lab, page, runs):
    page.goto(f"{lab.url}/inspect?run={runs[0]}&with={runs[1]}&view=Two+runs")
    expect(page.get_by_role("tab", name="Two runs")).to_have_attribute("aria-selected", "true")
    expect(
        page.get_by_role("radio", name=re.compile("Only the first")).or_(page.get_by_text("Only the first")).first
    ).to_be_visible()
    click_cell(page, "wrong", "wrong")
    expect(page.get_by_role("group", name=re.compile("Images in the chosen cell"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Difference of recall"))).to_be_visible()


def test_the_run_page_and_compare_lead_here(lab, page, runs):
    page.goto(f"{lab.url}/run?run={runs[1]}")
    page.get_by_role("button", name="Inspect answers").click()
    expect(page.get_by_role("heading", name="Inspect", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(rf"/inspect\?run={runs[1]}"))
    page.goto(f"{lab.url}/compare?runs={','.join(runs)}")
    page.get_by_role("button", name="Inspect answers").click()
    expect(page.get_by_role("tab", name="Two runs")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("Both right", exact=False).first).to_be_visible()
