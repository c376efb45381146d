"""How long a run will take on this machine, and how much memory, before it is started.

The speed comes from earlier runs on this machine or from a measurement (:mod:`core.cost.speed`). For another network
or batch size it is scaled by the cost of a step. Where several runs may train at once, each has a share of the machine
(:func:`core.cost.together.cores_each`): the speeds of runs that had the same share count. Without any, several runs at
once are expected to take as long as one after the other.
"""

import contextlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.base.errors import StoreError
from core.base.text import counted, duration, expected_time
from core.config.run_config import RunConfig
from core.cost.network import crop_shares, memory_bytes, memory_text, step_work
from core.cost.speed import (
    Speed,
    computed_alike,
    distance,
    how,
    probes,
    run_speed,
    run_speeds,
    shape,
    shared,
    undisturbed,
    with_shape,
)
from core.cost.together import abreast, cores_each, slots, total_seconds
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
    if that is this network and batch size, ``at_most`` if the run may stop early, ``alone`` if the speed is that of a
    single run, which other programs may have slowed. ``at_once`` such runs train at a time.
    """

    seconds: float | None
    low: float | None
    high: float | None
    bytes: int
    source: str
    measured: bool = False
    alone: bool = False
    at_most: bool = False
    at_once: int = 1

    def text(self, runs: int = 1) -> str:
        """Return ``about 25 s (measured on this computer), about 410 MB of memory``, for so many ``runs``."""
        at_once = min(runs, self.at_once)
        memory = f"about {memory_text(at_once * self.bytes)} of memory"
        if self.seconds is None:
            return f"{self.source}; {memory}"
        about = "at most about" if self.at_most else "about"
        together = f", {at_once} at once" if at_once > 1 else ""
        many = f" for {runs} runs{together}" if runs > 1 else ""
        return f"{about} {duration(self._turns(runs) * self.seconds)}{many} ({self.source}), {memory}"

    def range_text(self, runs: int = 1) -> str:
        """Return ``between 20 s and 29 s``, empty without a measurement."""
        if self.low is None or self.high is None:
            return ""
        turns = self._turns(runs)
        return f"between {duration(turns * self.low)} and {duration(turns * self.high)}"

    def _turns(self, runs: int) -> int:
        """Return how many times as long as one run so many runs take."""
        return math.ceil(runs / self.at_once)


def estimate(config: RunConfig, store: RunStore) -> Estimate:
    """Return the time and memory of a checked config, from what was measured on this machine."""
    return estimates([config], store)[0]


def estimates(configs: Iterable[RunConfig], store: RunStore) -> list[Estimate]:
    """Return :func:`estimate` of each config; the speeds are read once for all configs that share them."""
    runs, probed, places = store.summaries(), probes(store), slots(store)
    known: dict[tuple[Any, ...], list[Speed]] = {}
    results = []
    for config in configs:
        key = shape(config), how(config)
        share = (config.train.threads or cores_each(places)) if places > 1 else None
        if key not in known:
            known[key] = _choose(config, run_speeds(store, config, runs, share), probed, share)
        results.append(_estimate(config, known[key], share, places))
    return results


def queue_seconds(configs: Sequence[RunConfig], store: RunStore) -> float | None:
    """Return how long runs of these configs take from the queue, as many at once as the settings say; or ``None``."""
    seconds = [expected.seconds for expected in estimates(configs, store)]
    known = [value for value in seconds if value is not None]
    return total_seconds(known, abreast(configs, slots(store))) if len(known) == len(seconds) else None


def time_left(store: RunStore, training: Sequence[RunSummary], waiting: Sequence[RunSummary]) -> float | None:
    """Return the seconds until all runs that train or wait have ended; ``None`` if one of them is not known.

    ``waiting`` is in the order of the queue.
    """
    expected = estimates([run.config for run in (*training, *waiting)], store)
    left: list[float] = []
    for run, whole in zip((*training, *waiting), expected, strict=True):
        if (seconds := _seconds_left(store, run)) is not None:
            left.append(seconds)
        elif whole.seconds is None:
            return None
        else:
            left.append(whole.seconds * max(0.0, 1 - run.status.epoch / run.config.train.epochs))
    at_once = abreast((run.config for run in (*training, *waiting)), slots(store))
    return total_seconds(left[len(training) :], at_once, left[: len(training)])


def queue_text(store: RunStore, training: Sequence[RunSummary], waiting: Sequence[RunSummary]) -> str:
    """Return ``Up to 2 runs train at once. About 1 h 20 min until all have ended.``; without the time if not known.

    It is not known for a cluster.
    """
    if Storage(store).settings_or_never().cluster:
        return "Runs train on the Ray cluster, as many at once as it has room for."
    places, seconds = slots(store), time_left(store, training, waiting)
    text = f"Up to {places} runs train at once." if places > 1 else "One run trains at a time."
    return text if seconds is None else f"{text} About {duration(seconds)} until all have ended."


def _seconds_left(store: RunStore, run: RunSummary) -> float | None:
    """Return what a run that trains says itself; ``None`` before its first batch."""
    with contextlib.suppress(StoreError):  # deleted since it was listed
        if run.at_work and (progress := store.run(run.id).progress()):
            return progress.seconds_left
    return None


def _choose(config: RunConfig, runs: list[Speed], probed: list[Speed], share: int | None) -> list[Speed]:
    """Return the speeds of runs and measurements of this network and batch size, else of the most similar one.

    If a run has only a ``share`` of the threads, the speeds with this share come first.
    """
    probed = [speed for speed in probed if computed_alike(config, speed.host, speed.asked, speed.used)]
    nearest = sorted([*runs, *probed], key=lambda speed: distance(config, speed.shape))
    chosen = [speed for speed in nearest if speed.shape == nearest[0].shape]
    return [speed for speed in chosen if speed.used[-1] == share] or chosen


def _estimate(config: RunConfig, speeds: list[Speed], share: int | None, places: int) -> Estimate:
    memory, at_once = memory_bytes(config), abreast([config], places)
    if not speeds:
        return Estimate(None, None, None, memory, expected_time(None), at_once=at_once)
    counted_speeds = undisturbed(speeds)
    expected = [speed if share is None else shared(speed, share) for speed in counted_speeds]
    seconds = sorted(run_seconds(config, speed) for speed in expected)
    median = seconds[len(seconds) // 2]
    measured = speeds[0].shape == shape(config) and (share is None or speeds[0].used[-1] <= share)
    margin = SAME if measured else SCALED
    return Estimate(
        median,
        min(seconds[0], median * (1 - margin)),
        max(seconds[-1], median * (1 + margin)),
        memory,
        _source(counted_speeds, len(speeds) - len(counted_speeds), measured, share),
        measured=measured,
        alone=len(speeds) == 1 and speeds[0].source == "run",
        at_most=config.train.early_stopping != "off",
        at_once=at_once,
    )


def _source(speeds: list[Speed], disturbed: int, measured: bool, share: int | None) -> str:
    """Return where the ``speeds`` come from, and how many ``disturbed`` ones do not count."""
    speed, runs = speeds[0], sum(speed.source == "run" for speed in speeds)
    if not measured:
        kind = "a run" if speed.source == "run" else "a measurement"
        text = f"scaled from {kind} of {speed.depth} layers, width {speed.width}, batch {speed.batch_size}"
        if share is not None and speed.used[-1] > share:
            text += f", {counted(speed.used[-1], 'thread')}"
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
