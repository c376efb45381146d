"""Long names are cut in the middle, and never where they differ."""

from hypothesis import given
from hypothesis import strategies as st

from core.base.text import cut_middle, shortened

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
