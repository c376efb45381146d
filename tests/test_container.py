"""The container file: the image has every file that the app needs and none of yours. Building it needs a registry."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from core.base.paths import PROJECT
from core.runs.store import RunStore
from tests.conftest import wait_for

CONTAINERFILE = (PROJECT / "Containerfile").read_text(encoding="utf-8")
#: Files that lie in a checkout in use, and must not be in an image.
PRIVATE = (
    "runs/20260101-000000-mine/meta.json",
    "runs/.local.json",
    ".git/config",
    ".venv/bin/python",
    "core/x/__pycache__/a.pyc",
)


def instructions(name: str) -> list[str]:
    """Return the arguments of every instruction ``name``, with continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", CONTAINERFILE).splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def left_out(path: str) -> bool:
    """Return whether .containerignore leaves ``path`` out: its last pattern that matches the path or a folder of it."""
    answer = False
    for line in (PROJECT / ".containerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        parents = [path, *map(str, PurePosixPath(path).parents)]
        deep = pattern.removeprefix("**/")
        if any(
            fnmatch.fnmatchcase(part, pattern) or (deep != pattern and PurePosixPath(part).name == deep)
            for part in parents
        ):
            answer = not line.startswith("!")
    return answer


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """The working folder of an image, made from the committed files as the COPY instructions say."""
    root = tmp_path_factory.mktemp("image") / "lab"
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    context = [path for path in tracked.splitlines() if not left_out(path)]
    for copy in instructions("COPY"):
        *sources, target = shlex.split(copy)
        for path in context:
            for source in sources:
                if path == source or path.startswith(f"{source}/"):
                    to = root / target / (Path(path).name if path == source else Path(path).relative_to(source))
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(PROJECT / path, to)
    return root


def test_an_image_has_the_reference_runs_and_nobodys_own(image):
    tracked = subprocess.run(
        ["git", "ls-files", "runs"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert {str(path.relative_to(image)) for path in (image / "runs").rglob("*") if path.is_file()} == set(
        tracked.split()
    )
    assert [path for path in PRIVATE if not left_out(path)] == []
    assert (PROJECT / ".dockerignore").read_text() == (PROJECT / ".containerignore").read_text()


def test_it_runs_without_root_and_installs_the_tested_versions():
    assert instructions("USER") == ["1000"]
    install = next(run for run in instructions("RUN") if "--requirement" in run)
    assert "--constraint constraints.txt" in install
    assert {"/lab/runs", "/lab/data"} <= set(json.loads(instructions("VOLUME")[0]))
    assert "--publish 127.0.0.1:8501:8501" in CONTAINERFILE
    *_, marker = re.findall(r"sed '/\^(.*?)/", install)
    assert any(line.startswith(marker) for line in (PROJECT / "requirements.txt").read_text().splitlines())


def test_the_app_starts_from_the_files_of_the_image_and_passes_its_health_check(image, tmp_path):
    shutil.rmtree(image / "static", ignore_errors=True)
    settings = dict(setting.split("=") for setting in instructions("ENV")[0].split())
    paths = {name: value.replace("/lab", str(image)) for name, value in settings.items()}
    (image / "data").mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, *arguments = json.loads(instructions("CMD")[-1])
    health = [
        part.replace("8501", str(port)) for part in json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", server, *arguments],
        cwd=image,
        env={**os.environ, **paths, "STREAMLIT_SERVER_ADDRESS": "127.0.0.1", "STREAMLIT_SERVER_PORT": str(port)},
        stdout=(tmp_path / "log.txt").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        check = [sys.executable, *health[1:]]
        wait_for(lambda: subprocess.run(check, capture_output=True).returncode == 0)
        assert "ResNet Lab is at" in (tmp_path / "log.txt").read_text()
        committed = {path.parent.name for path in (PROJECT / "runs").glob("*/meta.json")}
        assert {run.id for run in RunStore(image / "runs").summaries()} <= committed
        assert RunStore(image / "runs").damaged() == [] and RunStore(image / "runs").summaries()
    finally:
        process.kill()
        process.wait()
