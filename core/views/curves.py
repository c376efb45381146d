"""TODO: core.views.curves."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.config.run_config import RunConfig

#: Colours told apart with every common kind of colour blindness (Okabe & Ito, "Color Universal Design",
#: 2008, darkened for thin lines); the theme's categorical colours in the same order.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b88700", "#56b4e9", "#5b6169", "#7b4fa3")


NEUTRAL = PALETTE[6]


#: The colours of runs and series; grey is for what belongs to none.
FOR_RUNS = tuple(colour for colour in PALETTE if colour != NEUTRAL)


SELECTED_ON = {"held-out": "held-out images", "test": "test images, as in the report"}


_VALIDATION = {"held-out": "validation (held out)", "test": "test images (also chose the best epoch)"}


@dataclass(frozen=True)
class RunCurves:
    """A run as a figure needs it: ``metrics`` as from ``RunStore.metrics``, ``selected_on`` the part of
    the images that chose ``best_epoch`` (``None`` before the first epoch has ended)."""

    id: str
    label: str
    colour: str
    metrics: pd.DataFrame
    classes: tuple[str, ...]
    selected_on: str
    best_epoch: int | None

    @classmethod
    def of(
        cls, run_id: str, label: str, config: RunConfig, metrics: pd.DataFrame, colour: str | None = None
    ) -> "RunCurves":
        """The curves of a run; its best epoch is the first of highest validation accuracy."""
        best = None if metrics.empty else int(metrics["epoch"].iloc[metrics["val_accuracy"].argmax()])
        data = config.data
        return cls(run_id, label, colour or colour_of(run_id), metrics, data.classes, data.validation, best)


def colour_of(run_id: str) -> str:
    """The run's own colour, the same on every page and every day."""
    return FOR_RUNS[zlib.crc32(run_id.encode()) % len(FOR_RUNS)]


def colours(run_ids: Sequence[str]) -> dict[str, str]:
    """A colour for each run of one figure: its own, unless an older run has the same; then the next free one."""
    taken: dict[str, str] = {}
    for run_id in sorted(run_ids):
        first = FOR_RUNS.index(colour_of(run_id))
        wheel = FOR_RUNS[first:] + FOR_RUNS[:first]
        free = [colour for colour in wheel if colour not in taken.values()]
        taken[run_id] = (free or wheel)[0]
    return taken
