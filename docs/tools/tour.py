"""Draw docs/tour.gif from the real app: a run is started, learns, and classifies an image. Needs Chromium.

python -m docs.tools.tour
"""

import io
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.common import BROWSER_FLAGS, start_server
from core.base.paths import PROJECT
from core.runs.store import RunStore
from docs.tools.screenshots import test_images

WINDOW = {"width": 1200, "height": 760}
SIZE = (780, 494)
TARGET = PROJECT / "docs" / "tour.gif"
#: The file may have at most so many bytes.
MOST_BYTES = 2_000_000


class Film:
    """Frames of a page, each with the milliseconds it is shown; equal frames in a row become one."""

    def __init__(self, page: Page):
        self.page = page
        self.frames: list[tuple[Image.Image, int]] = []

    def take(self, milliseconds: int = 700) -> None:
        """Add the page as it looks now."""
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
        if self.frames and self.frames[-1][0].tobytes() == shot.tobytes():
            before = self.frames[-1][1]
            self.frames[-1] = shot, min(before + milliseconds, 2_500)
        else:
            self.frames.append((shot, milliseconds))

    def save(self) -> None:
        """Write the GIF. Raises SystemExit if it is too large."""
        images = [shot.quantize(128, dither=Image.Dither.NONE) for shot, _ in self.frames]
        times = [milliseconds for _, milliseconds in self.frames]
        images[0].save(TARGET, save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)
        size = TARGET.stat().st_size
        print(f"{TARGET.name}: {len(images)} frames, {sum(times) / 1e3:.0f} s, {size / 1e6:.2f} MB")
        if size > MOST_BYTES:
            raise SystemExit(f"{TARGET.name} has {size:,} bytes; at most {MOST_BYTES:,} are allowed.")


def main() -> None:
    """Start a run, watch it, classify images with it."""
    folder = Path(tempfile.mkdtemp())
    store = RunStore(folder / "runs")
    server, address = start_server(store.root)
    try:
        with sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
            film = Film(browser.new_page(viewport=WINDOW))  # type: ignore[arg-type]
            film.page.goto(f"{address}/new_run")
            start = film.page.get_by_role("button", name="Start run").first
            start.wait_for()
            time.sleep(3)
            film.take(2_000)
            start.click()
            (run_id,) = _wait_for_run(store)
            while store.summaries()[0].status.active:
                film.take()
                time.sleep(1.5)
            time.sleep(3)
            film.take(2_000)
            film.page.goto(f"{address}/classify?run={run_id}")
            film.page.locator("input[type=file]").first.wait_for(state="attached")
            time.sleep(4)
            film.take(1_200)
            film.page.locator("input[type=file]").first.set_input_files(test_images(folder))
            time.sleep(8)
            film.take(3_500)
            film.save()
            browser.close()
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_run(store: RunStore) -> list[str]:
    while not (run_ids := store.ids()):
        time.sleep(0.1)
    return run_ids


if __name__ == "__main__":
    main()
