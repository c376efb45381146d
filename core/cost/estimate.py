"""How long a run will take on this machine, and how much memory, before it is started.

Nothing is timed here: the speed comes from earlier runs on this machine or from a probe
(:mod:`core.jobs.probe`) whose result is kept in ``runs/.cache/speed.json``. For another network or batch
size it is scaled by what a step costs. PyTorch is not imported.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.base.text import duration
from core.config.run_config import RunConfig
from core.cost.network import EVALUATION_BATCH, area_shares, memory_bytes, memory_in_words, step_work
from core.cost.speed import Speed, _distance, _shaped, how, of_runs, probes, shape
from core.runs.store import RunStore

#: Reading and checking the images, choosing a precision, building the network: 0.5 to 0.9 s of one processor.
START_SECONDS = 1.0
#: Training pictures from which an averaged network's batch-norm statistics are estimated each epoch.
STATISTICS_IMAGES = 5_000
#: How far the truth may lie from an estimate, either way, for a network measured itself and a scaled one.
LIKE, SCALED = 0.15, 0.4


# --- what a network costs -----------------------------------------------------------------------------


# --- measured speeds ----------------------------------------------------------------------------------


# --- the estimate -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """``seconds`` with its likely bounds ``low`` and ``high`` (``None`` without a measurement), ``bytes`` of memory
    on the training device, ``source`` of the speed in words; ``measured`` if that is of this very network and
    batch size; ``at_most`` if the run may stop early."""

    seconds: float | None
    low: float | None
    high: float | None
    bytes: int
    source: str
    measured: bool = False
    at_most: bool = False

    def in_words(self, runs: int = 1) -> str:
        """``about 25 s (from 3 earlier runs like it), about 410 MB of memory``; for ``runs`` runs in a row."""
        memory = f"about {memory_in_words(self.bytes)} of memory"
        if self.seconds is None or self.low is None or self.high is None:
            return f"{self.source}; {memory}"
        about = "at most about" if self.at_most else "about"
        many = f" for {runs} runs" if runs > 1 else ""
        return f"{about} {duration(runs * self.seconds)}{many} ({self.source}), {memory}"

    def span_in_words(self, runs: int = 1) -> str:
        """``between 20 s and 29 s``, or empty without a measurement."""
        if self.low is None or self.high is None:
            return ""
        return f"between {duration(runs * self.low)} and {duration(runs * self.high)}"


def estimate(config: RunConfig, store: RunStore) -> Estimate:
    """Time and memory of a checked config, from what was measured on this machine."""
    return estimates([config], store)[0]


def estimates(configs: Iterable[RunConfig], store: RunStore) -> list[Estimate]:
    """:func:`estimate` of each; what was measured is read once for all that are computed alike."""
    frame, probed, known = store.frame(), probes(store), dict[tuple[Any, ...], list[Speed]]()
    found = []
    for config in configs:
        alike = shape(config), how(config)
        if alike not in known:
            known[alike] = _speeds(config, of_runs(store, config, frame), probed)
        found.append(_estimate(config, known[alike]))
    return found


def _speeds(config: RunConfig, runs: list[Speed], probed: list[Speed]) -> list[Speed]:
    """The first of: ``runs`` of the same network and batch size, a probe of it, then the most alike of other runs and
    probes."""
    probed = [one for one in probed if one.fits(config)]
    like_runs = [one for one in runs if one.shape == shape(config)]
    like_probes = [one for one in probed if one.shape == shape(config)]
    others = sorted([*runs, *probed], key=lambda one: _distance(config, one.shape))
    return like_runs or like_probes[:1] or others[:1]


def _estimate(config: RunConfig, speeds: list[Speed]) -> Estimate:
    memory = memory_bytes(config)
    if not speeds:
        return Estimate(None, None, None, memory, "no measurement on this machine yet")
    seconds = sorted(run_seconds(config, speed) for speed in speeds)
    middle = seconds[len(seconds) // 2]
    like = speeds[0].shape == shape(config)
    off = LIKE if like else SCALED
    return Estimate(
        middle,
        min(seconds[0], middle * (1 - off)),
        max(seconds[-1], middle * (1 + off)),
        memory,
        _told(speeds, like),
        measured=like,
        at_most=config.train.early_stopping != "off",
    )


def _told(speeds: list[Speed], like: bool) -> str:
    if like and speeds[0].source == "probe":
        return "measured on this machine"
    if like:
        return f"from {len(speeds)} earlier run{'s' * (len(speeds) != 1)} like it"
    return f"scaled from {'a run' if speeds[0].source == 'run' else 'a measurement'} of {_network(speeds[0])}"


def _network(speed: Speed) -> str:
    return f"{speed.depth} layers, width {speed.width}, batch {speed.batch_size}"


def run_seconds(config: RunConfig, speed: Speed) -> float:
    """Seconds from start to end: epochs of training and evaluation, the test at the end, and getting ready.

    A speed of another network is scaled by what a picture costs in a step of its batch size.
    """
    measured = _shaped(config, speed.shape)
    slower = (step_work(config) / config.train.batch_size) / (step_work(measured) / speed.batch_size)
    of_network = step_work(config, EVALUATION_BATCH) / step_work(measured, EVALUATION_BATCH)
    training, evaluation = speed.training / slower, speed.evaluation / of_network
    train, sizes = config.train, config.data.sizes()
    averaged = max(train.epochs - train.averaging_start + 1, 0) if train.averaging != "off" else 0
    # The network that estimates statistics goes forward in training mode, so as fast as an evaluation.
    evaluated = train.epochs * (sizes.validation or sizes.test) + averaged * min(STATISTICS_IMAGES, sizes.train)
    if config.data.validation == "held-out":
        evaluated += 2 * sizes.test  # the best epoch's weights and the last one's
    return START_SECONDS + sum(area_shares(config)) * sizes.train / training + evaluated / evaluation
