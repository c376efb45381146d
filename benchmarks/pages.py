"""Measure how fast the pages are in Chromium, and how much they slow down training.

    python -m benchmarks.pages [paint|pick|inspect|rerun|slowing|delay …]   (all, unless some are named)

paint     from the address of a page to its title and to its first chart if it has a chart
pick      from a click in the table of Compare with 60 runs to the first chart
inspect   Inspect with 100 runs: from its address, and from a click on Run, to its matrix and images; from a click on
          a cell to its images
rerun     from a click on Run to the end of the script's run, while the server trains on all cores
slowing   training speed with Run open, refreshing each second, divided by that without a page, measured in turn
delay     from the end of an epoch in metrics.jsonl to its point in the chart on Run

Each measurement starts a server of its own over a temporary folder of runs and writes
benchmarks/results/pages-NAME.md; docs/speed.md gets the newest result of each. The browser runs on the cores that
train, as on a computer where someone watches a run. benchmarks/compare_many.py measures Compare with 1,000 runs.
"""

import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.common import RESULTS, chromium, heading, new_window, percentile_95, publish, served
from core.config.presets import PRESETS
from core.runs.store import RunStore
from tests.made import made_predictions, made_run

#: The first chart of a page, as CSS selector.
CHART = ".js-plotly-plot .main-svg"
#: By name in the table: the path of the page, and what must be visible.
PAGES = {
    "Home": ("", "h1"),
    "New run": ("new_run", "h1"),
    "Run": ("run", CHART),
    "Compare": ("compare", "h1"),
    "Inspect": ("inspect", CHART),
    "Dataset": ("dataset", "h1"),
    "Classify": ("classify", "h1"),
}
#: Whether a chart of the page has curves.
DRAWN = "() => [...document.querySelectorAll('.js-plotly-plot')].some((chart) => chart.data?.length)"
#: The images of a grid.
TILES = ".tiles canvas"
#: Clicks a cell of the confusion matrix and returns the milliseconds until the grid has other images.
CELL = """async () => {
  const chart = document.querySelector('.live-chart.clickable');
  const roots = () => [document, ...[...document.querySelectorAll('*')].map((node) => node.shadowRoot).filter(Boolean)];
  const grid = () => roots().map((root) => root.querySelector('.tiles')).find(Boolean);
  const label = () => grid()?.getAttribute('aria-label');
  const tick = () => new Promise((done) => setTimeout(done, 10));
  const before = label(), began = performance.now();
  chart.emit('plotly_click', { points: [{ x: 'automobile', y: 'airplane' }] });
  while (label() === before && performance.now() - began < 5000) await tick();
  return performance.now() - began;
}"""
#: Clicks the first switch of the page and returns the milliseconds until the script has run.
CLICK = """async () => {
  const app = document.querySelector('[data-testid=stApp]'), state = () => app.getAttribute('data-test-script-state');
  const tick = () => new Promise((done) => setTimeout(done, 2));
  while (state() !== 'notRunning') await tick();
  const began = performance.now();
  document.querySelector('[data-testid=stCheckbox] input').click();
  while (state() === 'notRunning' && performance.now() - began < 5000) await tick();
  while (state() !== 'notRunning') await tick();
  return performance.now() - began;
}"""
#: Records when (milliseconds since 1970) the first chart gets each number of points.
WATCH = """() => {
  window.seen = {};
  setInterval(() => {
    const chart = document.querySelector('.js-plotly-plot');
    const points = Math.max(0, ...(chart?.data ?? []).map((trace) => (trace.x ?? []).length));
    if (points && !window.seen[points]) window.seen[points] = Date.now();
  }, 10);
}"""


@dataclass
class Lab:
    """A server with its runs, and a browser."""

    store: RunStore
    address: str
    browser: Browser

    def page(self, path: str = "") -> Page:
        """Open a page in a new window."""
        page = new_window(self.browser)
        page.goto(f"{self.address}/{path}")
        return page

    def run_page(self, run_id: str) -> Page:
        """Open the page Run in a new window and wait for its chart."""
        page = self.page(f"run?run={run_id}")
        page.locator(CHART).first.wait_for()
        return page


@contextlib.contextmanager
def lab(prepare: Callable[[RunStore], object]) -> Iterator[Lab]:
    """Yield a server over a temporary folder in which ``prepare`` has created runs, and a browser."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = RunStore(Path(folder) / "runs")
        prepare(store)
        with served(store.root) as address, chromium() as browser:
            yield Lab(store, address, browser)


@contextlib.contextmanager
def training_lab(images: int = 1_500) -> Iterator[tuple[Lab, str]]:
    """Yield a lab whose server trains on all cores, and the id of its run.

    The run has ``images`` training images and lasts longer than any measurement.
    """
    settings = ["train.epochs=5000", "train.schedule=constant", "train.lr=0.01", f"data.train_size={images}"]
    config = PRESETS["quick"].config.set_from_text(settings)
    with lab(lambda store: store.create(config, name="training")) as here:
        yield here, here.store.ids()[0]


def wait_for_epochs(store: RunStore, run_id: str, count: int) -> None:
    """Wait until a run has ``count`` epochs. Raises SystemExit if it fails."""
    while len(store.metrics(run_id)) < count:
        status = store.run(run_id).status()
        if status.state == "failed":
            raise SystemExit(status.error)
        time.sleep(0.05)


# --- measurements ---------------------------------------------------------------------------------


def paint() -> Iterator[str]:
    """Yield a table of the first paint of each page, in a new window each time."""
    yield "| page | n | median, s | longest, s | goal |\n| --- | --- | --- | --- | --- |"

    def six_runs(store: RunStore) -> None:
        for number in range(6):
            made_run(store, epochs=20, name=f"run {number}")

    with lab(six_runs) as here:
        for name, (path, visible) in PAGES.items():
            times = []
            for _ in range(5):
                began = time.perf_counter()
                page = here.page(path)
                page.locator(visible).first.wait_for()
                times.append(time.perf_counter() - began)
                page.context.close()
            yield f"| {name} | {len(times)} | {statistics.median(times):.2f} | {max(times):.2f} | < 3 |"


def pick() -> Iterator[str]:
    """Yield a table of the first pick on Compare, and of picking all 60 runs, in a new window each time."""
    yield "| click on Compare | n | median, s | longest, s | goal |\n| --- | --- | --- | --- | --- |"

    def sixty_runs(store: RunStore) -> None:
        for number in range(60):
            settings = {"train.seed": number % 3, "train.lr": 0.05 * (1 + number // 3)}
            made_run(store, epochs=24, config=PRESETS["fast"].config.replace(settings))

    with lab(sixty_runs) as here:
        for name, y, goal in (("the first run", 55, 0.5), ("all 60 runs", 18, 1.5)):
            times = []
            for _ in range(7):
                page = here.page("compare")
                box = page.get_by_test_id("stDataFrame").first.bounding_box()
                page.wait_for_timeout(2_500)  # a person looks at the table first
                assert box is not None
                page.evaluate("addEventListener('pointerdown', () => (window.began = performance.now()), true)")
                page.mouse.click(box["x"] + 20, box["y"] + y)
                page.wait_for_function(DRAWN, polling=10)
                times.append(page.evaluate("performance.now() - window.began") / 1e3)
                page.context.close()
            yield f"| {name} | {len(times)} | {statistics.median(times):.2f} | {max(times):.2f} | ≤ {goal} |"


def inspect() -> Iterator[str]:
    """Yield a table of Inspect with 100 runs that all keep their predictions, from a new window and from another page.

    No page can open in a new window before the title of a page without a chart: that row is the browser and Streamlit.
    """
    yield "| Inspect with 100 runs | n | median, s | longest, s | goal |\n| --- | --- | --- | --- | --- |"

    def hundred_runs(store: RunStore) -> None:
        for number in range(100):
            settings = {"train.seed": number % 5, "train.lr": 0.05 * (1 + number // 5)}
            run_id = made_run(store, epochs=24, config=PRESETS["fast"].config.replace(settings))
            made_predictions(store, run_id, number, 0.9)

    with lab(hundred_runs) as here:
        first, second, *_ = here.store.ids()
        here.page(f"inspect?run={first}").locator(TILES).first.wait_for()  # the server has read the images
        title, opening, two, switch, cell = (list[float]() for _ in range(5))
        for _ in range(7):
            began = time.perf_counter()
            page = here.page("leaderboard")
            page.locator("h1").first.wait_for()
            title.append(time.perf_counter() - began)
            page.context.close()
            for times, address in ((opening, f"run={first}"), (two, f"run={first}&with={second}")):
                began = time.perf_counter()
                page = here.page(f"inspect?{address}")
                page.locator(TILES).first.wait_for()
                page.wait_for_function(DRAWN, polling=10)
                times.append(time.perf_counter() - began)
                page.context.close()
            page = here.run_page(first)
            page.wait_for_timeout(2_000)
            began = time.perf_counter()
            page.get_by_role("button", name="Inspect answers").click()
            page.locator(TILES).first.wait_for()
            page.wait_for_function(DRAWN, polling=10)
            switch.append(time.perf_counter() - began)
            page.wait_for_timeout(2_000)  # a person looks at the matrix first
            cell.append(page.evaluate(CELL) / 1e3)
            page.context.close()
        rows = (
            ("for comparison: a new window, to the title of Leaderboard", title, 1.5),
            ("open it in a new window", opening, 1.5),
            ("open it with two runs in a new window", two, 1.5),
            ("open it from the page of its run", switch, 1.5),
            ("a click on a cell, to its images", cell, 0.5),
        )
        for name, times, goal in rows:
            yield f"| {name} | {len(times)} | {statistics.median(times):.2f} | {max(times):.2f} | ≤ {goal} |"


def rerun() -> Iterator[str]:
    """Yield a table of reruns of the page Run while its server trains."""
    yield "| action | n | median, s | 95th percentile, s | goal |\n| --- | --- | --- | --- | --- |"
    with training_lab() as (here, run_id):
        wait_for_epochs(here.store, run_id, 2)
        page = here.run_page(run_id)
        times = [page.evaluate(CLICK) / 1e3 for _ in range(40)]
        yield (
            f"| a switch on Run, while all cores train | {len(times)} | {statistics.median(times):.2f} | "
            f"{percentile_95(times):.2f} | ≤ 0.5 |"
        )


def slowing() -> Iterator[str]:
    """Yield a table of the training speed with and without an open page, in epochs of half a minute or less."""
    yield "| speeds compared | n | median ratio | lowest–highest | goal |\n| --- | --- | --- | --- | --- |"
    with training_lab(12_000) as (here, run_id):
        wait_for_epochs(here.store, run_id, 1)

        def speed() -> float:
            """Return the images per second of the next complete epoch."""
            first = len(here.store.metrics(run_id)) + 1  # the current epoch has begun already
            wait_for_epochs(here.store, run_id, first + 1)
            return float(here.store.metrics(run_id)["images_per_second"].iloc[first])

        ratios, before = [], speed()
        for _ in range(5):
            page = here.run_page(run_id)
            with_page = speed()
            page.context.close()
            after = speed()
            ratios.append(with_page / statistics.mean((before, after)))  # a slow drift cancels
            before = after
        yield (
            f"| training with Run open / without | {len(ratios)} | {statistics.median(ratios):.3f} | "
            f"{min(ratios):.3f}–{max(ratios):.3f} | > 0.95 |"
        )


def delay() -> Iterator[str]:
    """Yield a table of the time from a line in metrics.jsonl to its point on the screen."""
    yield "| from … to … | n | median, s | longest, s | goal |\n| --- | --- | --- | --- | --- |"
    with training_lab() as (here, run_id):
        wait_for_epochs(here.store, run_id, 2)
        page = here.run_page(run_id)
        page.evaluate(WATCH)
        written, ended = dict[int, float](), threading.Event()

        def watch_file() -> None:
            path = here.store.run(run_id).path / "metrics.jsonl"
            while not ended.is_set():
                written.setdefault(path.read_bytes().count(b"\n"), path.stat().st_mtime)
                time.sleep(0.01)

        watcher = threading.Thread(target=watch_file)
        watcher.start()
        first = len(here.store.metrics(run_id)) + 1
        wait_for_epochs(here.store, run_id, first + 20)
        time.sleep(2)
        ended.set()
        watcher.join()
        seen = {int(points): ms / 1e3 for points, ms in page.evaluate("window.seen").items()}
        epochs = [epoch for epoch in range(first, first + 20) if epoch in seen and epoch in written]
        times = [seen[epoch] - written[epoch] for epoch in epochs]
        yield (
            f"| the end of an epoch to its point on Run | {len(times)} | {statistics.median(times):.2f} | "
            f"{max(times):.2f} | ≤ 1.5 |"
        )


MEASUREMENTS: dict[str, Callable[[], Iterator[str]]] = {
    "paint": paint,
    "pick": pick,
    "inspect": inspect,
    "rerun": rerun,
    "slowing": slowing,
    "delay": delay,
}


def main() -> None:
    """Run the named measurements, or all."""
    names = sys.argv[1:] or list(MEASUREMENTS)
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        raise SystemExit(f"Unknown: {', '.join(unknown)}. Choose from {', '.join(MEASUREMENTS)}.")
    first_line = heading()
    for name in names:
        lines = [first_line, ""]
        print(f"\n{name}: {first_line}\n")
        for line in MEASUREMENTS[name]():
            print(line, flush=True)
            lines.append(line)
        (RESULTS / f"pages-{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    paths = [RESULTS / f"pages-{name}.md" for name in MEASUREMENTS]
    publish("speed", "pages", "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file()))


if __name__ == "__main__":
    main()
