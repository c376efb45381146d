"""The parts of the README that scripts write: each between two marks that name its script."""

from core.settings import PROJECT

README = PROJECT / "README.md"


def put(name: str, text: str) -> None:
    """Write ``text`` between the marks of benchmarks/``name``.py. Raises SystemExit if the README has lost them."""
    begin, end = f"<!-- {name}: written by benchmarks/{name}.py -->", f"<!-- /{name} -->"
    content = README.read_text(encoding="utf-8")
    if begin not in content or end not in content:
        raise SystemExit(f"README.md lacks the marks {begin} and {end}.")
    before, rest = content.split(begin, 1)
    README.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
