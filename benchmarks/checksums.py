"""Measure what it costs to record and verify the SHA-256 of a run's files.

    python -m benchmarks.checksums [--pairs 7] [--set SETTING …] [--runs 300]

Writes results/checksums.md and docs/reliability.md. A pair is two runs of the preset ``quick``, one with and one
without checksums, in changing order; what is reported is the ratio of their times. Then the table of many runs is read
by a server that was just started, with and without verification. The times of a pair are measured one after the other,
so their ratio depends little on the machine.
"""

import argparse
import contextlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from benchmarks.common import heading, keep_by_machine, publish, spread_text
from core.base.files import MOST_BYTES, append_to_file, read_file, write_atomically
from core.config.presets import preset
from core.config.run_config import RunConfig
from core.jobs.runner import run
from core.runs import checksums
from core.runs.checksums import Checksums, Versions
from core.runs.store import RunStore


class NoChecksums(Checksums):
    """Reads and writes the same files, without a record and without hashing."""

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Return the content of a file, whatever it is."""
        path = self.folder / name
        return read_file(path, min(most, path.stat().st_size + 2**20))

    def write(self, name: str, content: bytes | str, *, keep: str | None = None) -> None:
        """Replace a file."""
        path = self.folder / name
        write_atomically(path, content, keep=self.folder / keep if keep and path.exists() else None)

    def append(self, name: str, text: bytes) -> None:
        """Append to a file."""
        append_to_file(self.folder / name, text)

    def problem(self, name: str) -> None:
        """Find nothing wrong."""

    def survey(self, wanted: Callable[[str], bool]) -> Versions:
        """Look at nothing."""
        return {}

    def _rewrite(self, versions: Versions, later: bool, folder: int) -> None:
        """Record nothing."""


@contextlib.contextmanager
def without_checksums() -> Iterator[None]:
    """Let the program work as it did before there were checksums."""
    places = ("core.runs.folder.Checksums", "core.runs.store.Checksums")
    with contextlib.ExitStack() as stack:
        for place in places:
            stack.enter_context(mock.patch(place, NoChecksums))
        yield


def training_seconds(config: RunConfig, root: Path) -> float:
    """Train a run and return its seconds."""
    store = RunStore(root)
    run_id = store.create(config)
    began = time.perf_counter()
    status = run(store, run_id)
    seconds = time.perf_counter() - began
    if status.state != "finished":
        raise SystemExit(f"The run ended {status.state}: {status.error}")
    return seconds


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
    parser.add_argument("--pairs", type=int, default=7, metavar="N", help="pairs of runs (default: 7)")
    parser.add_argument("--runs", type=int, default=300, metavar="N", help="runs in the table (default: 300)")
    parser.add_argument("--set", action="append", default=[], metavar="SETTING", help="change a setting of quick")
    args = parser.parse_args()
    fixed = ["train.precision=fp32"]  # choosing one takes a few seconds, sometimes more
    config = preset("quick").config.set_from_text([*fixed, *args.set]).checked()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "trained"
        training_seconds(config, root)  # the first run also prepares PyTorch
        training, training_plain = ratios(lambda: training_seconds(config, root), args.pairs)
        store = RunStore(Path(folder) / "listed")
        run_id = store.create(config)
        run(store, run_id)
        copies(store.root, run_id, args.runs)
        reading, reading_plain = ratios(lambda: table_seconds(store.root), max(args.pairs, 3))
    rows = [
        ("", "seconds without", "ratio with / without, median (lowest–highest)", "pairs"),
        ("---", "---", "---", "---"),
        ("a run of `quick`", spread_text(training_plain, 1), spread_text(training, 3), str(len(training))),
        (
            f"the table of {args.runs:,} runs, read anew",
            spread_text(reading_plain, 2),
            spread_text(reading, 2),
            str(len(reading)),
        ),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    settings = f", with {' '.join(args.set)}" if args.set else ""
    added = 100 * (statistics.median(training) - 1)
    text = f"{heading()}{settings}: checksums add {added:+.1f} % to the time of a run.\n\n{table}\n"
    print(text)
    publish("reliability", "checksums", keep_by_machine("checksums", text))


if __name__ == "__main__":
    main()
