"""Draw the images of the pages in README.md (docs/*.png) from the real app, with two short runs. Needs Chromium.

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
from core.study.store import StudyStore
from docs.tools.common import reference_studies, test_images, wait_until_ready

DOCS = PROJECT / "docs"


def take(page: Page, address: str, name: str) -> None:
    """Open a page and save its image."""
    page.goto(address)
    save(page, name)


def save(page: Page, name: str) -> None:
    """Save the image of the open page when it is ready."""
    wait_until_ready(page)
    page.screenshot(path=DOCS / f"{name}.png")


def main() -> None:
    """Train two runs and save the images of all pages."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = RunStore(Path(folder) / "runs")
        quick = PRESETS["quick"].config
        first = store.create(quick, name="A first run")
        second = store.create(quick.replace({"train.seed": 1, "augment.translate": "crop"}), name="With random crop")
        with served(store.root) as address, chromium() as browser:
            page = new_window(browser)
            while len(store.run(second).records()) < 3:
                time.sleep(0.2)
            take(page, f"{address}/run?run={second}", "run")
            take(page, address, "home")
            take(page, f"{address}/new_run", "new_run")
            take(page, f"{address}/dataset", "dataset")
            while store.run(second).status().active:
                time.sleep(0.5)
            take(page, f"{address}/compare?runs={first},{second}", "compare")
            page.goto(f"{address}/classify?run={first}")
            wait_until_ready(page)
            page.locator("input[type=file]").first.set_input_files(test_images(Path(folder)))
            save(page, "classify")
            if study_id := copy_reference_runs(store):
                take(page, f"{address}/studies?study={study_id}", "studies")
            take(page, f"{address}/leaderboard", "leaderboard")


def copy_reference_runs(store: RunStore) -> str | None:
    """Copy the reference studies and their runs into ``store``; return the id of the study with the most runs."""
    committed = RunStore(PROJECT / "runs")
    references = reference_studies(committed)
    for reference in references:
        for run_id in reference.table["run_id"]:
            shutil.copytree(committed.run(run_id).path, store.root / run_id, dirs_exist_ok=True)
        target = StudyStore(store).root
        target.mkdir(exist_ok=True)
        shutil.copy(StudyStore(committed).root / f"{reference.study_id}.json", target)
    return references[0].study_id if references else None


if __name__ == "__main__":
    main()
