"""Measure how long Compare takes to open and to refresh with many runs.

    python -m benchmarks.compare_many [--runs 1000] [--epochs 200] [--repeats 10]

Creates the runs in a temporary folder (without flushing each file to the disk, since they are deleted afterwards). Then
measures, in this process, the summaries of all runs: read for the first time, read by a new server that has the cache
of an earlier server, read again without a change, and read after one run changed. Then opens and refreshes the page in
Streamlit's AppTest, with no, 6 and 100 selected runs. The browser's own time is not included. Memory is given as the
increase of the process's peak, so only the first value can be large.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from unittest import mock

from streamlit.testing.v1 import AppTest

from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.runs.store import RunStore
from core.runs.summary import AnyRun
from tests.made import made_record, made_run


def make_runs(store: RunStore, runs: int, epochs: int) -> None:
    """Create finished runs: five seeds each of settings that differ in learning rate, batch size and weight decay."""
    for number in range(runs):
        settings = {
            "train.seed": number % 5,
            "train.lr": (1e-3, 3e-3, 1e-2)[number // 5 % 3],
            "train.batch_size": 32 * (1 + number // 15 % 4),
            "train.weight_decay": (1e-4, 2e-4)[number // 60 % 2],
        }
        config = PRESETS["report"].config.replace(settings)
        tag = "even" if number % 2 else "odd"
        run_id = made_run(store, epochs=0, config=config, name=f"run {number}", tags=(tag,))
        for epoch in range(1, epochs + 1):
            store.run(run_id).append_record(made_record(epoch))


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def print_times(label: str, times: list[float]) -> None:
    """Print a line with the number, the median and the range of ``times``."""
    median, low, high = statistics.median(times), min(times), max(times)
    print(f"{label:<44} n = {len(times):>2}   median {median:6.3f} s   {low:.3f} to {high:.3f} s")


def print_memory(label: str, work: Callable[[], object]) -> None:
    """Run ``work`` once; print how long it takes and by how many MiB it raises the peak memory of the process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    duration = seconds(work)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS reports bytes, Linux KiB
    increase = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit
    print(f"{label:<44} n =  1   {duration:13.3f} s   peak memory + {increase:.0f} MiB")


def change_a_run(store: RunStore, run_id: str) -> list[AnyRun]:
    """Rename a run and return the summaries of all runs."""
    store.run(run_id).annotate(name=f"{store.run(run_id).meta().name}!")
    return store.runs()


def page(selected: list[str]) -> AppTest:
    """Return the page in a new session, with selected runs."""
    app = AppTest.from_file(str(PROJECT / "pages" / "compare.py"), default_timeout=120)
    if selected:
        app.query_params["runs"] = ",".join(selected)
    return app


def time_page(label: str, selected: list[str], repeats: int) -> None:
    """Measure opening the page in new sessions and refreshing it in an open session."""
    print_times(f"page opened, {label}", [seconds(page(selected).run) for _ in range(max(3, repeats // 3))])
    app = page(selected).run()
    assert not app.exception, app.exception
    print_times(f"page refreshed, {label}", [seconds(app.run) for _ in range(repeats)])


def main() -> None:
    """Create the runs, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000, help="number of runs to create")
    parser.add_argument("--epochs", type=int, default=200, help="epochs of each run")
    parser.add_argument("--repeats", type=int, default=10, help="number of measurements of each kind")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RESNET_LAB_RUNS"] = folder
        with mock.patch("os.fsync"):
            duration = seconds(lambda: make_runs(RunStore(folder), args.runs, args.epochs))
        print(f"{args.runs:,} runs of {args.epochs} epochs, created in {duration:.0f} s")
        store = RunStore(folder)
        ids = store.ids()
        print_memory("summaries of all runs, first read", store.runs)
        print_memory("summaries of all runs, new server", RunStore(folder).runs)
        new_servers = [RunStore(folder) for _ in range(args.repeats)]
        print_times("summaries of all runs, new server", [seconds(server.runs) for server in new_servers])
        print_times("summaries of all runs, no change", [seconds(store.runs) for _ in range(args.repeats)])
        print_times(
            "summaries of all runs, one run changed", [seconds(lambda: change_a_run(store, ids[0])) for _ in range(5)]
        )
        print_times("page opened by a new server", [seconds(page([]).run)])
        time_page("no run selected", [], args.repeats)
        time_page("6 runs selected", ids[:6], args.repeats)
        time_page("100 runs selected", ids[:100], args.repeats)


if __name__ == "__main__":
    main()
