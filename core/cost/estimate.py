"""How long a run will take on this machine, and how much memory, before it is started.

The speed comes from earlier runs on this machine or from a measurement (:mod:`core.cost.speed`). For another network
or batch size it is scaled by the cost of a step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.base.text import counted, duration
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
    undisturbed,
    with_shape,
)
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
    single run, which other programs may have slowed.
    """

    seconds: float | None
    low: float | None
    high: float | None
    bytes: int
    source: str
    measured: bool = False
    alone: bool = False
    at_most: bool = False

    def text(self, runs: int = 1) -> str:
        """Return ``about 25 s (measured on this machine), about 410 MB of memory``, for ``runs`` runs in a row."""
        memory = f"about {memory_text(self.bytes)} of memory"
        if self.seconds is None:
            return f"{self.source}; {memory}"
        about = "at most about" if self.at_most else "about"
        many = f" for {runs} runs" if runs > 1 else ""
        return f"{about} {duration(runs * self.seconds)}{many} ({self.source}), {memory}"

    def range_text(self, runs: int = 1) -> str:
        """Return ``between 20 s and 29 s``, empty without a measurement."""
        if self.low is None or self.high is None:
            return ""
        return f"between {duration(runs * self.low)} and {duration(runs * self.high)}"


def estimate(config: RunConfig, store: RunStore) -> Estimate:
    """Return the time and memory of a checked config, from what was measured on this machine."""
    return estimates([config], store)[0]


def estimates(configs: Iterable[RunConfig], store: RunStore) -> list[Estimate]:
    """Return :func:`estimate` of each config; the speeds are read once for all configs that share them."""
    runs, probed = store.summaries(), probes(store)
    known: dict[tuple[Any, ...], list[Speed]] = {}
    results = []
    for config in configs:
        key = shape(config), how(config)
        if key not in known:
            known[key] = _choose(config, run_speeds(store, config, runs), probed)
        results.append(_estimate(config, known[key]))
    return results


def _choose(config: RunConfig, runs: list[Speed], probed: list[Speed]) -> list[Speed]:
    """Return the speeds of runs and measurements of this network and batch size, else of the most similar one."""
    probed = [speed for speed in probed if computed_alike(config, speed.host, speed.asked, speed.used)]
    nearest = sorted([*runs, *probed], key=lambda speed: distance(config, speed.shape))
    return [speed for speed in nearest if speed.shape == nearest[0].shape]


def _estimate(config: RunConfig, speeds: list[Speed]) -> Estimate:
    memory = memory_bytes(config)
    if not speeds:
        return Estimate(None, None, None, memory, "not measured on this machine yet")
    counted_speeds = undisturbed(speeds)
    seconds = sorted(run_seconds(config, speed) for speed in counted_speeds)
    median = seconds[len(seconds) // 2]
    measured = speeds[0].shape == shape(config)
    margin = SAME if measured else SCALED
    return Estimate(
        median,
        min(seconds[0], median * (1 - margin)),
        max(seconds[-1], median * (1 + margin)),
        memory,
        _source(counted_speeds, len(speeds) - len(counted_speeds), measured),
        measured=measured,
        alone=len(speeds) == 1 and speeds[0].source == "run",
        at_most=config.train.early_stopping != "off",
    )


def _source(speeds: list[Speed], disturbed: int, measured: bool) -> str:
    """Return where the ``speeds`` come from, and how many ``disturbed`` ones do not count."""
    speed, runs = speeds[0], sum(speed.source == "run" for speed in speeds)
    if not measured:
        kind = "a run" if speed.source == "run" else "a measurement"
        text = f"scaled from {kind} of {speed.depth} layers, width {speed.width}, batch {speed.batch_size}"
    elif not runs:
        text = "measured on this machine"
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
