"""Where a run starts to overfit: the epoch from which its validation cross-entropy rises and does not return.

The loss of a single epoch is noisy, so the running median over five epochs is used (centred, whole windows only). The
onset is the epoch of the lowest median, if the median of the last five epochs is at least 5 % higher.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Number of epochs of the running median.
WINDOW = 5
#: How far above its lowest value the median must end, as a share of the lowest value.
LEAST_RISE = 0.05


@dataclass(frozen=True)
class Onset:
    """``epoch`` is the middle of the window with the lowest median; ``lowest`` and ``last`` are medians in nats."""

    epoch: int
    lowest: float
    last: float


def onset(metrics: pd.DataFrame) -> Onset | None:
    """Return the onset of overfitting, or ``None`` if none is seen.

    ``metrics`` has a row per epoch with ``epoch`` and ``val_loss`` (nats); epochs without a finite loss are skipped.
    Of several epochs with the lowest median the first counts. Fewer than six epochs cannot show a rise.
    """
    medians = _medians(metrics)
    if len(medians) < 2:
        return None
    lowest, last = medians.min(), medians.iloc[-1]
    if last <= lowest or last < lowest * (1 + LEAST_RISE):
        return None
    return Onset(int(medians.index[int(medians.argmin())]), float(lowest), float(last))


def onset_text(metrics: pd.DataFrame) -> str:
    """Return whether and where a run overfits, as a sentence with the numbers."""
    medians = _medians(metrics)
    if len(medians) < 2:
        return f"Too short to show overfitting: that takes at least {WINDOW + 1} epochs."
    start, measure = onset(metrics), f"the validation cross-entropy (median of {WINDOW} epochs)"
    lowest, last = medians.min(), medians.iloc[-1]
    above = f"{100 * (last / lowest - 1):.1f} % above it" if lowest > 0 else "above it"
    if start is not None:
        return (
            f"Overfitting from about epoch {start.epoch} on: {measure} is lowest there, at {lowest:.4f} nats, and "
            f"ends {above}, at {last:.4f} nats."
        )
    if last <= lowest:
        return f"No overfitting: {measure} is lowest at the end, at {last:.4f} nats."
    return (
        f"No overfitting: {measure} is lowest at {lowest:.4f} nats and ends {above}, at {last:.4f} nats. "
        f"{100 * LEAST_RISE:.0f} % would count."
    )


def _medians(metrics: pd.DataFrame) -> pd.Series:
    """Return the median of every whole window, by the epoch in its middle."""
    losses = metrics.set_index("epoch")["val_loss"].astype(float)
    losses = losses[np.isfinite(losses)]
    return losses.rolling(WINDOW, center=True, min_periods=WINDOW).median().dropna()
