"""Several runs at once on this machine: how many cores each gets, whether one more has room beside the others, and how
long all of them take.
"""

import heapq
from collections.abc import Iterable, Sequence

from core.base.machine import core_count
from core.base.text import counted
from core.config.run_config import RunConfig
from core.cost.machine import TIGHT, free_memory_of, has_gpu, memory_limit
from core.cost.network import PROGRAM_BYTES, memory_bytes, memory_text
from core.runs.storage import Storage
from core.runs.store import RunStore
from core.runs.summary import RunSummary


def slots(store: RunStore) -> int:
    """Return how many runs of a store may train at once on this machine, as its settings say."""
    return Storage(store).settings_or_never().runs_at_once


def cores_each(slots: int) -> int:
    """Return how many cores a run gets where ``slots`` runs may train at once: an equal share, at least 1."""
    return max(1, core_count() // max(1, slots))


def share_text(slots: int) -> str:
    """Return what a run has of this machine where ``slots`` runs may train at once, in a sentence."""
    cores, each = core_count(), cores_each(slots)
    if has_gpu():
        return f"The runs share the GPU, and each uses {each} of {counted(cores, 'core')}." if slots > 1 else ""
    if slots == 1:
        return f"A run set to “all” threads uses {'all ' if cores > 1 else ''}{counted(cores, 'core')}."
    most = min(slots, cores)
    at_most = f" No more than {counted(most, 'run')} at once, since each needs a core." if most < slots else ""
    return f"A run set to “all” threads uses {each} of {counted(cores, 'core')}.{at_most}"


def abreast(configs: Iterable[RunConfig], slots: int) -> int:
    """Return how many runs of these configs train at once: on a CPU, no more than have a core for each thread."""
    on_cpu = [config for config in configs if _device(config.train.device) == "cpu"]
    most_threads = max((config.train.threads or cores_each(slots) for config in on_cpu), default=0)
    return max(1, min(slots, core_count() // most_threads)) if most_threads else max(1, slots)


def total_seconds(seconds: Iterable[float], at_once: int, begun: Iterable[float] = ()) -> float:
    """Return the seconds until the last run has ended; ``seconds`` are those of the runs in the queue, in its order.

    ``at_once`` runs train at a time. Those that have ``begun`` have so many seconds left.
    """
    begun = sorted(begun)
    free_at = begun[-at_once:]  # more may have begun than may train at once by now
    free_at = [0.0] * (at_once - len(free_at)) + free_at
    for needed in seconds:
        heapq.heapreplace(free_at, free_at[0] + needed)
    return max(*free_at, *begun, 0.0)


def device_of(run: RunSummary) -> str:
    """Return the device that a run trains on here: the recorded one, else what its settings mean on this machine."""
    return _device(run.meta.environment.get("device") or run.config.train.device)


def _device(name: object) -> str:
    if name == "auto":
        return "cuda" if has_gpu() else "cpu"
    return str(name)


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
