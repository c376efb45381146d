"""What this process may use of the machine: processor cores and memory, also in a container."""

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def core_count() -> int:
    """Return the number of processor cores that this process may use, at least 1.

    The smallest counts of: the machine's cores, those that the process may run on, and the processor time of its
    container, rounded down, because a thread beyond it makes the others wait.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *map(int, _cpu_quotas())]))


def installed_memory() -> int | None:
    """Return the bytes of memory of the machine; ``None`` if the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def memory_limits() -> list[int]:
    """Return the limits in bytes of this process's control group and of those around it, as in a container."""
    texts = [
        _text(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes"))
        for version, folder in _groups("memory")
    ]
    return [int(text) for text in texts if text.isdecimal() and int(text)]  # version 2 says “max” for no limit


def _cpu_quotas() -> list[float]:
    """Return the processor time, in cores, of this process's control group and of those around it, where limited."""
    quotas = []
    for version, folder in _groups("cpu"):
        if version == 2:
            quota, _, period = _text(folder / "cpu.max").partition(" ")
        else:
            quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):  # “max” and -1 are no limit
            quotas.append(int(quota) / int(period))
    return quotas


def _groups(controller: str) -> Iterator[tuple[int, Path]]:
    """Yield the version (1 or 2) and the folder of this process's control groups for ``controller``, inner ones first.

    In a container, the own group may be mounted as the root.
    """
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUPS / controller if controllers else _CGROUPS
        own = root / group.strip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield 1 if controllers else 2, folder


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
