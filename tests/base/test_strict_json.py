"""JSON from elsewhere."""

import pytest

from core.base.strict_json import MOST_LEVELS, from_json


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
