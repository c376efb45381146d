"""A real browser, for what only it shows.

Without Chromium these tests are skipped and say so; with RESNET_LAB_BROWSER=required they fail instead.
"""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import start_server

#: Milliseconds for what takes a moment: the cores may be busy, and training goes last.
PATIENCE = 180_000
#: Whether the page's script has ended.
IDLE = "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
#: Resolves when the page has not changed for a while: charts and images come after the script.
UNCHANGED = """() => new Promise(resolve => {
  let timer = setTimeout(resolve, 300);
  const wait = () => { clearTimeout(timer); timer = setTimeout(resolve, 300); };
  new MutationObserver(wait).observe(document, {subtree: true, childList: true, attributes: true});
  setTimeout(resolve, 5_000);
})"""

#: Reports what the policy of a page refuses.
REPORT = """document.addEventListener('securitypolicyviolation', event =>
  console.error('refused by policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sourceFile))"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str | None:
    """A Chromium on this computer, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder needs the browser, and patience."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(1_200))


@pytest.fixture(scope="session")
def chromium():
    """A Playwright browser."""
    path = chromium_path()
    if path is None:
        reason = "no Chromium on this computer: the browser tests did not run; install it to run them"
        if os.environ.get("RESNET_LAB_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One server for all tests of a file; they share its runs, and leave none at work."""
    server = start_server(tmp_path_factory.mktemp("lab"))
    yield server
    server.kill()


def settle(page) -> None:
    """Wait until the page's script has ended and what it shows is drawn."""
    page.wait_for_function(IDLE)
    page.evaluate(UNCHANGED)


@pytest.fixture(scope="module")
def window(chromium):
    """What the pages of a file share: the scripts that the browser has read and compiled."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(window):
    """A new page of 1440×900 without cookies; the browser's console errors fail the test."""
    page = window.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    with contextlib.suppress(Exception):  # a page from nowhere has none
        page.evaluate("localStorage.clear()")
    for opened in window.pages:
        opened.close()
    window.clear_cookies()
    window.set_offline(False)
    assert not errors, errors


@pytest.fixture
def watched(page):
    """A window, and what its policy refused."""
    refused: list[str] = []
    page.add_init_script(REPORT)
    page.on("console", lambda line: refused.append(line.text) if "olicy" in line.text else None)
    return page, refused
