"""Hostile input in a real browser: names with markup, refused files, other addresses."""

import re
import socket

from playwright.sync_api import expect

from tests.conftest import wait_for
from tests.made import made_run
from tests.pages.test_classify_page import png, run_with_weights

HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    "**bold** [x](javascript:window.hacked=1)",
    ":material/rocket: www.evil.example",
    "$x$ :red[y] `z` https://evil.example/a",
    "![p](https://evil.example/pixel.png)",
)
PAGES = ("", "new_run?from={}", "run?run={}", "compare?runs={}", "dataset", "classify?run={}", "studies")
#: Elements that a name could create: an icon, an image, a link, a script.
MADE = (
    "[aria-label='rocket icon'], img[src='x'], a[href*='evil.example'], a[href^='javascript'], "
    "img[src*='evil.example'], [data-testid=stMarkdownContainer] .katex"
)


def settled(page, address):
    """Open an address and wait until its script has ended."""
    page.goto(address)
    expect(page.locator("h1").first).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def test_a_name_is_a_name_on_every_page(serve, page, store):
    ids = [run_with_weights(store, seed=at, name=name, note=name, tags=(name,)) for at, name in enumerate(HOSTILE)]
    made_run(store, epochs=0, state="queued", name=HOSTILE[0])
    store.trash.put(made_run(store, name=HOSTILE[1]))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    server = serve()
    for path in PAGES:
        settled(page, f"{server.url}/{path.format(ids[0] if 'compare' not in path else ','.join(ids))}")
        assert page.locator(MADE).count() == 0, path
    settled(page, f"{server.url}/run?run=[q](javascript:window.hacked=2)&with={'&with='.join(ids)}")
    expect(page.get_by_text("There is no run “[q](javascript:window.hacked=2)”")).to_be_visible()
    assert page.locator(MADE).count() == 0
    settled(page, server.url)
    assert page.get_by_text("Everyone who can reach it").count() == 0, "this address is not warned of"
    main = page.locator("section.main, [data-testid=stMain]").first

    def missing():
        said = main.inner_text().replace("\N{WORD JOINER}", "")
        return [name for name in HOSTILE if name not in said]

    wait_for(lambda: not missing())
    assert page.evaluate("window.hacked") is None
    assert not [url for url in asked if "evil.example" in url]


def test_a_file_that_is_too_large_does_not_stop_others_and_no_session_sees_them(serve, page, store, tmp_path):
    run_with_weights(store)
    (tmp_path / "good.png").write_bytes(png(1))
    (tmp_path / "large.png").write_bytes(png(2) + bytes(11 << 20))
    server = serve()
    settled(page, f"{server.url}/classify")
    page.locator("input[type=file]").first.set_input_files([tmp_path / "good.png", tmp_path / "large.png"])
    expect(page.get_by_text(re.compile("48 × 40 PNG"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"must be 10(\.0)? ?MB or smaller"))).to_be_visible()
    other = page.context.browser.new_context().new_page()
    settled(other, f"{server.url}/classify")
    expect(other.get_by_text(re.compile("always picks one of them"))).to_be_visible()
    assert "good.png" not in other.content()
    other.context.close()


def test_another_address_is_the_only_one_and_warned_of_whatever_page_is_opened(serve, page, store):
    run_id = made_run(store)
    server = serve(address="127.0.0.2")
    with socket.socket() as here:
        assert here.connect_ex(("127.0.0.1", int(server.url.rpartition(":")[2]))) != 0
    for path in ("", f"run?run={run_id}", "classify"):  # app.py says it before it draws the page
        settled(page, f"{server.url}/{path}")
        expect(page.get_by_text("Everyone who can reach it")).to_be_visible()
    assert "Everyone who can reach it" in server.log
