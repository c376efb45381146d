"""Functions that the benchmarks share: write results, format numbers, time networks, serve the app, open a browser.

A benchmark measures, prints a table, and writes it to ``benchmarks/results/`` and to a page in ``docs/``. Benchmarks
import from this module and never from each other.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.paths import PROJECT
from core.base.text import counted
from core.config.presets import preset
from core.config.run_config import RunConfig
from core.jobs.probe import WARM_UP, random_task
from core.records import BatchRecord
from core.training.environment import Environment, processor_name, resolve
from core.training.trainer import Trainer

if TYPE_CHECKING:  # only the scripts that open a browser need Playwright
    from playwright.sync_api import Browser, Page

RESULTS = PROJECT / "benchmarks" / "results"
#: Separates the results of different machines in one file.
RULE = "\n\n---\n\n"
#: The OpenMP and allocator settings that core/__init__.py changes, at their defaults.
DEFAULT_ENVIRONMENT = {"GOMP_SPINCOUNT": "300000", "THP_MEM_ALLOC_ENABLE": "0"}
#: Runs recorded by time_to_accuracy.py: a JSON object per line.
ACCURACY_NOTES = RESULTS / "time_to_accuracy.jsonl"

#: Chromium without network traffic of its own.
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
#: Size of a browser window, in CSS pixels.
WINDOW = (1_440, 900)


# --- results --------------------------------------------------------------------------------------


def publish(page: str, name: str, text: str) -> None:
    """Replace the text between the markers of ``name`` in docs/``page``.md.

    Raises SystemExit if the page has no such markers.
    """
    path = PROJECT / "docs" / f"{page}.md"
    markers = re.compile(rf"(<!-- {name}: written by [^>]+ -->).*?(<!-- /{name} -->)", re.DOTALL)
    content, count = markers.subn(
        lambda match: f"{match[1]}\n\n{text.strip()}\n\n{match[2]}", path.read_text(encoding="utf-8")
    )
    if not count:
        raise SystemExit(f"docs/{page}.md has no markers <!-- {name}: written by … --> and <!-- /{name} -->. Add them.")
    path.write_text(content, encoding="utf-8")


def keep_by_machine(name: str, text: str) -> str:
    """Write ``text`` to benchmarks/results/``name``.md and return the whole file.

    The newest result comes first and replaces an earlier result of the same machine. The text before the first date
    identifies the machine.
    """
    path = RESULTS / f"{name}.md"
    earlier = path.read_text(encoding="utf-8").strip().split(RULE) if path.is_file() else []
    whole = RULE.join([text.strip(), *(result for result in earlier if _machine(result) != _machine(text))])
    path.write_text(whole + "\n", encoding="utf-8")
    return whole


def _machine(text: str) -> str:
    return re.split(r", \d{4}-\d\d-\d\d", text.strip(), maxsplit=1)[0]


def heading(*details: str) -> str:
    """Return the first line of a result: processor, number of cores, ``details`` and date."""
    return ", ".join([processor_name(), f"{os.cpu_count()} cores", *details, time.strftime("%Y-%m-%d")])


def machine_text(environment: Environment) -> str:
    """Return processor, threads and precision. Only results with an equal text are compared with each other."""
    return f"{processor_name()}, {counted(environment.threads, 'thread')}, {environment.precision}"


def spread_text(values: list[float], digits: int = 0) -> str:
    """Return the median, the lowest and the highest value: ``12.3 (11.8–13.0)``."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def percentile_95(values: list[float]) -> float:
    """Return the 95th percentile of at least two ``values``."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


# --- measuring ------------------------------------------------------------------------------------


def measured_alone(module: str, *arguments: str, **environment: str) -> dict[str, float]:
    """Run ``python -m benchmarks.MODULE ARGUMENTS`` in a new process; return the JSON object in its last line."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    answer = subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT
    )
    return json.loads(answer.stdout.splitlines()[-1])


def plain_speed(batch_size: int, workers: int, images: int = 6_400) -> float:
    """Return the images per second of the plain loop (benchmarks/plain.py) in PyTorch's default environment."""
    arguments = (str(batch_size), str(workers), str(images))
    return measured_alone("plain", *arguments, **DEFAULT_ENVIRONMENT)["training"]


def best_workers(batch_size: int, images: int = 6_400) -> int:
    """Return the number of loader processes, 0, 2 or 4, with which the plain loop is fastest on this machine."""
    return max((0, 2, 4), key=lambda workers: plain_speed(batch_size, workers, images))


def network_config(settings: list[str], shape: tuple[int, int, str, int]) -> RunConfig:
    """Return a config to time training steps with.

    ``shape`` holds depth, width, shortcut and batch size. The learning rate is so low that training cannot diverge.
    """
    depth, width, shortcut, batch = shape
    network = {"model.depth": depth, "model.width": width, "model.shortcut": shortcut, "train.batch_size": batch}
    training = {"train.epochs": 1_000, "train.lr": 1e-7, "train.warmup_epochs": 0.0}
    return RunConfig().replace({**network, **training}).set_from_text(settings).checked()


def step_seconds(config: RunConfig, clock: Callable[[], float], steps: int = 4) -> list[float]:
    """Train a new network and return the seconds of ``steps`` steps after the warm-up, measured with ``clock``."""
    environment = resolve(config)
    trainer = Trainer(config, random_task(config, environment.torch_device), environment)
    seconds: list[float] = []
    records, last = trainer.train(), 0.0
    for record in records:
        now = clock()
        if isinstance(record, BatchRecord):
            seconds.append(now - last)
        last = now
        if len(seconds) == WARM_UP + steps:
            records.close()
    return seconds[WARM_UP:]


# --- recorded accuracies --------------------------------------------------------------------------

#: Images that `fast` and `fast-10` held out when their first runs were recorded.
HELD_OUT_BEFORE = 1_000


def accuracy_notes(name: str) -> list[dict[str, Any]]:
    """Return the recorded runs of a preset's recipe with any number of epochs, sorted by epochs, then by seed."""
    lines = ACCURACY_NOTES.read_text(encoding="utf-8").splitlines() if ACCURACY_NOTES.is_file() else []
    notes = [note for note in map(json.loads, lines) if note["preset"] == name and held_out(note)]
    return sorted(notes, key=lambda note: (trained_epochs(note), note["seed"]))


def trained_epochs(note: dict[str, Any]) -> int:
    """Return the number of epochs of a recorded run."""
    return len(note["epochs"]["epoch"])


def held_out(note: dict[str, Any]) -> int | None:
    """Return how many images a recorded run of today's recipe held out; ``None`` for another recipe."""
    recipe = preset(note["preset"]).config.replace({"train.seed": 0, "train.epochs": trained_epochs(note)})
    sizes = (recipe.data.validation_size, HELD_OUT_BEFORE)
    return next(
        (size for size in sizes if recipe.replace({"data.validation_size": size}).signature() == note["settings"]), None
    )


# --- the app in a browser --------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(runs: Path) -> Iterator[str]:
    """Serve the app over the folder ``runs``, yield its address once it answers, and kill the server at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "serve.py", "--server.port", str(port)],
        cwd=PROJECT,
        env={**os.environ, "RESNET_LAB_RUNS": str(runs)},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while not _answers(address):
            if server.poll() is not None:
                raise SystemExit("The server stopped while starting; its messages above say why.")
            time.sleep(0.2)
        yield address
    finally:
        server.kill()
        server.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def chromium() -> "Iterator[Browser]":
    """Yield a Chromium. Raises SystemExit if none is installed."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("Chromium is not installed; this script needs it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield browser
        browser.close()


def new_window(browser: "Browser", size: tuple[int, int] = WINDOW) -> "Page":
    """Open a window with a session of its own, ``size`` in CSS pixels."""
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.set_default_timeout(60_000)
    return page
