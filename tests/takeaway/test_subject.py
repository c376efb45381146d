"""What a report is about: groups of runs that differ in the seed alone, and which accuracy stands for each."""

import pytest

from core.base.errors import LabError, StoreError
from core.takeaway.subject import of_runs, of_study
from tests.made import made_run
from tests.takeaway.made import BASE, made_study, made_tested_run


def test_a_study_has_a_group_for_each_value_with_its_seeds(store):
    subject = of_study(store, made_study(store, 3), author="  A. Student ")
    assert (subject.title, subject.author, subject.asked) == ("rates", "A. Student", 6)
    assert [group.cells for group in subject.groups] == [("0.1",), ("0.2",)]
    for group in subject.groups:
        assert group.result.kind == "test" and group.result.chose_epoch
        assert group.result.values == tuple(run.accuracy_on_test for run in group.runs)
        assert group.result.spread.n == 3 and group.result.images == 2_000
        low, high = group.result.interval
        assert low < group.result.spread.mean < high
    assert subject.varied == ["train.lr"]


def test_failed_and_missing_cells_count_as_asked_for_but_not_as_results(store):
    subject = of_study(store, made_study(store, 2, failed=1, missing=1))
    assert subject.asked == 4 and len(subject.runs) == 3
    assert [group.result and group.result.spread.n for group in subject.groups] == [1, 1]
    assert "1 failed" in subject.states and "1 to do" in subject.states


def test_a_value_without_a_finished_run_has_no_result(store):
    subject = of_study(store, made_study(store, 1, failed=1))
    assert [group.result is None for group in subject.groups] == [True, False]


def test_runs_are_grouped_by_seed_as_on_compare(store):
    ids = [made_tested_run(store, 0.8 + seed / 100, settings={"train.seed": seed}, name="one") for seed in (0, 1)]
    ids.append(made_tested_run(store, 0.7, settings={"train.lr": 0.2}, name="two"))
    subject = of_runs(store, ids)
    by_name = {group.name: group.result for group in subject.groups}
    assert sorted(by_name) == ["one · 2 seeds", "two"]
    assert by_name["one · 2 seeds"].values == (0.8, 0.81)
    assert by_name["two"].spread.sd is None
    assert "learning rate" in subject.question


def test_without_a_test_set_the_validation_accuracy_stands_for_the_run(store):
    run_id = made_run(store, 4, "stopped", BASE.replace({"data.validation": "held-out", "data.validation_size": 400}))
    (group,) = of_runs(store, [run_id]).groups
    assert (group.result.kind, group.result.images) == ("validation", 400)
    assert group.result.values == (store.summary(run_id).best_val_accuracy,)


def test_without_a_finished_epoch_there_is_nothing_to_report(store):
    with pytest.raises(LabError, match="nothing to report"):
        of_runs(store, [made_run(store, 0, "queued")])
    with pytest.raises(LabError, match="nothing to report"):
        of_study(store, made_study(store, 1, missing=2))
    with pytest.raises(StoreError):
        of_runs(store, ["20260101-000000-aaaa"])
