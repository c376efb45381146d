"""A report to hand in, in a real browser without a network, and the buttons that make files."""

from pathlib import Path

import pytest

from core.takeaway.content import content_of
from core.takeaway.report import html
from core.takeaway.subject import of_runs, of_study
from tests.made import made_run
from tests.takeaway.made import BASE, HOSTILE, made_study

DRAWN = "count => document.querySelectorAll('.js-plotly-plot .main-svg .xy').length >= count"


@pytest.fixture
def offline(page):
    """A window without a network, and everything that went wrong in it or was asked for."""
    wrong = []
    page.context.set_offline(True)
    page.on(
        "request",
        lambda request: wrong.append(request.url) if request.url[:5] not in ("file:", "data:", "blob:") else None,
    )
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    return page, wrong


def shown(page, content, folder):
    """Open the report in the window, and wait until its charts are drawn."""
    path = folder / "report.html"
    path.write_text(html(content), encoding="utf-8")
    page.goto(path.as_uri())
    page.wait_for_function(DRAWN, arg=len(content.charts))


def test_a_report_works_without_a_network_and_its_charts_zoom(offline, store, tmp_path):
    page, wrong = offline
    content = content_of(of_study(store, made_study(store, 2)))
    shown(page, content, tmp_path)
    chart = page.locator("#chart-curves-accuracy")
    chart.scroll_into_view_if_needed()
    before = chart.evaluate("at => at.layout.xaxis.range.slice()")
    box = chart.locator(".nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
    page.mouse.up()
    page.wait_for_function(
        "before => document.querySelector('#chart-curves-accuracy').layout.xaxis.range[0] > before", arg=before[0]
    )
    assert wrong == []


def test_a_printed_report_has_no_toolbar_and_fits_its_paper(offline, store, tmp_path):
    page, wrong = offline
    shown(page, content_of(of_study(store, made_study(store, 2))), tmp_path)
    assert page.locator(".print").is_visible()
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 without its margins
    page.emulate_media(media="print")
    assert not page.locator(".print").is_visible()
    assert all(not bar.is_visible() for bar in page.locator(".modebar").all())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    content = page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF") and content.count(b"/Type /Page\n") >= 3
    assert wrong == []


def test_names_of_markup_do_nothing(offline, store, tmp_path):
    page, wrong = offline
    ids = [made_run(store, 4, "finished", BASE.replace({"train.lr": rate}), name=HOSTILE) for rate in (0.1, 0.2)]
    shown(page, content_of(of_runs(store, ids, title=HOSTILE)), tmp_path)
    assert page.locator("h1").inner_text().startswith("<script>alert(1)</script> & 100 %")
    assert page.title().startswith("<script>alert(1)</script>")
    assert wrong == []


def test_a_model_card_is_prepared_and_saved(lab, page):
    run_id = made_run(lab.store, 4, "finished", BASE, name="cats")
    page.goto(f"{lab.url}/run?run={run_id}")
    page.get_by_role("button", name="Take away").click()
    page.get_by_role("button", name="Prepare model card").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save model card").click()
    assert download.value.suggested_filename == "model-card.md"
    assert run_id in Path(download.value.path()).read_text(encoding="utf-8")
