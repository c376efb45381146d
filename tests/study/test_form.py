"""The study form's fields: read, or told beside the field they belong to."""

import pytest

from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.cost.speed import Speed, how, remember, shape
from core.runs.folder import this_host
from core.study.form import SIZES, VARIABLE, copy_of, from_fields, published, usual_values
from core.study.study import Axis, values_from_text

QUICK = PRESETS["quick"].config


def test_fields_make_a_study():
    filled = from_fields(" rates ", QUICK, [("train.lr", "0.05, 0.1"), ("train.batch_size", "32\n64")], "0-2")
    assert filled.problems == {}
    assert (filled.study.name, filled.study.seeds) == ("rates", (0, 1, 2))
    assert filled.study.axes == (Axis("train.lr", (0.05, 0.1)), Axis("train.batch_size", (32, 64)))


def test_every_problem_is_told_at_once():
    filled = from_fields("", QUICK, [("train.lr", "fast"), ("train.batch_size", "0")], "x")
    assert filled.study is None
    assert filled.problems.keys() == {"name", "seeds", "train.lr", "train.batch_size"}


def test_an_unreadable_value_is_not_also_told_as_missing():
    assert from_fields("a", QUICK, [("train.lr", "fast")], "0").problems.keys() == {"train.lr"}
    assert from_fields("a", QUICK, [], "0").problems.keys() == {"vary"}


def test_a_problem_of_a_cell_stands_at_its_knob():
    filled = from_fields("a", QUICK, [("train.batch_size", "32, 8000")], "0")
    assert "with batch size 8000, seed 0: 8,000 is more than" in filled.problems["train.batch_size"]


@pytest.mark.parametrize(
    ("size", "expected"),
    list(zip(SIZES, (lambda n: n == 20, lambda n: 20 < n < 60, lambda n: n == 200, lambda n: n == 200), strict=True)),
)
def test_a_published_study_is_as_large_as_asked(store, size, expected):
    """At 500 images a second the whole study is 4.4 hours of training and evaluation."""
    filled = published(3, size, "common", "0", store)
    if size.startswith("About"):
        assert filled.problems.keys() == {"size"}
        config = PRESETS["report"].config
        speed = Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), 500.0, 1_500.0, "probe")
        remember(store, speed)
        filled = published(3, size, "common", "0", store)
    (epochs,) = {one.config.train.epochs for one in filled.study.cells()}
    assert expected(epochs)


def test_a_published_study_with_bad_seeds_is_told(store):
    assert published(3, "Whole, 200 epochs", "common", "one", store).problems.keys() == {"seeds"}


@pytest.mark.parametrize("path", VARIABLE)
def test_values_to_begin_with_are_ones_the_knob_takes(path):
    base = RunConfig()
    values = values_from_text(path, usual_values(path, base))
    assert values
    assert [SETTINGS[path].problem(one) for one in values] == [None] * len(values)
    if SETTINGS[path].kind == "choice":
        assert values == SETTINGS[path].choices
    else:
        assert base[path] in values


def test_a_copy_is_the_persons_own():
    study = from_fields("a", QUICK, [("train.lr", "0.1")], "0").study
    copy = copy_of(study)
    assert (copy.name, copy.reference, copy.cells()[0].signature) == ("a (copy)", False, study.cells()[0].signature)
