"""A run that this machine cannot hold is said to be too big before it starts."""

import subprocess
import sys

import pytest

from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.cost import machine
from core.cost.machine import Fit, fit, fit_all, memory_limit, require_fit
from core.cost.network import memory_bytes

HUGE = RunConfig().replace({"model.width": 128, "model.depth": 110, "train.batch_size": 4_000})
SMALL = RunConfig()


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch):
    """Set the memory of this machine."""

    def set_limit(size: int | None) -> None:
        monkeypatch.setattr(machine, "memory_limit", lambda device: size)

    return set_limit


def test_this_machine_has_memory() -> None:
    assert (memory_limit("cpu") or 0) > 1_000_000_000


@pytest.mark.parametrize(("share", "notes", "too_big"), [(0.69, 0, False), (0.71, 1, False), (1.01, 0, True)])
def test_from_seven_tenths_of_the_memory_it_is_told_and_above_all_of_it_confirmed(limit, share, notes, too_big) -> None:
    limit(int(memory_bytes(SMALL) / share))
    fits = fit(SMALL)
    assert (len(fits.notes), bool(fits.too_big)) == (notes, too_big)
    assert all("memory" in text for text in (*fits.notes, *filter(None, [fits.too_big])))


def test_where_the_system_does_not_tell_nothing_is_said(limit) -> None:
    limit(None)
    assert fit(HUGE) == Fit()


def test_more_threads_than_cores_are_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "core_count", lambda: 2)
    (note,) = fit(SMALL.replace({"train.threads": 256})).notes
    assert note.startswith("256 threads on 2 cores")
    assert fit(SMALL.replace({"train.threads": 2})) == Fit()


@pytest.mark.parametrize(
    ("device", "torch", "gpu", "platform", "notes"),
    [
        ("cuda", "2.14+cpu", None, "linux", 1),
        ("cuda", "2.14+cu130", None, "linux", 1),
        ("cuda", "2.14+cu130", 80_000_000_000, "linux", 0),
        ("cuda", "2.14+rocm7", None, "linux", 0),
        ("mps", "2.14", None, "linux", 1),
        ("mps", "2.14", None, "darwin", 0),
        ("auto", "2.14+cpu", None, "linux", 0),
    ],
)
def test_a_device_that_is_not_there_is_a_note(
    device: str, torch: str, gpu: int | None, platform: str, notes: int, limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(None)
    monkeypatch.setattr(machine, "version", lambda name: torch)
    monkeypatch.setattr(machine, "_gpu_memory", lambda: gpu)
    monkeypatch.setattr(sys, "platform", platform)
    found = fit(SMALL.replace({"train.device": device})).notes
    assert len(found) == notes
    assert all(f"no device {device}" in note for note in found)


def test_the_largest_of_several_runs_counts(limit) -> None:
    limit(10_000_000_000)
    assert fit_all([SMALL, HUGE, SMALL]) == fit(HUGE)
    assert fit_all([]) == Fit()
    with pytest.raises(LabError, match="--yes"):
        require_fit([SMALL, HUGE], confirmed=False)
    assert require_fit([HUGE], confirmed=True) == (fit(HUGE).too_big,)
    assert require_fit([SMALL], confirmed=False) == ()


def test_a_limit_of_a_container_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpu_memory", lambda: None)
    monkeypatch.setattr(machine, "memory_limits", list)
    installed = memory_limit("auto")
    monkeypatch.setattr(machine, "memory_limits", lambda: [3_000_000, 2_000_000])
    assert memory_limit("auto") == memory_limit("cpu") == 2_000_000
    assert installed is None or installed > 2_000_000


@pytest.mark.parametrize(
    ("version", "answer", "memory"),
    [("2.14.1", "81559\n", 81_559 << 20), ("2.14.1", "", None), ("2.14.1+cpu", "81559\n", None)],
)
def test_a_run_on_a_gpu_is_held_against_its_memory(monkeypatch: pytest.MonkeyPatch, version, answer, memory) -> None:
    monkeypatch.setattr(machine, "version", lambda name: version)
    done = subprocess.CompletedProcess([], 0, stdout=answer)
    monkeypatch.setattr(machine.subprocess, "run", lambda *args, **options: done)
    machine._nvidia.cache_clear()
    try:
        assert memory_limit("cuda") == (memory or memory_limit("cpu"))
        assert memory_limit("mps") == memory_limit("cpu")
    finally:
        machine._nvidia.cache_clear()
