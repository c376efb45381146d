"""Files of every page come from memory, once and for good, and the browser learns of the early ones from the page."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.assets import Assets

LINK = (b"link", b"<app/static/plotly.min.js?v=1>; rel=preload; as=script")


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    async def app(scope, receive, send):
        kind = b"text/html; charset=utf-8" if scope["path"] == "/run" else b"application/json"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b"the app"})

    (tmp_path / "a.js").write_text("one")
    files = {"/static/a.js": tmp_path / "a.js", "/static/none.css": tmp_path / "none.css"}
    return Assets(app, files, [("app/static/plotly.min.js?v=1", "rel=preload; as=script")])


def ask(assets: Assets, path: str, method: str = "GET") -> tuple[dict[bytes, bytes], bytes]:
    """Return the headers and the body of the answer."""
    messages = []

    async def send(message):
        messages.append(message)

    answer = assets({"type": "http", "method": method, "path": path}, None, send)
    with ThreadPoolExecutor(1) as thread:  # this one may have the event loop of a browser test
        thread.submit(asyncio.run, answer).result()
    return dict(messages[0]["headers"]), messages[1]["body"]


def test_a_file_is_read_once_and_kept_by_the_browser(assets, tmp_path):
    headers, body = ask(assets, "/static/a.js")
    assert body == b"one"
    assert headers[b"content-length"] == b"3"
    assert b"javascript" in headers[b"content-type"]
    assert headers[b"cache-control"] == b"public, immutable, max-age=31536000"
    (tmp_path / "a.js").unlink()
    assert ask(assets, "/static/a.js") == (headers, b"one")


@pytest.mark.parametrize(
    ("path", "method"),
    [("/static/a.js", "POST"), ("/static/none.css", "GET"), ("/static/../a.js", "GET"), ("/_stcore/health", "GET")],
)
def test_the_app_answers_everything_else(assets, path, method):
    headers, body = ask(assets, path, method)
    assert body == b"the app"
    assert headers.keys() == {b"content-type"}


def test_a_page_says_what_to_load_early(assets):
    headers, _ = ask(assets, "/run")
    assert (b"link", headers[b"link"]) == LINK
