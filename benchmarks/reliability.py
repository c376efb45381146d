"""Run the fault tests, count what they injected, and write the counts to docs/reliability.md.

Each test asserts what it counts: if a fault changes another run, or a run does not resume to exactly the same weights,
its test fails and no table is written. A test reports its counts with pytest's ``record_property``: "faults injected",
"inputs tried", "soak …". A test in tests/faults/test_inputs_*.py that reports nothing counts as one input.

    python -m benchmarks.reliability [--fast]     # writes results/reliability.md and docs/reliability.md

``--fast`` omits the long tests.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import RESULTS, publish
from core.base.paths import PROJECT


@dataclass(frozen=True)
class Fault:
    """A kind of fault: its name in the table, the tests that inject it (file, and a word of their names), and what they
    assert afterwards."""

    name: str
    file: str
    test: str
    asserted: str


FAULTS = (
    Fault(
        "killed during a step of an operation on runs",
        "test_killed",
        "everything",
        "the operation happened completely or not at all, and can be repeated",
    ),
    Fault(
        "killed during a step of a training run",
        "test_killed",
        "steps_of_training",
        "the run resumes to the same weights, bit for bit",
    ),
    Fault(
        "killed at a random moment of a training run",
        "test_killed",
        "random_moments",
        "the run resumes to the same weights, bit for bit",
    ),
    Fault(
        "folder copied at a random moment of a run",
        "test_killed",
        "a_copy",
        "the copy resumes to the same weights, bit for bit",
    ),
    Fault(
        "killed during a step of a backup",
        "test_backup_faults",
        "killed",
        "every run can be restored as it was before or is now, and the next backup completes it",
    ),
    Fault(
        "a bit of a file flipped",
        "test_bit_flips",
        "flipped_bit",
        "a message names the file, and nothing goes on from it",
    ),
    Fault(
        "write refused: disk full, I/O error, permission",
        "test_errors",
        "refusal",
        "the run fails with the cause, and resumes later",
    ),
)


@dataclass(frozen=True)
class Case:
    """A test that ran: its file and name, its outcome ("passed", "skipped", "failure", "error"), what it reported."""

    file: str
    name: str
    outcome: str
    reported: dict[str, str]


def run_tests(*selection: str) -> list[Case]:
    """Run the tests that pytest is to select. A file that cannot be imported is a case with the outcome "error"."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *selection]
        subprocess.run(command, cwd=PROJECT, check=False)
        return [_case(element) for element in ET.parse(report).getroot().iter("testcase")]


def _case(element: ET.Element) -> Case:
    failures = [kind for kind in ("failure", "error", "skipped") if element.find(kind) is not None]
    reported = {each.get("name", ""): each.get("value", "") for each in element.iter("property")}
    file = element.get("classname", "").rpartition(".")[2]
    return Case(file, element.get("name", ""), (failures or ["passed"])[0], reported)


def total(cases: Iterable[Case], count: str) -> int:
    """Return the sum of a count over all tests that reported it."""
    return sum(int(case.reported.get(count, 0)) for case in cases)


def inputs(cases: Iterable[Case]) -> int:
    """Return the number of malformed and hostile inputs: as reported, or one per test."""
    return sum(int(case.reported.get("inputs tried", 1)) for case in cases if case.file.startswith("test_inputs"))


def table(cases: list[Case], fast: bool) -> str:
    """Return the counts as Markdown. Raises SystemExit if a kind of fault was not injected."""
    rows = [("fault", "count", "what is asserted"), ("---", "---", "---")]
    for fault in FAULTS:
        injecting = [case for case in cases if case.file == fault.file and fault.test in case.name]
        count = total(injecting, "faults injected")
        if not count:
            raise SystemExit(
                f"No test of {fault.file} with {fault.test!r} in its name injected a fault. Was it renamed?"
            )
        rows.append((fault.name, f"{count:,}", fault.asserted))
    rows.append(("**all faults**", f"**{total(cases, 'faults injected'):,}**", ""))
    rows.append(("**runs lost or changed by them**", "**0**", "every other run is compared byte for byte"))
    rows.append(
        (
            "malformed and hostile inputs",
            f"{inputs(cases):,}",
            "each is answered as asserted, most with an error message",
        )
    )
    for case in cases:
        if "soak epoch" in case.reported:
            soak = "; ".join(f"{name}: {case.reported[f'soak {name}']}" for name in ("kB", "threads", "files"))
            rows.append(
                (
                    f"epochs in one run, {case.reported['soak epoch']}",
                    soak,
                    "memory grows less than a limit; threads and files do not",
                )
            )
    summary = ending(cases, "without the long tests" if fast else "with the long tests")
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", summary, ""])


def ending(cases: list[Case], selection: str) -> str:
    """Return how many tests passed, and where."""
    passed, skipped = (sum(case.outcome == outcome for case in cases) for outcome in ("passed", "skipped"))
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return f"{passed} fault tests passed ({selection}), {skipped} skipped; {where}."


def main() -> int:
    """Run the tests and write the table; return 1 if a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="omit the long tests")
    fast = parser.parse_args().fast
    cases = run_tests("tests/faults", *(["-m", "not slow"] if fast else []))
    return write(cases, "reliability", lambda: table(cases, fast))


def write(cases: list[Case], name: str, table: Callable[[], str]) -> int:
    """Write a table into results/``name``.md and docs/reliability.md. Return 1 and write none if a test failed."""
    failed = [f"{case.file}: {case.name}" for case in cases if case.outcome in ("failure", "error")]
    if failed or not cases:
        print("\n".join(["No table is written, because these tests failed:", *failed]), file=sys.stderr)
        return 1
    text = table()
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    publish("reliability", name, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
