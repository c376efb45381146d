"""Draw docs/tour.gif from the real app: a run is started, learns, and classifies an image. Needs Chromium.

python -m docs.tools.tour
"""

import io
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.common import chromium, new_window, served
from core.base.paths import PROJECT
from core.runs.folder import RunFolder
from core.runs.store import RunStore
from docs.tools.common import test_images, wait_until_ready

TARGET = PROJECT / "docs" / "tour.gif"
#: Size of the browser window in CSS pixels, and of the GIF in pixels.
WINDOW, SIZE = (1_200, 900), (800, 600)
MAX_BYTES = 2_000_000
SCROLL_TO_TOP = "() => document.querySelector('[data-testid=stMain]').scrollTo(0, 0)"


class Film:
    """Images of a page, each with the milliseconds for which it is shown."""

    def __init__(self, page: Page):
        self.page = page
        self.frames: list[tuple[Image.Image, int]] = []

    def take(self, milliseconds: int = 700) -> None:
        """Add the top of the page as it looks now. An unchanged page extends the last frame, up to 2.5 s."""
        self.page.mouse.move(2, 2)  # away from charts, which show buttons under the pointer
        self.page.evaluate(SCROLL_TO_TOP)
        screenshot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        image = screenshot.resize(SIZE, Image.Resampling.LANCZOS)
        if self.frames and self.frames[-1][0].tobytes() == image.tobytes():
            self.frames[-1] = image, min(self.frames[-1][1] + milliseconds, 2_500)
        else:
            self.frames.append((image, milliseconds))

    def save(self) -> None:
        """Write the GIF. Raises SystemExit if it is larger than MAX_BYTES."""
        images = [image.quantize(128, dither=Image.Dither.NONE) for image, _ in self.frames]
        times = [milliseconds for _, milliseconds in self.frames]
        images[0].save(TARGET, save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)
        size = TARGET.stat().st_size
        print(f"{TARGET.name}: {len(images)} frames, {sum(times) / 1e3:.0f} s, {size / 1e6:.2f} MB")
        if size > MAX_BYTES:
            raise SystemExit(f"{TARGET.name} has {size:,} bytes; the limit is {MAX_BYTES:,}.")


def film_training(film: Film, run: RunFolder) -> None:
    """Film three moments of each epoch until the run ends, however fast the machine is."""
    filmed = None
    while run.status().active:
        progress = run.progress()
        moment = (progress.epoch, 3 * progress.batch // progress.batches) if progress else None
        if moment != filmed:
            filmed = moment
            time.sleep(1.5)  # the page refreshes each second
            film.take(450)
        time.sleep(0.1)


def main() -> None:
    """Start a run in the browser, film it to its end, and classify images with it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = RunStore(Path(folder) / "runs")
        with served(store.root) as address, chromium() as browser:
            film = Film(new_window(browser, WINDOW))
            film.page.goto(f"{address}/new_run")
            wait_until_ready(film.page)
            film.take(1_500)
            film.page.get_by_role("button", name="Select deer and dog").click()
            film.page.get_by_label("Name", exact=True).first.fill("My first run")
            film.page.keyboard.press("Tab")
            wait_until_ready(film.page, 3)
            film.take(1_500)
            film.page.get_by_role("button", name="Start run").first.click()
            while not store.ids():
                time.sleep(0.1)
            (run_id,) = store.ids()
            film_training(film, store.run(run_id))
            wait_until_ready(film.page, 3)
            film.take(2_000)
            film.page.goto(f"{address}/classify?run={run_id}")
            wait_until_ready(film.page)
            film.take(1_200)
            film.page.locator("input[type=file]").first.set_input_files(test_images(Path(folder), labels=(4, 5)))
            wait_until_ready(film.page, 4)
            film.take(3_500)
            film.save()


if __name__ == "__main__":
    main()
