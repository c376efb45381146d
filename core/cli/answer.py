"""How a command answers: one :class:`Answer`, printed as text or as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.base.strict_json import to_json


@dataclass
class Answer:
    """The result of a command: ``text`` for a person, ``data`` for a script.

    ``errors`` are printed on stderr. ``code`` is the exit code, 0 only if everything succeeded.
    """

    text: str
    data: Any
    errors: list[str] = field(default_factory=list)
    code: int = 0

    def as_json(self, *, ascii_only: bool = False) -> str:
        """Return ``data`` as JSON, with null for NaN and infinity. ``ascii_only``: other letters as ``\\u00e9``."""
        return to_json(self.data, indent=1, ensure_ascii=ascii_only)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> str:
    """Return rows in aligned columns under upper-case names; the columns in ``right`` are aligned to the right."""
    lines = [[name.upper() for name in columns], *([str(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def aligned(line: Sequence[str]) -> str:
        cells = zip(columns, line, widths, strict=True)
        padded = (text.rjust(width) if name in right else text.ljust(width) for name, text, width in cells)
        return "  ".join(padded).rstrip()

    return "\n".join(map(aligned, lines))


def facts(values: Mapping[str, object]) -> str:
    """Return names and values in two columns, without those that are ``None`` or empty."""
    known = {name: value for name, value in values.items() if value not in (None, "", ())}
    width = max(map(len, known), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in known.items())
