"""Numbers as people type them: ``10,000``, ``4 500``, ``4’500``, ``0,1``, ``5e4``, and lists of them.

A text is read only if it can be meant in one way. :class:`Ambiguous` says which ways there are.
"""

import math
import re

#: What people put between groups of three digits besides a comma: apostrophes, an underscore, every kind of space.
_GROUPS = "'’_ \u00a0\u2007\u2009\u202f"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}")
#: Groups of three digits with one kind of mark between them (2), and a fraction after another mark.
_GROUPED = re.compile(rf"([+-]?[1-9]\d{{0,2}})([.,{_GROUPS}])\d{{3}}(?:\2\d{{3}})*((?!\2)[.,]\d+)?{_EXPONENT}")
_COMMA = re.compile(rf"[+-]?\d*,\d+{_EXPONENT}")


#: Hyphens and dashes, which programs put for a minus sign as one types, the minus sign, and full-width marks.
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"
_MARKS = str.maketrans({**dict.fromkeys(DASHES, "-"), "，": ",", "．": ".", "；": ";", "\u066b": ".", "\u066c": ","})


class Ambiguous(ValueError):
    """A text that can be meant in several ways; ``str(error)`` is the sentence for the person who typed it."""


def whole_number(text: str) -> int:
    """Return the whole number that ``text`` stands for. Raises ValueError, Ambiguous for ``10.000``."""
    text = _tidy(text)
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    grouped = _GROUPED.fullmatch(text)
    if grouped and grouped[2] == "." and not grouped[3]:
        raise _two_ways(text, text.split(".")[0], text.replace(".", ""))
    if grouped and not grouped[3]:
        return int(re.sub(rf"[,{_GROUPS}]", "", text))
    if "e" in text.lower() and _PLAIN.fullmatch(text) and (number := float(text)).is_integer():
        return int(number)
    raise ValueError(text)


def decimal_number(text: str) -> float:
    """Return the number that ``text`` stands for. Raises ValueError, Ambiguous for ``1,500``."""
    text = _tidy(text)
    if _PLAIN.fullmatch(text):
        return _finite(text)
    if grouped := _GROUPED.fullmatch(text):
        mark, fraction = grouped[2], grouped[3]
        if mark == "," and not fraction and text.count(",") == 1:
            raise _two_ways(text, text.replace(",", "."), text.replace(",", ""))
        digits = re.sub(rf"[{re.escape(mark)}]", "", text)
        return _finite(digits.replace(",", "."))
    if _COMMA.fullmatch(text):
        return _finite(text.replace(",", "."))
    raise ValueError(text)


def split_list(text: str) -> list[str]:
    """Return the parts of a list of values: between semicolons or lines if there are any, else between commas.

    Raises Ambiguous if a comma or a space may also group the digits of one number: ``5,000, 10,000``.
    """
    text = text.translate(_MARKS)
    if re.search(r"[;\n]", text):
        return [part.strip() for part in re.split(r"[;\n]", text) if part.strip()]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    spaced = [part.strip() for part in re.split(r",\s+", text) if part.strip()]
    one_or_two = [part for part in parts if re.search(r"\d \d", part)]
    if 1 < len(spaced) < len(parts):
        one_or_two += [part for part in spaced if re.fullmatch(r"\d{1,3}(?:,\d{3})+", part)]
    if any(re.fullmatch(r"0\d+", part) for part in parts):
        one_or_two.append(text.strip())
    if one_or_two:
        raise Ambiguous(
            f"“{one_or_two[0][:40]}” may be one number or several. Separate the values with semicolons, as in "
            "5,000; 10,000, or write 5000, 10000."
        )
    return parts


def _tidy(text: str) -> str:
    return text.strip().translate(_MARKS)


def _finite(text: str) -> float:
    """Return the number. Raises ValueError for one beyond all that a computer can hold, such as ``1e400``."""
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _two_ways(text: str, one: str, other: str) -> Ambiguous:
    return Ambiguous(f"“{text}” may mean {one} or {int(other):,}. Write {one} or {other}.")
