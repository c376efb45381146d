"""Planned seeds: how many, which runs are missing, what they cost, and queueing them."""

from dataclasses import replace

import pytest

from core.base.errors import StoreError
from core.base.files import write_json
from core.base.strict_json import with_check
from core.compare.contenders import group_runs
from core.compare.gap import gap
from core.runs.summary import labels
from core.stats.judgement import POWER, judge
from core.study import planner
from core.study.outcomes import outcome_table, series_of
from core.study.progress import statuses
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.made import made_run, tiny_config


def run_of(store, accuracy, **settings):
    config = tiny_config().replace({path.replace("__", "."): value for path, value in settings.items()})
    run_id = made_run(store, config=config, name=f"rate {config.train.lr:g}, seed {config.train.seed}")
    store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    return run_id


def sides_of(store):
    runs = [run for run in store.summaries() if run.finished]
    return group_runs(runs, labels(runs))


def two_rates(store, first=(0.80, 0.81), second=(0.83, 0.85)):
    for rate, accuracies in ((0.1, first), (0.2, second)):
        for seed, accuracy in enumerate(accuracies):
            run_of(store, accuracy, train__lr=rate, train__seed=seed)
    sides = sides_of(store)
    return gap(*sides).judgement, sides


def test_a_plan_has_as_many_seeds_as_the_power_asks_for(store):
    judgement, sides = two_rates(store)
    plan = planner.plan_contenders(judgement, sides, 0.3, store)
    assert plan.measured and plan.seeds is not None
    assert judgement.variances.power(0.3, plan.seeds) >= POWER
    assert plan.runs == 2 * (plan.seeds - 2) or plan.seeds == 2
    smaller = planner.plan_contenders(judgement, sides, 0.15, store)
    assert smaller.seeds is None or smaller.seeds >= plan.seeds
    hopeless = planner.plan_contenders(judgement, sides, 0.0005, store)
    assert (hopeless.seeds, hopeless.runs) == (None, 0)
    assert "50 seeds" in hopeless.text


def test_without_a_second_seed_the_plan_is_to_measure_the_variation(store):
    judgement, sides = two_rates(store, (0.8,), (0.83,))
    plan = planner.plan_contenders(judgement, sides, 0.01, store)
    assert (plan.measured, plan.seeds, plan.runs) == (False, planner.FIRST_SEEDS, 4)
    assert "unknown" in plan.text and "4 more runs" in plan.text


def test_missing_seeds_are_those_of_the_other_side_first_and_none_that_exist(store):
    for seed in (0, 7):
        run_of(store, 0.8, train__lr=0.1, train__seed=seed)
    run_of(store, 0.82, train__lr=0.2, train__seed=0)
    sides = sorted(sides_of(store), key=lambda side: side.config.train.lr)
    missing = planner.missing_runs(sides, 3, store.summaries())
    assert [(config.train.lr, config.train.seed) for config, _ in missing] == [(0.1, 1), (0.2, 7), (0.2, 1)]
    made_run(store, 0, "queued", sides[1].config.replace({"train.seed": 7}))
    assert len(planner.missing_runs(sides, 3, store.summaries())) == 2
    assert planner.missing_runs(sides, 1, store.summaries()) == []


def test_queueing_makes_the_missing_runs_once_and_names_them(store):
    judgement, sides = two_rates(store, (0.8,), (0.83,))
    outcome = planner.queue_contenders(judgement, sides, 0.01, store)
    assert (len(outcome.done), outcome.problems) == (4, [])
    made = [store.summary(run_id) for run_id in outcome.done]
    assert {(run.config.train.lr, run.config.train.seed, run.state) for run in made} == {
        (rate, seed, "queued") for rate in (0.1, 0.2) for seed in (1, 2)
    }
    assert {run.name for run in made} == {f"rate {rate:g}, seed {seed}" for rate in (0.1, 0.2) for seed in (1, 2)}
    assert planner.queue_contenders(judgement, sides, 0.01, store).done == []
    assert planner.plan_contenders(judgement, sides, 0.01, store).runs == 0


def studied(store, **more):
    study = Study("rates", tiny_config(), (Axis("train.lr", (0.1, 0.2)),), (0,), **more)
    study_id = StudyStore(store).create(study)
    for cell, accuracy in zip(study.cells(), (0.80, 0.83), strict=True):
        run_id = made_run(store, config=cell.config)
        store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5, "epoch": 4}})
    (line,) = series_of(outcome_table(study, statuses(study_id, study, store.summaries())), "train.lr")
    return study_id, study, judge(line.groups)


def test_a_study_gets_the_seeds_it_lacks_and_is_started(store):
    study_id, study, judgement = studied(store)
    plan = planner.plan_study(judgement, study_id, study, 0.01, store)
    assert (plan.seeds, plan.runs) == (3, 4)
    outcome = planner.queue_study(judgement, study_id, 0.01, store)
    assert (len(outcome.done), outcome.problems) == (4, [])
    assert StudyStore(store).get(study_id).seeds == (0, 1, 2)
    assert planner.queue_study(judgement, study_id, 0.01, store).done == []


def test_seeds_of_a_study_are_added_from_the_smallest():
    study = Study("rates", tiny_config(), (Axis("train.lr", (0.1, 0.2)),), (1, 4))
    assert planner.with_seeds(study, 4).seeds == (1, 4, 0, 2)
    assert planner.with_seeds(study, 1) == study


def test_a_study_that_came_with_the_program_is_not_changed(store):
    study_id, study, judgement = studied(store)
    path = StudyStore(store).root / f"{study_id}.json"
    write_json(path, with_check(replace(study, reference=True).to_dict()))
    with pytest.raises(StoreError, match="Copy it"):
        planner.queue_study(judgement, study_id, 0.01, store)
    assert StudyStore(store).get(study_id).seeds == (0,)


def test_planning_starts_with_what_was_measured_within_reason(store):
    judgement, _ = two_rates(store)
    assert planner.usual_difference(judgement) == pytest.approx(0.035)
    assert planner.usual_difference(replace(judgement, difference=-0.00002)) == 0.003
    assert planner.usual_difference(replace(judgement, difference=0.4)) == 0.1
