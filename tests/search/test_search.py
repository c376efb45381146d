"""A search as a file and as a question: what is allowed, and that it survives writing and reading."""

from types import SimpleNamespace

import pytest

from core.base.errors import ConfigError
from core.search import form
from core.search.methods import PRUNERS, SAMPLERS, missing_package
from core.search.search import Search
from tests.made import tiny_config
from tests.search_made import made_search


def test_a_search_is_the_same_after_writing_and_reading():
    search = made_search(trials=7, minutes=3.5, seeds=5, pruner="wilcoxon", parallel=2, seed=9, note="two\nlines")
    assert Search.from_dict(search.to_dict()) == search


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_is_allowed_where_its_package_is_installed(sampler):
    problems = made_search("train.lr=0.1,0.2", sampler=sampler).problems()
    assert problems.keys() == ({"sampler"} if missing_package(sampler) else set())


@pytest.mark.parametrize("pruner", PRUNERS)
def test_every_pruner_is_allowed_with_the_seeds_that_it_needs(pruner):
    assert made_search(pruner=pruner, seeds=5 if pruner == "wilcoxon" else 1).problems() == {}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"trials": None}, "budget"),
        ({"trials": 0}, "budget"),
        ({"minutes": -1.0}, "budget"),
        ({"parallel": 0}, "parallel"),
        ({"seeds": 3, "pruner": "median"}, "seeds"),
        ({"seeds": 3, "pruner": "wilcoxon"}, "seeds"),
        ({"sampler": "magic"}, "sampler"),
        ({"pruner": "magic"}, "pruner"),
        ({"sampler": "grid"}, "train.lr"),
        ({"base": tiny_config("data.validation=test")}, "data.validation"),
        ({"base": tiny_config().replace({"train.epochs": 0})}, "train.epochs"),
    ],
)
def test_what_is_not_allowed_has_a_problem_at_its_place(changes, where):
    assert where in made_search(**changes).problems()


def test_a_name_and_ranges_are_needed():
    search = made_search()
    assert "name" in Search(" ", search.base, search.ranges, trials=3).problems()
    assert "vary" in Search("a", search.base, (), trials=3).problems()
    assert "vary" in Search("a", search.base, (search.ranges[0], search.ranges[0]), trials=3).problems()


def test_a_setting_without_effect_is_refused_unless_its_condition_varies():
    adam = tiny_config("train.optimizer=adam")
    assert "train.momentum" in made_search("train.momentum=0.5 to 0.9", base=adam).problems()
    assert made_search("train.momentum=0.5 to 0.9", "train.optimizer=sgd,adam", base=adam).problems() == {}


@pytest.mark.parametrize(
    "content", [None, [], {"nmae": "x"}, {"schema": 99}, {"trials": "3"}, {"trials": True}, {"vary": [1]}, {"name": 3}]
)
def test_a_file_that_is_no_search_is_refused(content):
    with pytest.raises(ConfigError):
        Search.from_dict(content)


def test_the_base_is_inside_where_all_its_values_are():
    assert made_search().base_inside
    assert not made_search("train.lr=0.5 to 1").base_inside
    assert made_search(
        "train.momentum=0.1 to 0.2", "train.optimizer=sgd,adam", base=tiny_config("train.optimizer=adam")
    ).base_inside


def test_a_grid_takes_no_longer_than_its_combinations(store, monkeypatch):
    monkeypatch.setattr(form, "estimates", lambda configs, store: [SimpleNamespace(seconds=10.0) for _ in configs])
    ranges = ("train.lr=0.05,0.1,0.2", "train.optimizer=sgd,adam")
    assert form.seconds(made_search(*ranges, sampler="grid", trials=30), store) == 60
    assert form.seconds(made_search(*ranges, sampler="grid", trials=4), store) == 40
    assert form.seconds(made_search(*ranges, sampler="random", trials=30), store) == 300
    assert form.seconds(made_search(*ranges, sampler="grid", trials=None, minutes=0.5), store) == 30


def test_a_search_without_a_pruner_says_so():
    assert made_search(pruner="none").method_text == "Sampler TPE, no pruner"
    assert made_search(pruner="median", seeds=1).method_text == "Sampler TPE, pruner Median"
