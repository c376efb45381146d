"""Samplers and pruners: what each is called, what it does, and when to use it.

:mod:`core.search.suggest` makes them, with Optuna.
"""

from dataclasses import dataclass
from importlib.util import find_spec

#: Trials that TPE, GP and CMA-ES draw at random before they use results.
STARTUP_TRIALS = 10
#: Finished trials before the median stops a trial.
MEDIAN_TRIALS = 4
#: The share of the epochs in which no pruner stops a trial, and the share of trials that successive halving keeps.
WARM_UP, KEEP_ONE_IN = 0.2, 3
#: Epochs before a curve is extrapolated, as a share of all and at least, and how improbable it must be that the curve
#: ends above the best trial.
EXTRAPOLATE_FROM, EXTRAPOLATE_LEAST, IMPROBABLE = 0.4, 5, 0.05
#: The p-value below which a trial is worse than the best over the same seeds, and the fewest seeds that can reach it.
WILCOXON_P, WILCOXON_SEEDS = 0.1, 5


@dataclass(frozen=True)
class Card:
    """What a sampler or pruner is called, what it does, what it is for, and its ``source``."""

    title: str
    does: str
    use: str
    source: str


SAMPLERS: dict[str, Card] = {
    "tpe": Card(
        "TPE",
        f"Draws {STARTUP_TRIALS} trials at random. Then it models where good and where other trials lie, and tries the "
        "values that are most typical of good ones.",
        "The default: any kind of setting, 20 to a few hundred trials.",
        "Tree-structured Parzen estimator, Bergstra et al. 2011",
    ),
    "random": Card(
        "Random",
        "Draws every trial independently from the ranges.",
        "The baseline that other samplers must beat; good for seeing what each setting does.",
        "Bergstra and Bengio 2012",
    ),
    "gp": Card(
        "Gaussian process",
        f"Draws {STARTUP_TRIALS} trials at random. Then it fits a smooth surface to the results and tries where an "
        "improvement is most to be expected.",
        "Few trials, each expensive, and up to about ten numeric settings. Choosing a trial takes seconds.",
        "Optuna’s GPSampler",
    ),
    "cma-es": Card(
        "CMA-ES",
        "Moves a cloud of trials towards better results and adapts its shape. Choices are drawn at random.",
        "Two to twenty numeric settings without choices, and at least 50 trials.",
        "Covariance matrix adaptation, Hansen and Ostermeier 2001",
    ),
    "grid": Card(
        "Grid",
        "Tries every combination of the listed values once, in random order.",
        "Few settings with few values each. A study with several seeds says more about such a grid.",
        "Optuna’s BruteForceSampler",
    ),
}
PRUNERS: dict[str, Card] = {
    "none": Card(
        "None",
        "Trains every trial to its end.",
        "Short runs, or schedules in which accuracy rises only at the end.",
        "",
    ),
    "median": Card(
        "Median",
        f"After {MEDIAN_TRIALS} finished trials, stops a trial whose best accuracy so far is below the median of the "
        "finished trials at the same epoch.",
        "The default. Compares at the same epoch, so it also suits schedules in which accuracy rises late.",
        "Golovin et al. 2017",
    ),
    "asha": Card(
        "Successive halving",
        f"Compares trials at a ninth and at a third of the epochs, and goes on with the best one in {KEEP_ONE_IN}.",
        "Many trials, and runs whose early accuracy says how they end. It is strict with slow starters.",
        "ASHA, Li et al. 2020",
    ),
    "extrapolation": Card(
        "Learning-curve extrapolation",
        "Fits growth curves to the accuracy so far and stops a trial that has less than "
        f"{100 * IMPROBABLE:.0f} % probability of ending above the best one.",
        "Constant or multi-step learning rates. With one-cycle and cosine, accuracy rises late, which the curves do "
        "not expect: good trials may be stopped.",
        "Domhan et al. 2015, with least squares in place of MCMC",
    ),
    "wilcoxon": Card(
        "Wilcoxon across seeds",
        "Trains each trial with several seeds, and stops after a seed if the trial is worse than the best one over the "
        f"same seeds (signed-rank test, p < {WILCOXON_P:g}).",
        f"Differences as small as seed-to-seed variation. Needs at least {WILCOXON_SEEDS} seeds per trial.",
        "Wilcoxon 1945",
    ),
}


def first_rung(epochs: int) -> int:
    """Return the epoch at which successive halving compares trials first: a ninth of all."""
    return max(1, round(epochs / KEEP_ONE_IN**2))


def first_forecast(epochs: int) -> int:
    """Return the epoch from which a curve is extrapolated."""
    return max(EXTRAPOLATE_LEAST, round(EXTRAPOLATE_FROM * epochs))


def missing_package(sampler: str) -> str | None:
    """Return which package a sampler needs that is not installed: an older installation has no cmaes."""
    return "cmaes" if sampler == "cma-es" and find_spec("cmaes") is None else None
