"""Every page for a keyboard and a screen reader, and within the policy that the server sends with it.

Every control, image and chart has a name, and Tab goes through the page. It takes seconds to open a page, so each is
opened once for all of this.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import IDLE, settle
from tests.made import made_run, made_weights

#: Addresses, and whether the page has a chart.
PAGES = {
    "": False,
    "new_run": True,
    "run": True,
    "compare?runs={}": True,
    "studies": False,
    "report": False,
    "leaderboard": True,
    "dataset": False,
    "dataset?view=Augmentation": False,
    "dataset?view=Split": True,
    "classify": False,
}
#: Here no name of a run, which may have markup, is shown.
WITHOUT_RUNS = ("new_run", "dataset?view=Split", "dataset?view=Augmentation")
DRAWN = "() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3"
CONTROLS = "button link textbox combobox checkbox switch radio slider spinbutton tab img image"
#: Opens every fold that is closed, and returns how many those were.
OPEN_FOLDS = """() => {
  const closed = [...document.querySelectorAll('details:not([open]) > summary')];
  closed.forEach(fold => fold.click());
  return closed.length;
}"""
#: A number for the element that has the focus, the same whenever it has it; null outside the page.
FOCUSED = """() => {
  const at = document.activeElement, known = (window.known ??= new Map());
  if (at === document.body) return null;
  if (!known.has(at)) known.set(at, known.size);
  return known.get(at);
}"""


MARKUP = re.compile(r":[\w-]+\[|:material/|:smile:|\\\\|\*\*|`")


@pytest.fixture(scope="module")
def runs(lab):
    names = ("run :red[0]", "run **1** :smile:")
    made = [made_run(lab.store, epochs=4, name=name) for name in names]
    made_weights(lab.store, made[0])
    return made


def named(page: Page) -> list[tuple[str, str]]:
    """Return role and name of everything that a screen reader announces, but for plain text."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
    ]
    return [(role, name) for role, name in found if role in CONTROLS.split()]


def nameless(page: Page) -> list[str]:
    """Return the role and element of what a screen reader would announce without a name."""
    session = page.context.new_cdp_session(page)
    found = []
    for node in session.send("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if role in CONTROLS.split() and not node.get("ignored") and not node.get("name", {}).get("value", "").strip():
            described = session.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"]
            about = dict(zip(*[iter(described.get("attributes", []))] * 2, strict=True))
            kept = {name: about[name] for name in ("data-testid", "class", "aria-label", "type") if name in about}
            found.append(f"{role}: {described['localName']} {kept}")
    session.detach()
    return found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works_within_its_policy_and_everything_has_a_name_that_tab_reaches(lab, watched, runs, path):
    page, refused = watched
    page.goto(f"{lab.url}/{path.format(','.join(runs))}")
    page.locator("h1").first.wait_for()
    settle(page)
    seen: list[int] = []
    for _ in range(300):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUSED)
        if now is None or (seen and now == seen[0]):
            break  # out of the page again
        seen.append(now)
    else:
        pytest.fail("Tab does not come out of the page")
    # Tab stops at each cell of a table, so many stops can be one element.
    assert len(set(seen)) >= 9, "the eight pages in the menu, and what the page itself has"

    while page.evaluate(OPEN_FOLDS):
        page.wait_for_function(IDLE)
    if path == "new_run":
        page.get_by_role("textbox", name="Depth").fill("14")  # a changed setting is marked
        expect(page.get_by_text("● preset")).to_be_visible()
    if PAGES[path]:
        page.wait_for_function(DRAWN)
    settle(page)
    assert nameless(page) == []
    if path in WITHOUT_RUNS:
        assert not [name for _, name in named(page) if MARKUP.search(name)]
    assert page.evaluate("[...document.fonts].some(font => font.status === 'loaded')")
    assert "WebGL is not supported" not in page.content()
    assert page.locator("img").evaluate_all("all => all.every(image => image.complete && image.naturalWidth > 0)")
    assert refused == []


def test_arrow_keys_choose_an_image(lab, page):
    page.goto(f"{lab.url}/dataset")
    tiles = page.locator(".tiles button")
    tiles.first.wait_for()
    tiles.nth(3).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert tiles.evaluate_all("all => all.map((one, at) => one.tabIndex === 0 ? at : -1).filter(at => at >= 0)") == [1]
    page.keyboard.press("Enter")  # opens the next tab
    expect(page.get_by_role("tab", name="Augmentation")).to_have_attribute("aria-selected", "true")
