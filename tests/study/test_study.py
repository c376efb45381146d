"""What a study asks: its cells, what is allowed, growing, scaling, and its file."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.data.split import make_split
from core.study.study import (
    MOST_CELLS,
    Axis,
    Study,
    axis,
    axis_from_text,
    scaled_epochs,
    seeds_from_text,
    values_from_text,
)

QUICK = PRESETS["quick"].config
BATCHES = Axis("train.batch_size", (32, 64))


def study(*axes: Axis, **changes) -> Study:
    """A study over two batch sizes, but for what is given."""
    return Study(**{"name": "a study", "base": QUICK, "axes": axes or (BATCHES,), **changes})


# --- cells ----------------------------------------------------------------------------------------


def test_every_combination_is_a_cell_and_all_values_come_before_the_next_seed():
    cells = study(BATCHES, Axis("train.lr", (0.1, 0.2)), seeds=(3, 4)).cells()
    order = [(cell.seed, cell.settings["train.batch_size"], cell.settings["train.lr"]) for cell in cells]
    assert order == [(s, b, r) for s in (3, 4) for b in (32, 64) for r in (0.1, 0.2)]
    for cell in cells:
        assert cell.config.train.seed == cell.seed
        assert cell.config.train.batch_size == cell.settings["train.batch_size"]
        assert cell.signature == cell.config.signature()
        assert cell.config.differences(QUICK).keys() <= {"train.batch_size", "train.lr", "train.seed"}


def test_combinations_that_train_the_same_are_one_cell():
    # How far pictures move is of no effect where they are not moved.
    axes = Axis("augment.translate", ("none", "crop")), Axis("augment.translate_pixels", (2, 4))
    assert len(study(*axes).cells()) == 3


def test_a_cell_has_a_label():
    assert study().cells()[0].label == "batch size 32, seed 0"


# --- what is allowed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "where", "words"),
    [
        ({"name": "  "}, "name", "Give the study a name"),
        ({"name": "x" * 81}, "name", "at most 80"),
        ({"axes": ()}, "vary", "at least one"),
        ({"seeds": ()}, "seeds", "at least one"),
        ({"seeds": (1, 1)}, "seeds", "twice"),
        ({"seeds": (-1,)}, "seeds", "out of range"),
        ({"axes": (Axis("train.lr", ()),)}, "train.lr", "at least one"),
        ({"axes": (Axis("train.lr", (0.1, 0.1)),)}, "train.lr", "twice"),
        ({"axes": (Axis("train.lr", (0.1, 99.0)),)}, "train.lr", "out of range"),
        ({"axes": (BATCHES, BATCHES)}, "vary", "twice"),
        ({"axes": (Axis("train.adam_eps", (1e-8, 1e-7)),)}, "train.adam_eps", "no effect"),
        ({"axes": (Axis("train.precision", ("fp32", "bf16")),)}, "train.precision", "not what it learns"),
        ({"axes": (Axis("data.train_size", (4_000, 50_001)),)}, "data.train_size", "at most 50,000"),
        ({"seeds": tuple(range(MOST_CELLS))}, "vary", "at most 300"),
    ],
)
def test_what_is_not_allowed_is_a_problem_of_its_field(changed, where, words):
    assert words in study(**changed).problems()[where]
    with pytest.raises(ConfigError, match=words):
        study(**changed).checked()


def test_a_problem_between_settings_names_the_cell():
    problems = study(Axis("train.batch_size", (32, 5_000))).problems()
    assert problems["train.batch_size"].startswith("With batch size 5,000, seed 0: 5,000 is more than")


def test_a_setting_without_effect_counts_where_what_decides_is_varied_too():
    axes = Axis("train.optimizer", ("sgd", "adam")), Axis("train.adam_eps", (1e-8, 1e-7))
    assert study(*axes).problems() == {}
    assert len(study(*axes).cells()) == 3


# --- growing and scaling --------------------------------------------------------------------------


def test_values_and_seeds_are_added_and_the_old_cells_stay():
    small = study(seeds=(0,))
    large = small.extended({"train.batch_size": [16, 64, 128]}, [0, 1])
    assert large.axes == (Axis("train.batch_size", (16, 32, 64, 128)),)
    assert large.seeds == (0, 1)
    assert {cell.signature for cell in small.cells()} < {cell.signature for cell in large.cells()}


def test_a_setting_that_is_not_varied_cannot_be_added():
    with pytest.raises(ConfigError, match=r"train\.lr: is not varied"):
        study().extended({"train.lr": [0.1]})


def test_scaling_shrinks_epochs_and_milestones_of_all_cells_and_nothing_else():
    base = PRESETS["report"].config
    whole = Study("epochs", base, (Axis("train.epochs", (100, 200, 500)),), figure=9)
    small = whole.scaled(0.1)
    assert [cell.config.train.epochs for cell in small.cells()] == [10, 20, 50]
    assert {cell.config.train.milestones for cell in small.cells()} == {(8, 12, 16, 18)}
    assert small.scale == 0.1
    changed = {path for cell in small.cells() for path in cell.config.differences(base)}
    assert changed == {"train.epochs", "train.milestones"}


@pytest.mark.parametrize("scale", [0.09, 1.01, float("nan")])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(ConfigError, match=r"0\.1 to 1"):
        study().scaled(scale)


@given(st.integers(1, 10_000), st.floats(0.1, 1))
def test_scaled_epochs_are_at_least_one_and_never_more(epochs, scale):
    assert 1 <= scaled_epochs(epochs, scale) <= epochs


# --- as a file and as text ------------------------------------------------------------------------


def test_a_study_survives_its_file():
    axes = BATCHES, Axis("train.milestones", ((8, 12), (10,))), Axis("augment.flip", ("none", "random"))
    base = QUICK.replace({"train.schedule": "multi-step"})
    one = Study("näme", base, axes, (0, 5), "why", 7, 0.5, created_at=12.0)
    assert Study.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_name_vary_and_base_are_enough_in_a_file():
    one = Study.from_dict({"name": "mine", "vary": {"train.lr": [1, 0.5]}})
    assert one.axes == (Axis("train.lr", (1.0, 0.5)),)
    assert (one.base, one.seeds) == (RunConfig(), (0,))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "study: This is not a study"),
        ({"name": "x"}, "vary: is missing"),
        ({"name": "x", "vary": {"train.lr": 0.1}}, "train.lr: takes a list"),
        ({"name": "x", "vary": {"train.learning": [1]}}, "train.learning: is not a known setting"),
        ({"name": "x", "vary": {"train.seed": [1]}}, "train.seed: is not varied like a setting"),
        ({"name": "x", "vary": {"train.lr": [0.1]}, "sedes": [1]}, "Did you mean “seeds”"),
        ({"name": 5, "vary": {"train.lr": [0.1]}}, "name: takes text"),
        ({"name": "x", "vary": {"train.lr": [0.1]}, "schema": 2}, "newer ResNet Lab"),
        ({"name": "x", "vary": {"train.lr": [0.1]}, "figure": 4}, "not a study of the report"),
        ({"name": "x", "vary": {"train.lr": [0.1]}, "seeds": "0"}, "seeds: takes a list"),
        ({"name": "x", "vary": {"train.lr": [None]}}, "train.lr: is missing"),
        ({"name": "x", "vary": {"train.lr": [[0.1]]}}, "is not a number"),
        ({"name": "x", "vary": {"train.lr": [0.1]}, "base": {"schema": 1, "train": {"lr": "fast"}}}, "train.lr"),
    ],
)
def test_a_bad_file_is_refused_with_a_sentence(content, words):
    with pytest.raises(ConfigError) as raised:
        Study.from_dict(content)
    assert words in str(raised.value)


def test_axes_are_read_as_people_type_them():
    assert axis_from_text("train.batch_size = 32, 64,1e3") == Axis("train.batch_size", (32, 64, 1000))
    assert axis_from_text("train.milestones=8,12;10") == Axis("train.milestones", ((8, 12), (10,)))
    assert axis_from_text("data.train_size=all,6000") == Axis("data.train_size", (None, 6000))
    assert values_from_text("augment.flip", "none\nrandom") == ("none", "random")
    assert axis("data.classes", [["dog", "deer"]]).values == (("deer", "dog"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.lr", "needs values"),
        ("train.lr=0.1,fast", "“fast” is not a number"),
        ("lr=1", "Did you mean “train.lr”"),
    ],
)
def test_a_bad_axis_is_refused_with_a_sentence(text, words):
    with pytest.raises(ConfigError) as raised:
        axis_from_text(text)
    assert words in str(raised.value)


def test_seeds_are_read_as_people_type_them():
    assert seeds_from_text("0, 2,5-7, 2") == (0, 2, 5, 6, 7)
    for same in ("0-2", "0–2", "0 — 2", "0 1 2", "0;1;2", "0, 1 ,2", "0..2", "0…2", "0 to 2"):
        assert seeds_from_text(same) == (0, 1, 2)
    assert seeds_from_text("3’000") == (3_000,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *[(text, "is not a seed") for text in ("a", "1-x", "-1", "1.5", "0--2", "1,000")],
        *[("0-2000", "2,001 seeds"), ("0–300", "at most 300"), ("5-3", "Write 3-5")],
    ],
)
def test_other_seeds_are_refused_with_the_reason(text, words):
    with pytest.raises(ConfigError, match=words):
        seeds_from_text(text)


def test_values_with_thousands_are_separated_by_semicolons():
    assert axis_from_text("data.train_size=5,000; 10,000").values == (5_000, 10_000)
    assert axis_from_text("train.lr=0,05; 0,1").values == (0.05, 0.1)
    with pytest.raises(ConfigError, match="semicolons"):
        axis_from_text("data.train_size=5,000, 10,000")


def test_what_is_wrong_with_a_cell_is_told_beside_a_missing_name():
    problems = replace(study(Axis("model.depth", (8, 21))), name="").problems()
    assert problems.keys() == {"name", "model.depth"}


def test_the_base_is_named_without_the_varied_settings():
    base = PRESETS["report"].config.replace({"data.classes": ("deer", "dog"), "data.train_size": 10_000})
    sizes = Study("sizes", base, (Axis("data.train_size", (6_000, 10_000)),))
    assert sizes.recipe == "report · classes deer, dog"
    assert Study("rates", PRESETS["fast"].config, (Axis("train.lr", (0.1, 0.2)),)).recipe == "fast"


# --- training images drawn anew -------------------------------------------------------------------

SIZES = Axis("data.train_size", (1_000, 2_000))
WHOLE = QUICK.replace({"data.split": "official", "data.test_size": None})


def test_each_seed_can_draw_its_training_images_anew_while_the_test_images_stay():
    drawn = study(SIZES, base=WHOLE, seeds=(0, 1), redraw=True)
    assert drawn.problems() == {}
    cells = drawn.cells()
    assert {(cell.seed, cell.config.data.split_seed) for cell in cells} == {(0, 0), (1, 1)}
    labels = np.arange(60_000) % 10
    first, *_, last = (make_split(cell.config, labels) for cell in cells if cell.settings["data.train_size"] == 1_000)
    assert not np.array_equal(first.train, last.train)
    assert np.array_equal(first.test, last.test)
    assert {cell.config.data.split_seed for cell in study(SIZES, base=WHOLE, seeds=(0, 1)).cells()} == {0}


@pytest.mark.parametrize("base", [WHOLE.replace({"data.test_size": 1_000}), WHOLE.replace({"data.split": "pooled"})])
def test_images_are_not_drawn_anew_where_the_test_images_would_change(base):
    assert "test" in study(SIZES, base=base, redraw=True).problems()["redraw"]
    assert "redraw" not in study(SIZES, base=base).problems()


def test_a_split_seed_that_is_varied_does_not_follow_the_seed():
    assert "varied already" in study(Axis("data.split_seed", (0, 1)), base=WHOLE, redraw=True).problems()["redraw"]


def test_drawing_anew_is_in_the_file_and_absent_otherwise():
    drawn = study(SIZES, base=WHOLE, redraw=True)
    assert Study.from_dict(json.loads(json.dumps(drawn.to_dict()))) == drawn
    assert "redraw" not in replace(drawn, redraw=False).to_dict()
    with pytest.raises(ConfigError) as raised:
        Study.from_dict({**drawn.to_dict(), "redraw": "yes"})
    assert raised.value.problems.keys() == {"redraw"}
