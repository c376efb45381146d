"""A run as charts need it: its epochs, its label, and a colour that is the same on every page."""

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.config.run_config import RunConfig
from core.records import BatchRecord
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

    ``mark`` is how its validation curve is drawn; ``selected_on`` names the images that chose ``best_epoch``, which is
    ``None`` before the first finished epoch, and ``validation_by_class`` has their number for each class. ``moments``
    has the horizontal axes, ``train_loss`` and ``train_accuracy`` every few seconds of the epoch at work.
    """

    id: str
    label: str
    mark: Mark
    metrics: pd.DataFrame
    classes: tuple[str, ...]
    selected_on: str
    best_epoch: int | None
    moments: pd.DataFrame = field(default_factory=pd.DataFrame)
    validation_by_class: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        run: RunSummary,
        label: str,
        metrics: pd.DataFrame,
        mark: Mark | None = None,
        progress: BatchRecord | None = None,
    ) -> "RunCurves":
        """Return the curves of a run; ``progress`` adds what happens within the epoch at work."""
        best = run.epochs.best_epoch if run.epochs else None
        classes = run.config.data.classes
        moments = moments_table(run.config, progress, metrics) if progress else pd.DataFrame()
        return cls(
            run.id,
            label,
            mark or Mark(colour_of(run.id)),
            metrics,
            classes,
            run.selected_on,
            best,
            moments,
            tuple(run.config.data.validation_by_class()),
        )

    @property
    def colour(self) -> str:
        """The colour of all of the run's curves."""
        return self.mark.colour

    def longest(self, x: str) -> float:
        """Return where the curves end on the axis ``x``; 0 if there is no point."""
        return max((float(table[x].max()) for table in (self.metrics, self.moments) if len(table)), default=0.0)

    def at_epoch(self, epoch: int) -> pd.Series:
        """Return the row of an epoch."""
        return self.metrics[self.metrics["epoch"] == epoch].iloc[0]


def moments_table(config: RunConfig, progress: BatchRecord, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the moments of the epoch at work with their place on each horizontal axis of the charts.

    ``seconds`` is interpolated between the ends of the epochs, and continued with the present speed.
    """
    moments = pd.DataFrame(progress.moments, columns=("epoch", "train_loss", "train_accuracy"))
    position, images = moments["epoch"], config.data.sizes().train
    ends, seconds = [0.0, *metrics["epoch"]], [0.0, *metrics["seconds"]]
    beyond = (position - ends[-1]).clip(lower=0) * images / max(progress.images_per_second, 1e-9)
    return moments.assign(
        step=position * progress.batches, images=position * images, seconds=np.interp(position, ends, seconds) + beyond
    )


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
