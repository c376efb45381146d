"""The 28 results on CIFAR-10 that the report compares itself with, from tables.csv: its Tables 1 and 2 as printed.

The report does not say how their epochs were chosen, nor whether more data was used. Notes say what a number is where
this was checked in the paper named by its link; where it was not, there is no note.
"""

from dataclasses import dataclass

from core.published.points import rows


@dataclass(frozen=True)
class Result:
    """A row of Table 1 or 2. ``accuracy`` is in percent. ``authors`` are the right ones where the printed reference
    names others; ``arxiv`` is the paper's number there and ``url`` another address, if known; ``note`` may be empty."""

    table: int
    method: str
    printed_reference: str
    authors: str
    accuracy: float
    arxiv: str
    url: str
    note: str

    @property
    def link(self) -> str | None:
        """The address of the paper, if it is known."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else self.url or None


def _result(row: dict[str, str]) -> Result:
    numbers = {"table": int(row["table"]), "accuracy": float(row["accuracy"])}
    return Result(**(row | numbers))  # type: ignore[arg-type]


RESULTS = tuple(_result(row) for row in rows("tables.csv"))
