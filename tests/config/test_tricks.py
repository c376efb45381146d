"""Each card belongs to a setting, is a change that can run, and shows only gains that were measured."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import tricks
from core.config.presets import preset
from core.config.run_config import SETTINGS
from core.config.tricks import TRICKS, Trick, card, gains, help_text


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The path of the measured gains, where no file is yet."""
    path = tmp_path / "tricks.json"
    monkeypatch.setattr(tricks, "MEASURED", path)
    gains.cache_clear()
    yield path
    gains.cache_clear()


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
def test_the_other_settings_can_run_and_are_all_that_differs_from_fast(trick: Trick) -> None:
    fast = preset("fast").config
    other = fast.replace(trick.other)
    assert other.problems() == {}
    assert set(fast.differences(other)) == set(trick.other)
    assert trick.setting in SETTINGS


def test_a_card_says_when_nothing_was_measured(measured: Path) -> None:
    assert all("not measured yet" in card(trick) for trick in TRICKS)


def test_a_card_shows_what_was_measured(measured: Path) -> None:
    flip = next(trick for trick in TRICKS if trick.name == "Alternating flip")
    measured.write_text(
        json.dumps({"recipe": tricks.recipe(), "gains": {flip.name: {"points": [0.5, -0.1], "time": [1.0, 0.9]}}})
    )
    text = card(flip)
    assert "+0.20 percentage points of held-out accuracy (+0.50, -0.10)" in text
    assert "steps take 0.95 (0.90–1.00) of the time" in text
    assert "compared with Horizontal flip random" in text and "*Cost:*" in text and "*Avoid when*" in text


def test_a_gain_of_one_seed_says_so() -> None:
    assert str(tricks.Gain((0.3,), (1.0,))).startswith("+0.30 percentage points of held-out accuracy (one seed); ")


def test_gains_of_another_recipe_are_not_shown(measured: Path) -> None:
    flip = next(trick for trick in TRICKS if trick.name == "Alternating flip")
    measured.write_text(json.dumps({"recipe": "another", "gains": {flip.name: {"points": [0.5], "time": [1.0]}}}))
    assert "not measured yet" in card(flip)


def test_gains_hold_whatever_the_epochs_of_fast_and_for_no_other_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, before = preset("fast"), tricks.recipe()
    for changes, same in (({"train.epochs": 28}, True), ({"train.muon_lr": 0.1}, False)):
        other = dataclasses.replace(fast, config=fast.config.replace(changes))
        monkeypatch.setattr(tricks, "preset", lambda name, other=other: other)
        assert (tricks.recipe() == before) is same


def test_the_help_of_a_setting_shows_its_cards(measured: Path) -> None:
    assert help_text("augment.flip").startswith(SETTINGS["augment.flip"].help + "\n\n**Alternating flip**. ")
    assert help_text("train.epochs") == SETTINGS["train.epochs"].help
