"""How fast the pages are, in a real Chromium, and what they cost a training run: a Markdown table for each part.

    python -m benchmarks.pages [paint|rerun|slowing|delay|compare …]   (all, unless some are named)

paint     first paint of each page, from the address to its title and, where it has one, its first chart
rerun     a click on Live to the end of the script's run, while the server trains on all cores
slowing   training speed with Live open, polling each second, over that without; taken in turn
delay     the end of an epoch in metrics.jsonl to its point in the chart on Live
compare   Compare with 1,000 runs of 200 epochs: benchmarks/compare_many.py, without a browser

Every part starts a server of its own over a temporary folder of runs. Writes benchmarks/results/pages-PART.md, and
what was measured last into the README.
The browser draws on the same cores that train, as it does for who sits at the machine.
"""

import contextlib
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.common import BROWSER_FLAGS, RESULTS, WINDOW, heading, percentile_95, publish, start_server
from core.config.presets import PRESETS
from core.runs.store import RunStore
from tests.made import made_run

#: Address and what must be seen, as CSS.
PAGES = {
    "home": ("", "h1"), "new run": ("new_run", "h1"), "run": ("run", ".js-plotly-plot .main-svg"),
    "compare": ("compare", "h1"), "dataset": ("dataset", "h1"), "classify": ("classify", "h1"),
}  # fmt: skip
#: A click on the first switch of the page, and the ms until the script has run for it.
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
#: Notes when (ms since 1970) the first chart gets each number of points.
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
    """A server with runs of its own, and a browser."""

    store: RunStore
    address: str
    browser: Browser

    def page(self, path: str = "") -> Page:
        """A new window."""
        page = self.browser.new_context(viewport=WINDOW).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(60_000)
        page.goto(f"{self.address}/{path}")
        return page


@contextlib.contextmanager
def lab(prepare: Callable[[RunStore], object]) -> Iterator[Lab]:
    """A laboratory over a temporary folder in which ``prepare`` has put runs."""
    folder = Path(tempfile.mkdtemp())
    store = RunStore(folder / "runs")
    prepare(store)
    server, address = start_server(store.root)
    try:
        with sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
            yield Lab(store, address, browser)
            browser.close()
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def training(store: RunStore, images: int = 1_500) -> str:
    """A run that trains on all cores for longer than anything here takes, on so many images in each epoch."""
    config = PRESETS["quick"].config.set_from_text(
        ["train.epochs=5000", "train.schedule=constant", "train.lr=0.01", f"data.train_size={images}"]
    )
    return store.create(config, name="at work")


def wait_for_epochs(store: RunStore, run_id: str, count: int) -> None:
    """Wait until a run has so many epochs."""
    while len(store.metrics(run_id)) < count:
        if store.run(run_id).status().state == "failed":
            raise SystemExit(store.run(run_id).status().error)
        time.sleep(0.05)


# --- the parts ------------------------------------------------------------------------------------


def paint() -> Iterator[str]:
    """First paint of each page, in a new window each time."""
    yield "| page | n | median s | most s | wanted |\n| --- | --- | --- | --- | --- |"

    def some(store: RunStore) -> None:
        for at in range(6):
            made_run(store, epochs=20, name=f"run {at}")

    with lab(some) as here:
        for name, (path, wanted) in PAGES.items():
            times = []
            for _ in range(5):
                began = time.perf_counter()
                page = here.page(path)
                page.locator(wanted).first.wait_for()
                times.append(time.perf_counter() - began)
                page.context.close()
            yield f"| {name} | {len(times)} | {statistics.median(times):.2f} | {max(times):.2f} | < 3 |"


def rerun() -> Iterator[str]:
    """Reruns of Live while its server trains."""
    yield "| what | n | median s | p95 s | wanted p95 |\n| --- | --- | --- | --- | --- |"
    run_ids: list[str] = []
    with lab(lambda store: run_ids.append(training(store))) as here:
        wait_for_epochs(here.store, run_ids[0], 2)
        page = here.page(f"run?run={run_ids[0]}")
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        times = [page.evaluate(CLICK) / 1e3 for _ in range(40)]
        yield (
            f"| a switch on Live, training on all cores | {len(times)} | {statistics.median(times):.2f} | "
            f"{percentile_95(times):.2f} | ≤ 0.5 |"
        )


def slowing() -> Iterator[str]:
    """Speed of training with and without a page open, taken in turn, in epochs of half a minute and less."""
    yield "| what | n | median ratio of speeds | least–most | wanted |\n| --- | --- | --- | --- | --- |"
    run_ids: list[str] = []
    with lab(lambda store: run_ids.append(training(store, 12_000))) as here:
        (run_id,) = run_ids
        wait_for_epochs(here.store, run_id, 1)

        def speed() -> float:
            """That of the next whole epoch."""
            first = len(here.store.metrics(run_id)) + 1  # the one that has begun does not count
            wait_for_epochs(here.store, run_id, first + 1)
            return float(here.store.metrics(run_id)["images_per_second"].iloc[first])

        ratios, before = [], speed()
        for _ in range(5):
            page = here.page(f"run?run={run_id}")
            page.locator(".js-plotly-plot .main-svg").first.wait_for()
            beside = speed()
            page.context.close()
            after = speed()
            ratios.append(beside / statistics.mean((before, after)))  # what drifts slowly cancels
            before = after
        yield (
            f"| training with Live open / without | {len(ratios)} | {statistics.median(ratios):.3f} | "
            f"{min(ratios):.3f}–{max(ratios):.3f} | > 0.95 |"
        )


def delay() -> Iterator[str]:
    """From a line in metrics.jsonl to the point on the screen."""
    yield "| what | n | median s | most s | wanted |\n| --- | --- | --- | --- | --- |"
    run_ids: list[str] = []
    with lab(lambda store: run_ids.append(training(store))) as here:
        (run_id,) = run_ids
        wait_for_epochs(here.store, run_id, 2)
        page = here.page(f"run?run={run_id}")
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        page.evaluate(WATCH)
        written, over = dict[int, float](), threading.Event()

        def note() -> None:
            path = here.store.run(run_id).path / "metrics.jsonl"
            while not over.is_set():
                written.setdefault(path.read_bytes().count(b"\n"), path.stat().st_mtime)
                time.sleep(0.01)

        watcher = threading.Thread(target=note)
        watcher.start()
        first = len(here.store.metrics(run_id)) + 1
        wait_for_epochs(here.store, run_id, first + 20)
        time.sleep(2)
        over.set()
        watcher.join()
        seen = {int(points): ms / 1e3 for points, ms in page.evaluate("window.seen").items()}
        times = [seen[one] - written[one] for one in range(first, first + 20) if one in seen and one in written]
        yield (
            f"| an epoch's end to its point on Live | {len(times)} | {statistics.median(times):.2f} | "
            f"{max(times):.2f} | ≤ 1.5 |"
        )


PARTS: dict[str, Callable[[], Iterator[str]]] = {"paint": paint, "rerun": rerun, "slowing": slowing, "delay": delay}


def main() -> None:
    """Run the parts that are named, or all."""
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := [one for one in wanted if one not in PARTS]:
        raise SystemExit(f"There is no part {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    head = heading()
    for name in wanted:
        lines = [head, ""]
        print(f"\n{name}: {head}\n")
        for line in PARTS[name]():
            print(line, flush=True)
            lines.append(line)
        (RESULTS / f"pages-{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    kept = [RESULTS / f"pages-{name}.md" for name in PARTS]
    publish("speed", "pages", "\n".join(path.read_text(encoding="utf-8") for path in kept if path.is_file()))


if __name__ == "__main__":
    main()
