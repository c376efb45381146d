"""What a setting is: one definition that the form, the command line, the checks and the docs all read.

A :class:`Setting` knows its kind, unit, range, choices and one line of help. It turns text into a
value, says in a sentence what is wrong with a value, and writes a value back as text. Which settings
there are is :mod:`core.config.run_config`'s business.
"""

import difflib
import math
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["int", "float", "bool", "choice", "ints", "classes"]

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Setting:
    """One choice a person can make.

    ``none`` is the word that stands for ``None`` (``"all"``), empty where a value is required.
    ``when`` names another setting and the values of it under which this one has an effect; a setting out
    of effect is hidden in the form and left out of a run's signature.
    """

    kind: Kind
    label: str
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    none: str = ""
    when: tuple[str, tuple[Any, ...]] | None = None

    def parse(self, text: str) -> Any:
        """The value that ``text`` means; raises ``ValueError`` with a sentence if it means none."""
        text = text.strip()
        if self.none and text.lower() in (self.none, "none", "null", ""):
            return None
        try:
            match self.kind:
                case "int":
                    number = float(text)  # so that 5e4 is read too
                    if number != int(number):
                        raise ValueError
                    return int(number)
                case "float":
                    return float(text)
                case "bool":
                    if text.lower() not in _TRUE | _FALSE:
                        raise ValueError
                    return text.lower() in _TRUE
                case "ints":
                    return tuple(int(part) for part in text.strip("[]() ").split(",") if part.strip())
                case "classes":
                    return tuple(part.strip() for part in text.strip("[]() ").split(",") if part.strip())
                case "choice":
                    return text
        except (ValueError, OverflowError):
            raise ValueError(f"“{text}” is not {self.expects()}.") from None

    def problem(self, value: Any) -> str | None:
        """A sentence about what is wrong with ``value``, or ``None`` if it is allowed."""
        if value is None:
            return None if self.none else f"is missing; it takes {self.expects()}."
        match self.kind:
            case "choice":
                if value not in self.choices:
                    return f"“{value}” is not among the choices; it takes {self.expects()}." + near(value, self.choices)
                return None
            case "classes":
                if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
                    return f"takes {self.expects()}."
                unknown = [one for one in value if one not in self.choices]
                if unknown:
                    return f"“{unknown[0]}” is no class of CIFAR-10." + near(unknown[0], self.choices)
                if len(set(value)) < len(value):
                    return "names a class twice; each class counts once."
                if len(value) < 2:
                    return "needs at least two classes: with one there is nothing to tell apart."
                return None
            case "bool":
                return None if isinstance(value, bool) else f"takes {self.expects()}, not “{value}”."
        numbers = value if self.kind == "ints" else (value,)
        if not isinstance(numbers, tuple):
            return f"takes {self.expects()}, not “{value}”."
        allowed = (int, float) if self.kind == "float" else (int,)
        for number in numbers:
            finite = not isinstance(number, float) or math.isfinite(number)
            if isinstance(number, bool) or not isinstance(number, allowed) or not finite:
                return f"takes {self.expects()}, not “{number}”."
            if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
                return f"{plain(number)} is out of range; it takes {self.expects()}."
        return None

    def expects(self) -> str:
        """What the setting takes, in words: ``"a whole number of images from 2 to 60,000, or “all”"``."""
        span = ""
        if self.low is not None and self.high is not None:
            span = f" from {plain(self.low)} to {plain(self.high)}"
        elif self.low is not None:
            span = f" of at least {plain(self.low)}"
        unit = f" of {self.unit}" if self.unit else ""
        words = {
            "int": f"a whole number{unit}{span}",
            "float": f"a number{unit}{span}",
            "bool": "true or false",
            "choice": "one of " + ", ".join(self.choices),
            "ints": f"whole numbers{unit}{span}, separated by commas",
            "classes": "at least two classes, separated by commas",
        }[self.kind]
        return words + (f", or “{self.none}”" if self.none else "")

    def show(self, value: Any) -> str:
        """``value`` as text that :meth:`parse` reads back."""
        if value is None:
            return self.none
        if isinstance(value, tuple):
            return ",".join(str(one) for one in value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def plain(number: float) -> str:
    """A number as a person writes it: ``50,000``, ``0.001``, ``1e-07``; an endless one is cut short."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return text if len(text) <= 24 else f"{text[:20]}…"


def near(word: Any, known: Any) -> str:
    """`` Did you mean “…”?`` when something known is spelled almost like ``word``, else empty."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean “{close[0]}”?" if close else ""


def setting(default: Any, kind: Kind, label: str, help: str, **more: Any) -> Any:
    """A dataclass field that carries its :class:`Setting`; the arguments are the setting's."""
    return field(default=default, metadata={"setting": Setting(kind, label, help, **more)})
