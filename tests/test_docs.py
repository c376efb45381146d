"""The documentation is true where a machine can check it: links, paths, commands, the page of settings."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.base.paths import PROJECT
from core.cli.parser import build_parser
from docs.tools import settings

PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "runs/README.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted((PROJECT / "benchmarks/results").glob("*.md")),
]
#: Folders whose paths, written as `folder/…`, must exist.
FOLDERS = ("core", "pages", "tests", "docs", "benchmarks", "runs")
#: Paths that stand for others, as in "add `pages/name.py`".
PLACEHOLDERS = {"pages/name.py"}


def by_path(pages: list[Path]) -> list:
    return [pytest.param(page, id=str(page.relative_to(PROJECT))) for page in pages]


def code(text: str) -> list[str]:
    """Return the content of every span and the lines of every block of code."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [*spans, *(line for block in blocks for line in block.splitlines())]


@pytest.mark.parametrize("page", by_path(PAGES))
def test_links_and_images_of_a_page_exist(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [target.partition("#")[0] for target in targets if not re.match(r"https?:|#", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", by_path(PAGES))
def test_paths_and_modules_named_on_a_page_exist(page):
    texts = code(page.read_text(encoding="utf-8"))
    paths = {match[0] for text in texts for match in re.finditer(rf"\b({'|'.join(FOLDERS)})/[\w./-]*\w", text)}
    assert {path for path in paths - PLACEHOLDERS if not (PROJECT / path).exists()} == set()
    modules = {match[1] for text in texts for match in re.finditer(r"python -m ((?:core|docs|benchmarks)[\w.]*)", text)}
    assert {module for module in modules if importlib.util.find_spec(module) is None} == set()


@pytest.mark.parametrize("page", by_path(PAGES))
def test_make_targets_named_on_a_page_exist(page):
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    texts = code(page.read_text(encoding="utf-8"))
    named = {match[1] for text in texts for match in re.finditer(r"\bmake ([a-z-]+)", text)}
    assert {target for target in named if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)} == set()


@pytest.mark.parametrize("page", by_path(PAGES))
def test_commands_shown_on_a_page_are_understood(page):
    for text in code(page.read_text(encoding="utf-8")):
        if text.startswith("resnet-lab "):
            words = shlex.split(text, comments=True)[1:]  # an unknown command or option exits
            assert callable(build_parser().parse_args(words).command)


def test_the_notebook_example_of_the_readme_runs(tmp_path, monkeypatch):
    (example,) = re.findall(
        r"^```python\n(.*?)^```", (PROJECT / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE
    )
    (run_id,) = re.findall(r'metrics\("(.*?)"\)', example)
    shutil.copytree(PROJECT / "runs" / run_id, tmp_path / "runs" / run_id)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example, names)
    assert list(names["store"].frame()["id"]) == [run_id]


def test_accuracies_in_the_readme_are_measured_ones():
    measured = (PROJECT / "docs" / "speed.md").read_text(encoding="utf-8")
    stated = re.findall(r"(\d+\.\d+) % ± (\d+\.\d+)", (PROJECT / "README.md").read_text(encoding="utf-8"))
    assert stated
    assert [pair for pair in stated if f"**{pair[0]}%** ± {pair[1]}" not in measured] == []


def test_copying_settings_has_one_name():
    files = [path for folder in ("core", "pages", "docs") for path in (PROJECT / folder).rglob("*.*")]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".md")}
    assert any("Copy settings" in text for text in texts.values())
    assert [path for path, text in texts.items() if re.search(r"\b[Cc]lon(e|es|ing) (the|a|this|it)\b", text)] == []


def test_every_image_in_docs_is_shown():
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    images = [path.name for path in (PROJECT / "docs").iterdir() if path.suffix in (".png", ".gif")]
    assert [name for name in images if name not in shown] == []


def test_the_page_of_settings_is_written_from_their_definitions():
    written = settings.PAGE.read_text(encoding="utf-8")
    assert written == settings.page(), "run `python -m docs.tools.settings`"


def test_the_readme_is_short_and_its_animation_small():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) < 150
    assert (PROJECT / "docs/tour.gif").stat().st_size <= 2_000_000
