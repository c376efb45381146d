"""Settings that change nothing are found by one rule: a run does the same without them."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.cost.effect import idle_settings, same_course
from core.data.split import make_split
from core.training.schedule import learning_rate
from tests.strategies import any_config


@pytest.mark.parametrize("name", PRESETS)
def test_every_setting_of_a_preset_has_an_effect(name: str) -> None:
    assert idle_settings(PRESETS[name].config) == {}


@pytest.mark.parametrize(
    ("preset", "changes", "path", "words"),
    [
        ("he2016", {"train.epochs": 60}, "train.schedule", "never falls in a run of 60 epochs: .* epoch 91"),
        ("report", {"train.epochs": 60}, "train.schedule", "first milestone is epoch 80"),
        ("report", {"train.epochs": 81}, "train.schedule", "first milestone is epoch 80"),
        ("he2016", {"train.epochs": 100}, "train.milestones", "Milestone 136 comes too late"),
        ("report", {"train.epochs": 130}, "train.milestones", "Milestones 160, 180 come too late"),
        ("he2016", {"train.gamma": 1.0}, "train.schedule", "never falls"),
        ("quick", {"train.schedule": "plateau"}, "train.schedule", "too short for a plateau of 5 epochs"),
        ("fast", {"train.schedule": "plateau", "train.min_lr": 0.2}, "train.schedule", "never falls"),
        ("quick", {"train.early_stopping": "loss"}, "train.early_stopping", "patience of 10 epochs"),
        ("quick", {"train.early_stopping": "accuracy", "train.patience": 4}, "train.early_stopping", "cannot run out"),
        ("quick", {"train.averaging": "equal", "train.averaging_start": 5}, "train.averaging", "only the last epoch"),
        ("fast", {"augment.grow_until": 0.0}, "augment.grow_from", "full size from the first"),
        ("fast", {"train.decay_on": "kernels"}, "train.weight_decay", "the same with 0"),
        ("quick", {"augment.mix": "mixup", "train.batch_size": 1}, "augment.mix", "batch of one image"),
    ],
)
def test_a_part_of_the_recipe_that_cannot_take_effect_is_named(
    preset: str, changes: dict[str, Any], path: str, words: str
) -> None:
    idle = idle_settings(PRESETS[preset].config.replace(changes).checked())
    assert idle.keys() == {path}, "the reason is said once"
    assert re.search(words, idle[path])


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("he2016", {"train.epochs": 137}),
        ("report", {"train.epochs": 182}),
        ("quick", {"train.schedule": "plateau", "train.plateau_patience": 3}),
        ("quick", {"train.early_stopping": "accuracy", "train.patience": 3}),
        ("quick", {"train.averaging": "equal", "train.averaging_start": 4}),
        ("quick", {"train.averaging": "ema", "train.averaging_start": 5}),
        ("quick", {"augment.mix": "mixup", "train.batch_size": 2}),
    ],
)
def test_what_just_takes_effect_is_not_named(preset: str, changes: dict[str, Any]) -> None:
    assert idle_settings(PRESETS[preset].config.replace(changes).checked()) == {}


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("report", {"train.momentum": 0.5}),
        ("quick", {"train.muon_lr": 0.3}),
        ("quick", {"train.gamma": 0.5}),
        ("quick", {"train.averaging_decay": 0.9}),
        ("quick", {"augment.translate_pixels": 2}),
        ("quick", {"augment.grow_until": 0.5}),
        ("quick", {"train.patience": 2}),
    ],
)
def test_a_changed_setting_that_needs_another_one_is_named(preset: str, changes: dict[str, Any]) -> None:
    base = PRESETS[preset].config
    config = base.replace(changes).checked()
    assert idle_settings(config, changes, base).keys() == changes.keys()
    assert idle_settings(config) == {}, "nobody asked for it"


def test_a_seed_that_splits_nothing_changes_nothing() -> None:
    base = RunConfig().replace({"data.validation": "test"})
    config = base.replace({"data.split_seed": 7})
    assert idle_settings(config, ["data.split_seed"], base).keys() == {"data.split_seed"}
    labels = np.arange(60_000) % 10
    assert all(
        (ours == theirs).all()
        for ours, theirs in zip(*(vars(make_split(some, labels)).values() for some in (config, base)), strict=True)
    )
    held_out = config.replace({"data.validation": "held-out"})
    assert idle_settings(held_out, ["data.split_seed"], base) == {}


@settings(max_examples=50)
@given(any_config)
def test_a_schedule_is_idle_exactly_if_the_trainer_asks_for_one_rate(config: RunConfig) -> None:
    config = config.replace({"train.epochs": min(config.train.epochs, 40), "train.batch_size": 8_192})
    if config.problems() or config.train.schedule == "constant":
        return
    idle, steps, train = idle_settings(config), config.steps_per_epoch(), config.train
    warm = train.warmup_epochs * steps if config.in_effect("train.warmup_epochs") else 0.0
    rates = {
        learning_rate(train, step, steps, [1.0] * (step // steps))
        for step in range(train.epochs * steps)
        if step >= warm
    }
    assert ("train.schedule" in idle) == (rates <= {train.lr})


def test_how_a_run_is_computed_is_no_difference() -> None:
    config = PRESETS["quick"].config
    assert same_course([config, config.replace({"train.threads": 1, "train.precision": "fp32"})])
    assert not same_course([config, config.replace({"train.seed": 1})])
