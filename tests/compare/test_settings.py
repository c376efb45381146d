"""Settings as text, and which of them differ between runs."""

from core.compare.settings import NO_EFFECT, classes_text, default_axes, differing_settings, setting_text
from core.config.run_config import CLASSES
from tests.compare.conftest import BASE


def test_a_setting_without_effect_is_a_dash():
    assert setting_text(BASE, "train.momentum") == "0.9"
    assert setting_text(BASE.replace({"train.optimizer": "adam"}), "train.momentum") == NO_EFFECT
    assert setting_text(BASE.replace({"data.train_size": None}), "data.train_size") == "all"
    assert setting_text(BASE, "data.classes") == classes_text(CLASSES) == "all ten"


def test_only_settings_that_differ_and_have_an_effect_are_listed():
    # Nesterov has no effect with Adam, and Adam's epsilon none with SGD.
    sgd = BASE.replace({"train.adam_eps": 1e-3})
    adam = BASE.replace({"train.optimizer": "adam", "train.lr": 0.01})
    differing = differing_settings([sgd, adam])
    assert {"train.optimizer", "train.lr", "train.momentum", "train.adam_eps"} <= differing.keys()
    assert differing["train.optimizer"] == ["sgd", "adam"]
    assert differing["train.momentum"] == ["0.9", NO_EFFECT]
    assert not differing.keys() & {"train.epochs", "train.milestones"}


def test_runs_with_the_same_settings_differ_in_nothing():
    assert differing_settings([BASE, BASE]) == differing_settings([BASE]) == differing_settings([]) == {}


def test_numbers_make_the_best_axes_and_the_seed_comes_last():
    paths = ["data.split", "train.lr", "train.seed", "train.batch_size"]
    assert default_axes(paths, most=2) == ["train.lr", "train.batch_size"]
    assert default_axes(paths, most=3) == ["data.split", "train.lr", "train.batch_size"]
