"""JSON that every reader understands: no NaN, no Infinity, no name given twice."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from core.base.text import one_line

#: Levels of lists and objects inside each other. Our own files have at most six, and Python's own functions that walk
#: through a value give up at a few hundred.
MOST_LEVELS = 50


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

    Raises ValueError for anything else, for more than :data:`MOST_LEVELS` levels, and for a name given twice: one of
    its values would be lost silently.
    """
    try:
        value = json.loads(content, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _check_levels(value)
    return value


_TOO_DEEP = f"nested more than {MOST_LEVELS} levels deep"


def _check_levels(value: Any) -> None:
    """Raise ValueError for a value that is nested too deep; without recursion, which would itself be too deep."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"it names “{one_line(twice, 40)}” twice")
    return names


# --- content that tells whether it was changed -----------------------------------------------------

#: Names under which a file holds the check of its content. The second says that the content is older than the check.
CHECK, CHECK_LATER = "check", "check_made_later"


def with_check(content: Mapping[str, Any], *, later: bool = False) -> dict[str, Any]:
    """Return ``content`` with sixteen hex digits that tell whether it was changed."""
    return {**content, CHECK_LATER if later else CHECK: _check_of(content)}


def without_check(content: Any) -> Any:
    """Return ``content`` as it was before :func:`with_check`. Content without a check is returned as it is.

    Raises ValueError if it was changed since.
    """
    if not isinstance(content, dict) or not content.keys() & {CHECK, CHECK_LATER}:
        return content
    plain = {name: value for name, value in content.items() if name not in (CHECK, CHECK_LATER)}
    if content.get(CHECK, content.get(CHECK_LATER)) != _check_of(plain):
        raise ValueError(f"it was changed since it was saved; if you changed it yourself, delete its line “{CHECK}”")
    return plain


def _check_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(to_json(content).encode()).hexdigest()[:16]
