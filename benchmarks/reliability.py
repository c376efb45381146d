"""What one can rely on, counted: runs the fault tests and writes their figures to the README and
benchmarks/results/reliability.md.

Each test asserts what it counts, so a figure here is one that was checked: a fault after which another run had
changed, or the run had not gone on to exactly the same weights, is a failed test, and then no table is written. A
test tells what it did by pytest's ``record_property``: "faults injected", "inputs tried", "soak …". A test of
tests/faults/test_inputs_*.py that tells nothing is one input.

    python -m benchmarks.reliability [--fast]

With ``--fast`` the long tests are left out.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import RESULTS, publish
from core.base.paths import PROJECT

#: Kinds of faults: what, the file and a part of the name of the tests that inject it, what is asserted.
FAULTS = (
    (
        "killed at a step of an operation on runs",
        "test_killed",
        "everything",
        "it happened or not; done again, it does",
    ),
    (
        "killed at a step of a training run",
        "test_killed",
        "steps_of_training",
        "resumed to the same weights, bit for bit",
    ),
    ("killed at a random moment of a training run", "test_killed", "random_moments", "the same"),
    ("folder copied at a random moment of a run", "test_killed", "a_copy", "the copy goes on to the same weights"),
    ("write refused: disk full, I/O error, permission", "test_errors", "refusal", "the run says so, and goes on later"),
)


@dataclass(frozen=True)
class Case:
    """A test that ran: where it is, how it ended, what it told."""

    file: str
    name: str
    outcome: str
    told: dict[str, str]


def tested(fast: bool) -> list[Case]:
    """Run the fault tests; how each ended. A file that cannot even be read is a case that failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = [
            sys.executable,
            "-m",
            "pytest",
            "tests/faults",
            f"--junitxml={report}",
            *(["-m", "not slow"] if fast else []),
        ]
        subprocess.run(words, cwd=PROJECT, check=False)
        return [_case(one) for one in ET.parse(report).getroot().iter("testcase")]


def _case(one: ET.Element) -> Case:
    outcome = next((kind for kind in ("failure", "error", "skipped") if one.find(kind) is not None), "passed")
    told = {each.get("name", ""): each.get("value", "") for each in one.iter("property")}
    return Case(one.get("classname", "").rpartition(".")[2], one.get("name", ""), outcome, told)


def total(cases: Iterable[Case], what: str) -> int:
    """The sum of what the tests told."""
    return sum(int(one.told.get(what, 0)) for one in cases)


def inputs(cases: Iterable[Case]) -> int:
    """Odd and hostile inputs: as told, or one a test."""
    return sum(int(one.told.get("inputs tried", 1)) for one in cases if one.file.startswith("test_inputs"))


def table(cases: list[Case], fast: bool) -> str:
    """The figures as Markdown."""
    rows = []
    for what, file, test, how in FAULTS:
        count = total((one for one in cases if one.file == file and test in one.name), "faults injected")
        rows.append((what, f"{count:,}", how))
    rows.append(("**faults injected**", f"**{total(cases, 'faults injected'):,}**", "the sum"))
    rows.append(("**runs lost or changed by them**", "**0**", "every other run compared byte for byte"))
    rows.append(("odd and hostile inputs", f"{inputs(cases):,}", "each answered by a sentence that is asserted"))
    for one in cases:
        if "soak epoch" in one.told:
            soak = [f"{name}: {one.told[f'soak {name}']}" for name in ("kB", "threads", "files")]
            rows.append((f"epochs in one run, {one.told['soak epoch']}", "; ".join(soak), "nothing else grows"))
    passed, skipped = (sum(one.outcome == kind for one in cases) for kind in ("passed", "skipped"))
    lines = [f"| {' | '.join(row)} |" for row in (("what", "figure", "how"), ("---", "---", "---"), *rows)]
    kind = "without the long ones" if fast else "with the long ones"
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return "\n".join([*lines, "", f"{passed} fault tests passed ({kind}), {skipped} skipped; {where}.", ""])


def main() -> int:
    """Run, count, write; 1 if a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="leave out the long tests")
    fast = parser.parse_args().fast
    cases = tested(fast)
    failed = [f"{one.file}: {one.name}" for one in cases if one.outcome in ("failure", "error")]
    if failed or not cases:
        print("\n".join(["No table is written, since these failed:", *failed]), file=sys.stderr)
        return 1
    text = table(cases, fast)
    (RESULTS / "reliability.md").write_text(text, encoding="utf-8")
    publish("reliability", "reliability", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
