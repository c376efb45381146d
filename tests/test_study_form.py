"""The study form's fields: read, or told beside the field they belong to."""

import pytest

from core.config import KNOBS, RunConfig
from core.estimate import Speed, how, remember, shape
from core.presets import PRESETS
from core.store import this_host
from core.study import Axis
from core.study_form import SIZES, VARIABLE, copy_of, from_fields, published, usual_values

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
    assert "with batch size 8000, seed 0: a batch of 8,000 is more than" in filled.problems["train.batch_size"]


@pytest.mark.parametrize("size", SIZES)
def test_a_published_study_is_as_large_as_asked(store, size):
    filled = published(3, size, "common", "0", store)
    if size.startswith("About"):
        assert filled.problems.keys() == {"size"}
        config = PRESETS["report"].config
        speed = Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), 500.0, 1_500.0, "probe")
        remember(store, speed)
        filled = published(3, size, "common", "0", store)
    epochs = {one.config.train.epochs for one in filled.study.cells()}
    assert len(epochs) == 1
    assert min(epochs) == (20 if "tenth" in size else 200 if "Whole" in size else min(epochs))
    assert 20 <= min(epochs) <= 200


def test_a_published_study_with_bad_seeds_is_told(store):
    assert published(3, "Whole, 200 epochs", "common", "one", store).problems.keys() == {"seeds"}


@pytest.mark.parametrize("path", VARIABLE)
def test_values_to_begin_with_are_allowed(path):
    text = usual_values(path, RunConfig())
    values = from_fields("a", RunConfig(), [(path, text)], "0")
    assert values.problems.get(path, "").startswith(("has no effect", "with ", "")) or values.study
    assert path in KNOBS


def test_a_copy_is_the_persons_own():
    study = from_fields("a", QUICK, [("train.lr", "0.1")], "0").study
    copy = copy_of(study)
    assert (copy.name, copy.reference, copy.cells()[0].signature) == ("a (copy)", False, study.cells()[0].signature)
