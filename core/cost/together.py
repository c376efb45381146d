"""Several runs at once on this machine: how many threads each gets, whether one more begins beside the others, and how
long all of them take.

How many train at once is what someone has ``chosen``, or automatic (``None``). Automatic on a GPU, as many as its
memory holds share it, up to :data:`MOST_AUTOMATIC`. Automatic on a CPU, the runs that train and wait share the cores,
down to one core each. A run keeps the number of threads that it began with, so one that began alone has all cores until
it ends. The last runs of the queue do not begin on a part of the cores if the rest will soon be free.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.base.machine import core_count
from core.base.text import counted
from core.config.run_config import RunConfig
from core.cost.machine import TIGHT, free_memory_of, has_gpu, memory_limit
from core.cost.network import PROGRAM_BYTES, memory_bytes, memory_text, step_work
from core.cost.speed import gain
from core.runs.storage import Storage
from core.runs.store import RunStore
from core.runs.summary import RunSummary

#: Runs that train at once if nobody has chosen a number, at most. On an H200, eight runs at once trained 3.5 times as
#: many images per second as one, and more were not measured. On two cores, two runs with one thread each trained 1.14
#: times as many as one run with two threads (both in docs/speed.md). More than two cores were not measured; there too,
#: all runs are threads of one Python process, which can only take turns between PyTorch's operators.
MOST_AUTOMATIC = 8
#: The last runs wait for all cores while the others have less than this share of their own work left. Two cores, a
#: last run that takes 1 with one thread and 1 / gain(2) with two: waiting is sooner if the other ends within the rest.
NEARLY_DONE = 1 - 1 / gain(2)


@dataclass(frozen=True)
class Job:
    """A run that trains or waits: ``seconds`` left with so many ``threads``. A waiting run begins with other threads if
    they are not ``fixed`` by its settings or by what was recorded when it began.
    """

    seconds: float
    threads: int
    fixed: bool = False

    @property
    def work(self) -> float:
        """The seconds left with one thread."""
        return self.seconds * gain(self.threads)


def chosen(store: RunStore) -> int | None:
    """Return how many runs of a store may train at once on this machine, ``None`` for automatic."""
    return Storage(store).settings_or_never().runs_at_once


def slots(chosen: int | None) -> int:
    """Return how many runs may train at once."""
    return chosen or (MOST_AUTOMATIC if has_gpu() else min(MOST_AUTOMATIC, core_count()))


def cores_each(chosen: int | None, at_once: int = 1) -> int:
    """Return how many cores a run gets, at least 1: an equal share of all. ``at_once`` runs train, if automatic."""
    return max(1, core_count() // (chosen or max(1, at_once)))


def share_text(chosen: int | None) -> str:
    """Return what a run has of this machine, in a sentence."""
    cores, most = core_count(), slots(chosen)
    if has_gpu():
        if chosen is None:
            return f"Automatic: up to {most} runs share the GPU, as many as its memory holds."
        return f"The runs share the GPU, and each uses {cores_each(chosen)} of {counted(cores, 'core')}." * (most > 1)
    if cores == 1 and chosen in (None, 1):
        return "One run trains at a time, on the only core."
    if chosen is None:
        return (
            f"Automatic: while several runs wait, up to {most} train at once and share {counted(cores, 'core')}. A run "
            "that waits alone begins with all cores and keeps them; the next one then waits until it ends."
        )
    if chosen == 1:
        return f"A run set to “all” threads uses all {counted(cores, 'core')}."
    allowed = min(chosen, cores)
    at_most = f" No more than {counted(allowed, 'run')} at once, since each needs a core." if allowed < chosen else ""
    return f"A run set to “all” threads uses {cores_each(chosen)} of {counted(cores, 'core')}.{at_most}"


def abreast(configs: Sequence[RunConfig], chosen: int | None, runs: int | None = None) -> int:
    """Return how many of these runs train at once if all of them wait: those that have slots, cores and memory.

    ``runs``: how many there are with these configs, by default one of each.
    """
    at_once = min(slots(chosen), len(configs) if runs is None else runs)
    on_cpu = [config for config in configs if _device(config.train.device) == "cpu"]
    least = cores_each(chosen) if chosen else 1
    if most_threads := max((config.train.threads or least for config in on_cpu), default=0):
        at_once = min(at_once, core_count() // most_threads)
    if at_once > 1:
        largest = max(configs, key=memory_bytes)
        if limit := memory_limit(_device(largest.train.device)):
            at_once = min(at_once, int(TIGHT * limit + PROGRAM_BYTES) // memory_bytes(largest))
    return max(1, at_once)


def total_seconds(waiting: Sequence[Job], at_once: int, chosen: int | None, begun: Iterable[Job] = ()) -> float:
    """Return the seconds until the last run has ended; ``waiting`` is the queue in its order, ``begun`` train already.

    No more than ``at_once`` train at a time.
    """
    now, training = 0.0, [(job.seconds, job.threads) for job in begun]
    heapq.heapify(training)
    for place, job in enumerate(waiting):
        behind = len(waiting) - place
        while True:
            threads = job.threads if job.fixed else cores_each(chosen, min(at_once, len(training) + behind))
            left = [(end - now) * gain(other) for end, other in training]
            free = core_count() - sum(other for _, other in training)
            room = not training or (len(training) < at_once and (has_gpu() or threads <= free))
            free_to_choose = chosen is None and not job.fixed
            if room and not (free_to_choose and better_later(job.work, threads, left, behind, at_once)):
                break
            now, _ = heapq.heappop(training)
        heapq.heappush(training, (now + job.work / gain(threads), threads))
    return max((end for end, _ in training), default=0.0)


def better_later(work: float, threads: int, left: Sequence[float], waiting: int, at_once: int) -> bool:
    """Return whether the next run should not begin with so many ``threads`` beside others, but when they have ended.

    ``waiting`` runs wait, this one among them. If they are so few that each gets more cores once the others have ended,
    they wait for those that have little work ``left``, compared with their own ``work``.
    """
    if has_gpu() or not left:
        return False
    return cores_each(None, min(at_once, waiting)) > threads and max(left) < NEARLY_DONE * work


def device_of(run: RunSummary) -> str:
    """Return the device that a run trains on here: the recorded one, else what its settings mean on this machine."""
    return _device(run.meta.environment.get("device") or run.config.train.device)


def _device(name: object) -> str:
    if name == "auto":
        return "cuda" if has_gpu() else "cpu"
    return str(name)


def fixed_threads(run: RunSummary) -> int | None:
    """Return the threads that were recorded when a run began or that its settings say; ``None`` for a share."""
    recorded = run.meta.environment.get("threads")
    return recorded if isinstance(recorded, int) else run.config.train.threads


def work_left(run: RunSummary) -> float:
    """Return what is left to compute of a run, relative to other runs."""
    train = run.config.train
    per_image = step_work(run.config) / train.batch_size
    return (train.epochs - run.status.epoch) * run.config.data.sizes().train * per_image


def obstacle(
    run: RunSummary, threads: int, beside: Sequence[tuple[RunSummary, int]], waiting: int, chosen: int | None
) -> str | None:
    """Return why ``run`` cannot begin with so many ``threads`` while others train on this machine, ``None`` if it can.

    ``beside``: the runs that train, with their threads. ``waiting`` runs wait, this one among them.

    On a CPU, all together have at most as many threads as there are cores: more would wait for each other. The memory
    that is free now must hold the run, and :data:`~core.cost.machine.TIGHT` of all memory must hold all of them, since
    a run that has just begun has not taken its memory yet. A run alone may always begin.
    """
    device = device_of(run)
    neighbours = [(other, number) for other, number in beside if device_of(other) == device]
    if not neighbours:
        return None
    others = [other for other, _ in neighbours]
    if device == "cpu":
        if problem := _lack_of_cores(threads, sum(number for _, number in neighbours)):
            return problem
        left = [work_left(other) for other in others]
        free_to_choose = chosen is None and fixed_threads(run) is None
        if free_to_choose and better_later(work_left(run), threads, left, waiting, slots(None)):
            soon = "the run that trains ends" if len(others) == 1 else f"the {len(others)} runs that train end"
            return f"The next run starts with more cores when {soon}, which is soon."
    return _lack_of_memory(run, others, device)


def _lack_of_cores(threads: int, taken: int) -> str | None:
    cores = core_count()
    free = max(0, cores - taken)
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
