"""Cores and memory that a process may use: the machine's, or fewer in a container of either version."""

import os
from pathlib import Path

import pytest

from core.base import machine

GROUPS = {1: "3:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n", 2: "0::/docker/ab\n"}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that sets this process's control groups: their version, and contents by path."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    def write(version: int, **contents: str) -> None:
        (tmp_path / "own").write_text(GROUPS[version])
        for name, text in contents.items():
            path = tmp_path / "groups" / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")

    return write


def test_without_a_container_all_cores_count(files, monkeypatch):
    assert machine.core_count() == 8  # no file says to which groups the process belongs
    assert machine.memory_limits() == []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert machine.core_count() == 1


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8)],
)
def test_the_quota_of_a_container_of_version_2(files, quota, cores):
    files(2, docker__ab__cpu_DOT_max=quota)
    assert machine.core_count() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3), ("99999", 1)])
def test_the_quota_of_a_container_of_version_1(files, quota, cores):
    files(1, cpu__docker__ab__cpu_DOT_cfs_quota_us=quota, cpu__docker__ab__cpu_DOT_cfs_period_us="100000")
    assert machine.core_count() == cores


@pytest.mark.parametrize(
    ("contents", "free"),
    [
        ({"docker__ab__memory_DOT_max": "1000", "docker__ab__memory_DOT_current": "700"}, [300]),
        (
            {
                "docker__ab__memory_DOT_max": "1000",
                "docker__ab__memory_DOT_current": "900",
                "docker__ab__memory_DOT_stat": "anon 600\ninactive_file 200\n",
            },
            [300],
        ),
        ({"docker__ab__memory_DOT_max": "1000", "docker__ab__memory_DOT_current": "1100"}, [0]),
        ({"docker__ab__memory_DOT_max": "max", "docker__ab__memory_DOT_current": "700"}, []),
    ],
)
def test_what_a_container_may_still_take(files, contents, free):
    files(2, **contents)
    assert machine._free_in_groups() == free
    assert machine.free_memory() == min([size for size in (machine._available_memory(), *free) if size is not None])


def test_free_memory_is_less_than_all_of_it():
    free, installed = machine.free_memory(), machine.installed_memory()
    assert free is None or installed is None or 0 <= free < installed


def test_the_smallest_quota_around_the_process_counts(files):
    files(2, docker__ab__cpu_DOT_max="600000 100000", docker__cpu_DOT_max="400000 100000", cpu_DOT_max="max 100000")
    assert machine.core_count() == 4


@pytest.mark.parametrize("content", ["", "nonsense", "200000", "200000 0", "-5 100000", "max"])
def test_a_file_that_says_nothing_limits_nothing(files, content):
    files(2, docker__ab__cpu_DOT_max=content, docker__ab__memory_DOT_max=content.replace("200000", "x"))
    assert machine.core_count() == 8
    assert machine.memory_limits() == []


def test_limits_of_memory(files):
    files(2, docker__ab__memory_DOT_max="2000000000", docker__memory_DOT_max="max", memory_DOT_max="3000000000")
    assert sorted(machine.memory_limits()) == [2_000_000_000, 3_000_000_000]
    files(1, memory__docker__ab__memory_DOT_limit_in_bytes="1000000000")
    assert machine.memory_limits() == [1_000_000_000]
