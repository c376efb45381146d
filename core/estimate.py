"""How long a run will take on this machine, and how much memory, before it is started.

Nothing is timed here: the speed comes from earlier runs on this machine or from a probe
(:mod:`core.probe`) whose result is kept in ``runs/.cache/speed.json``. For another network or batch
size it is scaled by what a step costs. PyTorch is not imported.
"""

import contextlib
import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from core.config import SIDE, RunConfig
from core.errors import StoreError
from core.files import told_plainly, write_atomically
from core.store import RunStore, this_host
from core.words import duration

#: Reading and checking the images, choosing a precision, building the network: 0.5 to 0.9 s of one processor.
START_SECONDS = 1.0
#: A picture is evaluated about this much faster than it is trained on: forward only, nothing kept.
EVALUATION_GAIN = 4.0
#: Training pictures from which an averaged network's batch-norm statistics are estimated each epoch.
STATISTICS_IMAGES = 5_000
#: Earlier runs that are looked at, the most alike and newest first, and how many of them are averaged.
LOOKED_AT, USED = 40, 5
#: How far the truth may lie from an estimate, either way, for a network measured itself and a scaled one.
LIKE, SCALED = 0.15, 0.4
#: As in core/training/evaluation.py, which the pages do without.
EVALUATION_BATCH = 100
#: Numbers that an optimiser keeps for each weight.
MOMENTS = {"sgd": 1, "muon": 1, "adam": 2, "adamw": 2}
#: Channels that a processor's convolutions take at once.
BLOCK = 16
KEPT_PROBES = 50
#: Code that is read from the disk when the first run trains.
PROGRAM_BYTES = 30_000_000


# --- what a network costs -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Of one 32×32 picture: multiply-accumulates ``macs``, ``activations`` (numbers that leave the convolutions) and
    ``blocked``, these with each layer's channels filled up to whole blocks of :data:`BLOCK`; of the network: trainable
    ``parameters``, and ``widest``, the most numbers leaving one layer."""

    macs: int
    activations: int
    blocked: int
    parameters: int
    widest: int


def network_cost(config: RunConfig) -> Cost:
    """The cost of a checked config's network, by counting; the layer table counts the same on the real one."""
    model, k = config.model, len(config.data.classes)
    biased = model.shortcut == "report"
    macs = activations = blocked = parameters = 0
    for c_in, c_out, size, side, normed in _convolutions(model.depth, model.width, model.shortcut):
        weights = c_in * c_out * size**2
        macs += weights * side**2
        activations += c_out * side**2
        blocked += math.ceil(c_out / BLOCK) * BLOCK * side**2
        parameters += weights + biased * c_out + normed * 2 * c_out
    features = 4 * model.width
    return Cost(macs + features * k, activations, blocked, parameters + features * k + k, model.width * 32**2)


def _convolutions(depth: int, width: int, shortcut: str) -> Iterable[tuple[int, int, int, int, bool]]:
    """Channels in and out, kernel size, side of the output, and whether a batch norm follows."""
    yield 3, width, 3, 32, True
    c_in = width
    for stage in range(3):
        c_out, side = width << stage, 32 >> stage
        for _ in range((depth - 2) // 6):
            yield c_in, c_out, 3, side, True
            yield c_out, c_out, 3, side, True
            if c_in != c_out and shortcut != "A":
                yield c_in, c_out, 1, side, shortcut == "B"
            c_in = c_out


def step_work(config: RunConfig, batch_size: int | None = None) -> float:
    """What a training step costs, in units that matter only relative to another step's.

    Beside the arithmetic, every number that leaves a convolution is normed, rectified, kept and gone through again
    on the way back; the processor takes channels in blocks, so that 8 of them cost as much as 16. A picture is made
    ready and augmented. And each layer costs something whatever the batch, which more threads do not share. The
    weights, in multiply-accumulates, were fitted to fifteen networks by benchmarks/step_cost.py (two threads, fp32,
    0.86 to 1.15 of what was measured), which tells how well they fit elsewhere: one thread waits less for memory, and
    there the second weight came out at a quarter.
    """
    cost, batch = network_cost(config), batch_size or config.train.batch_size
    threads = config.train.threads or os.cpu_count() or 1
    return batch * (cost.macs + 412 * cost.blocked + 5.6e6) + 11.2e6 * threads * config.model.depth


# --- measured speeds ----------------------------------------------------------------------------------


#: Depth, width, shortcut and batch size.
Shape = tuple[int, int, str, int]


@dataclass(frozen=True)
class Speed:
    """A measured speed. ``training`` and ``evaluation`` in images per second; ``asked`` are the knobs device,
    precision and threads (which may be ``auto``), ``used`` what they came to; ``source`` is ``run`` or ``probe``."""

    host: str
    asked: tuple[Any, ...]
    used: tuple[Any, ...]
    depth: int
    width: int
    shortcut: str
    batch_size: int
    training: float
    evaluation: float
    source: str

    @property
    def shape(self) -> Shape:
        """What the speed depends on beside the machine."""
        return self.depth, self.width, self.shortcut, self.batch_size

    def fits(self, config: RunConfig) -> bool:
        """Whether a run of ``config`` would be computed on the same device, precision and threads."""
        pairs = zip(how(config), self.asked, self.used, strict=True)
        return self.host == this_host() and all(wanted in (asked, used) for wanted, asked, used in pairs)


def how(config: RunConfig) -> tuple[Any, ...]:
    """The knobs that say what a run is computed on."""
    return config.train.device, config.train.precision, config.train.threads


def shape(config: RunConfig) -> Shape:
    """The knobs that a speed depends on beside the machine."""
    return config.model.depth, config.model.width, config.model.shortcut, config.train.batch_size


def of_runs(store: RunStore, config: RunConfig, frame: pd.DataFrame) -> list[Speed]:
    """Speeds of earlier runs on this machine with the most alike network, at most :data:`USED`, newest first;
    ``frame`` is the table of all runs."""
    frame = frame[frame["images_per_second"].notna() & (frame["state"] != "damaged")]
    found: list[Speed] = []
    for run_id in _by_likeness(frame, config)[:LOOKED_AT]:
        with contextlib.suppress(StoreError):  # deleted or damaged since the table was made
            speed = _of_run(store, run_id)
            if speed and speed.fits(config) and (not found or speed.shape == found[0].shape):
                found.append(speed)
        if len(found) == USED:
            break
    return found


def _by_likeness(frame: pd.DataFrame, config: RunConfig) -> list[str]:
    """Ids of runs, those whose step costs the most alike first; newest first among equals, as the table has them."""
    if frame.empty:
        return []
    knobs = ["model.depth", "model.width", "model.shortcut", "train.batch_size"]
    distances = {
        one: _distance(config, one) for one in frame[knobs].drop_duplicates().itertuples(index=False, name=None)
    }
    keys = [distances[one] for one in frame[knobs].itertuples(index=False, name=None)]
    return frame["id"].iloc[pd.Series(keys).argsort(kind="stable")].tolist()


def _distance(config: RunConfig, other: Shape) -> float:
    if other == shape(config):
        return -1.0
    return abs(math.log(step_work(config) / step_work(_shaped(config, other))))


def _shaped(config: RunConfig, other: Shape) -> RunConfig:
    depth, width, shortcut, batch_size = other
    return config.replace(
        {
            "model.depth": int(depth),
            "model.width": int(width),
            "model.shortcut": shortcut,
            "train.batch_size": int(batch_size),
        }
    )


def _of_run(store: RunStore, run_id: str) -> Speed | None:
    """The speed a run was trained at: the median of its epochs, so that a disturbed one does not count."""
    environment, config = store.meta(run_id).environment, store.config(run_id)
    metrics = store.metrics(run_id)
    if metrics.empty or not {"device", "precision", "threads"} <= environment.keys():
        return None
    whole = _whole_pictures_per_second(config, metrics)
    training = float(whole.median())
    if not training > 0:
        return None
    used = environment["device"], environment["precision"], environment["threads"]
    host = store.status_for_holder(run_id).host or ""
    evaluation = _evaluation_speed(config, metrics) or EVALUATION_GAIN * training
    return Speed(host, how(config), used, *shape(config), training, evaluation, "run")


def _whole_pictures_per_second(config: RunConfig, metrics: pd.DataFrame) -> pd.Series:
    """The speed of each epoch as if its pictures had been whole: a smaller window costs what its area is."""
    shares = pd.Series(area_shares(config), index=range(1, config.train.epochs + 1))
    return metrics["images_per_second"] * metrics["epoch"].map(shares)


def area_shares(config: RunConfig) -> list[float]:
    """What a training picture of each epoch costs beside a whole one, about: its share of the area."""
    return [(side / SIDE) ** 2 for side in config.sides()]


def _evaluation_speed(config: RunConfig, metrics: pd.DataFrame) -> float | None:
    """Images per second of the evaluations: what an epoch took beyond its training; None if that is no figure."""
    sizes = config.part_sizes()
    if config.train.averaging != "off":
        return None  # its epochs also estimate batch-norm statistics
    whole = metrics["seconds"].diff().fillna(metrics["seconds"])
    beyond = float((whole - sizes.train / metrics["images_per_second"]).median())
    return (sizes.validation or sizes.test) / beyond if beyond > 0.01 else None


def probes(store: RunStore) -> list[Speed]:
    """Speeds measured by probes, newest first; none if the file is missing or damaged."""
    try:
        content = json.loads((store.cache_folder / "speed.json").read_text())
        return [Speed(**{**one, "asked": tuple(one["asked"]), "used": tuple(one["used"])}) for one in reversed(content)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def remember(store: RunStore, speed: Speed) -> None:
    """Keep a probe's speed in place of an earlier one of the same network and machine. Raises StoreError."""
    others = [one for one in reversed(probes(store)) if (one.asked, one.shape) != (speed.asked, speed.shape)]
    kept = [*others, speed][-KEPT_PROBES:]
    with told_plainly(store.cache_folder):
        store.cache_folder.mkdir(parents=True, exist_ok=True)
    write_atomically(store.cache_folder / "speed.json", json.dumps([asdict(one) for one in kept], indent=1))


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
    train, sizes = config.train, config.part_sizes()
    averaged = max(train.epochs - train.averaging_start + 1, 0) if train.averaging != "off" else 0
    # The network that estimates statistics goes forward in training mode, so as fast as an evaluation.
    evaluated = train.epochs * (sizes.validation or sizes.test) + averaged * min(STATISTICS_IMAGES, sizes.train)
    if config.data.validation == "held-out":
        evaluated += 2 * sizes.test  # the best epoch's weights and the last one's
    return START_SECONDS + sum(area_shares(config)) * sizes.train / training + evaluated / evaluation


def memory_bytes(config: RunConfig) -> int:
    """Memory of a checked config's run on its device, in bytes: what it holds, and its greediest moment.

    Held are the images as bytes, 3,072 each, for each weight 4 bytes as such, as gradient and in the
    optimiser (twice for Adam), and once more if averaged, and the parts of the program that only training needs. The
    moment is the larger of two. Training: for each picture of the batch every number that leaves a convolution twice,
    as such and after norm and ReLU, kept for the way back; three of the widest layer on that way; the input four
    times; all of it and a quarter, which the allocator wastes and does not give back; and in the evaluation after it,
    for each picture of its batch, eight of the widest layer: four live, and as many again in the convolutions' own
    layout. Getting ready: a copy of the training images. A number takes 4 bytes, 2 in bf16. `python -m
    benchmarks.estimate memory` compares with measured peaks.
    """
    cost, train, sizes = network_cost(config), config.train, config.part_sizes()
    width = 2 if train.precision == "bf16" else 4
    pixels = 3 * 32 * 32
    copies = 2 + MOMENTS[train.optimizer] + (train.averaging != "off")
    held = (sizes.train + sizes.validation + sizes.test) * pixels + 4 * copies * cost.parameters
    step = train.batch_size * ((2 * cost.activations + 3 * cost.widest) * width + 4 * 4 * pixels)
    training = 5 * step // 4 + EVALUATION_BATCH * 8 * cost.widest * width
    ready = sizes.train * pixels
    return PROGRAM_BYTES + held + max(training, ready)


def memory_in_words(size: int) -> str:
    """``410 MB`` or ``2.3 GB``, to two figures."""
    if size >= 999.5e6:
        return f"{size / 1e9:.1f} GB"
    digits = max(len(str(round(size / 1e6))) - 2, 0)
    return f"{round(size / 1e6, -digits):.0f} MB"
