"""What the JSON files of a run may hold. A folder can come from anywhere, and every page believes what it is handed.

Here a file's content is compared with what belongs there (:func:`parse`, :func:`misfit`) and its text made fit to
be shown (:func:`tidied`). Which files there are, and what happens to a run with a bad one, is :mod:`core.runs.store`'s
business.
"""

import math
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from core.base.text import one_line, printable
from core.records import BatchRecord

#: Whole numbers up to here are exact in JSON's other readers, JavaScript among them.
MOST = 2**53
#: Times are seconds since 1970; one later than this (the year 9892) has no date.
LATEST = 2.5e11
#: Text of several lines; all other text is one line.
_LONG_TEXT = ("note", "error")


def is_number(value: object) -> bool:
    """Whether ``value`` is a number a table can hold: no truth value, no whole number beyond :data:`MOST`."""
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and -MOST <= value <= MOST
    )


def is_figure(value: object, most: float = math.inf) -> bool:
    """Whether ``value`` is a finite number from 0 to ``most``."""
    return is_number(value) and math.isfinite(value) and 0 <= value <= most  # type: ignore[operator, arg-type]


def misfit(content: Mapping[str, Any], of: type) -> str | None:
    """What does not fit the fields of the dataclass ``of``, in words; ``None`` if everything does.

    Numbers in these files count something or are times and shares: finite, and not below 0.
    """
    kinds = get_type_hints(of)
    if unknown := content.keys() - kinds.keys():
        return f"it has no place for “{one_line(sorted(unknown)[0], 40)}”"
    for name, value in content.items():
        if not _fits(value, kinds[name]):
            return f"“{name}” is {_told(value)}, where {_words(kinds[name])} belongs"
    return None


def tidied(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` with text that can be shown: no line breaks but in a note or an error, nothing unprintable."""
    return {name: _tidied(value, name in _LONG_TEXT) for name, value in content.items()}


def _tidied(value: Any, long: bool) -> Any:
    if isinstance(value, str):
        return printable(value) if long else one_line(value)
    if isinstance(value, list | tuple):
        return tuple(_tidied(one, long) for one in value)
    if isinstance(value, dict):
        return {one_line(name): _tidied(one, long) for name, one in value.items()}
    return value


def batch_record(content: Mapping[str, Any]) -> BatchRecord:
    """Return the record in a progress.json. Raises ValueError with what is wrong, in words."""
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(BatchRecord).items():
        value = content.get(name)
        if name == "loss" and value is None:  # null stands for NaN: the run breaks down
            value = math.nan
        counted = kind is int and isinstance(value, int) and value >= 1
        if not is_number(value) or not (counted or (kind is float and (name == "loss" or is_figure(value)))):
            raise ValueError(f"“{name}” is {_told(value)}, where {_words(kind)} belongs")
        values[name] = value
    return BatchRecord(**values)


def bad_result(content: Mapping[str, Any]) -> str | None:
    """What is wrong with the content of a result.json, in words; ``None`` if nothing is."""
    for which in ("best", "last"):
        part = content.get(which, {})
        if not isinstance(part, dict):
            return f"“{which}” is {_told(part)}, where a test evaluation belongs"
        for name in ("epoch", "images", "loss", "accuracy"):
            if name in part and not is_figure(part[name], 1.0 if name == "accuracy" else math.inf):
                return f"“{name}” of “{which}” is {_told(part[name])}, where a number from 0 belongs"
    return None


# --- kinds of value -------------------------------------------------------------------------------


def _fits(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in (types.UnionType, Union):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(one, arguments[0]) for one in value)
    if origin is int:
        return isinstance(value, int) and is_figure(value)
    return is_figure(value, LATEST) if origin is float else isinstance(value, origin)


def _words(kind: Any) -> str:
    arguments = [one for one in get_args(kind) if one is not types.NoneType]
    origin = get_origin(kind) or kind
    if origin in (types.UnionType, Union):
        return _words(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list of texts"}
    return words.get(origin, "names and values")


def _told(value: Any) -> str:
    """A value in a sentence, an endless one cut short."""
    return f"“{one_line(value, 40)}”" if isinstance(value, str) else one_line(repr(value), 40)
