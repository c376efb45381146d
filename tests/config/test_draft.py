"""A draft keeps choices that are not allowed yet, and its set sizes follow the classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.base.strict_json import from_json, to_json
from core.config.draft import Draft, fitted, split_text, work_text
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import CLASSES, DataConfig, TrainConfig
from tests.strategies import sound_config

PAIR = ("deer", "dog")


def test_a_pair_keeps_the_sizes_of_the_report():
    config = fitted(PRESETS["report"].config, PAIR)
    assert config.data.train_size == 10_000
    assert config.data.sizes().test == 2_000


def test_the_validation_set_keeps_its_share_when_the_training_set_shrinks():
    assert fitted(PRESETS["he2016"].config, PAIR).data.validation_size == 1_000
    assert fitted(PRESETS["quick"].config, PAIR).data.validation_size == 500


def test_sizes_come_back_with_the_classes():
    draft = Draft()
    draft.choose_preset("report")
    for classes in (PAIR, ("cat",), (), CLASSES):
        draft.choose_classes(classes)
    assert draft.config == PRESETS["report"].config


def test_a_size_somebody_chose_stays_while_it_fits():
    draft = Draft()
    draft.take("data.train_size", "9000")
    draft.choose_classes(PAIR)
    assert draft.config.data.train_size == 9_000
    draft.take("data.train_size", "10000")
    draft.choose_classes(CLASSES)
    assert draft.config.data.train_size == 10_000


def test_text_that_cannot_be_parsed_is_kept_with_the_last_value():
    draft = Draft()
    draft.take("train.lr", "fast")
    assert (draft.shown("train.lr"), draft.config.train.lr) == ("fast", 0.1)
    assert "train.lr" in draft.problems()
    draft.take("train.lr", "0.2")
    assert (draft.shown("train.lr"), draft.config.train.lr) == ("0.2", 0.2)
    assert draft.problems() == {}


def test_a_field_that_was_emptied_stays_empty():
    draft = Draft()
    draft.take("train.epochs", "")
    assert (draft.shown("train.epochs"), draft.config.train.epochs) == ("", 5)
    assert "train.epochs" in draft.problems()


def test_other_classes_leave_text_typed_elsewhere():
    draft = Draft()
    draft.take("train.lr", "fast")
    draft.choose_classes(PAIR)
    assert draft.shown("train.lr") == "fast"
    draft.choose_preset("quick")
    assert draft.shown("train.lr") == "0.1"


def test_unreadable_text_of_a_setting_without_effect_is_no_problem():
    draft = Draft()
    draft.take("train.momentum", "much")
    draft.take("train.optimizer", "adam")
    assert draft.problems() == {}


def test_split_text_names_the_sizes_and_says_when_the_test_set_validates_or_is_redrawn():
    report = split_text(PRESETS["report"].config.replace({"data.split_seed": 7}))
    assert all(
        word in report for word in ("50,000", "10,000 test images", "optimistic", "60,000", "re-split", "seed 7")
    )
    he2016 = split_text(PRESETS["he2016"].config)
    assert all(word in he2016 for word in ("45,000", "5,000", "held out", "once")) and "re-split" not in he2016


@given(sound_config, st.lists(st.sampled_from(CLASSES), min_size=2, unique=True))
def test_a_sound_config_is_sound_for_other_classes(config, classes):
    in_order = tuple(sorted(classes, key=CLASSES.index))
    if not config.problems():
        assert not [path for path in fitted(config, in_order).problems() if path.startswith("data.")]


def test_a_copy_takes_everything_over_and_forgets_unreadable_text():
    draft = Draft()
    draft.take("train.lr", "fast")
    before = draft.editions["train.lr"]
    config = PRESETS["he2016"].config.replace({"train.lr": 0.05})
    draft.copy_run("the-run", config, "old", ("a",))
    assert (draft.config, draft.preset, draft.source) == (config, "he2016", "the-run")
    assert (draft.name, draft.tags, draft.problems()) == ("old", ("a",), {})
    assert draft.editions["train.lr"] > before, "its widget is created again"
    assert draft.changed() == {"train.lr"}


def test_a_widget_is_created_again_only_when_its_value_came_from_elsewhere():
    draft = Draft()
    draft.take("train.lr", "0.2")
    assert not draft.editions
    draft.choose_preset("report")
    assert draft.editions["train.optimizer"] == 1


def test_seeds_count_up_from_the_configs_own_and_are_in_the_names():
    draft = Draft(name="mine", copies=2)
    draft.take("train.seed", "5")
    assert [(config.train.seed, name) for config, name in draft.runs()] == [(5, "mine, seed 5"), (6, "mine, seed 6")]
    draft.copies = 1
    assert [name for _, name in draft.runs()] == ["mine"]
    draft.name, draft.copies = "", 3
    assert [name for _, name in draft.runs()] == ["", "", ""]


def test_work_text_names_the_units_and_chance_level():
    data = DataConfig(classes=PAIR, train_size=1_000, validation_size=100)
    config = RunConfig(data=data, train=TrainConfig(epochs=1, batch_size=900))
    assert work_text(config) == "1 epoch of 1 step · 2 classes, chance level 50 %"
    assert "10 classes, chance level 10 %" in work_text(PRESETS["he2016"].config)


def test_a_draft_comes_back_from_json_with_what_is_not_allowed():
    draft = Draft()
    draft.choose_preset("fast")
    draft.choose_classes(["deer", "dog"])
    for path, value in (
        ("train.epochs", "7"),
        ("train.lr", "0.25"),
        ("model.depth", "21"),
        ("train.batch_size", "many"),
    ):
        draft.take(path, value)
    draft.name, draft.tags, draft.note, draft.copies = "é :smile:", ("a", "b"), "two\nlines", 3
    back = Draft.from_dict(from_json(to_json(draft.to_dict())))
    assert back.config == draft.config
    assert back.problems() == draft.problems() != {}
    assert [back.shown(path) for path in SETTINGS] == [draft.shown(path) for path in SETTINGS]
    assert (back.preset, back.name, back.tags, back.note, back.copies) == (
        "fast",
        "é :smile:",
        ("a", "b"),
        "two\nlines",
        3,
    )
    assert back.to_dict() == draft.to_dict()


@pytest.mark.parametrize(
    "change", [{"preset": "none"}, {"set": {"train.none": 1}}, {"set": 3}, {"copies": "x"}, {"tags": 1}]
)
def test_other_content_is_no_draft(change):
    with pytest.raises((ConfigError, KeyError, TypeError, ValueError)):
        Draft.from_dict(Draft().to_dict() | change)
