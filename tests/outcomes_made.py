"""Made-up outcomes of studies, whose truth is known."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def outcomes(
    accuracies: dict[Any, Sequence[float]], x: str = "data.train_size", images: int = 2_000, **more: Any
) -> pd.DataFrame:
    """Return a study's table: for each value of ``x`` an accuracy per seed, mirrored by the losses. ``more`` are
    columns."""
    common = {"images": images, "split_seed": 0, "selected_on": "held-out", "best_epoch": 7, "epoch": 10}
    common |= {"seconds": 60.0, **more}
    return pd.DataFrame(
        {x: value, "train.seed": seed, "run_id": f"{value}-{seed}", "accuracy": accuracy}
        | {"best_objective": 1.5 - accuracy, "objective": 1.4 - accuracy, "loss": 1.3 - accuracy}
        | common
        for value, seeds in accuracies.items()
        for seed, accuracy in enumerate(seeds)
    )


def simulated(
    number: int,
    effects: Sequence[float],
    values: Sequence[Any],
    *,
    seeds: int,
    sd: float,
    images: int,
    shared: bool = False,
    x: str = "train.batch_size",
    base: float = 0.9,
) -> pd.DataFrame:
    """Return study ``number`` of many, whose true accuracies are ``base`` plus ``effects``.

    The deviation over seeds is ``sd``. Sampling of the images moves all seeds of a value together, and if ``shared``
    all values: they are then tested on the same images.
    """
    rng = np.random.default_rng([number, images, seeds, round(1e5 * sd)])
    shift = rng.normal(0, math.sqrt(base * (1 - base) / images), 1 if shared else len(values))
    means = base + np.asarray(effects) + np.broadcast_to(shift, len(values))
    results = {value: (mean + rng.normal(0, sd, seeds)).tolist() for value, mean in zip(values, means, strict=True)}
    return outcomes(results, x, images)
