"""A study says what it varies in vain."""

from core.config.presets import PRESETS
from core.study.idle import idle_notes
from core.study.presets import published_study
from core.study.study import Axis, Study

HE = PRESETS["he2016"].config


def test_a_setting_whose_values_give_the_same_run_is_named():
    study = Study("a", HE.replace({"train.epochs": 60}), (Axis("train.milestones", ((70,), (80,))),))
    same, schedule = idle_notes(study)
    assert same.startswith("Milestones changes nothing") and "never falls" in schedule


def test_only_the_runs_that_it_is_about_are_named():
    study = Study("a", HE, (Axis("train.epochs", (60, 70, 182)), Axis("train.lr", (0.1, 0.2))), (0, 1))
    (note,) = idle_notes(study)
    assert note.startswith("With epochs 60, learning rate 0.1 (and 3 more):") and "epoch 91" in note


def test_drawing_images_anew_that_draws_the_same_is_named():
    whole = {"data.train_size": None, "data.test_size": None}
    some = PRESETS["quick"].config.replace({**whole, "data.train_size": 5_000})
    every = PRESETS["quick"].config.replace({**whole, "data.validation": "test"})
    rates = (Axis("train.lr", (0.1, 0.2)),)
    for base, seeds, words in ((some, (0, 1), ""), (some, (0,), "one seed"), (every, (0, 1), "on all of them")):
        assert words in "".join(idle_notes(Study("a", base, rates, seeds, redraw=True)))
        assert bool(words) == bool(idle_notes(Study("a", base, rates, seeds, redraw=True)))


def test_a_study_in_which_everything_counts_has_no_notes():
    assert idle_notes(published_study(7)) == []
    assert idle_notes(Study("a", PRESETS["quick"].config, (Axis("train.lr", (0.1, 0.2)),))) == []
