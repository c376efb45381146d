"""How fast this machine trains a network, from earlier runs or from measurements kept in ``.cache/speed.json``.

Other programs make training slower, never faster. So the fastest epochs of a run count, and the fastest runs and
measurements (:func:`undisturbed`): after a run on a busy machine, the estimates are still those of a quiet one.
"""

import contextlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.base.errors import StoreError
from core.base.files import locked, os_errors_as_store_errors, write_json
from core.base.strict_json import from_json, with_check, without_check
from core.config.run_config import RunConfig
from core.cost.network import crop_shares, step_work
from core.records import EpochRecord
from core.runs.folder import this_host
from core.runs.store import RunStore
from core.runs.summary import RunSummary

#: Evaluating an image is about this many times faster than training on it: forward only, nothing stored.
EVALUATION_GAIN = 4.0
#: Earlier runs from which a speed is estimated, at most: the fastest of the newest.
USED_RUNS, NEWEST_RUNS = 5, 20
#: Measurements that are kept in all, and of one network.
KEPT_PROBES, KEPT_OF_NETWORK = 50, 3
#: A speed so many times lower than the fastest one was disturbed.
DISTURBED = 1.25
#: The share of a step that more threads do not make faster (Amdahl's law). Two runs with one thread each train 1.14
#: times as many images per second as one run with two threads (two Zen 4 cores, batch size 128, docs/speed.md), so two
#: threads are 1.75 times as fast as one. For several runs on a GPU it is only a guess, until some were trained.
SERIAL_SHARE = 0.14

#: Depth, width, shortcut and batch size: what a speed depends on besides the machine.
Shape = tuple[int, int, str, int]


@dataclass(frozen=True)
class Speed:
    """A measured speed: ``training`` and ``evaluation`` in images per second.

    ``asked`` has the settings device, precision and threads (which may be ``auto``), ``used`` what they were resolved
    to; ``source`` is ``run`` or ``probe``.
    """

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
        """What the speed depends on besides the machine."""
        return self.depth, self.width, self.shortcut, self.batch_size


def how(config: RunConfig) -> tuple[Any, ...]:
    """Return the settings that say what a run is computed with: device, precision and threads."""
    return config.train.device, config.train.precision, config.train.threads


def shape(config: RunConfig) -> Shape:
    """Return the settings that a speed depends on besides the machine."""
    return config.model.depth, config.model.width, config.model.shortcut, config.train.batch_size


def with_shape(config: RunConfig, other: Shape) -> RunConfig:
    """Return ``config`` with another :func:`shape`."""
    paths = ("model.depth", "model.width", "model.shortcut", "train.batch_size")
    return config.replace(dict(zip(paths, other, strict=True)))


def distance(config: RunConfig, other: Shape) -> float:
    """Return how much the cost of a step differs from that of another shape: -1 for the same shape, else 0 or more."""
    if other == shape(config):
        return -1.0
    return abs(math.log(step_work(config) / step_work(with_shape(config, other))))


def computed_alike(config: RunConfig, host: str | None, asked: tuple[Any, ...], used: tuple[Any, ...]) -> bool:
    """Return whether a run of ``config`` would use the same host, device, precision and threads."""
    pairs = zip(how(config), asked, used, strict=True)
    return host == this_host() and all(wanted in values for wanted, *values in pairs)


def gain(threads: int) -> float:
    """Return how many times as fast as with one thread a run is expected to train with so many ``threads``."""
    return 1 / (SERIAL_SHARE + (1 - SERIAL_SHARE) / threads)


def with_threads(speed: Speed, threads: int) -> Speed:
    """Return the expected speed of a run with so many ``threads`` while the others of the machine compute, too."""
    faster = gain(threads) / gain(speed.used[-1])
    used = (*speed.used[:-1], threads)
    return replace(speed, used=used, training=speed.training * faster, evaluation=speed.evaluation * faster)


# --- earlier runs ---------------------------------------------------------------------------------


def run_speeds(
    store: RunStore, config: RunConfig, runs: Iterable[RunSummary], threads: int | None = None
) -> list[Speed]:
    """Return the speeds of this machine's runs with the most similar network, at most :data:`USED_RUNS`.

    ``runs``: all runs, newest first. Of equally similar runs, those that trained with so many ``threads`` come first,
    and of these the fastest of the newest.
    """
    used = [(run, _used(run)) for run in runs if run.epochs]
    alike: dict[tuple[Shape, bool], list[RunSummary]] = {}
    for run, values in used:
        if values and computed_alike(config, run.status.host, how(run.config), values):
            alike.setdefault((shape(run.config), threads not in (None, values[-1])), []).append(run)
    for kind in sorted(alike, key=lambda kind: (distance(config, kind[0]), kind[1])):
        newest = alike[kind][:NEWEST_RUNS]
        speeds: list[Speed] = []
        for run in sorted(newest, key=_last_speed, reverse=True)[:USED_RUNS]:
            with contextlib.suppress(StoreError):  # deleted or damaged since it was listed
                if speed := run_speed(run, store.run(run.id).records()):
                    speeds.append(speed)
        if speeds:
            return speeds
    return []


def undisturbed(speeds: Sequence[Speed]) -> list[Speed]:
    """Return the speeds that are not much lower than the fastest one."""
    fastest = max((speed.training for speed in speeds), default=0.0)
    return [speed for speed in speeds if speed.training * DISTURBED >= fastest]


def _last_speed(run: RunSummary) -> float:
    return run.epochs.images_per_second if run.epochs else 0.0


def run_speed(run: RunSummary, records: Sequence[EpochRecord]) -> Speed | None:
    """Return the speed at which a run was trained, in the fastest tenth of its epochs.

    Epochs with smaller crops count as if they had trained on whole images.
    """
    used, config = _used(run), run.config
    shares = dict(enumerate(crop_shares(config), start=1))
    training = fast(record.images_per_second * shares.get(record.epoch, 1.0) for record in records)
    if not used or not training > 0:
        return None
    evaluation = _evaluation_speed(config, records) or EVALUATION_GAIN * training
    return Speed(run.status.host or "", how(config), used, *shape(config), training, evaluation, "run")


def _used(run: RunSummary) -> tuple[Any, ...] | None:
    """Return the device, precision and threads that a run was computed with; ``None`` if not recorded."""
    used = tuple(run.meta.environment.get(name) for name in ("device", "precision", "threads"))
    return used if None not in used and type(used[-1]) is int and used[-1] > 0 else None


def _evaluation_speed(config: RunConfig, records: Sequence[EpochRecord]) -> float | None:
    """Return the images per second of the evaluations: what epochs took besides training; ``None`` if not known."""
    if config.train.averaging != "off":
        return None  # its epochs also estimate batch-norm statistics
    sizes = config.data.sizes()
    starts = [0.0, *(record.seconds for record in records)]
    seconds = [
        record.seconds - start - sizes.train / record.images_per_second
        for start, record in zip(starts, records, strict=False)
        if record.images_per_second > 0
    ]
    speed = fast((sizes.validation or sizes.test) / evaluation for evaluation in seconds if evaluation > 0.01)
    return speed or None


def fast(speeds: Iterable[float], share: float = 0.1) -> float:
    """Return the lower end of the fastest ``share`` of ``speeds``, or 0 without any."""
    ranked = sorted(speeds, reverse=True)
    return ranked[int(share * len(ranked))] if ranked else 0.0


# --- measurements ---------------------------------------------------------------------------------


def probes(store: RunStore) -> list[Speed]:
    """Return the speeds measured by :mod:`core.jobs.probe`, newest first; none if their file is missing or damaged."""
    try:
        content = without_check(from_json((store.cache_folder / "speed.json").read_bytes()))
        speeds = content["speeds"] if isinstance(content, dict) else content  # a list in earlier versions
        tuples = [{**speed, "asked": tuple(speed["asked"]), "used": tuple(speed["used"])} for speed in speeds]
        return [Speed(**values) for values in reversed(tuples)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def remember(store: RunStore, speed: Speed) -> None:
    """Keep a measured speed with the latest of the same network and settings. Raises StoreError."""
    path = store.cache_folder / "speed.json"
    with os_errors_as_store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(".speed.lock"), "the speed measurements"):
        known = probes(store)
        same = [other for other in known if (other.asked, other.shape) == (speed.asked, speed.shape)]
        forgotten = same[KEPT_OF_NETWORK - 1 :]
        kept = [*(other for other in reversed(known) if other not in forgotten), speed][-KEPT_PROBES:]
        write_json(path, with_check({"speeds": [asdict(speed) for speed in kept]}))
