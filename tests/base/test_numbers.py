"""Numbers as people type them: read if they can be meant in one way, and else refused with the ways there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.numbers import Ambiguous, decimal_number, split_list, whole_number

SEPARATORS = [",", " ", "'", "’", "_", "\u00a0", "\u2007", "\u2009", "\u202f"]


@pytest.mark.parametrize("separator", SEPARATORS)
@given(number=st.integers(-(10**15), 10**15))
def test_thousands_may_be_separated_as_anywhere_in_the_world(separator: str, number: int) -> None:
    text = f"{number:,}".replace(",", separator)
    assert whole_number(f" {text} ") == number
    assert decimal_number(f"{text}.5") == float(f"{number}.5")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("42", 42), ("+7", 7), ("−3", -3), ("5e4", 50_000), ("1.5e3", 1_500), ("007", 7), ("9" * 40, int("9" * 40))],
        *[("–3", -3), ("５０００", 5_000), ("10，000", 10_000)],
    ],
)
def test_whole_numbers(text: str, number: int) -> None:
    read = whole_number(text)
    assert read == number and type(read) is int


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "10.5", "10.0", "1,50", "12,34", "1,0000", "0,500", "1,000 000", "1 000,5", "1_0", "1e-3", "inf"),
        *("nan", "ten", "0x10", "1e999", "--1", "1,", ",5", "9" * 5_000),
    ],
)
def test_other_text_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        whole_number(text)
    assert not isinstance(caught.value, Ambiguous)


@pytest.mark.parametrize(("text", "one", "other"), [("10.000", "10", "10000"), ("1.500", "1", "1500")])
def test_groups_after_a_point_may_be_a_fraction(text: str, one: str, other: str) -> None:
    with pytest.raises(Ambiguous, match=f"Write {one} or {other}"):
        whole_number(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0.1", 0.1), (".5", 0.5), ("5.", 5.0), ("1e-3", 1e-3), ("1.500", 1.5), ("10", 10.0)],
        *[("0,1", 0.1), ("0,125", 0.125), ("1,5", 1.5), ("10,25", 10.25), ("−0,5", -0.5), ("1,5e-3", 1.5e-3)],
        *[("1e–3", 1e-3), ("5E‐4", 5e-4), ("０．５", 0.5), ("٠٫٥", 0.5)],
        *[("1,234.5", 1234.5), ("1.234,5", 1234.5), ("1 234,5", 1234.5), ("1.234.567", 1234567.0)],
    ],
)
def test_decimal_numbers_with_a_point_or_a_comma(text: str, number: float) -> None:
    read = decimal_number(text)
    assert read == number and type(read) is float


@pytest.mark.parametrize("text", ["1,500", "10,000", "-1,000"])
def test_one_comma_before_three_digits_may_be_either(text: str) -> None:
    with pytest.raises(Ambiguous, match="may mean"):
        decimal_number(text)


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "1_0", "1,2,3", "1.2.3", "1,23,4", "fast", "1e", "0x1", "1e999", "-1,5e400"]
)
def test_other_text_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        decimal_number(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("32,64,128", ["32", "64", "128"]),
        ("32, 64,  128,", ["32", "64", "128"]),
        ("100,200", ["100", "200"]),
        ("5,000; 10,000", ["5,000", "10,000"]),
        ("5 000;10 000", ["5 000", "10 000"]),
        ("0,05; 0,1", ["0,05", "0,1"]),
        ("a\nb", ["a", "b"]),
        ("１；２", ["１", "２"]),
    ],
)
def test_the_parts_of_a_list(text: str, parts: list[str]) -> None:
    assert split_list(text) == parts


@pytest.mark.parametrize("text", ["10,000", "5,000, 10,000", "5 000, 10 000", "0,05, 0,1", "80, 120,160"])
def test_a_mark_that_may_group_or_separate_is_not_guessed(text: str) -> None:
    with pytest.raises(Ambiguous, match="semicolons"):
        split_list(text)
