"""How long a run will take on this machine, and how much memory, before it is started.

The speed comes from earlier runs on this machine or from a measurement (:mod:`core.cost.speed`). For another network
or batch size it is scaled by the cost of a step. Where several runs train at once, each has a share of the machine
(:func:`core.cost.together.cores_each`): the speeds of runs that had as many threads count. Without any, the speed is
scaled by :func:`core.cost.speed.gain`.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.base.errors import StoreError
from core.base.text import counted, duration, expected_time
from core.config.run_config import RunConfig
from core.cost.network import crop_shares, memory_bytes, memory_text, step_work
from core.cost.speed import (
    Speed,
    computed_alike,
    distance,
    gain,
    how,
    probes,
    run_speed,
    run_speeds,
    shape,
    undisturbed,
    with_shape,
    with_threads,
)
from core.cost.together import Job, abreast, chosen, cores_each, fixed_threads, total_seconds
from core.runs.storage import Storage
from core.runs.store import RunStore
from core.runs.summary import RunSummary
from core.training.schedule import EVALUATION_BATCH, STATISTICS_IMAGES

#: Loading and verifying the images, choosing a precision, building the network: 0.5 to 0.9 s of one processor.
START_SECONDS = 1.0
#: How far the truth may be from an estimate, either way: from a measurement of the same network, and of another one.
SAME, SCALED = 0.15, 0.4


@dataclass(frozen=True)
class Estimate:
    """The expected ``seconds`` with probable bounds ``low`` and ``high``, all ``None`` without a measurement.

    ``bytes`` is memory on the training device, ``source`` where the speed comes from, in words; ``measured`` is true
    if that is this network, batch size and number of ``threads``, ``at_most`` if the run may stop early, ``alone`` if
    the speed is that of a single run, which other programs may have slowed. Of as many such ``runs``, ``at_once`` train
    at a time, and all together take ``turns`` times as long as one of them.
    """

    seconds: float | None
    low: float | None
    high: float | None
    bytes: int
    source: str
    threads: int
    measured: bool = False
    alone: bool = False
    at_most: bool = False
    runs: int = 1
    at_once: int = 1
    turns: float = 1.0

    def text(self) -> str:
        """Return ``about 25 s (measured on this computer), about 410 MB of memory``, for all ``runs``."""
        memory = f"about {memory_text(self.at_once * self.bytes)} of memory"
        if self.seconds is None:
            return f"{self.source}; {memory}"
        about = "at most about" if self.at_most else "about"
        together = f", {self.at_once} at once" if self.at_once > 1 else ""
        many = f" for {self.runs} runs{together}" if self.runs > 1 else ""
        return f"{about} {duration(self.turns * self.seconds)}{many} ({self.source}), {memory}"

    def range_text(self) -> str:
        """Return ``between 20 s and 29 s``, empty without a measurement."""
        if self.low is None or self.high is None:
            return ""
        return f"between {duration(self.turns * self.low)} and {duration(self.turns * self.high)}"


def estimate(config: RunConfig, store: RunStore, runs: int = 1) -> Estimate:
    """Return the time and memory of so many runs of a checked config, from what was measured on this machine."""
    expected, setting = _expected([config], store, runs)[0], chosen(store)
    at_once = abreast([config], setting, runs)
    turns = total_seconds([Job(1.0, expected.threads, config.train.threads is not None)] * runs, at_once, setting)
    return replace(expected, runs=runs, at_once=at_once, turns=turns)


def estimates(configs: Iterable[RunConfig], store: RunStore) -> list[Estimate]:
    """Return :func:`estimate` of each config, trained alone."""
    return _expected(configs, store, runs=1)


def _expected(configs: Iterable[RunConfig], store: RunStore, runs: int) -> list[Estimate]:
    """Return the estimate of a run of each config where so many ``runs`` train or wait, these among them.

    The speeds are read once for all configs that share them.
    """
    summaries, probed, setting = store.summaries(), probes(store), chosen(store)
    known: dict[tuple[Any, ...], list[Speed]] = {}
    results = []
    for config in configs:
        threads = config.train.threads or cores_each(setting, abreast([config], setting, runs))
        key = shape(config), how(config), threads
        if key not in known:
            known[key] = _choose(config, run_speeds(store, config, summaries, threads), probed, threads)
        results.append(_estimate(config, known[key], threads))
    return results


@dataclass(frozen=True)
class Total:
    """How long several runs take from the queue, in seconds, with probable bounds; ``at_once`` train at a time.

    The times are ``None`` if one of the runs has no known speed; ``source`` says where the speed comes from.
    """

    seconds: float | None
    low: float | None
    high: float | None
    at_once: int
    source: str


def total(configs: Sequence[RunConfig], store: RunStore, left: Sequence[float] | None = None) -> Total:
    """Return how long runs of these configs take from the queue, which holds nothing else.

    ``left``: how much of each is still to do, from 0 to 1; by default all.
    """
    setting, expected = chosen(store), _expected(configs, store, len(configs))
    at_once = abreast(configs, setting)
    unknown = next((estimate.source for estimate in expected if estimate.seconds is None), None)
    if unknown is not None:
        return Total(None, None, None, at_once, unknown)

    def seconds(values: Iterable[float | None]) -> float:
        jobs = [
            Job(share * (value or 0.0), estimate.threads, config.train.threads is not None)
            for config, estimate, share, value in zip(
                configs, expected, left or [1.0] * len(configs), values, strict=True
            )
        ]
        return total_seconds(jobs, at_once, setting)

    return Total(
        seconds(estimate.seconds for estimate in expected),
        seconds(estimate.low for estimate in expected),
        seconds(estimate.high for estimate in expected),
        at_once,
        expected[-1].source if expected else "",
    )


def time_left(store: RunStore, training: Sequence[RunSummary], waiting: Sequence[RunSummary]) -> float | None:
    """Return the seconds until all runs that train or wait have ended; ``None`` if one of them is not known.

    ``waiting`` is in the order of the queue.
    """
    runs, setting = [*training, *waiting], chosen(store)
    expected = _expected([run.config for run in runs], store, len(runs))
    jobs: list[Job] = []
    for run, whole in zip(runs, expected, strict=True):
        fixed = fixed_threads(run)
        if (seconds := _seconds_left(store, run)) is not None:
            jobs.append(Job(seconds, fixed or whole.threads, fixed=True))
        elif whole.seconds is None:
            return None
        else:
            left = whole.seconds * max(0.0, 1 - run.status.epoch / run.config.train.epochs)
            threads = fixed or whole.threads
            jobs.append(Job(left * gain(whole.threads) / gain(threads), threads, fixed is not None))
    at_once = abreast([run.config for run in runs], setting)
    return total_seconds(jobs[len(training) :], at_once, setting, jobs[: len(training)])


def queue_text(store: RunStore, training: Sequence[RunSummary], waiting: Sequence[RunSummary]) -> str:
    """Return ``Up to 2 runs train at once. About 1 h 20 min until all have ended.``; without the time if not known.

    It is not known for a cluster.
    """
    if Storage(store).settings_or_never().cluster:
        return "Runs train on the Ray cluster, as many at once as it has room for."
    at_once = abreast([run.config for run in (*training, *waiting)], chosen(store))
    seconds = time_left(store, training, waiting)
    text = f"Up to {at_once} runs train at once." if at_once > 1 else "One run trains at a time."
    return text if seconds is None else f"{text} About {duration(seconds)} until all have ended."


def _seconds_left(store: RunStore, run: RunSummary) -> float | None:
    """Return what a run that trains says itself; ``None`` before its first batch."""
    with contextlib.suppress(StoreError):  # deleted since it was listed
        if run.at_work and (progress := store.run(run.id).progress()):
            return progress.seconds_left
    return None


def _choose(config: RunConfig, runs: list[Speed], probed: list[Speed], threads: int) -> list[Speed]:
    """Return the speeds of runs and measurements of this network and batch size, else of the most similar one.

    Those with so many ``threads`` come first.
    """
    probed = [speed for speed in probed if computed_alike(config, speed.host, speed.asked, speed.used)]
    nearest = sorted([*runs, *probed], key=lambda speed: distance(config, speed.shape))
    chosen = [speed for speed in nearest if speed.shape == nearest[0].shape]
    return [speed for speed in chosen if speed.used[-1] == threads] or chosen


def _estimate(config: RunConfig, speeds: list[Speed], threads: int) -> Estimate:
    memory = memory_bytes(config)
    if not speeds:
        return Estimate(None, None, None, memory, expected_time(None), threads)
    # Speeds with other numbers of threads are comparable only when they are scaled.
    counted_speeds = undisturbed([with_threads(speed, threads) for speed in speeds])
    seconds = sorted(run_seconds(config, speed) for speed in counted_speeds)
    median = seconds[len(seconds) // 2]
    measured = speeds[0].shape == shape(config) and speeds[0].used[-1] == threads
    margin = SAME if measured else SCALED
    return Estimate(
        median,
        min(seconds[0], median * (1 - margin)),
        max(seconds[-1], median * (1 + margin)),
        memory,
        _source(counted_speeds, len(speeds) - len(counted_speeds), measured, speeds[0].used[-1], threads),
        threads,
        measured=measured,
        alone=len(speeds) == 1 and speeds[0].source == "run",
        at_most=config.train.early_stopping != "off",
    )


def _source(speeds: list[Speed], disturbed: int, measured: bool, used: int, threads: int) -> str:
    """Return where the ``speeds`` come from, and how many ``disturbed`` ones do not count.

    They were measured with ``used`` threads, and are wanted for ``threads``.
    """
    speed, runs = speeds[0], sum(speed.source == "run" for speed in speeds)
    if not measured:
        kind = "a run" if speed.source == "run" else "a measurement"
        text = f"scaled from {kind} of {speed.depth} layers, width {speed.width}, batch {speed.batch_size}"
        if used != threads:
            text += f", {counted(used, 'thread')}"
    elif not runs:
        text = "measured on this computer"
    else:
        also = " and a measurement" if runs < len(speeds) else ""
        text = f"from {counted(runs, 'earlier run')}{also} of this network"
    return f"{text}, without {counted(disturbed, 'slower one')}" if disturbed else text


def predictions_text(store: RunStore, run: RunSummary) -> str:
    """Return what computing a run's predictions takes: ``evaluates 15,000 images: about 12 s``.

    The time is that of the run itself, and left out if it is not recorded.
    """
    sizes = run.config.data.sizes()
    networks = 2 if run.epochs and run.epochs.last_epoch != run.epochs.best_epoch and store.run(run.id).states() else 1
    images = networks * (sizes.test + sizes.validation)
    speed = run_speed(run, store.run(run.id).records())
    time = f": about {duration(START_SECONDS + images / speed.evaluation)}" if speed else ""
    return f"evaluates {counted(images, 'image')}{time}"


def run_seconds(config: RunConfig, speed: Speed) -> float:
    """Return the seconds of a run from start to end: loading, training, evaluations and the final test.

    The speed of another network is scaled by the cost of an image in a step of its batch size.
    """
    measured = with_shape(config, speed.shape)
    slower = (step_work(config) / config.train.batch_size) / (step_work(measured) / speed.batch_size)
    evaluation_slower = step_work(config, EVALUATION_BATCH) / step_work(measured, EVALUATION_BATCH)
    train, sizes = config.train, config.data.sizes()
    averaged = max(train.epochs - train.averaging_start + 1, 0) if train.averaging != "off" else 0
    # Estimating statistics is a forward pass in training mode, about as fast as an evaluation.
    evaluated = train.epochs * (sizes.validation or sizes.test) + averaged * min(STATISTICS_IMAGES, sizes.train)
    if config.data.validation == "held-out":
        evaluated += 2 * sizes.test  # with the weights of the best and of the last epoch
    training = sum(crop_shares(config)) * sizes.train
    return START_SECONDS + training * slower / speed.training + evaluated * evaluation_slower / speed.evaluation
