"""Made-up outcomes of studies, whose truth is known."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def outcomes(
    accuracies: dict[Any, Sequence[float]], x: str = "data.train_size", images: int = 2_000, **more: Any
) -> pd.DataFrame:
    """A study's table: for each value of ``x`` an accuracy a seed; the objective mirrors it. ``more`` are columns."""
    rows = []
    for value, seeds in accuracies.items():
        for seed, accuracy in enumerate(seeds):
            rows.append(
                {
                    x: value, "train.seed": seed, "run_id": f"{value}-{seed}", "accuracy": accuracy,
                    "objective": 1.5 - accuracy, "loss": 1.3 - accuracy, "images": images, "selected_on": "held-out",
                    "best_epoch": 7, "epoch": 10, "seconds": 60.0, **more,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def simulated(
    number: int, effects: Sequence[float], values: Sequence[Any], *, seeds: int, sd: float, images: int,
    shared: bool = False, x: str = "train.batch_size", base: float = 0.9,
) -> pd.DataFrame:  # fmt: skip
    """Study ``number`` of many: true accuracies are ``base`` plus ``effects``.

    The luck of a seed has deviation ``sd``. The choice of images moves all seeds of a value together, and if
    ``shared`` all values: they are then tested on the same images.
    """
    draw = np.random.default_rng([number, images, seeds, round(1e5 * sd)])
    shift = draw.normal(0, math.sqrt(base * (1 - base) / images), 1 if shared else len(values))
    shifts = np.broadcast_to(shift, len(values))
    found = {
        value: (base + effect + one + draw.normal(0, sd, seeds)).tolist()
        for value, effect, one in zip(values, effects, shifts, strict=True)
    }
    return outcomes(found, x, images)
