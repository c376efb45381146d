"""Check what the JSON files of a run hold. A folder can come from anywhere, and every page trusts what it reads."""

import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from core.base.text import composed, one_line, printable
from core.records import STAGES, BatchRecord, EpochRecord, Moment

#: Integers up to here are exact in JSON's other readers, such as JavaScript.
MOST = 2**53
#: Times are seconds since 1970; a later time (the year 9892) has no date.
LATEST = 2.5e11
#: Fields whose text has several lines.
_LONG_TEXT = ("note", "error")
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
    list: "a list",
}

Record = TypeVar("Record", BatchRecord, EpochRecord)


def _is_number(value: object) -> bool:
    """Whether ``value`` is a number a table can hold: not a bool, and not an integer beyond :data:`MOST`."""
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST)


def _is_figure(value: Any, most: float = math.inf) -> bool:
    """Whether ``value`` is a finite number from 0 to ``most``."""
    return _is_number(value) and math.isfinite(value) and 0 <= value <= most


def misfit(content: Mapping[str, Any], of: type) -> str | None:
    """Return what does not fit the fields of the dataclass ``of``, or ``None`` if everything does.

    Numbers count something, or are times or shares: finite, and not negative.
    """
    kinds = get_type_hints(of)
    if unknown := content.keys() - kinds.keys():
        return f"it has no place for “{one_line(min(unknown), 40)}”"
    for name, value in content.items():
        if not _fits(value, kinds[name]):
            return _misplaced(name, value, kinds[name])
    return None


def record(content: Any, of: type[Record]) -> Record:
    """Return the record in ``content``. Raises ValueError with what is wrong.

    Losses may be infinite or NaN, which JSON lacks and which is written as null: training may have diverged. Fields
    with a default may be missing.
    """
    if not isinstance(content, dict):
        raise ValueError("it holds no names and values")
    values: dict[str, Any] = {}
    for name, kind in _RECORDS[of].items():
        value = content.get(name)
        if name == "moments":
            value = _moments(content.get(name, []))
            fits = value is not None
        elif name.endswith("_by_class"):
            value = content.get(name, [])
            fits = isinstance(value, list) and all(number is None or _is_number(number) for number in value)
            value = [math.nan if number is None else number for number in value] if fits else value
        elif name == "update_ratio":
            value = content.get(name, [])
            fits = isinstance(value, list) and len(value) in (0, len(STAGES))
            fits = fits and all(number is None or _is_figure(number) for number in value)
            value = [math.nan if number is None else number for number in value] if fits else value
        elif name in ("grad_norm", "dead_relus"):
            fits = value is None or _is_figure(value, 1.0 if name == "dead_relus" else math.inf)
        elif name.endswith(("loss", "objective")):
            value = math.nan if value is None and name in content else value
            fits = _is_number(value)
        elif kind is int:
            fits = isinstance(value, int) and _is_number(value) and value >= 1
        else:
            fits = _is_figure(value, 1.0 if name.endswith("accuracy") else math.inf)
        if not fits:
            raise ValueError(_misplaced(name, value, kind))
        values[name] = value
    return of(**values)


def _moments(content: Any) -> tuple[Moment, ...] | None:
    """Return the moments of a BatchRecord, or ``None`` if something does not fit; a loss may be null (NaN)."""
    moments = []
    for values in content if isinstance(content, list) else [None]:
        if not isinstance(values, list) or len(values) != len(Moment._fields):
            return None
        position, loss, accuracy = values
        loss = math.nan if loss is None else loss
        if not (_is_figure(position) and _is_number(loss) and _is_figure(accuracy, 1.0)):
            return None
        moments.append(Moment(position, loss, accuracy))
    return tuple(moments)


_RECORDS: dict[type, dict[str, Any]] = {of: get_type_hints(of) for of in (BatchRecord, EpochRecord)}


def bad_result(content: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the content of a result.json, or ``None`` if nothing is."""
    for which in ("best", "last"):
        evaluation = content.get(which, {})
        if not isinstance(evaluation, dict):
            return f"“{which}” is {_value_text(evaluation)}, where a test evaluation belongs"
        for name in ("epoch", "images", "loss", "accuracy"):
            most = 1.0 if name == "accuracy" else math.inf
            if name in evaluation and not _is_figure(evaluation[name], most):
                return f"“{name}” of “{which}” is {_value_text(evaluation[name])}, where a number from 0 belongs"
    return None


def tidied(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``content`` with printable text, in one line except for a note or an error, and tuples for lists.

    Each letter is written in one way (:func:`core.base.text.composed`), and each tag is there once.
    """
    values = {name: _tidied(value, name in _LONG_TEXT) for name, value in content.items()}
    return values | {name: tuple(dict.fromkeys(values[name])) for name in ("tags",) if name in values}


def _tidied(value: Any, long: bool) -> Any:
    if isinstance(value, str):
        return composed(printable(value) if long else one_line(value))
    if isinstance(value, list | tuple):
        return tuple(_tidied(item, long) for item in value)
    if isinstance(value, dict):
        return {one_line(name): _tidied(item, long) for name, item in value.items()}
    return value


# --- kinds of value -------------------------------------------------------------------------------


def _fits(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in (types.UnionType, Union):
        return any(_fits(value, option) for option in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(item, arguments[0]) for item in value)
    if origin is int:
        return isinstance(value, int) and _is_figure(value)
    return _is_figure(value, LATEST) if origin is float else isinstance(value, origin)


def _misplaced(name: str, value: Any, kind: Any) -> str:
    return f"“{name}” is {_value_text(value)}, where {_kind_text(kind)} belongs"


def _kind_text(kind: Any) -> str:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in (types.UnionType, Union):
        return _kind_text(arguments[0])
    return "one of " + ", ".join(arguments) if origin is Literal else _KINDS.get(origin, "names and values")


def _value_text(value: Any) -> str:
    """A value in a sentence, cut short if it is endless."""
    return f"“{one_line(value, 40)}”" if isinstance(value, str) else one_line(repr(value), 40)
