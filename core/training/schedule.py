"""The learning rate and the decision to stop early, as functions of what has happened so far.

Neither keeps a state of its own: a run that goes on from its records decides as if it had never stopped.
"""

import math
from collections.abc import Sequence

from core.config.sections import TrainConfig

REPORT_FACTORS = (1.0, 0.1, 0.01, 0.001, 0.0005)

#: Schedules that reach zero with the last epoch: there is nothing to go on with after it.
ENDS_AT_ZERO = ("cosine", "one-cycle")


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int, objectives: Sequence[float] = ()) -> float:
    """The rate of ``step`` (from 0). ``objectives`` are the validation objectives of the finished epochs."""
    epoch, steps = step // steps_per_epoch, config.epochs * steps_per_epoch
    warmup = config.warmup_epochs * steps_per_epoch
    if config.schedule not in ("report", "plateau") and step < warmup:
        return config.lr * (step + 1) / (warmup + 1)
    left = (steps - step) / (steps - warmup)
    match config.schedule:
        case "multi-step":
            return config.lr * config.gamma ** sum(epoch >= one for one in config.milestones)
        case "report":
            # The report's `epoch > 80` counts epochs from 0.
            return config.lr * REPORT_FACTORS[sum(epoch > one for one in config.milestones)]
        case "cosine":
            return config.lr * (1 - math.cos(math.pi * left)) / 2
        case "one-cycle":
            return config.lr * left
        case "plateau":
            return _plateau(config, objectives)
    return config.lr


def _plateau(config: TrainConfig, objectives: Sequence[float]) -> float:
    """Keras's ReduceLROnPlateau (min_delta 1e-4, no cooldown) over the objectives so far."""
    lr, best, waited = config.lr, math.inf, 0
    for objective in objectives:
        if objective < best - 1e-4:
            best, waited = objective, 0
        else:
            waited += 1
            if waited >= max(config.plateau_patience, 1):
                lr, waited = max(lr * config.plateau_factor, config.min_lr), 0
    return lr


def stops_early(config: TrainConfig, losses: Sequence[float], accuracies: Sequence[float]) -> bool:
    """Whether the monitored validation figure has not improved by ``min_delta`` for ``patience`` epochs."""
    if config.early_stopping == "off":
        return False
    costs = losses if config.early_stopping == "loss" else [-one for one in accuracies]
    best, waited = math.inf, 0
    for cost in costs:
        best, waited = (cost, 0) if cost < best - config.min_delta else (best, waited + 1)
    return waited >= config.patience
