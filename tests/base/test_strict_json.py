"""JSON from elsewhere."""

import contextlib

import pytest

from core.base.strict_json import MOST_LEVELS, from_json, to_json, with_check, without_check


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("levels", [1, 6, MOST_LEVELS])
def test_levels_that_are_allowed(levels: int) -> None:
    assert isinstance(from_json(nested(levels)), list)


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 300, 900, 990, 100_000])
@pytest.mark.parametrize("shape", ["[{}]", '{{"a": {}}}', '{{"a": 1, "b": [{}, 2]}}'])
def test_a_value_that_is_nested_too_deep_is_one_clear_error(levels: int, shape: str) -> None:
    with pytest.raises(ValueError, match="nested"):
        from_json(shape.format(nested(levels)))


def test_width_is_no_depth() -> None:
    assert len(from_json("[" + "[]," * 10_000 + "[]]")) == 10_001


def test_content_tells_whether_it_was_changed():
    content = {"a": [1, 2.5, None], "b": {"c": "ä"}, "loss": float("nan")}
    for later in (False, True):
        text = to_json(with_check(content, later=later), indent=1)
        assert without_check(from_json(text)) == {**content, "loss": None}
        data, unnoticed = text.encode(), []
        for at in range(8 * len(data)):
            changed = bytearray(data)
            changed[at // 8] ^= 1 << at % 8
            with contextlib.suppress(ValueError):
                found = without_check(from_json(bytes(changed)))
                if found.keys() <= content.keys() and found != {**content, "loss": None}:
                    unnoticed.append(at)
        assert unnoticed == []


def test_content_without_a_check_is_left_as_it_is():
    for content in ({"a": 1}, {}, [1], None, 3):
        assert without_check(content) == content
