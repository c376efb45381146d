"""What the benchmarks share: where results go, how figures are written, networks to time, and servers to visit.

Each script measures, prints, and writes its table to ``benchmarks/results/`` and to a page in ``docs/``. Import from
this module only; no benchmark imports another.
"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.base.paths import PROJECT
from core.config.presets import preset
from core.config.run_config import RunConfig
from core.jobs.probe import WARM_UP, made_up_task
from core.records import BatchRecord
from core.training.environment import Environment, processor_name, resolve
from core.training.trainer import Trainer

RESULTS = PROJECT / "benchmarks" / "results"
#: Separates the results of different machines in one file.
RULE = "\n\n---\n\n"
#: The OpenMP and allocator settings that core/__init__.py changes, at their defaults.
DEFAULT_ENVIRONMENT = {"GOMP_SPINCOUNT": "300000", "THP_MEM_ALLOC_ENABLE": "0"}
#: The runs that time_to_accuracy.py has recorded, one a line.
ACCURACY_NOTES = RESULTS / "time_to_accuracy.jsonl"

# A browser without its own traffic, and the size of its window.
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WINDOW = {"width": 1440, "height": 900}


# --- results --------------------------------------------------------------------------------------


def publish(page: str, name: str, text: str) -> None:
    """Write ``text`` between the marks of ``name`` in docs/``page``.md. Raises SystemExit if the page lacks them."""
    path = PROJECT / "docs" / f"{page}.md"
    marks = re.compile(rf"(<!-- {name}: written by [^>]+ -->).*?(<!-- /{name} -->)", re.DOTALL)
    content, count = marks.subn(
        lambda found: f"{found[1]}\n\n{text.strip()}\n\n{found[2]}", path.read_text(encoding="utf-8")
    )
    if not count:
        raise SystemExit(f"docs/{page}.md lacks the marks <!-- {name}: written by … --> and <!-- /{name} -->.")
    path.write_text(content, encoding="utf-8")


def keep_by_machine(name: str, text: str) -> str:
    """Write ``text`` to benchmarks/results/``name``.md and return the whole file.

    The newest result comes first and replaces the earlier one of the same machine: what stands before the first date
    of a text names the machine.
    """
    path = RESULTS / f"{name}.md"
    earlier = path.read_text(encoding="utf-8").strip().split(RULE) if path.is_file() else []
    whole = RULE.join([text.strip(), *(result for result in earlier if _machine(result) != _machine(text))])
    path.write_text(whole + "\n", encoding="utf-8")
    return whole


def _machine(text: str) -> str:
    return re.split(r", \d{4}-\d\d-\d\d", text.strip(), maxsplit=1)[0]


def heading(*details: str) -> str:
    """Return processor, cores, ``details`` and date: the first line of each result."""
    return ", ".join([processor_name(), f"{os.cpu_count()} cores", *details, time.strftime("%Y-%m-%d")])


def machine_text(environment: Environment) -> str:
    """Return what trains, in a few words. Speeds and seed-to-seed variation are compared only within one machine."""
    return f"{processor_name()}, {environment.threads} threads, {environment.precision}"


def spread_text(values: list[float], digits: int = 0) -> str:
    """Return median and extremes: ``12.3 (11.8–13.0)``."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def percentile_95(values: list[float]) -> float:
    """Return the value that 95 % of ``values`` do not exceed."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


# --- measuring ------------------------------------------------------------------------------------


def measured_alone(module: str, *arguments: str, **environment: str) -> dict[str, float]:
    """Run ``python -m benchmarks.MODULE ARGUMENTS`` in a new process; return the JSON of its last line."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    answer = subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT
    )
    return json.loads(answer.stdout.splitlines()[-1])


def plain_speed(batch_size: int, workers: int, images: int = 6_400) -> float:
    """Return the images per second of the plain loop (benchmarks/plain.py), with torch's default environment."""
    words = (str(batch_size), str(workers), str(images))
    return measured_alone("plain", *words, **DEFAULT_ENVIRONMENT)["training"]


def best_workers(batch_size: int, images: int = 6_400) -> int:
    """Return the number of loader processes with which the plain loop is fastest here."""
    return max((0, 2, 4), key=lambda workers: plain_speed(batch_size, workers, images))


def network_config(settings: list[str], shape: tuple[int, int, str, int]) -> RunConfig:
    """Return a config of a network (depth, width, shortcut) and batch size, whose steps change next to nothing."""
    depth, width, shortcut, batch = shape
    changes = {"model.depth": depth, "model.width": width, "model.shortcut": shortcut, "train.batch_size": batch}
    low = {"train.epochs": 1_000, "train.lr": 1e-7, "train.warmup_epochs": 0.0}
    return RunConfig().replace({**changes, **low}).set_from_text(settings).checked()


def step_seconds(config: RunConfig, clock: Callable[[], float], steps: int = 4) -> list[float]:
    """Return the seconds of a few training steps of a new network, without those that prepare kernels."""
    environment = resolve(config)
    trainer = Trainer(config, made_up_task(config, environment.torch_device), environment)
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


def accuracy_notes(name: str) -> list[dict[str, Any]]:
    """Return the recorded runs of a preset's recipe, in any number of epochs, sorted by that number and by seed."""
    lines = ACCURACY_NOTES.read_text(encoding="utf-8").splitlines() if ACCURACY_NOTES.is_file() else []
    own = [note for note in map(json.loads, lines) if note["preset"] == name]
    recorded = [note for note in own if note["settings"] == _recipe(name, note)]
    return sorted(recorded, key=lambda note: (trained_epochs(note), note["seed"]))


def trained_epochs(note: dict[str, Any]) -> int:
    """Return the number of epochs of a recorded run."""
    return len(note["epochs"]["epoch"])


def _recipe(name: str, note: dict[str, Any]) -> str:
    """Return the signature that the preset has today with the number of epochs of a recorded run."""
    return preset(name).config.replace({"train.seed": 0, "train.epochs": trained_epochs(note)}).signature()


# --- servers --------------------------------------------------------------------------------------


def start_server(runs: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server over the folder ``runs`` and wait until it answers; return its process and address."""
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
    while True:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return server, address
