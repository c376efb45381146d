"""TODO: core.cost.speed."""

import contextlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from core.base.errors import StoreError
from core.base.files import os_errors_as_store_errors, write_atomically
from core.config.run_config import RunConfig
from core.cost.network import area_shares, step_work
from core.runs.folder import this_host
from core.runs.store import RunStore

#: A picture is evaluated about this much faster than it is trained on: forward only, nothing kept.
EVALUATION_GAIN = 4.0


#: Earlier runs that are looked at, the most alike and newest first, and how many of them are averaged.
LOOKED_AT, USED = 40, 5


KEPT_PROBES = 50


#: Depth, width, shortcut and batch size.
Shape = tuple[int, int, str, int]


@dataclass(frozen=True)
class Speed:
    """A measured speed. ``training`` and ``evaluation`` in images per second; ``asked`` are the settings device,
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
    """The settings that say what a run is computed on."""
    return config.train.device, config.train.precision, config.train.threads


def shape(config: RunConfig) -> Shape:
    """The settings that a speed depends on beside the machine."""
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
    settings = ["model.depth", "model.width", "model.shortcut", "train.batch_size"]
    distances = {
        one: _distance(config, one) for one in frame[settings].drop_duplicates().itertuples(index=False, name=None)
    }
    keys = [distances[one] for one in frame[settings].itertuples(index=False, name=None)]
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
    environment, config = store.run(run_id).meta().environment, store.run(run_id).config()
    metrics = store.metrics(run_id)
    if metrics.empty or not {"device", "precision", "threads"} <= environment.keys():
        return None
    whole = _whole_pictures_per_second(config, metrics)
    training = float(whole.median())
    if not training > 0:
        return None
    used = environment["device"], environment["precision"], environment["threads"]
    host = store.run(run_id).stored_status().host or ""
    evaluation = _evaluation_speed(config, metrics) or EVALUATION_GAIN * training
    return Speed(host, how(config), used, *shape(config), training, evaluation, "run")


def _whole_pictures_per_second(config: RunConfig, metrics: pd.DataFrame) -> pd.Series:
    """The speed of each epoch as if its pictures had been whole: a smaller window costs what its area is."""
    shares = pd.Series(area_shares(config), index=range(1, config.train.epochs + 1))
    return metrics["images_per_second"] * metrics["epoch"].map(shares)


def _evaluation_speed(config: RunConfig, metrics: pd.DataFrame) -> float | None:
    """Images per second of the evaluations: what an epoch took beyond its training; None if that is no figure."""
    sizes = config.data.sizes()
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
    with os_errors_as_store_errors(store.cache_folder):
        store.cache_folder.mkdir(parents=True, exist_ok=True)
    write_atomically(store.cache_folder / "speed.json", json.dumps([asdict(one) for one in kept], indent=1))
