"""JSON that every reader understands: no NaN, no Infinity, no name given twice."""

import json
import math
from collections.abc import Mapping
from typing import Any

from core.base.text import one_line


def to_json(value: Any, **options: Any) -> str:
    """Return ``value`` as JSON text, with null for numbers that JSON lacks and NumPy's scalars and arrays as Python's.

    ``options`` are those of :func:`json.dumps`.
    """
    try:
        return json.dumps(value, allow_nan=False, **options)
    except (ValueError, TypeError):
        return json.dumps(_plain(value), allow_nan=False, **options)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def from_json(content: bytes | str) -> Any:
    """Return the value in JSON text. NaN and Infinity, which older versions wrote, are accepted.

    Raises ValueError for anything else, and for a name given twice: one of its values would be lost silently.
    """
    try:
        return json.loads(content, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"it names “{one_line(twice, 40)}” twice")
    return names
