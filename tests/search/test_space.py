"""The ranges of a search: read from text, checked against the settings' definitions, and where they start."""

import pytest

from core.base.errors import ConfigError
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.search.space import SEARCHABLE, Range, combinations, in_order, range_from_dict, range_from_text, usual_range
from core.search.space import varied as varied_by

LR = Range("train.lr", low=0.01, high=1.0, log=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.lr=0.01 to 1", LR),
        ("train.lr=0.01..1", LR),
        ("train.lr = 1e-2 to 1 log", LR),
        *[(f"train.lr={text}", LR) for text in ("0.01-1", "0.01 – 1", "1e-2 - 1e0", "1e–2–1", "0,01 TO 1 LOG")],
        ("train.lr=0.01 to 1 linear", Range("train.lr", low=0.01, high=1.0)),
        ("train.momentum=0.5 to 0.99", Range("train.momentum", low=0.5, high=0.99)),
        ("train.batch_size=32 to 1,024", Range("train.batch_size", low=32, high=1024, log=True)),
        ("train.optimizer=sgd,adamw", Range("train.optimizer", ("sgd", "adamw"))),
        ("model.depth=8, 14, 20", Range("model.depth", (8, 14, 20))),
        ("train.nesterov=false,true", Range("train.nesterov", (False, True))),
    ],
)
def test_a_range_is_read_as_a_person_types_it_and_written_so_that_it_can_be_read_again(text, expected):
    assert range_from_text(text) == expected
    assert range_from_text(f"{expected.path}={expected.values_text}") == expected
    assert range_from_dict(expected.path, expected.to_dict()) == expected


@pytest.mark.parametrize("text", ["train.lr=low to high", "lr=0.1 to 1", "train.optimizer", "train.lr=0.1 to"])
def test_text_that_is_no_range_is_refused(text):
    with pytest.raises(ConfigError):
        range_from_text(text)


@pytest.mark.parametrize(
    "content", [None, 3, {"low": 1}, {"low": "1", "high": 2}, {"choices": 3}, {"low": True, "high": 2}]
)
def test_a_file_that_holds_no_range_is_refused(content):
    with pytest.raises(ConfigError):
        range_from_dict("train.lr", content)


@pytest.mark.parametrize(
    "one",
    [
        Range("data.classes", (("cat", "dog"), ("deer", "dog"))),
        Range("data.train_size", low=100, high=1000),
        Range("train.seed", low=0, high=9),
        Range("train.device", ("cpu", "cuda")),
        Range("train.lr", low=1.0, high=0.1),
        Range("train.lr", low=0.1, high=100.0),
        Range("train.weight_decay", low=0.0, high=0.1, log=True),
        Range("train.optimizer", ("sgd",)),
        Range("train.optimizer", ("sgd", "sgd")),
        Range("train.optimizer", ("sgd", "lion")),
        Range("train.optimizer", low=0, high=1),
    ],
)
def test_a_range_that_cannot_be_searched_has_a_problem(one):
    assert one.problem()


@pytest.mark.parametrize("name", PRESETS)
def test_every_setting_has_a_range_to_start_with(name):
    for path in SEARCHABLE:
        usual = usual_range(path, PRESETS[name].config)
        assert path == "train.milestones" or usual.problem() is None, (path, usual)
        assert range_from_text(f"{path}={usual.values_text}") == usual


def test_a_sparse_number_starts_as_a_list_of_its_allowed_values():
    assert usual_range("model.depth", RunConfig()).choices == (8, 14, 20, 26)
    assert usual_range("train.batch_size", RunConfig()) == Range("train.batch_size", low=32, high=512, log=True)


def test_a_setting_comes_after_the_one_that_gives_it_an_effect():
    ranges = [
        range_from_text(text) for text in ("train.momentum=0.5 to 0.9", "train.lr=0.1 to 1", "train.optimizer=sgd,adam")
    ]
    paths = [one.path for one in in_order(ranges)]
    assert paths.index("train.optimizer") < paths.index("train.momentum")
    adam = RunConfig().replace({"train.optimizer": "adam"})
    assert varied_by(ranges, adam) == {"train.lr": 0.1, "train.optimizer": "adam"}
    assert "train.momentum" in varied_by(ranges, RunConfig())


def test_numbers_keep_four_digits_and_stay_within():
    assert LR.rounded(0.123456) == 0.1235
    assert Range("train.lr", low=0.12344, high=1.0).rounded(0.123441) == 0.12344
    assert Range("train.batch_size", low=32, high=64).rounded(33.6) == 34


def test_combinations_are_counted():
    listed = [Range("train.optimizer", ("sgd", "adam")), Range("train.patience", low=1, high=5)]
    assert combinations(listed) == 10
    assert combinations([*listed, LR]) is None
    assert all(path in SETTINGS for path in SEARCHABLE)
