"""Cut the power at every step of every operation, count the different disks that this may leave, and write the table.

tests/faults/test_power_cuts.py records what an operation does to the files, makes the disks that a power cut at each
step may leave, and asserts what docs/reliability.md promises. If a promise is broken, no table is written.

    python -m benchmarks.power_cuts [--fast]     # writes results/power_cuts.md and docs/reliability.md

``--fast`` tries one disk in seven, and resumes three of the runs.
"""

import argparse
import sys

from benchmarks.reliability import Case, ending, run_tests, total, write

TESTS = "tests/faults/test_power_cuts.py"
#: A word in the names of the tests, and what they cut the power of.
OPERATIONS = {"everything": "operations on runs and studies", "training": "training a run"}
#: The end of the names of the tests, and whether folders are flushed.
FOLDERS = {"-flushed folders]": "flushed", "-no flushed folders]": "cannot be flushed (Windows)"}
COLUMNS = ("power cut while", "folders", "steps", "different disks", "runs resumed from them")


def table(cases: list[Case], fast: bool) -> str:
    """Return the counts as Markdown. Raises SystemExit if a kind of power cut was not tried."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for word, operation in OPERATIONS.items():
        for mode, folders in FOLDERS.items():
            chosen = [case for case in cases if word in case.name and case.name.endswith(mode)]
            if not total(chosen, "power cuts"):
                raise SystemExit(f"No test of {TESTS} with {word!r} in its name cut the power. Was it renamed?")
            steps, disks, resumed = (f"{total(chosen, count):,}" for count in ("steps", "power cuts", "resumed"))
            rows.append((operation, folders, steps, disks, resumed if word == "training" else "–"))
    lost = total(cases, "without a state")
    lines = [f"| {' | '.join(row)} |" for row in rows]
    text = f"On {lost} disks where folders cannot be flushed, the run had no saved state left, and said so." * bool(
        lost
    )
    return "\n".join([*lines, "", text, "", ending(cases, "a sample of the disks" if fast else "all disks"), ""])


def main() -> int:
    """Run the tests and write the table; return 1 if a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="try a sample of the disks")
    fast = parser.parse_args().fast
    cases = run_tests(TESTS, "-m", "not slow" if fast else "slow")
    return write(cases, "power_cuts", lambda: table(cases, fast))


if __name__ == "__main__":
    sys.exit(main())
