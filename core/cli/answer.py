"""How the command line answers: one :class:`Answer` a command, printed as text or as JSON.

Here are the words and columns of a terminal; what is told is decided in the other ``cli_`` files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.base.strict_json import to_json


@dataclass
class Answer:
    """What a command has to say: ``text`` for a person, ``data`` for a script, and how it went.

    ``errors`` are sentences for stderr; ``code`` is the exit code, 0 only where all was done.
    """

    text: str
    data: Any
    errors: list[str] = field(default_factory=list)
    code: int = 0

    def as_json(self) -> str:
        """``data`` as strict JSON: no NaN, no Infinity."""
        return to_json(self.data, indent=1, ensure_ascii=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> str:
    """Columns side by side under their names, those in ``right`` aligned there."""
    lines = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    aligned = [
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join(aligned)


def facts(pairs: Mapping[str, object]) -> str:
    """Names and values in two columns; what is ``None`` or empty is left out."""
    told = {name: str(value) for name, value in pairs.items() if value not in (None, "", ())}
    width = max(map(len, told), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in told.items())
