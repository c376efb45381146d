"""What a setting is: one definition that the form, the command line, the checks and the docs all read.

A field of a config section (:mod:`core.config.sections`) has the type of its value as annotation, and label, help,
unit and range as metadata (:func:`setting`). :func:`settings_of` makes a :class:`Setting` of both, which parses text,
explains what is wrong with a value, and writes a value as text.
"""

import dataclasses
import difflib
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from core.base.numbers import Ambiguous, decimal_number, split_list, whole_number
from core.base.text import one_line

Kind = Literal["int", "float", "bool", "choice", "ints", "classes"]

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Setting:
    """One choice a person can make.

    ``limits`` are the smallest and the largest number allowed. ``none`` is the word for ``None`` (``"all"``), empty
    where a value is required. ``when`` is the path of another setting and its values under which this one has an
    effect; a setting without effect is hidden in the form and left out of a run's signature. ``log`` says that its
    size matters by its factor, so that a search draws it from a logarithmic scale.
    """

    kind: Kind
    choices: tuple[str, ...]
    label: str
    help: str
    unit: str = ""
    limits: tuple[float, float] | None = None
    none: str = ""
    when: tuple[str, tuple[Any, ...]] | None = None
    log: bool = False

    def parse(self, text: str) -> Any:
        """Return the value that ``text`` stands for. Raises ``ValueError`` with a sentence if there is none."""
        text = text.strip()
        if self.none and text.lower() in (self.none, "none", "null", ""):
            return None
        try:
            match self.kind:
                case "int":
                    return whole_number(text)
                case "float":
                    return decimal_number(text)
                case "bool":
                    if text.lower() not in _TRUE | _FALSE:
                        raise ValueError
                    return text.lower() in _TRUE
                case "choice":
                    return self._choice(text)
            listed = text.strip("[]() ")
            if self.kind == "ints":
                return tuple(map(whole_number, split_list(listed)))
            return tuple(self._choice(part.strip()) for part in re.split("[,;]", listed) if part.strip())
        except Ambiguous:
            raise
        except ValueError:
            raise ValueError(f"“{one_line(text, 40)}” is not {self.expects()}.") from None

    def _choice(self, text: str) -> str:
        """Return the choice that ``text`` means, whatever its case, or ``text`` itself."""
        return next((choice for choice in self.choices if choice.lower() == text.lower()), text)

    def understood(self, text: str) -> str:
        """Return how a number in ``text`` was read, ``10,000 images``; empty for its plain form and for other text."""
        try:
            value = self.parse(text)
        except ValueError:
            return ""
        plain_form = text.replace(", ", ",").strip() == self.show(value)
        if value is None or self.kind not in ("int", "float", "ints") or plain_form:
            return ""
        numbers = ", ".join(map(plain, value if isinstance(value, tuple) else (value,)))
        return f"{numbers} {self.unit.removesuffix('s') if value == 1 else self.unit}".strip()

    def problem(self, value: Any) -> str | None:
        """Return a sentence about what is wrong with ``value``, or ``None`` if it is allowed."""
        if value is None:
            return None if self.none else f"is missing: use {self.expects()}."
        match self.kind:
            case "choice":
                return None if value in self.choices else self._mismatch(value) + near(value, self.choices)
            case "bool":
                return None if isinstance(value, bool) else self._mismatch(value)
            case "classes":
                return self._problem_of_classes(value)
        numbers = value if self.kind == "ints" else (value,)
        if not isinstance(numbers, tuple):
            return self._mismatch(value)
        return next((text for number in numbers if (text := self._problem_of_number(number))), None)

    def _problem_of_classes(self, names: Any) -> str | None:
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            return self._mismatch(names)
        unknown = [name for name in names if name not in self.choices]
        if unknown:
            return f"“{unknown[0]}” is not a class of CIFAR-10." + near(unknown[0], self.choices)
        if len(set(names)) < len(names):
            return "lists a class twice. List each class once."
        return None if len(names) >= 2 else "needs at least two classes."

    def _problem_of_number(self, number: Any) -> str | None:
        allowed = (int, float) if self.kind == "float" else (int,)
        finite = not isinstance(number, float) or math.isfinite(number)
        if isinstance(number, bool) or not isinstance(number, allowed) or not finite:
            return self._mismatch(number)
        if self.limits and not self.limits[0] <= number <= self.limits[1]:
            return f"{plain(number)} is out of range: use {self.expects()}."
        return None

    def _mismatch(self, value: Any) -> str:
        return f"“{value}” is not {self.expects()}."

    def expects(self) -> str:
        """Return what the setting takes: ``"a whole number of images from 2 to 60,000, or “all”"``."""
        numbers = f" of {self.unit}" if self.unit else ""
        if self.limits:
            numbers += f" from {plain(self.limits[0])} to {plain(self.limits[1])}"
        words = {
            "int": f"a whole number{numbers}",
            "float": f"a number{numbers}",
            "bool": "true or false",
            "choice": "one of " + ", ".join(self.choices),
            "ints": f"a list of whole numbers{numbers}, separated by commas",
            "classes": "a list of at least two classes, separated by commas",
        }[self.kind]
        return words + (f", or “{self.none}”" if self.none else "")

    def show(self, value: Any) -> str:
        """Return ``value`` as text that :meth:`parse` reads back."""
        if value is None:
            return self.none
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        if isinstance(value, bool):
            return "true" if value else "false"
        return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)

    def text(self, value: Any) -> str:
        """Return ``value`` as a person reads it: ``10,000``, ``0.1``, ``80, 120``, ``on``, ``all``."""
        return self.none if value is None else value_text(value)

    def phrase(self, value: Any) -> str:
        """Return the setting with ``value`` in a few words: ``depth 8``, ``30 epochs``."""
        text = self.text(value)
        if self.unit and self.unit == self.label.lower():
            return f"{text} {self.unit.removesuffix('s') if value == 1 else self.unit}"
        return f"{self.label.lower()} {text}"


def setting(default: Any, label: str, help: str, **more: Any) -> Any:
    """Return a dataclass field with a default value and what its annotation does not say about its :class:`Setting`."""
    return dataclasses.field(default=default, metadata={"label": label, "help": help, **more})


def settings_of(section: type) -> dict[str, Setting]:
    """Return the settings of a dataclass by field name, in the order of definition."""
    types = get_type_hints(section)
    fields = dataclasses.fields(section)
    return {field.name: Setting(*_kind(types[field.name]), **field.metadata) for field in fields}


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    """Return kind and choices of an annotation such as ``int | None``, ``Literal["a", "b"]`` or ``tuple[int, ...]``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "choice", arguments
    if origin is tuple:
        return ("ints", ()) if arguments[0] is int else ("classes", get_args(arguments[0]))
    kinds: dict[type, Kind] = {int: "int", float: "float", bool: "bool"}
    return kinds[arguments[0] if arguments else annotation], ()


def plain(number: float) -> str:
    """Return a number as a person writes it: ``50,000``, ``0.001``, ``1e-07``. Very long ones are cut."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return text if len(text) <= 24 else f"{text[:20]}…"


def value_text(value: Any) -> str:
    """Return a value of any setting as a person reads it; numbers may be NumPy's. See :meth:`Setting.text`."""
    if isinstance(value, tuple | list):
        return ", ".join(map(value_text, value))
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return plain(value) if isinstance(value, int | float) else str(value)


def near(word: Any, known: Any) -> str:
    """Return `` Did you mean “…”?`` if something known is spelled almost like ``word``, else an empty text."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean “{close[0]}”?" if close else ""
