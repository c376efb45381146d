"""Several runs at once on this machine: how many cores each gets, and whether one more has room beside the others."""

from collections.abc import Sequence

from core.base.machine import core_count
from core.base.text import counted
from core.cost.machine import TIGHT, free_memory_of, has_gpu, memory_limit
from core.cost.network import PROGRAM_BYTES, memory_bytes, memory_text
from core.runs.summary import RunSummary


def cores_each(slots: int) -> int:
    """Return how many cores a run gets where ``slots`` runs may train at once: an equal share, at least 1."""
    return max(1, core_count() // max(1, slots))


def device_of(run: RunSummary) -> str:
    """Return the device that a run trains on here: the recorded one, else what its settings mean on this machine."""
    device = run.meta.environment.get("device") or run.config.train.device
    if device == "auto":
        return "cuda" if has_gpu() else "cpu"
    return str(device)


def threads_of(run: RunSummary, slots: int) -> int:
    """Return how many threads a run trains with here: those recorded when it began, else what its settings say."""
    recorded = run.meta.environment.get("threads")
    return recorded if isinstance(recorded, int) else run.config.train.threads or cores_each(slots)


def obstacle(run: RunSummary, beside: Sequence[RunSummary], slots: int) -> str | None:
    """Return why ``run`` cannot begin while the runs ``beside`` train on this machine, ``None`` if it can.

    On a CPU, together they have at most as many threads as there are cores: more would wait for each other. The memory
    that is free now must hold the run, and :data:`~core.cost.machine.TIGHT` of all memory must hold all of them, since
    a run that has just begun has not taken its memory yet. A run alone may always begin.
    """
    device = device_of(run)
    neighbours = [other for other in beside if device_of(other) == device]
    if not neighbours:
        return None
    return (device == "cpu" and _lack_of_cores(run, neighbours, slots)) or _lack_of_memory(run, neighbours, device)


def _lack_of_cores(run: RunSummary, beside: Sequence[RunSummary], slots: int) -> str | None:
    threads, cores = threads_of(run, slots), core_count()
    free = max(0, cores - sum(threads_of(other, slots) for other in beside))
    if threads <= free:
        return None
    return (
        f"The next run trains with {counted(threads, 'thread')}, and {free or 'none'} of {counted(cores, 'core')} "
        f"{'is' if free < 2 else 'are'} free. It starts when another run ends."
    )


def _lack_of_memory(run: RunSummary, beside: Sequence[RunSummary], device: str) -> str | None:
    needed = memory_bytes(run.config) - PROGRAM_BYTES  # which the others have loaded
    free, limit = free_memory_of(device), memory_limit(device)
    if limit is not None:
        planned = int(TIGHT * limit) - sum(memory_bytes(other.config) for other in beside)
        free = min(planned, limit if free is None else free)
    if free is None or needed <= free:
        return None
    return (
        f"The next run needs about {memory_text(needed)} of memory, and {memory_text(max(0, free))} is free. It "
        "starts when another run ends."
    )
