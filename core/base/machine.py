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


def free_memory() -> int | None:
    """Return the bytes of memory that this process can still use, within its container's limit; ``None`` if unknown.

    Caches of files count as free, since the system gives them up.
    """
    sizes = [size for size in (_available_memory(), *_free_in_groups()) if size is not None]
    return min(sizes, default=None)


def _available_memory() -> int | None:
    """Return what Linux says is available on the machine, in bytes; ``None`` on other systems."""
    for line in _text(Path("/proc/meminfo")).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) << 10
    return None


def _free_in_groups() -> list[int]:
    """Return the bytes that this process's control group and those around it may still take, where limited."""
    names = {2: ("memory.max", "memory.current"), 1: ("memory.limit_in_bytes", "memory.usage_in_bytes")}
    free = []
    for version, folder in _groups("memory"):
        limit, used = (_text(folder / name) for name in names[version])
        if limit.isdecimal() and int(limit) and used.isdecimal():
            statistics = dict(line.partition(" ")[::2] for line in _text(folder / "memory.stat").splitlines())
            cached = statistics.get("inactive_file", "")
            free.append(max(0, int(limit) - int(used) + (int(cached) if cached.isdecimal() else 0)))
    return free


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
