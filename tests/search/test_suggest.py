"""What the sampler and the pruner answer: from the definition and the trials alone, in whatever process and order."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import optuna
import pytest

from core.base.paths import PROJECT
from core.search import methods
from core.search.search import Search
from core.search.suggest import importance, next_config, prune_after
from core.search.trials import Trial
from tests.search_made import made_search, quality


def trial(search: Search, number: int, config, steps=None, state="finished", **more) -> Trial:
    steps = tuple(quality(config, epoch) for epoch in range(1, 10)) if steps is None else tuple(steps)
    return Trial(number, config, (), steps, state, **more)


def history(search: Search, count: int) -> list[Trial]:
    trials: list[Trial] = []
    while len(trials) < count and (config := next_config(search, trials, len(trials))):
        trials.append(trial(search, len(trials), config))
    return trials


def values(search: Search, trials: list[Trial]) -> list[dict]:
    return [search.varied(each.config) for each in trials]


SAMPLERS = [name for name in methods.SAMPLERS if name != "grid" and not methods.missing_package(name)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_trials_follow_whenever_a_search_begins_again(sampler):
    search = made_search(sampler=sampler)
    trials = history(search, 13)
    assert len({each.config.signature() for each in trials}) == 13
    assert all(not each.config.problems() for each in trials)
    assert values(search, trials)[0] == search.varied(search.base)
    for number in (1, 5, 12):  # a process that knows nothing but the trials before
        again = next_config(search, trials[:number], number)
        assert again == trials[number].config
    other = history(made_search(sampler=sampler, seed=1), 4)
    assert values(search, other)[1:] != values(search, trials[:4])[1:]


def test_tpe_learns_and_random_does_not():
    def late(sampler):
        trials = history(made_search(sampler=sampler, trials=40), 40)
        return np.mean([each.value for each in trials[20:]])

    assert late("tpe") > late("random") + 0.05


def test_cma_es_learns_with_two_numbers():
    pytest.importorskip("cmaes")

    def late(sampler):
        search = made_search("train.lr=0.001 to 10", "train.momentum=0.5 to 0.99", sampler=sampler, trials=50)
        return np.mean([each.value for each in history(search, 50)[30:]])

    assert late("cma-es") > late("random") + 0.1


def test_settings_without_effect_are_not_asked_for():
    search = made_search(sampler="random")
    for found in values(search, history(search, 12)):
        assert ("train.momentum" in found) == (found["train.optimizer"] == "sgd")


def test_a_grid_tries_each_combination_once_and_ends():
    search = made_search("train.lr=0.05,0.1,0.2", "train.optimizer=sgd,adam", "train.momentum=0.5,0.9", sampler="grid")
    trials = history(search, 50)
    assert len(trials) == 3 * 2 + 3  # momentum has no effect with Adam
    assert len({repr(found) for found in values(search, trials)}) == 9


def test_settings_that_are_not_allowed_together_are_not_tried():
    search = made_search("train.warmup_epochs=0 to 30", "train.lr=0.01 to 1", sampler="random")
    trials = history(search, 12)
    assert len(trials) == 12
    assert all(each.config.train.warmup_epochs < 9 for each in trials)


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_with_several_trials_at_a_time_the_last_ones_count_for_nothing(sampler):
    search = made_search(parallel=3, sampler=sampler)
    trials = history(search, 14)
    pending = [trial(search, each.number, each.config, steps=(), state="running") for each in trials[12:]]
    assert next_config(search, [*trials[:12], *pending], 14) == next_config(search, trials, 14)
    worse = [trial(search, each.number, each.config, steps=(0.1,) * 9) for each in trials[:12]]
    assert next_config(search, [*worse, *trials[12:]], 14) != next_config(search, trials, 14)


def test_trials_that_are_in_training_are_not_tried_twice():
    """TPE is told of trials without a result as if these were poor, and stays away from them."""
    alone, crowded = made_search(), made_search(parallel=4)
    trials = history(alone, 14)
    running = [replace(each, steps=(), state="running") for each in trials[11:]]
    asked = next_config(crowded, [*trials[:11], *running], 14)
    assert asked is not None
    assert asked.signature() not in {each.config.signature() for each in trials}
    assert asked != next_config(alone, trials, 14)


def test_a_failed_trial_is_a_bad_one():
    search = made_search()
    trials = history(search, 12)
    failed = trial(search, 11, trials[11].config, steps=(), state="failed")
    assert next_config(search, [*trials[:11], failed], 12) is not None


# --- pruners --------------------------------------------------------------------------------------


def judged(search: Search, curves: list[list[float]]) -> list[int | None]:
    """Return after which step each trial is stopped."""
    configs = [each.config for each in history(made_search(sampler="random", trials=99), len(curves))]
    trials: list[Trial] = []
    for number, (config, curve) in enumerate(zip(configs, curves, strict=True)):
        asked = trial(search, number, config, curve, several_seeds=search.seeds > 1)
        at = prune_after(search, trials, asked)
        trials.append(
            trial(
                search,
                number,
                config,
                curve,
                "pruned" if at else "finished",
                pruned_at=at,
                several_seeds=search.seeds > 1,
            )
        )
    return [each.pruned_at for each in trials]


def rising(end: float, epochs: int = 9) -> list[float]:
    return [end * (1 - math.exp(-epoch)) for epoch in range(1, epochs + 1)]


def test_the_median_stops_what_is_worse_than_most_after_a_few_trials():
    ends = [0.5, 0.6, 0.7, 0.8, 0.4, 0.9, 0.1]
    stopped = judged(made_search(pruner="median"), [rising(end) for end in ends])
    assert [at is not None for at in stopped] == [False] * 4 + [True, False, True]
    assert stopped[4] == 1 + round(methods.WARM_UP * 9)


@pytest.mark.parametrize("seed", range(5))
def test_successive_halving_decides_as_optuna_itself_does(seed):
    rng = np.random.default_rng(seed)
    curves = [rising(rng.uniform(0.2, 0.9)) for _ in range(15)]
    ours = judged(made_search(pruner="asha"), curves)
    pruner = optuna.pruners.SuccessiveHalvingPruner(methods.first_rung(9), methods.KEEP_ONE_IN, 0)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, theirs = optuna.create_study(direction="maximize", pruner=pruner), []
    for curve in curves:
        asked, at = study.ask(), None
        for step, value in enumerate(curve[:-1], 1):
            asked.report(value, step)
            if asked.should_prune():
                at = step
                break
        study.tell(asked, max(curve) if at is None else None, None if at is None else optuna.trial.TrialState.PRUNED)
        theirs.append(at)
    assert ours == theirs
    assert any(ours)


def test_extrapolation_stops_a_curve_that_cannot_reach_the_best():
    search = made_search(pruner="extrapolation")
    stopped = judged(search, [rising(0.9), rising(0.5), rising(0.91)])
    assert stopped[0] is None
    assert stopped[1] == methods.EXTRAPOLATE_LEAST
    assert stopped[2] is None


def test_wilcoxon_stops_a_trial_that_is_worse_with_every_seed():
    search = made_search(pruner="wilcoxon", seeds=7)
    base = [0.80, 0.81, 0.79, 0.82, 0.80, 0.81, 0.80]
    stopped = judged(search, [base, [value - 0.05 - 0.001 * at for at, value in enumerate(base)], [0.82] * 7])
    assert stopped[0] is None and stopped[2] is None
    assert stopped[1] == 4


def test_the_verdict_does_not_depend_on_when_it_is_asked_for():
    search = made_search(pruner="median")
    trials = [trial(search, number, search.base, rising(0.8)) for number in range(5)]
    poor = rising(0.2)
    at = prune_after(search, trials, trial(search, 5, search.base, poor))
    assert at is not None
    for known in range(1, 10):
        asked = prune_after(search, trials, trial(search, 5, search.base, poor[:known], "running"))
        assert asked == (at if known >= at else None)


def test_a_trial_is_not_stopped_after_its_last_epoch_and_none_stops_nothing():
    curves = [rising(0.9, 1)] * 6 + [[0.1]]
    assert judged(made_search(pruner="median"), [curve * 9 for curve in curves])[-1] is not None
    assert judged(made_search(), [curve * 9 for curve in curves]) == [None] * 7


# --- importance -----------------------------------------------------------------------------------


def test_importance_names_the_setting_that_decides():
    search = made_search("train.lr=0.001 to 1", "train.weight_decay=1e-5 to 1e-3", sampler="random", trials=60)
    shares = importance(search, history(search, 60))
    assert shares["path"].tolist()[0] == "train.lr"
    assert shares["share"].sum() == pytest.approx(1)
    assert ((shares["low"] <= shares["share"]) & (shares["share"] <= shares["high"])).all()
    assert importance(search, history(search, 60)).equals(shares)


def test_few_trials_say_nothing_and_equal_trials_share_alike():
    search = made_search("train.lr=0.001 to 1", "train.weight_decay=1e-5 to 1e-3", sampler="random")
    trials = history(search, 12)
    assert importance(search, trials[:9]).empty
    alike = [trial(search, each.number, each.config, [0.5] * 9) for each in trials]
    assert importance(search, alike)["share"].tolist() == [0.5, 0.5]


def test_nothing_else_imports_optuna():
    program = (
        "import sys, core.search.driver, core.search.confirm, core.search.form, core.figures.search, core.cli.search;"
        "import core.search.trials; print('optuna' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
