"""A setting parses text, explains what is wrong with a value, and writes values as text."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.run_config import SETTINGS
from core.config.setting import Setting, near, plain, setting, settings_of
from tests.strategies import allowed

#: These run once per setting: a few examples each are many in all.
few = settings(max_examples=25, deadline=None)


@dataclass(frozen=True)
class Section:
    """One field of each kind."""

    number: int | None = setting(64, "Number", "A number.", unit="images", limits=(2, 60_000), none="all")
    rate: float = setting(0.5, "Rate", "A rate.", limits=(0.0, 1.0))
    switch: bool = setting(False, "Switch", "A switch.")
    option: Literal["sgd", "adam"] = setting("sgd", "Option", "An option.", when=("section.switch", (True,)))
    steps: tuple[int, ...] = setting((), "Steps", "Some steps.", limits=(1, 9))
    classes: tuple[Literal["cat", "deer", "dog"], ...] = setting(("cat", "dog"), "Classes", "Some classes.")


INT, FLOAT, BOOL, CHOICE, INTS, CLASSES = settings_of(Section).values()


def test_the_annotation_gives_kind_and_choices() -> None:
    kinds = [(definition.kind, definition.choices) for definition in settings_of(Section).values()]
    names = ("cat", "deer", "dog")
    assert kinds == [
        ("int", ()),
        ("float", ()),
        ("bool", ()),
        ("choice", ("sgd", "adam")),
        ("ints", ()),
        ("classes", names),
    ]
    assert INT == Setting("int", (), "Number", "A number.", unit="images", limits=(2, 60_000), none="all")
    assert CHOICE.when == ("section.switch", (True,))


@few
@given(st.data())
@pytest.mark.parametrize("path", SETTINGS)
def test_every_allowed_value_survives_show_and_parse(path: str, data: st.DataObject) -> None:
    definition = SETTINGS[path]
    value = data.draw(allowed(definition))
    read = definition.parse(definition.show(value))
    assert read == value
    assert type(read) is type(value)
    assert definition.problem(read) is None


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_is_explained(path: str) -> None:
    definition = SETTINGS[path]
    assert definition.label
    assert definition.help.endswith(".")
    assert definition.expects()
    assert (definition.limits is not None) == (definition.kind in ("int", "float", "ints"))
    if definition.when:
        other, values = definition.when
        assert all(SETTINGS[other].problem(value) is None for value in values), "effective under an impossible value"


@pytest.mark.parametrize(
    ("definition", "text", "value"),
    [
        (INT, "5e4", 50_000),
        (INT, " 64 ", 64),
        (INT, "all", None),
        (INT, "ALL", None),
        (INT, "none", None),
        (INT, "", None),
        (INT, "10,000", 10_000),
        (INT, "4 500", 4_500),
        (FLOAT, "1e-3", 1e-3),
        (FLOAT, "0,1", 0.1),
        (BOOL, "Yes", True),
        (BOOL, "off", False),
        (BOOL, "1", True),
        (CHOICE, "adam", "adam"),
        (CHOICE, "Adam", "adam"),
        (CLASSES, "Dog; CAT", ("dog", "cat")),
        (INTS, "[1, 2,3]", (1, 2, 3)),
        (INTS, "", ()),
        (INTS, "1, 2’000", (1, 2_000)),
        (CLASSES, "(deer, dog)", ("deer", "dog")),
    ],
)
def test_text_is_parsed_as_people_write_it(definition: Setting, text: str, value: Any) -> None:
    assert definition.parse(text) == value


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        (INT, "many"),
        (INT, "2.5"),
        (INT, "10.0"),
        (INT, "inf"),
        (INT, "nan"),
        (FLOAT, "fast"),
        (BOOL, "perhaps"),
        (INTS, "1,two"),
    ],
)
def test_other_text_is_refused_with_what_is_expected(definition: Setting, text: str) -> None:
    with pytest.raises(ValueError, match="is not") as caught:
        definition.parse(text)
    assert str(caught.value) == f"“{text}” is not {definition.expects()}."


@pytest.mark.parametrize(("definition", "text"), [(INT, "10.000"), (FLOAT, "1,500"), (INTS, "80, 120,160")])
def test_text_that_can_mean_two_values_is_refused_and_says_how_to_write_it(definition: Setting, text: str) -> None:
    with pytest.raises(ValueError, match=r"may (mean|be one).*[Ww]rite"):
        definition.parse(text)


@pytest.mark.parametrize(
    ("definition", "text", "understood"),
    [
        (INT, "10,000", "10,000 images"),
        (INT, "5e4", "50,000 images"),
        (INT, "4 500", "4,500 images"),
        (INT, "50000", ""),
        (INT, "all", ""),
        (INT, "many", ""),
        (INT, "10.000", ""),
        (FLOAT, "0,1", "0.1"),
        (FLOAT, "0.1", ""),
        (INTS, "1, 2", ""),
        (INTS, "1, 2’000", "1, 2,000"),
        (CHOICE, "sgd", ""),
    ],
)
def test_a_number_that_is_not_in_its_plain_form_is_repeated(definition: Setting, text: str, understood: str) -> None:
    assert definition.understood(text) == understood


def test_what_is_expected_names_unit_range_and_choices() -> None:
    assert INT.expects() == "a whole number of images from 2 to 60,000, or “all”"
    assert FLOAT.expects() == "a number from 0 to 1"
    assert CHOICE.expects() == "one of sgd, adam"
    assert "commas" in INTS.expects() and "two classes" in CLASSES.expects()


@pytest.mark.parametrize(
    ("definition", "value", "words"),
    [
        (INT, 1, "1 is out of range: use a whole number of images from 2 to 60,000"),
        (INT, 60_001, "60,001 is out of range"),
        (INT, 10**400, "out of range"),
        (INT, 2.0, "“2.0” is not a whole number"),
        (INT, True, "“True” is not a whole number"),
        (INT, "64", "“64” is not a whole number"),
        (FLOAT, None, "is missing: use a number from 0 to 1"),
        (FLOAT, float("nan"), "“nan” is not a number"),
        (FLOAT, 1.5, "1.5 is out of range"),
        (FLOAT, 10**400, "out of range"),
        (BOOL, "true", "“true” is not true or false"),
        (BOOL, 1, "“1” is not true or false"),
        (CHOICE, "adm", "“adm” is not one of sgd, adam. Did you mean “adam”?"),
        (CHOICE, ["x"], "is not one of sgd, adam"),
        (INTS, 3, "“3” is not a list of whole numbers"),
        (INTS, (3, 10), "10 is out of range"),
        (INTS, (3, None), "“None” is not a list of whole numbers"),
        (CLASSES, ("dgo", "cat"), "“dgo” is not a class of CIFAR-10. Did you mean “dog”?"),
        (CLASSES, ("cat", "cat"), "twice"),
        (CLASSES, ("cat",), "at least two classes"),
        (CLASSES, (), "at least two classes"),
        (CLASSES, "cat,dog", "is not a list of at least two classes"),
        (CLASSES, ("cat", 3), "is not a list of at least two classes"),
    ],
)
def test_a_value_that_is_not_allowed_is_explained(definition: Setting, value: Any, words: str) -> None:
    assert words in str(definition.problem(value))


@few
@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers() | st.text()))
@pytest.mark.parametrize("path", SETTINGS)
def test_any_value_is_allowed_or_explained(path: str, value: Any) -> None:
    sentence = SETTINGS[path].problem(value)
    assert sentence is None or sentence.endswith((".", "?"))


@few
@given(st.text())
@pytest.mark.parametrize("path", SETTINGS)
def test_any_text_is_parsed_or_refused(path: str, text: str) -> None:
    try:
        SETTINGS[path].problem(SETTINGS[path].parse(text))
    except ValueError as error:
        assert str(error).endswith(".")


def test_numbers_are_written_as_people_do() -> None:
    assert [plain(50_000), plain(0.001), plain(1e-7)] == ["50,000", "0.001", "1e-07"]


def test_only_something_close_is_suggested() -> None:
    assert near("epoch", ["epochs", "lr"]) == " Did you mean “epochs”?"
    assert near("zebra", ["epochs", "lr"]) == ""


def test_one_has_no_plural() -> None:
    epochs = SETTINGS["train.epochs"]
    assert [epochs.phrase(1), epochs.phrase(2)] == ["1 epoch", "2 epochs"]
    assert epochs.understood("1e0") == "1 epoch"


@pytest.mark.parametrize(
    ("definition", "value", "text"),
    [
        (INT, 10_000, "10,000"),
        (INT, np.int64(10_000), "10,000"),
        (FLOAT, 0.1, "0.1"),
        (FLOAT, 2.0, "2"),
        (BOOL, True, "on"),
        (INTS, (80, 1_200), "80, 1,200"),
        (CHOICE, "sgd", "sgd"),
    ],
)
def test_a_value_is_written_as_a_person_reads_it(definition: Setting, value: Any, text: str) -> None:
    assert definition.text(value) == text


def test_a_long_text_is_cut_in_its_error() -> None:
    with pytest.raises(ValueError, match="999…” is not a whole number") as caught:
        INT.parse("9" * 5_000)
    assert len(str(caught.value)) < 200
