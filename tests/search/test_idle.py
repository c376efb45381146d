"""What a search does in vain is said, and the largest run that it may make is the one that has to fit."""

import pytest

from core.config.presets import PRESETS
from core.cost.network import memory_bytes
from core.search.idle import idle_notes, largest
from tests.made import tiny_config
from tests.search_made import made_search


def test_a_search_in_which_everything_counts_has_no_notes():
    assert idle_notes(made_search(base=PRESETS["fast"].config, trials=30, pruner="median")) == []
    assert idle_notes(made_search(base=PRESETS["fast"].config, trials=None, minutes=5.0, pruner="asha")) == []


def test_the_largest_run_has_the_highest_values_that_cost_memory():
    search = made_search("model.width=8,64", "model.depth=8 to 32", "train.batch_size=32 to 512", "train.lr=0.1 to 1")
    config = largest(search)
    assert (config.model.width, config.model.depth, config.train.batch_size) == (64, 32, 512)
    assert config.train.lr == search.base.train.lr
    assert memory_bytes(config) > memory_bytes(search.base)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"sampler": "tpe", "trials": 10}, "at random"),
        ({"sampler": "gp", "trials": 3}, "at random"),
        ({"sampler": "random", "trials": 3}, ""),
        ({"sampler": "tpe", "trials": 11}, ""),
        ({"pruner": "median", "trials": 4, "sampler": "random"}, "more than 4 trials"),
        ({"pruner": "asha", "trials": 2, "sampler": "random"}, ""),
        ({"pruner": "asha", "trials": 1, "sampler": "random"}, "more than 1 trial"),
    ],
)
def test_too_few_trials_for_a_method(parts, words):
    assert words in "".join(idle_notes(made_search("train.lr=0.1 to 1", **parts)))
    assert bool(words) == bool(idle_notes(made_search("train.lr=0.1 to 1", **parts)))


@pytest.mark.parametrize(("pruner", "longest"), [("median", 1), ("asha", 1), ("extrapolation", 5)])
def test_too_few_epochs_for_a_pruner(pruner, longest):
    def notes(epochs, *more):
        base = tiny_config(f"train.epochs={epochs}", "train.warmup_epochs=0")
        return idle_notes(made_search("train.lr=0.1 to 1", *more, base=base, pruner=pruner, trials=30))

    assert len(notes(longest)) == 1 and "too short" in notes(longest)[0]
    assert notes(longest + 1) == []
    assert notes(longest, f"train.epochs=1 to {longest + 1}") == []


def test_a_grid_with_fewer_combinations_than_trials():
    grid = {"sampler": "grid", "trials": 9}
    (note,) = idle_notes(made_search("train.lr=0.1, 0.2", "model.depth=8, 14", **grid))
    assert "4 combinations" in note
    assert idle_notes(made_search("train.lr=0.1, 0.2, 0.3", "model.depth=8, 14, 20", **grid)) == []


def test_a_setting_of_the_base_that_no_trial_makes_count():
    base = tiny_config("train.epochs=9", "train.early_stopping=loss", "train.patience=50")
    (note,) = idle_notes(made_search("train.lr=0.1 to 1", base=base))
    assert "never stops early" in note
    assert idle_notes(made_search("train.patience=2 to 50", base=base)) == []
