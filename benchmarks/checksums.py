"""Measure what it costs to record and verify the SHA-256 of a run's files.

    python -m benchmarks.checksums [--times 5] [--set SETTING …] [--runs 300]

Writes results/checksums.md and docs/reliability.md. In runs of the preset ``quick``, the time spent in the record is
added up: hashing, listing and verifying, without the writing of the files themselves. It is reported as a share of the
run's time; two whole runs differ from one another by more than that. Then the table of many runs is read by a server
that was just started, with and without verification, in turns.
"""

import argparse
import contextlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.common import heading, keep_by_machine, publish, spread_text
from core.base.files import MOST_BYTES, read_file
from core.config.presets import preset
from core.config.run_config import RunConfig
from core.jobs.runner import run
from core.runs import checksums
from core.runs.checksums import Checksums
from core.runs.store import RunStore


class NoChecksums(Checksums):
    """Reads the same files, without a record and without hashing."""

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Return the content of a file, whatever it is."""
        path = self.folder / name
        return read_file(path, min(most, path.stat().st_size + 2**20))

    def problem(self, name: str) -> None:
        """Find nothing wrong."""


@contextlib.contextmanager
def without_checksums() -> Iterator[None]:
    """Let the program work as it did before there were checksums."""
    places = ("core.runs.folder.Checksums", "core.runs.store.Checksums")
    with contextlib.ExitStack() as stack:
        for place in places:
            stack.enter_context(mock.patch(place, NoChecksums))
        yield


class Stopwatch:
    """Adds up the time in the record, without that of the files which would be written anyway."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Measure every call of the record from outside, and take off the writing of the files."""
        with contextlib.ExitStack() as stack:
            for name in ("read", "problem", "write", "append", "move", "survey", "tidy", "record"):
                stack.enter_context(mock.patch.object(Checksums, name, self._added(getattr(Checksums, name))))
            for name in ("write_atomically", "append_to_file"):
                stack.enter_context(mock.patch.object(checksums, name, self._taken_off(getattr(checksums, name))))
            yield

    def _added(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            began, self._depth = time.perf_counter(), self._depth + 1
            try:
                return call(*args, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - began

        return timed

    def _taken_off(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(path: Path, *args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(path, *args, **options)
            finally:
                if path.name != checksums.CHECKSUMS:
                    self.seconds -= time.perf_counter() - began

        return timed


def training_share(config: RunConfig, root: Path) -> tuple[float, float]:
    """Train a run; return its seconds, and the share of them that the record took."""
    store, watch = RunStore(root), Stopwatch()
    run_id = store.create(config)
    began = time.perf_counter()
    with watch.running():
        status = run(store, run_id)
    seconds = time.perf_counter() - began
    if status.state != "finished":
        raise SystemExit(f"The run ended {status.state}: {status.error}")
    return seconds, watch.seconds / seconds


def table_seconds(root: Path) -> float:
    """Return the seconds in which a new server reads the table of all runs."""
    shutil.rmtree(root / ".cache", ignore_errors=True)
    store = RunStore(root)
    began = time.perf_counter()
    store.frame()
    return time.perf_counter() - began


def ratios(measure: Callable[[], float], pairs: int) -> tuple[list[float], list[float]]:
    """Measure in turns with and without checksums; return the ratios of each pair, and the seconds without."""
    quotients, plain = [], []
    for number in range(pairs):
        seconds = {}
        for checked in (True, False) if number % 2 else (False, True):
            with contextlib.nullcontext() if checked else without_checksums():
                seconds[checked] = measure()
        quotients.append(seconds[True] / seconds[False])
        plain.append(seconds[False])
    return quotients, plain


def copies(root: Path, run_id: str, count: int) -> None:
    """Make ``count`` runs with the files of one, each with a record of its own."""
    for number in range(count):
        copy = root / f"20250101-{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}-aaaa"
        shutil.copytree(root / run_id, copy)
        (copy / checksums.CHECKSUMS).unlink()
        Checksums(copy, copy.name).record()


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, metavar="N", help="measurements of each (default: 5)")
    parser.add_argument("--runs", type=int, default=300, metavar="N", help="runs in the table (default: 300)")
    parser.add_argument("--set", action="append", default=[], metavar="SETTING", help="change a setting of quick")
    args = parser.parse_args()
    fixed = ["train.precision=fp32"]  # choosing one takes a few seconds, sometimes more
    config = preset("quick").config.set_from_text([*fixed, *args.set]).checked()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "trained"
        measured = [training_share(config, root) for _ in range(args.times)]
        store = RunStore(Path(folder) / "listed")
        run_id = store.create(config)
        run(store, run_id)
        copies(store.root, run_id, args.runs)
        reading, reading_plain = ratios(lambda: table_seconds(store.root), args.times)
    shares = [100 * share for _, share in measured]
    rows = [
        ("", "seconds", "what checksums cost, median (lowest–highest)", "n"),
        ("---", "---", "---", "---"),
        (
            "a run of `quick`",
            spread_text([seconds for seconds, _ in measured], 1),
            f"{spread_text(shares, 2)} % of its time",
            str(len(measured)),
        ),
        (
            f"the table of {args.runs:,} runs, read anew",
            f"{spread_text(reading_plain, 2)} without",
            f"{spread_text(reading, 2)} times that",
            str(len(reading)),
        ),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    settings = f", with {' '.join(args.set)}" if args.set else ""
    cost = statistics.median(shares)
    text = f"{heading()}{settings}: checksums take {cost:.2f} % of the time of a run.\n\n{table}\n"
    print(text)
    publish("reliability", "checksums", keep_by_machine("checksums", text))


if __name__ == "__main__":
    main()
