"""A run as charts need it: its epochs, its label, and a colour that is the same on every page."""

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.runs.summary import RunSummary

#: Colours that people with any common kind of colour blindness can distinguish (Okabe & Ito, "Color Universal Design",
#: 2008, darkened for thin lines); the theme's categorical colours in the same order.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b88700", "#56b4e9", "#5b6169", "#7b4fa3")
#: Grey, for what belongs to no run.
NEUTRAL = PALETTE[6]
#: The colours of runs and series.
RUN_COLOURS = tuple(colour for colour in PALETTE if colour != NEUTRAL)

#: Dash and symbol of the curves whose colour another curve of the figure has, in the order in which they are used.
_REPEATED = (("solid", "circle"), ("dashdot", "square"), ("dot", "diamond"), ("longdashdot", "triangle-up"))

#: What chose the best epoch, and what the validation curves were measured on.
VALIDATION_TEXT = {"held-out": "validation (held-out images)", "test": "test images (also chose the best epoch)"}


@dataclass(frozen=True)
class Mark:
    """How a figure draws a run or a group: ``dash`` and ``symbol`` of its line, in Plotly's words, and its colour."""

    colour: str
    dash: str = "solid"
    symbol: str = "circle"


@dataclass(frozen=True)
class RunCurves:
    """A run's ``metrics`` (from ``RunStore.metrics``) with what a figure says about them.

    ``mark`` is how its validation curve is drawn; ``selected_on`` names the images that chose
    ``best_epoch``, which is ``None`` before the first finished epoch.
    """

    id: str
    label: str
    mark: Mark
    metrics: pd.DataFrame
    classes: tuple[str, ...]
    selected_on: str
    best_epoch: int | None

    @classmethod
    def of(cls, run: RunSummary, label: str, metrics: pd.DataFrame, mark: Mark | None = None) -> "RunCurves":
        """Return the curves of a run."""
        best = run.epochs.best_epoch if run.epochs else None
        classes = run.config.data.classes
        return cls(run.id, label, mark or Mark(colour_of(run.id)), metrics, classes, run.selected_on, best)

    @property
    def colour(self) -> str:
        """The colour of all of the run's curves."""
        return self.mark.colour

    def at_epoch(self, epoch: int) -> pd.Series:
        """Return the row of an epoch."""
        return self.metrics[self.metrics["epoch"] == epoch].iloc[0]


def colour_of(run_id: str) -> str:
    """Return the run's own colour, which never changes."""
    return RUN_COLOURS[zlib.crc32(run_id.encode()) % len(RUN_COLOURS)]


def marks(run_ids: Sequence[str]) -> dict[str, Mark]:
    """Return how to draw each run of a figure: in its own colour, or the next free one if an older run has the same.

    Beyond the palette, colours come again with another dash and symbol.
    """
    taken: dict[str, Mark] = {}
    looks = itertools.cycle(_REPEATED)
    free: list[str] = []
    for run_id in sorted(run_ids):
        if not free:
            free, look = list(RUN_COLOURS), next(looks)
        first = RUN_COLOURS.index(colour_of(run_id))
        colour = next(colour for colour in RUN_COLOURS[first:] + RUN_COLOURS[:first] if colour in free)
        free.remove(colour)
        taken[run_id] = Mark(colour, *look)
    return taken
