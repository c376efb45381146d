"""The report, checked: what runs and studies say about its claims."""

from dataclasses import replace

import pytest

from core.config.presets import PRESETS
from core.figures.panels import panels
from core.published.claims import claims
from core.study.checked import VERDICTS, as_markdown, by_verdict, checked, counts_text
from core.study.outcomes import outcome_table
from core.study.presets import published_study
from core.study.progress import statuses
from core.study.store import StudyStore
from tests.made import made_predictions, made_record, made_run

REPORT = PRESETS["report"].config


def finished(store, study, accuracy_of):
    """A study with a finished run for every cell, of the accuracy that ``accuracy_of`` its value and seed is."""
    study_id = StudyStore(store).create(study)
    for cell in study.cells():
        run_id = made_run(store, epochs=1, config=cell.config, study=study_id)
        (value,) = cell.settings.values()
        store.run(run_id).append_record(made_record(2, 10, val_accuracy=accuracy_of(value, cell.seed)))
    return study_id


def of(store, where):
    (found,) = [each for each in checked(store) if each.claim.where.startswith(where)]
    return found


def test_without_runs_what_the_report_contradicts_is_known_and_the_rest_is_open(store):
    found = checked(store)
    assert [each.claim for each in found] == list(claims())
    assert {each.verdict for each in found} == {"contradicted", "open"}
    assert all((each.verdict == "contradicted") == (each.claim.own == "against") for each in found)
    assert not any(each.ours for each in found)


@pytest.mark.parametrize(
    ("rise", "verdict", "says"), [(0.03, "reproduced", "for"), (-0.03, "not reproduced", "against")]
)
def test_a_study_with_seeds_reproduces_a_claim_or_does_not(store, rise, verdict, says):
    study = published_study(5, seeds=(0, 1, 2))
    study_id = finished(store, study, lambda value, seed: 0.85 + rise * value / 50_000 + 0.0005 * seed)
    found = of(store, "Figure 5")
    assert found.verdict == verdict
    (evidence,) = found.ours
    assert (evidence.study, evidence.says, evidence.run) == (study_id, says, None)


def test_one_seed_leaves_a_claim_open(store):
    finished(store, published_study(5), lambda value, seed: 0.80 + 0.1 * value / 50_000)
    found = of(store, "Figure 5")
    assert (found.verdict, found.ours[0].says) == ("open", "undecided")
    assert "undecided" in found.ours[0].text  # its agreement with the report


def test_the_evidence_is_the_finding_that_studies_shows(store):
    study = published_study(3)
    study_id = finished(store, study, lambda value, seed: 0.85 + 0.05 * value / 10_000)
    for number, run_id in enumerate(store.ids()):
        made_predictions(store, run_id, number)
    cells = statuses(study_id, study, store.summaries())
    (panel, _) = panels(study, outcome_table(study, cells), "data.train_size", store.many_predictions)
    (finding,) = panel.findings
    assert finding.judgement is not None and finding.judgement.paired
    assert finding.summary in of(store, "Figure 3, section").ours[0].text


def test_a_flat_study_decides_nothing(store):
    finished(store, published_study(7, seeds=(0, 1, 2)), lambda value, seed: 0.9 + 0.001 * seed)
    assert of(store, "Figure 7").verdict == "open"


def test_our_runs_never_make_a_measurement_of_figure_3(store):
    finished(store, published_study(3, seeds=(0, 1)), lambda value, seed: 0.80 + value / 100_000 + 0.0005 * seed)
    found = of(store, "Figure 3")
    assert found.verdict == "contradicted"
    assert found.ours[0].says == "for"
    assert "above ours" not in found.ours[0].text and "below" not in found.ours[0].text


def test_the_best_run_of_each_way_of_choosing_is_linked(store):
    low, high = (made_run(store, epochs=1, config=REPORT.replace({"train.seed": seed})) for seed in (0, 1))
    for run_id, accuracy in ((low, 0.80), (high, 0.92)):
        store.run(run_id).append_record(made_record(2, val_accuracy=accuracy))
    found = of(store, "section 5.3")
    (evidence,) = found.ours
    assert (evidence.run, evidence.says, found.verdict) == (high, "result", "open")
    assert "the best of 2 runs" in evidence.text


@pytest.mark.parametrize(("last", "says", "verdict"), [(0.6, "for", "reproduced"), (0.3, "against", "not reproduced")])
def test_over_fitting_is_looked_for_in_runs_of_the_whole_recipe(store, last, says, verdict):
    made_run(store, epochs=4, config=REPORT.replace({"train.seed": 9}))  # too short
    run_id = made_run(store, epochs=0, config=REPORT)
    for epoch in range(10, 201, 10):
        store.run(run_id).append_record(made_record(epoch, val_loss=0.4 if epoch < 85 else last))
    store.run(run_id).write_status(replace(store.run(run_id).status(), epoch=200))
    found = of(store, "Figure 6")
    assert [(evidence.run, evidence.says) for evidence in found.ours] == [(run_id, says)]
    assert found.verdict == verdict


def test_the_next_step_is_the_study_or_run_that_is_missing(store):
    steps = {each.claim.where: each.next_step for each in checked(store)}
    assert steps["Figure 7, section 5.3"] == 7 and steps["Figure 9, section 5.3"] == 9
    assert steps["Figure 6, section 5.3"] == REPORT
    assert steps["Figure 4, section 5.3"].data.classes == ("deer", "dog")
    assert steps["Figure 8"] is None
    StudyStore(store).create(published_study(7))
    made_run(store, epochs=1, config=REPORT)
    assert of(store, "Figure 7").next_step is None and of(store, "Figure 6").next_step is None


def test_the_text_has_every_claim_in_the_section_of_its_verdict(store):
    found = checked(store)
    text = as_markdown(found)
    assert counts_text(found).startswith(f"{len(found)} claims.")
    for verdict, group in by_verdict(found).items():
        section = text.split(f"## {VERDICTS[verdict]}")[1].split("\n## ")[0]
        assert all(f"**{each.claim.text}**" in section for each in group)
