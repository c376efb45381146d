"""Draw the images of the pages in README.md (docs/*.png) from the real app. Needs Chromium.

The app shows the committed reference runs, as after a fresh installation, and what this script trains: two short runs
and a search.

python -m docs.tools.screenshots     # or: make screenshots
"""

import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.common import chromium, new_window, served
from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.runs.store import RunStore
from core.search import driver
from core.search.search import Search
from core.search.space import range_from_text
from core.search.store import SearchStore
from core.study.store import StudyStore
from docs.tools.common import reference_studies, test_images, wait_until_ready

DOCS = PROJECT / "docs"


def take(page: Page, address: str, name: str, *, tab: str | None = None) -> None:
    """Open a page and save its image when it is ready; with ``tab``, open that tab and scroll to it."""
    page.goto(address)
    wait_until_ready(page)
    if tab:
        chosen = page.get_by_role("tab", name=tab, exact=True)
        chosen.click()
        wait_until_ready(page)
        chosen.evaluate("at => at.scrollIntoView({block: 'start'})")
        time.sleep(1)
    page.screenshot(path=DOCS / f"{name}.png")


def main() -> None:
    """Copy the reference runs, train two runs, and save the images of all pages."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = RunStore(Path(folder) / "runs")
        best, study_id = copy_references(store)
        quick = PRESETS["quick"].config
        with served(store.root) as address, chromium() as browser:
            page = new_window(browser)
            take(page, f"{address}/studies?study={study_id}", "studies")
            take(page, f"{address}/leaderboard", "leaderboard")
            take(page, f"{address}/dataset", "dataset")
            take(page, f"{address}/new_run", "new_run")
            take(page, f"{address}/inspect?run={best}&true=dog&predicted=cat", "inspect")
            take(page, f"{address}/report", "report")
            page.goto(f"{address}/classify?run={best}")
            wait_until_ready(page)
            page.locator("input[type=file]").first.set_input_files(test_images(Path(folder)))
            wait_until_ready(page, 3)
            page.get_by_role("button", name="Find nearest training images").click()
            page.get_by_text("nearest training images:").first.wait_for(timeout=900_000)
            wait_until_ready(page, 3)
            page.screenshot(path=DOCS / "classify.png")
            first = store.create(quick, name="A first run")
            second = store.create(quick.replace({"augment.translate": "crop"}), name="With random crop")
            while len(store.run(second).records()) < 3:
                time.sleep(0.2)
            take(page, f"{address}/run?run={second}", "run")
            take(page, address, "home")
            while store.run(second).status().active:
                time.sleep(0.5)
            take(page, f"{address}/compare?runs={first},{second}", "compare", tab="Is the gap real?")
            take(page, f"{address}/search?search={ended_search(store)}", "search")


def ended_search(store: RunStore) -> str:
    """Let the server train a search of small trials to its end, and return its id."""
    base = PRESETS["quick"].config.replace(
        {"data.classes": ("deer", "dog"), "data.train_size": 1_500, "data.validation_size": 500, "train.epochs": 4}
    )
    ranges = map(
        range_from_text,
        (
            "train.lr=0.003 to 1",
            "train.optimizer=sgd,adamw",
            "train.momentum=0.5 to 0.99",
            "train.batch_size=16 to 256",
        ),
    )
    searches = SearchStore(store)
    search_id = searches.create(Search("Deer or dog", base, tuple(ranges), trials=24))
    driver.start(store, search_id)
    while not searches.get(search_id).control.done:
        time.sleep(0.5)
    return search_id


def copy_references(store: RunStore) -> tuple[str, str]:
    """Copy the committed runs and studies into ``store``.

    Returns the id of the best run on all ten classes and the id of the study with the most runs.
    """
    committed = RunStore(PROJECT / "runs")
    references = [run for run in committed.summaries() if run.meta.reference]
    for run in references:
        shutil.copytree(committed.run(run.id).path, store.root / run.id)
    studies = reference_studies(committed)
    target = StudyStore(store).root
    target.mkdir(exist_ok=True)
    for study in studies:
        shutil.copy(StudyStore(committed).root / f"{study.study_id}.json", target)
    on_all_classes = [run for run in references if run.config.data.classes == PRESETS["fast"].config.data.classes]
    best = max(on_all_classes, key=lambda run: run.accuracy_on_test or 0.0)
    return best.id, studies[0].study_id


if __name__ == "__main__":
    main()
