"""The fields of the study form: read, or with a problem next to the field."""

import pytest

from core.base.errors import ConfigError
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.cost.speed import Speed, how, remember, shape
from core.runs.folder import this_host
from core.study.form import SIZES, VARIABLE, copy_of, from_fields, grow, published, usual_values
from core.study.store import StudyStore
from core.study.study import Axis, values_from_text

QUICK = PRESETS["quick"].config


def test_fields_make_a_study():
    filled = from_fields(" rates ", QUICK, [("train.lr", "0.05, 0.1"), ("train.batch_size", "32\n64")], "0-2")
    assert filled.problems == {}
    assert (filled.study.name, filled.study.seeds) == ("rates", (0, 1, 2))
    assert filled.study.axes == (Axis("train.lr", (0.05, 0.1)), Axis("train.batch_size", (32, 64)))


def test_all_problems_are_found_at_once():
    filled = from_fields("", QUICK, [("train.lr", "fast"), ("train.batch_size", "0")], "x")
    assert filled.study is None
    assert filled.problems.keys() == {"name", "seeds", "train.lr", "train.batch_size"}


def test_an_unreadable_value_is_not_also_a_missing_one():
    assert from_fields("a", QUICK, [("train.lr", "fast")], "0").problems.keys() == {"train.lr"}
    assert from_fields("a", QUICK, [], "0").problems.keys() == {"vary"}


def test_a_problem_of_a_cell_stands_at_its_setting():
    filled = from_fields("a", QUICK, [("train.batch_size", "32, 8000")], "0")
    assert "With batch size 8,000, seed 0: " in filled.problems["train.batch_size"]


@pytest.mark.parametrize(
    ("size", "expected"),
    list(zip(SIZES, (lambda n: n == 20, lambda n: 20 < n < 60, lambda n: n == 200, lambda n: n == 200), strict=True)),
)
def test_a_published_study_is_as_large_as_asked(store, size, expected):
    """At 500 images a second the whole study is 4.4 hours of training and evaluation."""
    filled = published(3, size, "common", "0", store)
    if "hour" in size:
        assert filled.problems.keys() == {"size"}
        config = PRESETS["report"].config
        speed = Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), 500.0, 1_500.0, "probe")
        remember(store, speed)
        filled = published(3, size, "common", "0", store)
    (epochs,) = {cell.config.train.epochs for cell in filled.study.cells()}
    assert expected(epochs)


def test_a_published_study_with_bad_seeds_names_the_field(store):
    assert published(3, "All 200 epochs", "common", "one", store).problems.keys() == {"seeds"}


@pytest.mark.parametrize("path", VARIABLE)
def test_values_to_begin_with_are_ones_the_setting_takes(path):
    base = RunConfig()
    values = values_from_text(path, usual_values(path, base))
    assert values
    assert [SETTINGS[path].problem(value) for value in values] == [None] * len(values)
    if SETTINGS[path].kind == "choice":
        assert values == SETTINGS[path].choices
    else:
        assert base[path] in values


def test_a_study_grows_by_what_a_person_types(store):
    studies = StudyStore(store)
    study_id = studies.create(from_fields("a", QUICK, [("train.lr", "0.1")], "0").study)
    grow(studies, study_id, [("train.lr", "0.2, 0.05"), ("train.lr", "0.1")], "1-2")
    study = studies.get(study_id)
    assert (study.axes, study.seeds) == ((Axis("train.lr", (0.05, 0.1, 0.2)),), (0, 1, 2))
    grow(studies, study_id, [], "")
    assert studies.get(study_id) == study
    for vary, seeds, path in (
        ([("train.momentum", "0.5")], "", "train.momentum"),
        ([("no.such", "1")], "", "no.such"),
        ([("train.lr", "fast")], "", "train.lr"),
        ([], "x", "seeds"),
    ):
        with pytest.raises(ConfigError) as raised:
            grow(studies, study_id, vary, seeds)
        assert raised.value.problems.keys() == {path}
    assert studies.get(study_id) == study


def test_a_copy_is_the_persons_own():
    study = from_fields("a", QUICK, [("train.lr", "0.1")], "0").study
    copy = copy_of(study)
    assert (copy.name, copy.reference, copy.cells()[0].signature) == ("a (copy)", False, study.cells()[0].signature)
