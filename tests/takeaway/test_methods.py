"""Methods, limits and checklist say what the configurations and environments say."""

from dataclasses import replace

import pytest

from core.config.run_config import SETTINGS
from core.takeaway.methods import checklist, limits, paragraphs
from core.takeaway.subject import Subject, of_runs, of_study
from tests.made import made_run
from tests.takeaway.made import BASE, made_study, made_tested_run


def test_the_methods_name_the_values_that_were_used(store):
    data, network, training, evaluation, computed = paragraphs(of_study(store, made_study(store, 2)))
    assert "4,500 images for training and 2,000 for testing" in data and "cat and dog" in data
    assert "269,202" in network  # ResNet-20 with two outputs and shortcuts A
    assert "learning rate of 0.1 or 0.2" in training and "Seeds 0, 1 decide" in training
    assert "slightly optimistic" in evaluation
    assert "4 runs" in computed and "fp32" in computed


@pytest.mark.parametrize("path", [path for path, setting in SETTINGS.items() if setting.kind == "choice"])
def test_every_choice_of_a_setting_can_be_described(store, path):
    for choice in SETTINGS[path].choices:
        config = BASE.replace({path: choice})
        run = replace(store.summary(made_run(store, 1)), config=config)
        subject = Subject(store, "", "", (), (), (run,), {}, 1, "1 finished")
        assert len(paragraphs(subject)) == 5 and all(paragraphs(subject))


def test_runs_that_differ_in_many_settings_are_described_one_by_one(store):
    other = {"train.lr": 0.3, "train.optimizer": "adam", "train.batch_size": 32, "model.depth": 8}
    ids = [made_tested_run(store, 0.8, name="one"), made_tested_run(store, 0.9, settings=other, name="two")]
    first, second, *_ = paragraphs(of_runs(store, ids))
    assert first.startswith("one. ") and "ResNet-20" in first and "SGD" in first and "ResNet-8" not in first
    assert second.startswith("two. ") and "ResNet-8" in second and "Adam" in second


def test_limits_say_what_is_missing(store):
    found = " ".join(limits(of_study(store, made_study(store, 2, failed=1, missing=1))))
    assert "1 failed" in found and "one seed" in found and "slightly optimistic" in found
    ids = [made_tested_run(store, 0.8, settings={"train.seed": seed}) for seed in (0, 1)]
    found = " ".join(limits(of_runs(store, ids)))
    assert "one seed" not in found and "optimistic" not in found


def test_the_checklist_answers_from_the_runs(store):
    def answers(subject):
        return {check.question: check.answer for check in checklist(subject)}

    bad = answers(of_study(store, made_study(store, 1, failed=1)))
    ids = [made_tested_run(store, 0.8, settings={"train.seed": seed}, environment={"commit": "abc"}) for seed in (0, 1)]
    good = answers(of_runs(store, ids))
    for words in ("choose nothing", "several seeds", "every run", "version of the code"):
        (question,) = [question for question in good if words in question]
        assert (bad[question], good[question]) == ("no", "yes"), question
    (weights,) = [question for question in good if "weights" in question]
    assert good[weights] == "no"  # made-up runs have none
