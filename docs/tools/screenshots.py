"""The README's pictures, drawn from the real app: two quick runs are trained, then each page is looked at.

Needs Chromium. Run by `make screenshots`; writes docs/*.png.
"""

import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.common import BROWSER_FLAGS, WINDOW, start_server
from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.config.sections import CLASSES, TRAIN_IMAGES
from core.data import cifar10
from core.runs.store import RunStore
from core.study.store import StudyStore
from docs.tools.findings import reference_studies


def quick(seed: int) -> RunConfig:
    """The quick preset with another seed."""
    return PRESETS["quick"].config.replace({"train.seed": seed})


def take(page: Page, address: str, name: str, settle: float = 4.0) -> None:
    """One page as it stands after a moment."""
    page.goto(address)
    time.sleep(settle)
    page.screenshot(path=PROJECT / "docs" / f"{name}.png")


def main() -> None:
    """Train, look, draw."""
    folder = Path(tempfile.mkdtemp())
    store = RunStore(folder / "runs")
    first = store.create(quick(0), name="A first taste")
    second = store.create(quick(1).replace({"augment.translate": "crop"}), name="With random crops")
    server, address = start_server(store.root)
    try:
        while store.run(first).status().active:
            time.sleep(0.5)
        while len(store.run(second).records()) < 3:
            time.sleep(0.2)
        with sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
            page = browser.new_page(viewport=WINDOW)  # type: ignore[arg-type]
            take(page, f"{address}/run?run={second}", "run")
            take(page, address, "home")
            take(page, f"{address}/new_run", "new_run", 6)
            take(page, f"{address}/dataset", "dataset", 6)
            while store.run(second).status().active:
                time.sleep(0.5)
            take(page, f"{address}/compare?runs={first},{second}", "compare", 8)
            page.goto(f"{address}/classify?run={first}")
            time.sleep(6)
            page.locator("input[type=file]").first.set_input_files(test_images(folder))
            time.sleep(6)
            page.screenshot(path=PROJECT / "docs" / "classify.png")
            reference = copy_reference(store)
            if reference:
                take(page, f"{address}/studies?study={reference}", "studies", 8)
            take(page, f"{address}/leaderboard", "leaderboard", 6)
            browser.close()
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def copy_reference(store: RunStore) -> str | None:
    """Bring the program's own runs and studies into ``store``; returns the study with the most runs."""
    ours = RunStore(PROJECT / "runs")
    found = reference_studies(ours)
    for one in found:
        for run_id in one.table["run_id"]:
            shutil.copytree(ours.run(run_id).path, store.root / run_id, dirs_exist_ok=True)
        target = StudyStore(store).root
        target.mkdir(exist_ok=True)
        shutil.copy(StudyStore(ours).root / f"{one.study_id}.json", target)
    return found[0].study_id if found else None


def test_images(folder: Path) -> list[Path]:
    """Three of the official test images, enlarged, as files to drop."""
    data, files = cifar10.load(), []
    for label in (1, 7, 8):
        at = int((data.labels[TRAIN_IMAGES:] == label).argmax()) + TRAIN_IMAGES
        path = folder / f"{CLASSES[label]}.png"
        Image.fromarray(data.images[at].transpose(1, 2, 0)).resize((256, 256)).save(path)
        files.append(path)
    return files


if __name__ == "__main__":
    main()
