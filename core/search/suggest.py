"""Optuna: which settings the next trial has, whether a trial is stopped, and which settings matter.

The only module that imports Optuna, which takes a second. Optuna's study is made anew in memory for every question,
from the trials that the run folders hold, in the order of their numbers, and the sampler's seed belongs to the trial
that is asked for. So an answer depends on nothing but the search and these trials, whenever it is given.

With several trials at a time, trial n is asked for, and judged by pruners, with the results of the trials up to
n − (trials at a time) alone, all of which have ended by then. Later ones count as running. So the order in which trials
happen to end decides nothing.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, BruteForceSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from core.config.run_config import RunConfig
from core.search import methods
from core.search.extrapolate import forecast
from core.search.search import Search
from core.search.space import Range, in_order
from core.search.trials import Trial

#: How often a sampler is asked again that names settings that are not allowed together, or that were tried.
MOST_ATTEMPTS = 200
#: Finished trials below which importance says nothing, and how often it is computed from trials drawn anew.
LEAST_TRIALS, RESAMPLED = 10, 40
#: The middle 80 % of the resampled importances.
_QUANTILES = (0.1, 0.9)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's notes on experimental classes and on each trial out of the terminal."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --- the next trial -------------------------------------------------------------------------------


def next_config(search: Search, trials: Sequence[Trial], number: int) -> RunConfig | None:
    """Return the settings of trial ``number``, with the base's seed; ``None`` if no new combination was found.

    ``trials`` are all trials before it. The first trial is the base, if the search can try it.
    """
    if number == 0 and search.base_inside and not search.base.problems():
        return search.config({})
    known = {trial.config.signature() for trial in trials if trial.number != number}
    with _quiet():
        study = _study(search, [trial for trial in trials if trial.number < number], number)
        for attempt in range(MOST_ATTEMPTS):
            if search.sampler != "cma-es" or attempt:
                study.sampler = _sampler(search, _seed(search.seed, number, attempt))
            config = _proposed(search, study.ask())  # stays a running trial, which a grid does not try again
            if not config.problems() and config.signature() not in known:
                return config
    return None


def _seed(*numbers: int) -> int:
    """Return a seed that follows from ``numbers`` and from nothing else."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:4], "big")


def _sampler(search: Search, seed: int) -> BaseSampler:
    startup = methods.STARTUP_TRIALS
    match search.sampler:
        case "random":
            return RandomSampler(seed)
        case "grid":
            return BruteForceSampler(seed)
        case "gp":
            return GPSampler(seed=seed, n_startup_trials=startup, deterministic_objective=False)
        case "cma-es":
            return CmaEsSampler(seed=seed, n_startup_trials=startup, consider_pruned_trials=True)
    return TPESampler(seed=seed, n_startup_trials=startup, constant_liar=search.parallel > 1)


def _study(search: Search, trials: Sequence[Trial], number: int) -> optuna.Study:
    """Return a study with the trials before ``number``; those too recent for it count as running."""
    if search.sampler == "cma-es":
        return _replayed(search, trials, number)
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(0))
    study.add_trials([_frozen(search, trial, running=trial.number > number - search.parallel) for trial in trials])
    return study


def _replayed(search: Search, trials: Sequence[Trial], number: int) -> optuna.Study:
    """Return the study of a sampler that keeps a state of its own: every trial is asked for and told again."""
    study = optuna.create_study(direction="maximize", sampler=_sampler(search, _seed(search.seed)))
    asked: dict[int, optuna.Trial] = {}
    for trial in trials:
        while len(asked) and min(asked) <= trial.number - search.parallel:
            _tell(study, asked, trials, min(asked))
        study.enqueue_trial(_params(search, trial.config))
        asked[trial.number] = study.ask()
        _proposed(search, asked[trial.number])
    for ended in sorted(asked):
        if ended <= number - search.parallel:
            _tell(study, asked, trials, ended)
    return study


def _tell(study: optuna.Study, asked: dict[int, optuna.Trial], trials: Sequence[Trial], number: int) -> None:
    trial = next(trial for trial in trials if trial.number == number)
    for step, value in _intermediate(trial).items():
        asked[number].report(value, step)
    finished = trial.state == "finished"
    study.tell(asked.pop(number), trial.value if finished else None, None if finished else TrialState.PRUNED)


def _frozen(search: Search, trial: Trial, *, running: bool = False) -> FrozenTrial:
    """Return a trial as Optuna keeps it. One that failed is told as pruned at its start, with an accuracy of 0."""
    params = _params(search, trial.config)
    about: dict[str, Any] = {
        "params": params,
        "distributions": {one.path: _distribution(one) for one in in_order(search.ranges) if one.path in params},
    }
    if running:
        return create_trial(state=TrialState.RUNNING, **about)
    about |= {"intermediate_values": _intermediate(trial), "system_attrs": _rungs(search, trial)}
    if trial.state == "finished":
        return create_trial(value=trial.value, **about)
    return create_trial(state=TrialState.PRUNED, value=max(about["intermediate_values"].values()), **about)


def _intermediate(trial: Trial) -> dict[int, float]:
    return dict(enumerate(trial.counted_steps, 1)) or {1: 0.0}


def _params(search: Search, config: RunConfig) -> dict[str, Any]:
    values = search.varied(config)
    ranges = {one.path: one for one in search.ranges}
    return {path: ranges[path].setting.show(value) if ranges[path].choices else value for path, value in values.items()}


def _distribution(one: Range) -> BaseDistribution:
    if one.choices:
        return CategoricalDistribution([one.setting.show(value) for value in one.choices])
    if one.whole:
        return IntDistribution(int(one.low), int(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def _proposed(search: Search, trial: optuna.Trial) -> RunConfig:
    """Return the config that the sampler suggests, asking only for settings that have an effect."""
    config = search.config({})
    for one in in_order(search.ranges):
        if config.in_effect(one.path):
            config = config.replace({one.path: _suggested(trial, one)})
    return config


def _suggested(trial: optuna.Trial, one: Range) -> Any:
    if one.choices:
        texts = [one.setting.show(value) for value in one.choices]
        return one.choices[texts.index(trial.suggest_categorical(one.path, texts))]
    if one.whole:
        return trial.suggest_int(one.path, int(one.low), int(one.high), log=one.log)
    return one.rounded(trial.suggest_float(one.path, one.low, one.high, log=one.log))


# --- pruning --------------------------------------------------------------------------------------


def prune_after(search: Search, trials: Sequence[Trial], trial: Trial) -> int | None:
    """Return the step after which the pruner stops ``trial``, or ``None`` if it does not on what is known so far.

    The steps are gone through one by one, so the answer is the same however late it is asked for.
    """
    most = search.seeds if trial.several_seeds else trial.config.train.epochs
    steps = trial.steps[: most - 1]  # after the last step there is nothing left to save
    if search.pruner == "none" or not steps:
        return None
    earlier = [other for other in trials if other.number <= trial.number - search.parallel]
    with _quiet():
        study = optuna.create_study(direction="maximize", sampler=RandomSampler(0), pruner=_pruner(search, most))
        study.add_trials([_frozen(search, other) for other in earlier])
        asked = study.ask()
        for step, value in enumerate(steps, 1):
            asked.report(value, step)
            if asked.should_prune():
                return step
    return None


def _pruner(search: Search, steps: int) -> BasePruner:
    match search.pruner:
        case "median":
            return MedianPruner(methods.MEDIAN_TRIALS, n_warmup_steps=1 + round(methods.WARM_UP * steps))
        case "asha":
            return SuccessiveHalvingPruner(methods.first_rung(steps), methods.KEEP_ONE_IN, 0)
        case "extrapolation":
            return ExtrapolationPruner(steps)
        case "wilcoxon":
            return WilcoxonPruner(p_threshold=methods.WILCOXON_P)
    return NopPruner()


def _rungs(search: Search, trial: Trial) -> dict[str, float]:
    """Return what Optuna's successive halving would have noted on a trial: its accuracy at each comparison."""
    if search.pruner != "asha":
        return {}
    rungs: dict[str, float] = {}
    steps, rung = trial.counted_steps, methods.first_rung(trial.config.train.epochs)
    while rung <= len(steps):
        rungs[f"completed_rung_{len(rungs)}"] = steps[rung - 1]
        rung *= methods.KEEP_ONE_IN
    return rungs


class ExtrapolationPruner(BasePruner):
    """Stop a trial that will hardly end above the best one (:mod:`core.search.extrapolate`)."""

    def __init__(self, epochs: int):
        self._epochs = epochs
        self._from = methods.first_forecast(epochs)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether to stop ``trial`` after its last reported epoch."""
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        curve = list(trial.intermediate_values.values())
        if not finished or len(curve) < self._from:
            return False
        expected = forecast(curve, self._epochs)
        return (
            expected is not None and expected.above(max(other.value or 0.0 for other in finished)) < methods.IMPROBABLE
        )


# --- which settings matter ------------------------------------------------------------------------


def importance(search: Search, trials: Sequence[Trial]) -> pd.DataFrame:
    """Return how much each varied setting matters for being among the better half (PED-ANOVA), the first most.

    Columns: ``path``, ``share`` (they add up to 1), and ``low`` and ``high``, between which the middle 80 % of the
    shares lie that trials drawn anew with replacement give. Empty below :data:`LEAST_TRIALS` finished trials.
    """
    finished = [trial for trial in trials if trial.state == "finished"]
    columns = ["path", "share", "low", "high"]
    if len(finished) < LEAST_TRIALS:
        return pd.DataFrame(columns=columns)
    frozen, rng = [_frozen(search, trial) for trial in finished], np.random.default_rng(0)
    with _quiet():
        whole = _shares(search, frozen)
        drawn = [
            _shares(search, [frozen[at] for at in rng.integers(len(frozen), size=len(frozen))])
            for _ in range(RESAMPLED)
        ]
    rows = []
    for path, share in sorted(whole.items(), key=lambda pair: -pair[1]):
        low, high = np.quantile([shares.get(path, 0.0) for shares in drawn], _QUANTILES)
        rows.append((path, share, min(float(low), share), max(float(high), share)))
    return pd.DataFrame(rows, columns=columns)


def _shares(search: Search, trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """Return the importance of each setting that all trials have; equal shares where all trials are alike."""
    common = [one.path for one in search.ranges if all(one.path in trial.params for trial in trials)]
    moving = [path for path in common if len({trial.params[path] for trial in trials}) > 1]
    if not moving or len({trial.value for trial in trials}) < 2:
        return dict.fromkeys(common, 1 / len(common)) if common else {}
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(0))
    study.add_trials(trials)
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.5), params=common)
