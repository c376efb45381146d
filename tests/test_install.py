"""The installation: every import is required, versions of Python and of packages agree wherever they are named."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from core.base.paths import PROJECT

OWN = {"core", "pages", "app", "serve", "benchmarks", "docs", "tests"}
#: What only training on a Ray cluster needs.
CLUSTER = "requirements-cluster.txt"


def imports(*folders: str) -> set[str]:
    """Return the full name of everything that the project's files in ``folders`` import."""
    names = set()
    for path in [file for folder in folders for file in (PROJECT / folder).rglob("*.py")] + [*PROJECT.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def requirements(file: str = "requirements.txt") -> dict[str, str]:
    """Return the range of each package in a file of requirements by its name, lower case with hyphens."""
    lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
    found = [
        re.fullmatch(r"([\w-]+)(>=[\d.]+(?:,<[\d.]+)?) +# \S.*", line) for line in lines if line[:1] not in ("", "#")
    ]
    assert None not in found, "each line is a package, its oldest tested version, and what it is for"
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def test_every_package_that_is_imported_is_in_the_requirements():
    modules = {name.split(".")[0] for name in imports("core", "pages", "benchmarks", "docs", "tests")}
    distributions = packages_distributions()
    needed = {distributions[module][0].lower().replace("_", "-") for module in modules - OWN if module in distributions}
    with_torch = {"triton"}  # where there is a GPU; imported only there
    assert needed - requirements().keys() - requirements(CLUSTER).keys() == with_torch


def test_only_the_modules_for_it_import_ray():
    """The server and a plain installation work without it."""
    importing = {
        path.stem
        for path in (PROJECT / "core").rglob("*.py")
        if re.search(r"^\s*(import ray|from ray)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"ray_cluster"}
    program = "import sys, core.jobs.worker, core.cli.main; print('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_every_requirement_is_pinned_to_the_version_that_was_tested():
    pins = (PROJECT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    wanted = [*requirements(), *requirements(CLUSTER)]
    assert [name for name in wanted if f"\n{name}==" not in pins] == []


def test_no_version_of_torch_with_the_memory_fault_in_weights_only_loading_is_allowed():
    oldest = requirements()["torch"].split(",")[0].removeprefix(">=")
    assert tuple(map(int, oldest.split("."))) >= (2, 10)


def test_the_makefile_and_the_project_name_the_same_versions_of_python():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (listed,) = re.findall(r"^PYTHONS := (.*)$", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    versions = [int(version.removeprefix("3.")) for version in listed.split()]
    assert versions == list(range(versions[0], versions[-1] + 1))
    assert project["requires-python"] == f">=3.{versions[0]},<3.{versions[-1] + 1}"


@pytest.mark.parametrize(("minor", "accepted"), [(10, False), (11, True), (14, True), (15, False)])
def test_make_names_the_versions_that_work_when_it_finds_another_one(tmp_path, minor, accepted):
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.{minor}.0" && exit\n[ "$1" = -c ] || exit 9\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = (3, {minor}, 0)\n$2"\n'
    )
    python.chmod(0o755)
    command = ["make", "--no-print-directory", "setup", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if accepted:  # and then the virtual environment is made, which this one cannot
        assert "Setting up" in answer.stdout
    else:
        (sentence,) = answer.stdout.splitlines()
        assert f"3.{minor}.0" in sentence and "3.11 3.12 3.13 3.14" in sentence and answer.returncode


def test_the_folder_of_a_checkout_has_no_second_list_of_packages():
    """`make test-oldest` derives its versions from requirements.txt, so that nobody keeps them in step."""
    sed = re.search(r"sed -nE '(.*?)' requirements.txt", (PROJECT / "Makefile").read_text(encoding="utf-8"))
    assert sed
    command = ["sed", "-nE", sed[1], str(PROJECT / "requirements.txt")]
    oldest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert dict(pin.lower().replace("_", "-").split("==") for pin in oldest) == {
        name: bounds.split(",")[0].removeprefix(">=") for name, bounds in requirements().items()
    }
    assert {path.name for path in Path(PROJECT).glob("requirements*")} == {"requirements.txt", CLUSTER}
