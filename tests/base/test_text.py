"""Texts for a person: counts, times with their zone, long names that are cut in the middle."""

import math
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.paths import PROJECT
from core.base.text import CHOICE_LETTERS, choice_names, counted, cut_middle, iso_time, p_text, p_words, shortened

SWEEP = [
    f"a sweep with the preset fast, rate {rate}, depth {depth}, seed {seed}"
    for rate in (0.1, 0.2)
    for depth in (8, 14)
    for seed in range(3)
]


def test_the_middle_is_cut():
    assert cut_middle("abcdefghij", 5) == "ab…ij"
    assert cut_middle("abc", 5) == "abc"


def test_what_differs_stays():
    short = shortened([*SWEEP, "fast"], 40)
    assert len(set(short.values())) == 13 and short["fast"] == "fast"
    for name, text in short.items():
        rate = name.partition("rate ")[2][:3]
        assert len(text) <= 40 and rate in text and text[-1] == name[-1]


@given(st.lists(st.text("ab ", min_size=1, max_size=80), unique=True, max_size=6), st.integers(12, 60))
def test_no_name_is_longer_than_allowed_or_changed_if_it_fits(names, most):
    for name, text in shortened(names, most).items():
        assert len(text) <= most
        assert text == name or len(name) > most


def test_choices_are_short_and_distinct():
    middles = {f"id-{at:04}": f"{'a' * 60} {at} {'b' * 60}" for at in range(5)}
    names = choice_names({**middles, "fast-0000": "fast"})
    assert names["fast-0000"] == "fast"
    assert len(set(names.values())) == 6
    assert all(len(name) <= CHOICE_LETTERS + len(" (0000)") for name in names.values())


def test_one_is_singular():
    assert [counted(number, "run") for number in (0, 1, 2, 1_000, 0.5)] == [
        *("0 runs", "1 run", "2 runs", "1,000 runs", "0.5 runs")
    ]
    assert [counted(number, "study", "studies") for number in (1, 2)] == ["1 study", "2 studies"]


def test_no_text_makes_a_plural_of_its_own():
    own = re.compile(r"""['"]s['"] (?:\*|if)|\+ ?['"]s['"]""")
    files = [path for folder in ("core", "pages") for path in (PROJECT / folder).rglob("*.py")]
    assert [path.name for path in files if own.search(path.read_text(encoding="utf-8"))] == ["text.py"]


@pytest.mark.parametrize("seconds", [0.0, 1.7e9, 1.7e9 + 0.9])
def test_a_time_keeps_its_moment_and_says_its_zone(seconds):
    moment = datetime.fromisoformat(iso_time(seconds))
    assert moment.tzinfo is not None
    assert moment.timestamp() == int(seconds)
    assert iso_time(None) == iso_time(float("nan")) == ""


@pytest.mark.parametrize(
    ("p", "text", "words"),
    [
        (1.0, "1.000", "p = 1.000"),
        (0.0123, "0.012", "p = 0.012"),
        (0.001, "0.001", "p = 0.001"),
        (0.0009, "< 0.001", "p < 0.001"),
        (0.0, "< 0.001", "p < 0.001"),
    ],
)
def test_a_small_p_value_is_never_shown_as_zero(p, text, words):
    assert (p_text(p), p_words(p)) == (text, words)


def test_a_p_value_that_is_unknown_is_a_dash():
    assert p_text(None) == p_text(math.nan) == "–"
