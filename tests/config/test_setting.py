"""A setting reads text, judges values in sentences and writes them back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.run_config import SETTINGS
from core.config.setting import Setting, near, plain
from tests.strategies import allowed

#: These run once per setting: a few examples each are many in all.
few = settings(max_examples=25, deadline=None)

INT = Setting("int", "Number", "A number.", unit="images", low=2, high=60_000, none="all")
FLOAT = Setting("float", "Rate", "A rate.", low=0.0, high=1.0)
BOOL = Setting("bool", "Switch", "A switch.")
CHOICE = Setting("choice", "Kind", "A kind.", choices=("sgd", "adam"))
INTS = Setting("ints", "Steps", "Some steps.", low=1, high=9)
CLASSES = Setting("classes", "Classes", "Some classes.", choices=("cat", "deer", "dog"))


@few
@given(st.data())
@pytest.mark.parametrize("path", SETTINGS)
def test_what_a_knob_shows_it_reads_back(path: str, data: st.DataObject) -> None:
    setting = SETTINGS[path]
    value = data.draw(allowed(setting))
    read = setting.parse(setting.show(value))
    assert read == value
    assert type(read) is type(value)
    assert setting.problem(read) is None


@pytest.mark.parametrize("path", SETTINGS)
def test_every_knob_is_explained(path: str) -> None:
    setting = SETTINGS[path]
    assert setting.label
    assert setting.help.endswith((".", "½."))
    assert setting.expects()
    if setting.when:
        other, values = setting.when
        assert all(SETTINGS[other].problem(value) is None for value in values), "effective under an impossible value"


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (INT, "5e4", 50_000),
        (INT, " 64 ", 64),
        (INT, "all", None),
        (INT, "ALL", None),
        (INT, "none", None),
        (INT, "", None),
        (FLOAT, "1e-3", 1e-3),
        (BOOL, "Yes", True),
        (BOOL, "off", False),
        (BOOL, "1", True),
        (CHOICE, "adam", "adam"),
        (INTS, "[1, 2,3]", (1, 2, 3)),
        (INTS, "", ()),
        (CLASSES, "(deer, dog)", ("deer", "dog")),
    ],
)
def test_text_is_read_as_people_write_it(setting: Setting, text: str, value: Any) -> None:
    assert setting.parse(text) == value


@pytest.mark.parametrize(
    ("setting", "text", "sentence"),
    [
        (INT, "many", "“many” is not a whole number of images from 2 to 60,000, or “all”."),
        (INT, "2.5", "“2.5” is not a whole number of images from 2 to 60,000, or “all”."),
        (INT, "inf", "“inf” is not a whole number of images from 2 to 60,000, or “all”."),
        (INT, "nan", "“nan” is not a whole number of images from 2 to 60,000, or “all”."),
        (FLOAT, "fast", "“fast” is not a number from 0 to 1."),
        (BOOL, "perhaps", "“perhaps” is not true or false."),
        (INTS, "1,two", "“1,two” is not whole numbers from 1 to 9, separated by commas."),
    ],
)
def test_text_that_means_nothing_is_refused_in_a_sentence(setting: Setting, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="is not") as caught:
        setting.parse(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        (INT, 1, "1 is out of range; it takes a whole number of images from 2 to 60,000, or “all”."),
        (INT, 60_001, "60,001 is out of range; it takes a whole number of images from 2 to 60,000, or “all”."),
        (INT, 2.0, "takes a whole number of images from 2 to 60,000, or “all”, not “2.0”."),
        (INT, True, "takes a whole number of images from 2 to 60,000, or “all”, not “True”."),
        (INT, "64", "takes a whole number of images from 2 to 60,000, or “all”, not “64”."),
        (FLOAT, None, "is missing; it takes a number from 0 to 1."),
        (FLOAT, float("nan"), "takes a number from 0 to 1, not “nan”."),
        (FLOAT, 1.5, "1.5 is out of range; it takes a number from 0 to 1."),
        (BOOL, "true", "takes true or false, not “true”."),
        (BOOL, 1, "takes true or false, not “1”."),
        (CHOICE, "adm", "“adm” is not among the choices; it takes one of sgd, adam. Did you mean “adam”?"),
        (CHOICE, ["x"], "“['x']” is not among the choices; it takes one of sgd, adam."),
        (INTS, 3, "takes whole numbers from 1 to 9, separated by commas, not “3”."),
        (INTS, (3, 10), "10 is out of range; it takes whole numbers from 1 to 9, separated by commas."),
        (INTS, (3, None), "takes whole numbers from 1 to 9, separated by commas, not “None”."),
        (CLASSES, ("dgo", "cat"), "“dgo” is no class of CIFAR-10. Did you mean “dog”?"),
        (CLASSES, ("cat", "cat"), "names a class twice; each class counts once."),
        (CLASSES, ("cat",), "needs at least two classes: with one there is nothing to tell apart."),
        (CLASSES, (), "needs at least two classes: with one there is nothing to tell apart."),
        (CLASSES, "cat,dog", "takes at least two classes, separated by commas."),
        (CLASSES, ("cat", 3), "takes at least two classes, separated by commas."),
    ],
)
def test_a_value_that_is_not_allowed_is_told_in_a_sentence(setting: Setting, value: Any, sentence: str) -> None:
    assert setting.problem(value) == sentence


@pytest.mark.parametrize("setting", [INT, FLOAT])
def test_a_number_beyond_all_floats_is_out_of_range(setting: Setting) -> None:
    assert "out of range" in str(setting.problem(10**400))


@few
@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers() | st.text()))
@pytest.mark.parametrize("path", SETTINGS)
def test_any_value_is_allowed_or_told_never_a_crash(path: str, value: Any) -> None:
    sentence = SETTINGS[path].problem(value)
    assert sentence is None or sentence.endswith((".", "?"))


@few
@given(st.text())
@pytest.mark.parametrize("path", SETTINGS)
def test_any_text_is_read_or_refused_never_a_crash(path: str, text: str) -> None:
    try:
        SETTINGS[path].problem(SETTINGS[path].parse(text))
    except ValueError as error:
        assert str(error).endswith(".")


def test_an_open_range_is_told_too() -> None:
    assert Setting("float", "x", "x", low=1).expects() == "a number of at least 1"
    assert Setting("int", "x", "x", unit="epochs").expects() == "a whole number of epochs"


def test_numbers_are_written_as_people_do() -> None:
    assert [plain(50_000), plain(0.001), plain(1e-7)] == ["50,000", "0.001", "1e-07"]


def test_only_something_close_is_suggested() -> None:
    assert near("epoch", ["epochs", "lr"]) == " Did you mean “epochs”?"
    assert near("zebra", ["epochs", "lr"]) == ""
