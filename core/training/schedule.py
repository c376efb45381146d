"""What the epoch loop decides without PyTorch: the learning rate, when to stop early, and fixed sizes.

The two decisions are functions of the records so far and keep no state, so that a resumed run decides as if it had
never stopped.
"""

import math
from collections.abc import Sequence

from core.config.sections import TrainConfig

#: Images per batch of an evaluation; among 25, 50, 100, 200 and 500 one of the two fastest on a CPU.
EVALUATION_BATCH = 100
#: The same on a GPU, which small batches would leave idle.
GPU_EVALUATION_BATCH = 1_000
#: Training images from which the batch-norm statistics of averaged weights are estimated, once per epoch.
STATISTICS_IMAGES = 5_000

#: What the report multiplies the learning rate by: before the first milestone, after it, after the second, ...
REPORT_FACTORS = (1.0, 0.1, 0.01, 0.001, 0.0005)

#: Schedules whose learning rate is zero at the end, so that further epochs would change nothing.
ENDS_AT_ZERO = ("cosine", "one-cycle")


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int, objectives: Sequence[float] = ()) -> float:
    """Return the learning rate of ``step`` (from 0); ``objectives`` are the finished epochs' validation objectives."""
    epoch, steps = step // steps_per_epoch, config.epochs * steps_per_epoch
    warmup = config.warmup_epochs * steps_per_epoch
    if config.schedule not in ("report", "plateau") and step < warmup:
        return config.lr * (step + 1) / (warmup + 1)
    left = (steps - step) / (steps - warmup)
    match config.schedule:
        case "multi-step":
            return config.lr * config.gamma ** sum(epoch >= milestone for milestone in config.milestones)
        case "report":
            # The report's `epoch > 80` counts epochs from 0.
            return config.lr * REPORT_FACTORS[sum(epoch > milestone for milestone in config.milestones)]
        case "cosine":
            return config.lr * (1 - math.cos(math.pi * left)) / 2
        case "one-cycle":
            return config.lr * left
        case "plateau":
            return _plateau(config, objectives)
    return config.lr


def _plateau(config: TrainConfig, objectives: Sequence[float]) -> float:
    """Return the rate that Keras's ReduceLROnPlateau (min_delta 1e-4, no cooldown) reaches after ``objectives``."""
    lr, best, waited = config.lr, math.inf, 0
    for objective in objectives:
        if objective < best - 1e-4:
            best, waited = objective, 0
        else:
            waited += 1
            if waited >= max(config.plateau_patience, 1) and lr > config.min_lr:  # a rate below it is not raised
                lr, waited = max(lr * config.plateau_factor, config.min_lr), 0
    return lr


def stops_early(config: TrainConfig, losses: Sequence[float], accuracies: Sequence[float]) -> bool:
    """Return whether the monitored validation value has not improved by ``min_delta`` for ``patience`` epochs."""
    if config.early_stopping == "off":
        return False
    costs = losses if config.early_stopping == "loss" else [-accuracy for accuracy in accuracies]
    best, waited = math.inf, 0
    for cost in costs:
        best, waited = (cost, 0) if cost < best - config.min_delta else (best, waited + 1)
    return waited >= config.patience
