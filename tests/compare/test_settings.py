"""Settings as text, and which of them differ between runs."""

from core.compare.settings import (
    NO_EFFECT,
    classes_text,
    default_axes,
    differing_settings,
    differing_settings_of_runs,
    setting_name,
    setting_text,
)
from core.config.run_config import CLASSES
from tests.compare.conftest import BASE
from tests.made import made_run


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


def test_what_auto_was_resolved_to_is_shown_where_runs_were_computed_differently(store):
    runs = [made_run(store, 1, config=BASE.replace({"train.seed": seed})) for seed in (0, 1)]
    environment = {"device": "cpu", "precision": "fp32", "threads": 2}
    for run_id in runs:
        store.run(run_id).write_environment(environment)
    assert set(differing_settings_of_runs(store.summaries())) == {"train.seed"}
    store.run(runs[0]).write_environment(environment | {"precision": "bf16"})
    assert differing_settings_of_runs(store.summaries())["train.precision"] == ["auto (fp32)", "auto (bf16)"]
    made_run(store, 0, "queued", BASE)
    assert differing_settings_of_runs(store.summaries())["train.precision"][0] == "auto"


def test_a_unit_is_not_said_twice():
    assert (setting_name("train.batch_size"), setting_name("train.epochs")) == ("Batch size (images)", "Epochs")
