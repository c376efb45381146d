"""The presets can run and have the published values, and every config has a command line that trains it."""

import shlex

import pytest
from hypothesis import given

from core.base.errors import ConfigError
from core.cli import main as cli
from core.config.draft import Draft
from core.config.presets import PRESETS, command_line, nearest, preset
from core.config.run_config import RunConfig
from core.config.sections import CLASSES, SetSizes
from core.runs.store import RunStore
from tests.strategies import sound_config

#: Signatures are a contract: studies and repeats find runs of earlier versions by them.
SIGNATURES = {
    "quick": "6777f23efca01868",
    "fast": "ece6f593784aeb73",
    "fast-10": "94d8de0a2fef93e0",
    "he2016": "1bfa48ee6f442473",
    "report": "1e815f6f12c4ffcf",
}


def test_signatures_are_those_of_earlier_versions() -> None:
    assert {name: recipe.config.signature() for name, recipe in PRESETS.items()} == SIGNATURES
    assert RunConfig().signature() == "cd8a2fe5b2863778"


def test_the_earlier_fast_presets_keep_their_signatures() -> None:
    for name, epochs, signature in (("fast", 24, "86938d199cbd8a18"), ("fast-10", 14, "2007689cc02a9aef")):
        earlier = preset(name).config.replace({"data.validation_size": 1_000, "train.epochs": epochs})
        assert earlier.signature() == signature


def test_the_earlier_report_preset_keeps_its_signature() -> None:
    """It moved images uniformly, and drew larger initial weights."""
    earlier = preset("report").config.replace({"augment.translate": "shift", "model.shortcut": "report"})
    assert earlier.signature() == "c6f33379f564b2ae"
    assert nearest(earlier) is preset("report")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_run_and_is_nearest_to_itself(name: str) -> None:
    recipe = preset(name)
    assert recipe.config.problems() == {}
    assert nearest(recipe.config) is recipe
    assert recipe.title and recipe.summary.endswith(".")
    assert command_line(recipe.config) == f"resnet-lab train --preset {name}"


def test_the_report_is_the_published_recipe() -> None:
    config = preset("report").config
    assert config.data.sizes() == SetSizes(50_000, 0, 10_000)
    assert config.data.split == "pooled" and config.data.validation == "test"
    assert config.data.classes == CLASSES and config.data.normalization == "pixel-mean"
    assert (config.model.depth, config.model.width, config.model.shortcut) == (20, 16, "keras")
    augment = config.augment
    assert (augment.flip, augment.translate, augment.translate_pixels) == ("random", "keras-shift", 3)
    train = config.train
    assert (train.optimizer, train.lr, train.adam_eps) == ("adam", 1e-3, 1e-7)
    assert (train.schedule, train.milestones, train.epochs) == ("report", (80, 120, 160, 180), 200)
    assert (train.weight_decay, train.decay_on) == (2e-4, "kernels")
    assert (train.batch_size, train.early_stopping, train.averaging) == (128, "off", "off")


def test_he2016_is_the_papers_recipe() -> None:
    config = preset("he2016").config
    assert config.data.sizes() == SetSizes(45_000, 5_000, 10_000)
    assert (config.model.depth, config.model.width, config.model.shortcut) == (20, 16, "A")
    assert config.data.normalization == "pixel-mean"
    assert (config.augment.flip, config.augment.translate, config.augment.translate_pixels) == ("random", "crop", 4)
    train = config.train
    assert (train.optimizer, train.lr, train.momentum, train.nesterov) == ("sgd", 0.1, 0.9, False)
    assert (train.weight_decay, train.decay_on, train.batch_size) == (1e-4, "all", 128)
    assert (train.schedule, train.gamma) == ("multi-step", 0.1)
    # The paper counts iterations: it divides by 10 at 32,000 and 48,000 and ends at 64,000.
    steps = config.steps_per_epoch()
    counted = [steps * epochs for epochs in (*train.milestones, train.epochs)]
    assert counted == pytest.approx([32_000, 48_000, 64_000], abs=steps)


def test_quick_is_small_and_fast_is_honest() -> None:
    assert preset("quick").config.data.sizes() == SetSizes(4_000, 500, 2_000)
    for name in ("fast", "fast-10"):
        config = preset(name).config
        assert config.data.sizes() == SetSizes(45_000, 5_000, 10_000)
        assert config.data.validation == "held-out"
        assert (config.model.depth, config.model.width, config.model.shortcut) == (20, 16, "A")


def test_an_unknown_preset_is_refused_with_the_known_names() -> None:
    with pytest.raises(ConfigError, match=r"“quik” is not a preset.*Did you mean “quick”\?"):
        preset("quik")


@given(sound_config)
def test_the_command_line_trains_the_same(config: RunConfig) -> None:
    words = shlex.split(command_line(config))
    assert words[:3] == ["resnet-lab", "train", "--preset"]
    settings = words[5::2]
    assert words[4::2] == ["--set"] * len(settings)
    again = preset(words[3]).config.set_from_text(settings).checked()
    assert again.differences(config) == {}
    assert again.signature() == config.signature()


def test_the_command_line_makes_the_same_runs_as_the_form(store: RunStore) -> None:
    draft = Draft(name="it's mine", tags=("a b", "-c"), note="What does $5 buy?\nLess.", copies=3)
    draft.take("train.seed", "5")
    command = command_line(draft.config, name=draft.name, tags=draft.tags, note=draft.note, seeds=draft.copies)
    program, *words = shlex.split(command)
    assert program == "resnet-lab"
    assert cli.main([*words, "--queue", "--runs", str(store.root)]) == 0
    made = [(store.run(run_id).config(), store.run(run_id).meta()) for run_id in store.queue.ids()]
    assert [(config, meta.name) for config, meta in made] == draft.runs()
    assert {(meta.tags, meta.note) for _, meta in made} == {(draft.tags, draft.note)}
