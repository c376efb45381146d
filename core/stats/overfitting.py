"""Where a run begins to over-fit: from where on its validation cross-entropy rises and does not come back.

A single epoch's loss is noisy, so the running median of five epochs is looked at: the window is centred, and
only whole windows count. The onset is the epoch at which this median is lowest, reported only if the run ends at least
5 % above it: if the median of the last five epochs does.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Epochs whose median is taken.
WINDOW = 5
#: How far above its lowest the median must end, as a share of the lowest.
LEAST_RISE = 0.05


@dataclass(frozen=True)
class Onset:
    """``epoch`` is the middle of the window of lowest median; ``lowest`` and ``last`` are medians in nats per image."""

    epoch: int
    lowest: float
    last: float


def onset(metrics: pd.DataFrame) -> Onset | None:
    """The onset of over-fitting in a run's table (``epoch`` and ``val_loss`` are read); ``None`` if none is seen.

    The first epoch of several that share the lowest median. An epoch without a finite loss is left out, as if the run
    had not had it. Fewer than six epochs cannot show a rise.
    """
    found = _medians(metrics)
    if len(found) < 2:
        return None
    at = int(found["median"].argmin())
    lowest, last = float(found["median"].iloc[at]), float(found["median"].iloc[-1])
    if last <= lowest or last < lowest * (1 + LEAST_RISE):
        return None
    return Onset(int(found["epoch"].iloc[at]), lowest, last)


def in_words(metrics: pd.DataFrame) -> str:
    """Whether and where a run over-fits, as a sentence with the figures behind it."""
    found = _medians(metrics)
    if len(found) < 2:
        return f"Too short to show over-fitting: the median of {WINDOW} epochs needs at least {WINDOW + 1} of them."
    seen, measure = onset(metrics), f"the validation cross-entropy (median of {WINDOW} epochs)"
    if seen is not None:
        rise = f"{seen.last / seen.lowest - 1:.0%} above it".replace("%", " %") if seen.lowest > 0 else "above it"
        return (
            f"Over-fitting from about epoch {seen.epoch} on: {measure} was lowest there, {seen.lowest:.4f}, and ends "
            f"{rise}, at {seen.last:.4f}."
        )
    lowest, last = float(found["median"].min()), float(found["median"].iloc[-1])
    if last <= lowest:
        return f"No over-fitting seen: {measure} is lowest at the end, {last:.4f}."
    return (
        f"No over-fitting seen: {measure} ends at {last:.4f}, {100 * (last / lowest - 1):.1f} % above its lowest, "
        f"{lowest:.4f}; {100 * LEAST_RISE:.0f} % would count."
    )


def _medians(metrics: pd.DataFrame) -> pd.DataFrame:
    """``epoch`` and ``median`` of every whole window."""
    epochs = metrics[["epoch", "val_loss"]].astype(float)
    epochs = epochs[np.isfinite(epochs["val_loss"])].reset_index(drop=True)
    median = epochs["val_loss"].rolling(WINDOW, center=True, min_periods=WINDOW).median()
    return pd.DataFrame({"epoch": epochs["epoch"], "median": median}).dropna().reset_index(drop=True)
