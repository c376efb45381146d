"""Behind a proxy that strips a prefix everything works: charts, images, links, uploads and downloads."""

import re
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.proxy import PREFIX, proxy
from tests.conftest import start_server
from tests.made import made_run
from tests.pages.test_classify_page import png, run_with_weights

DRAWN = "() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3"


#: The Host that a proxy sends.
HOSTS = ("the browser's host", "the server's host")
ANY_HOST = pytest.mark.parametrize("behind", HOSTS[:1], indirect=True, scope="module")


@pytest.fixture(scope="module", params=HOSTS)
def behind(request, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """The address of an app behind a proxy, and the id of a run. Proxies differ in the Host that they send."""
    with socket.socket() as listener, pytest.MonkeyPatch.context() as patch:
        listener.bind(("127.0.0.1", 0))
        public = f"http://hub.localhost:{listener.getsockname()[1]}"
        patch.setenv("RESNET_LAB_PUBLIC_ADDRESS", f"{public}{PREFIX}/")
        server = start_server(tmp_path_factory.mktemp("behind"))
        port = int(server.url.rpartition(":")[2])
        try:
            run_id = made_run(server.store, name="mine")
            run_with_weights(server.store, name="with weights")
            with proxy(port, listener, f"127.0.0.1:{port}" if request.param == "the server's host" else None):
                yield f"{public}{PREFIX}", run_id
        finally:
            server.kill()


@pytest.fixture
def asked(page: Page) -> list[str]:
    """The addresses that the browser asked for."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def test_charts_are_drawn_on_whatever_page_is_opened_first(behind, page, asked):
    url, run_id = behind
    for path in (f"run?run={run_id}", f"compare?runs={run_id}", "leaderboard"):
        page.goto(f"{url}/{path}")
        page.wait_for_function(DRAWN)
    assert next(address for address in asked if "plotly.min.js" in address).startswith(f"{url}/app/static/")


@ANY_HOST
def test_links_lead_to_pages_below_the_prefix(behind, page):
    url, run_id = behind
    page.goto(f"{url}/")
    page.get_by_role("link", name="mine").first.click()
    expect(page).to_have_url(re.compile(rf"^{re.escape(url)}/run\?run={run_id}"))
    page.wait_for_function(DRAWN)
    page.get_by_role("button", name="Copy settings").click()
    expect(page).to_have_url(re.compile(rf"^{re.escape(url)}/new_run"))
    page.goto(f"{url}/live?run={run_id}")
    expect(page).to_have_url(re.compile(rf"^{re.escape(url)}/run\?run={run_id}"))
    page.goto(f"{url}/compare?runs={run_id}")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text(re.compile(rf"{re.escape(url)}/compare\?.*{run_id}"))).to_be_visible()


@ANY_HOST
def test_images_uploads_and_downloads_work(behind, page, asked):
    url, _ = behind
    page.goto(f"{url}/classify")
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "a.png", "mimeType": "image/png", "buffer": png(1)}]
    )
    expect(page.get_by_text(re.compile("48 × 40 PNG"))).to_be_visible()
    page.wait_for_function("() => [...document.images].every(image => image.complete && image.naturalWidth > 0)")
    with page.expect_download() as table:
        page.get_by_role("button", name="Export predictions (CSV)").click()
    assert table.value.suggested_filename.endswith(".csv")
    page.goto(f"{url}/dataset")
    expect(page.locator(".tiles canvas").first).to_be_visible()
    outside = [address for address in asked if address.startswith("http") and not address.startswith(f"{url}/")]
    # Streamlit looks for its server one folder higher too.
    assert [address for address in outside if not re.search("/_stcore/(health|host-config)$", address)] == []


def test_whoever_is_not_at_the_public_address_is_refused(behind, page):
    url, _ = behind
    answer = page.goto(f"{url.replace('hub.localhost', 'evil.localhost')}/")
    if answer.status == 200:  # the proxy sends the server's own name, so the connection is refused instead
        expect(page.get_by_role("heading", name="ResNet Lab")).to_have_count(0)
        page.wait_for_timeout(3_000)
        expect(page.get_by_role("heading", name="ResNet Lab")).to_have_count(0)
    else:
        assert answer.status == 400
