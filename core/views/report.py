"""What the page The report says about Tables 1 and 2: right references, and what the numbers are where checked."""

from collections.abc import Sequence

import pandas as pd

from core.published.tables import RESULTS, Result


def results_table(results: Sequence[Result] = RESULTS) -> pd.DataFrame:
    """Return a row per result of the report's tables.

    Columns: ``table``, ``method``, ``accuracy`` (percent, as printed), ``authors``, ``printed`` (the printed reference
    where it is wrong, else ``None``), ``note`` and ``paper`` (a link or ``None``).
    """
    rows = [
        {
            "table": result.table,
            "method": result.method,
            "accuracy": result.accuracy,
            "authors": result.authors,
            "printed": result.printed_reference if result.printed_reference != result.authors else None,
            "note": result.note or None,
            "paper": result.link,
        }
        for result in results
    ]
    return pd.DataFrame(rows)


def results_text(results: Sequence[Result] = RESULTS) -> str:
    """Return how many results there are, how many references were corrected, and what to know about the numbers."""
    wrong = sum(result.printed_reference != result.authors for result in results)
    return (
        f"The {len(results)} results that the report compares itself with, in its order. {wrong} references are "
        "printed wrong and corrected here. The numbers are as printed; the note says what a number is where this was "
        "checked in the paper."
    )
