"""How long Compare takes to open and to refresh with many runs: prints n, median and spread.

    python benchmarks/compare_many.py [--runs 1000] [--epochs 200] [--repeats 10]

Makes the runs in a temporary folder (not flushed to the disk one by one, as they are thrown away), then
times, in this process: the table of all runs read for the very first time, by a server just started that
finds the rows an earlier one kept, again, and after one run changed; the page opened and refreshed in
Streamlit's AppTest, without and with picked runs. The browser's own time is not in it. Memory is told by
how far the process's peak rose, so only the first figure can be large.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

import pandas as pd  # noqa: E402 - the project's folder comes first
from streamlit.testing.v1 import AppTest  # noqa: E402

from core.config.presets import PRESETS  # noqa: E402
from core.runs.store import RunStore  # noqa: E402
from tests.made import made_record, made_run  # noqa: E402


def make_runs(store: RunStore, runs: int, epochs: int) -> None:
    """Finished runs of 10 classes: five seeds each of settings that differ in rate, batch size and weight decay."""
    for at in range(runs):
        settings = {
            "train.seed": at % 5,
            "train.lr": (1e-3, 3e-3, 1e-2)[at // 5 % 3],
            "train.batch_size": 32 * (1 + at // 15 % 4),
            "train.weight_decay": (1e-4, 2e-4)[at // 60 % 2],
        }
        config = PRESETS["report"].config.replace(settings)
        run_id = made_run(store, epochs=0, config=config, name=f"run {at}", tags=("even" if at % 2 else "odd",))
        for epoch in range(1, epochs + 1):
            store.run(run_id).append_record(made_record(epoch))


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def tell(what: str, times: list[float]) -> None:
    """A line with n, median and range."""
    middle, low, high = statistics.median(times), min(times), max(times)
    print(f"{what:<44} n = {len(times):>2}   median {middle:6.3f} s   {low:.3f} to {high:.3f} s")


def tell_memory(what: str, work: Callable[[], object]) -> None:
    """A line with the time ``work`` takes, once, and by how much it raised the peak of memory (MiB)."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = seconds(work)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS tells bytes, Linux KiB
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit
    print(f"{what:<44} n =  1   {took:13.3f} s   peak memory + {grown:.0f} MiB")


def change_one(store: RunStore, run_id: str) -> pd.DataFrame:
    """Rename a run, and read the table."""
    store.run(run_id).annotate(name=f"{store.run(run_id).meta().name}!")
    return store.frame()


def page(picked: list[str]) -> AppTest:
    """The page in a new session."""
    app = AppTest.from_file(str(PROJECT / "pages" / "compare.py"), default_timeout=120)
    if picked:
        app.query_params["runs"] = ",".join(picked)
    return app


def time_page(what: str, picked: list[str], repeats: int) -> None:
    """Open the page in new sessions, and refresh it in one."""
    tell(f"page opened, {what}", [seconds(page(picked).run) for _ in range(max(3, repeats // 3))])
    app = page(picked).run()
    assert not app.exception, app.exception
    tell(f"page refreshed, {what}", [seconds(app.run) for _ in range(repeats)])


def main() -> None:
    """Make the runs and time it all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RESNET_LAB_RUNS"] = folder
        with mock.patch("os.fsync"):
            took = seconds(lambda: make_runs(RunStore(folder), args.runs, args.epochs))
        print(f"{args.runs:,} runs × {args.epochs} epochs, made in {took:.0f} s")
        store = RunStore(folder)
        ids = store.ids()
        tell_memory("table of all runs, never read before", store.frame)
        tell_memory("table of all runs, server just started", RunStore(folder).frame)
        started = [RunStore(folder) for _ in range(args.repeats)]
        tell("table of all runs, server just started", [seconds(one.frame) for one in started])
        tell("table of all runs, nothing changed", [seconds(store.frame) for _ in range(args.repeats)])
        tell("table of all runs, one changed", [seconds(lambda: change_one(store, ids[0])) for _ in range(5)])
        tell("page opened by a server just started", [seconds(page([]).run)])
        time_page("none picked", [], args.repeats)
        time_page("6 runs picked", ids[:6], args.repeats)
        time_page("100 runs picked", ids[:100], args.repeats)


if __name__ == "__main__":
    main()
