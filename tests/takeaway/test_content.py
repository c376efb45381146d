"""The contents of a report: its numbers are those of the runs' files."""

import csv
import io
import json

import pytest

from core.runs.summary import labels
from core.stats.intervals import spread, wilson
from core.study.study import Study
from core.takeaway.content import MOST_FINDINGS, content_of
from core.takeaway.subject import of_runs, of_study
from tests.made import made_run
from tests.takeaway.made import BASE, HOSTILE, made_study, made_tested_run


def test_the_results_of_a_study_are_mean_deviation_and_interval_of_its_runs(store):
    content = content_of(of_study(store, made_study(store, 2)))
    by_rate = {}
    for run in store.summaries():
        by_rate.setdefault(run.config.train.lr, []).append(run.accuracy_on_test)
    assert [row[0] for row in content.results.rows] == ["0.1", "0.2"]
    for row, rate in zip(content.results.rows, sorted(by_rate), strict=True):
        over, cells = spread(by_rate[rate]), dict(zip(content.results.columns, row, strict=True))
        low, high = wilson(over.mean, 2_000)
        assert cells["Accuracy (%)"] == f"{100 * over.mean:.2f} ± {100 * over.sd:.2f}"
        assert cells["95 % interval"] == f"{100 * low:.1f}–{100 * high:.1f} %"
        assert cells["Seeds"] == "2"
    assert len(content.runs.rows) == 4
    assert [claim.finding.metric for claim in content.claims] == ["accuracy", "objective"]
    assert [chart.name for chart in content.charts] == ["lr-accuracy", "lr-objective", "curves-accuracy", "curves-loss"]


def test_the_data_has_the_numbers_in_full_and_the_study_can_be_made_again(store):
    study_id = made_study(store, 2, note="Does the rate matter?")
    content = content_of(of_study(store, study_id))
    rows = list(csv.DictReader(io.StringIO(content.data["results.csv"].removeprefix("\ufeff"))))
    means = [float(row["accuracy_mean (0-1)"]) for row in rows]
    assert means == [group.result.spread.mean for group in of_study(store, study_id).groups]
    assert len(content.data["epochs.csv"].splitlines()) == 1 + sum(run.status.epoch for run in store.summaries())
    assert Study.from_dict(json.loads(content.data["study.json"])).axes[0].values == (0.1, 0.2)
    assert content.question == "Does the rate matter?"
    assert "resnet-lab study create --file data/study.json" in content.commands
    assert sum(command.startswith("resnet-lab train") for command in content.commands) == 4


def test_settings_are_listed_once_with_all_their_values_and_the_presets(store):
    content = content_of(of_study(store, made_study(store, 1)))
    settings = {row[0]: row[1:] for row in content.settings.rows}
    assert settings["Learning rate"][0] == "0.1; 0.2"
    assert settings["Classes"][0] == "cat, dog"
    assert "Muon momentum" not in settings  # has no effect


def test_two_experiments_are_compared_and_the_commands_repeat_them(store):
    ids = [made_tested_run(store, 0.80), made_tested_run(store, 0.90, settings={"train.lr": 0.2})]
    content = content_of(of_runs(store, ids))
    (claim,) = content.claims
    assert claim.finding.judgement.difference == 0.9 - 0.8
    assert [chart.name for chart in content.charts] == ["accuracies", "curves-accuracy", "curves-loss"]
    assert len([command for command in content.commands if command.startswith("resnet-lab train")]) == 2


def test_the_most_accurate_experiment_is_compared_with_each_other_one(store):
    ids = [made_tested_run(store, 0.7 + at / 100, settings={"train.lr": 0.1 + at / 100}) for at in range(9)]
    content = content_of(of_runs(store, ids[:3]))
    differences = [claim.finding.judgement.difference for claim in content.claims]
    assert differences == pytest.approx([0.01, 0.02])
    assert len({claim.about for claim in content.claims}) == 2
    assert [chart.name for chart in content.charts] == ["accuracies", "curves-accuracy", "curves-loss"]
    many = content_of(of_runs(store, ids))
    assert len(many.claims) == MOST_FINDINGS
    assert any("2 more experiments" in sentence for sentence in many.limits)


def test_experiments_with_different_tasks_are_not_compared_and_the_report_says_so(store):
    ids = [made_tested_run(store, 0.8), made_tested_run(store, 0.9, settings={"data.classes": ("cat", "ship")})]
    content = content_of(of_runs(store, ids))
    assert content.claims == () and "different tasks" in content.limits[0]


def test_one_run_alone_has_its_curves_and_no_finding(store):
    content = content_of(of_runs(store, [made_run(store, 4, "stopped", BASE, name=HOSTILE)]))
    assert content.claims == () and len(content.results.rows) == 1
    assert [chart.name for chart in content.charts] == ["curves-accuracy", "curves-loss", "classes"]
    assert any("one seed" in sentence for sentence in content.limits)


def test_a_study_with_failed_and_missing_cells_is_reported_with_its_gaps(store):
    content = content_of(of_study(store, made_study(store, 1, failed=1)))
    assert content.results.rows[0] == ("0.1", "0", *["–"] * 5)
    assert content.results.rows[1][1] == "1"
    assert [row[3] for row in content.runs.rows] == ["failed", "finished"]


def test_a_study_whose_runs_all_failed_has_no_results_and_no_findings(store):
    nothing = content_of(of_study(store, made_study(store, 1, failed=2)))
    assert nothing.claims == () and all(row[1] == "0" for row in nothing.results.rows)


def test_runs_are_named_as_on_compare(store):
    ids = [
        made_tested_run(store, 0.8, name="same"),
        made_tested_run(store, 0.9, settings={"train.lr": 0.2}, name="same"),
    ]
    content = content_of(of_runs(store, ids))
    names = labels([store.summary(run_id) for run_id in ids])
    assert {row[0]: row[1] for row in content.runs.rows} == names
