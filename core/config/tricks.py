"""A card for each trick of fast training: what it does, what it gained here, what it costs, and when to avoid it.

The prose is in tricks.toml. The gains are in tricks.json, written by benchmarks/tricks.py: it trains the preset
``fast``, shortened, with and without one trick at a time, all else equal, seed by seed.
"""

import json
import statistics
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from core.config.presets import preset
from core.config.run_config import SETTINGS

MEASURED = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Trick:
    """``other`` are the settings without the trick, or with it where ``fast`` does without (``in_fast`` is false)."""

    name: str
    what: str
    cost: str
    avoid: str
    other: dict[str, Any]
    in_fast: bool = True

    @property
    def setting(self) -> str:
        """The path of the setting whose help shows the card."""
        return next(iter(self.other))


TRICKS: tuple[Trick, ...] = tuple(
    Trick(name, **fields)
    for name, fields in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).items()
)


@dataclass(frozen=True)
class Gain:
    """What a trick gained: percentage points of accuracy for each seed, and for each timed round the time of training
    steps with the trick divided by the time without."""

    points: tuple[float, ...]
    time: tuple[float, ...]

    def __str__(self) -> str:
        seeds = ", ".join(f"{points:+.2f}" for points in self.points) if len(self.points) > 1 else "one seed"
        return (
            f"{statistics.mean(self.points):+.2f} percentage points of held-out accuracy ({seeds}); steps take "
            f"{statistics.median(self.time):.2f} ({min(self.time):.2f}–{max(self.time):.2f}) of the time"
        )


@cache
def gains() -> dict[str, Gain]:
    """Return the measured gains by the trick's name; empty if they were measured with another ``fast``."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.is_file() else {}
    if measured.get("recipe") != recipe():
        return {}
    return {name: Gain(tuple(gain["points"]), tuple(gain["time"])) for name, gain in measured["gains"].items()}


def recipe() -> str:
    """Return the signature of ``fast`` with one epoch: the gains hold for it, whatever its number of epochs."""
    return preset("fast").config.replace({"train.epochs": 1}).signature()


def card(trick: Trick) -> str:
    """Return the card of ``trick`` in Markdown, without its name."""
    gain, head = gains().get(trick.name), "*Gain in a shortened `fast`:*"
    if not trick.in_fast:
        head = "*Gain in a shortened `fast`, which does not use it:*"
    result = str(gain or "not measured yet")
    if gain and trick.in_fast:
        settings = (f"{SETTINGS[path].label} {SETTINGS[path].text(value)}" for path, value in trick.other.items())
        result += f", compared with {', '.join(settings)}"
    return f"{trick.what}\n\n{head} {result}.\n\n*Cost:* {trick.cost}\n\n*Avoid when* {trick.avoid}"


def help_text(path: str) -> str:
    """Return a setting's help in Markdown, with the cards that belong to it."""
    cards = (f"**{trick.name}**. {card(trick)}" for trick in TRICKS if trick.setting == path)
    return "\n\n".join([SETTINGS[path].help, *cards])
