"""A real browser keeps its promises to the app: its own pages work, and foreign pages get nothing from it."""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.made import made_run, tiny_config
from tests.pages.test_classify_page import png, run_with_weights

DRAWN = "() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3"


@pytest.fixture(scope="module")
def runs(lab) -> list[str]:
    made = [
        made_run(lab.store, epochs=at + 2, config=tiny_config(f"train.lr=0.{at + 1}", f"train.epochs={at + 2}"))
        for at in range(3)
    ]
    run_with_weights(lab.store, name="with weights")
    return made


def test_uploads_crops_and_downloads_work_within_the_policy(lab, watched, runs):
    page, refused = watched
    page.goto(f"{lab.url}/classify")
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "nul\0 \u202egnp.png", "mimeType": "image/png", "buffer": png(1)}]
    )
    expect(page.get_by_text(re.compile("48 × 40 PNG"))).to_be_visible()
    page.get_by_text("Manual crop").click()
    page.get_by_role("slider").first.press("ArrowLeft")
    with page.expect_download() as table:
        page.get_by_role("button", name="Export predictions (CSV)").click()
    assert table.value.suggested_filename.endswith(".csv")
    page.goto(f"{lab.url}/run?run={runs[0]}")
    page.wait_for_function(DRAWN)
    page.locator(".js-plotly-plot").first.hover()
    with page.expect_download() as chart:
        page.locator("[data-title*='as a PNG'], [data-title*='as a png'], [data-title='Download plot']").first.click()
    assert chart.value.suggested_filename.endswith(".png")
    assert refused == []


def test_a_failing_page_has_no_links_to_search_engines(lab, watched, runs):
    """The name of a file was such a failure: Streamlit reads none with a NUL byte."""
    page, _ = watched
    page.goto(f"{lab.url}/studies?study=new")
    page.get_by_text("From a file").click()
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "a\0b.json", "mimeType": "application/json", "buffer": b"{}"}]
    )
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.locator("a[href*='google'], a[href*='chatgpt'], a[href*='openai']").count() == 0


# --- foreign pages --------------------------------------------------------------------------------


@pytest.fixture
def foreign() -> Iterator[Callable[[str], str]]:
    """Serves a page at another port of this computer; returns its address."""
    pages: list[http.server.HTTPServer] = []

    def serve(html: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, *about: object) -> None:
                """Keep quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pages.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in pages:
        server.shutdown()
        server.server_close()


def test_a_foreign_page_cannot_frame_the_app_and_its_own_pages_can(lab, page, foreign):
    page.goto(foreign(f"<h1>foreign</h1><iframe src='{lab.url}/' width=900 height=700></iframe>"))
    page.wait_for_function("() => document.querySelector('iframe')")
    framed = page.frames[1]
    framed.wait_for_url(re.compile("^chrome-error:"))
    assert framed.locator("h1").filter(has_text="ResNet Lab").count() == 0
    page.goto(f"{lab.url}/_stcore/health")
    page.evaluate("document.body.innerHTML = '<iframe src=\"/\" width=900 height=700></iframe>'")
    expect(page.frame_locator("iframe").locator("h1")).to_have_text("ResNet Lab")


ATTACK = """async url => {
  const tried = {};
  const attempt = async (name, action) => { try { tried[name] = await action() } catch { tried[name] = 'refused' } };
  await attempt('fetch', async () => (await fetch(url + '/_stcore/health')).text());
  await attempt('opaque', async () => (await fetch(url + '/_stcore/health', {mode: 'no-cors'})).type);
  await attempt('cookies', async () => (await fetch(url + '/', {credentials: 'include'})).text());
  const upload = url + '/_stcore/upload_file/a/b';
  await attempt('upload', async () => (await fetch(upload, {method: 'PUT', body: 'x'})).status);
  const loaded = (tag, address) => () => new Promise((resolve, reject) => {
    const node = document.createElement(tag);
    node.onload = () => resolve('loaded');
    node.onerror = reject;
    node.src = address;
    document.body.append(node);
  });
  await attempt('script', loaded('script', url + '/app/static/plotly.min.js'));
  await attempt('image', loaded('img', url + '/favicon.png'));
  const socket = protocols => () => new Promise((resolve, reject) => {
    const line = new WebSocket(url.replace('http', 'ws') + '/_stcore/stream', protocols);
    line.onopen = () => resolve('open');
    line.onerror = reject;
  });
  await attempt('socket', socket(['streamlit']));
  await attempt('bare socket', socket([]));
  return tried;
}"""


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_javascript_of_a_foreign_page_gets_nothing(lab, page, foreign, name):
    page.goto(foreign("<h1>foreign</h1>").replace("127.0.0.1", name))
    tried = page.evaluate(ATTACK, lab.url)
    assert len(tried) == 8
    assert set(tried.values()) == {"refused"}, tried


def test_a_page_without_an_origin_gets_nothing_either(lab, page):
    page.goto("data:text/html," + quote("<h1>foreign</h1>"))
    assert set(page.evaluate(ATTACK, lab.url).values()) == {"refused"}


def test_a_server_without_the_guard_says_so_on_every_page(serve, page):
    server = serve("app.py")
    for path in ("studies", "run", ""):
        page.goto(f"{server.url}/{path}")
        expect(page.get_by_text("streamlit run serve.py")).to_be_visible()
