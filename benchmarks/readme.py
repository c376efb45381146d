"""The parts of the README that scripts write: each between two marks that name its script."""

import re

from core.base.paths import PROJECT

README, RESULTS = PROJECT / "README.md", PROJECT / "benchmarks" / "results"
#: Between what one machine and another measured, in a file of results.
RULE = "\n\n---\n\n"


def put(name: str, text: str) -> None:
    """Write ``text`` between the marks of benchmarks/``name``.py. Raises SystemExit if the README has lost them."""
    begin, end = f"<!-- {name}: written by benchmarks/{name}.py -->", f"<!-- /{name} -->"
    content = README.read_text(encoding="utf-8")
    if begin not in content or end not in content:
        raise SystemExit(f"README.md lacks the marks {begin} and {end}.")
    before, rest = content.split(begin, 1)
    README.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def keep(name: str, text: str) -> str:
    """Write ``text`` into benchmarks/results/``name``.md, the newest first, in place of what the same machine measured
    before. Tells all that is in it now. What stands before a text's first date names its machine."""
    path = RESULTS / f"{name}.md"
    before = path.read_text(encoding="utf-8").strip().split(RULE) if path.is_file() else []
    whole = RULE.join([text.strip(), *(one for one in before if _machine(one) != _machine(text))])
    path.write_text(whole + "\n", encoding="utf-8")
    return whole


def _machine(text: str) -> str:
    return re.split(r", \d{4}-\d\d-\d\d", text.strip(), maxsplit=1)[0]
