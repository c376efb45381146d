"""What the page The report says about Tables 1 and 2: right references, and what the numbers are where checked."""

from collections.abc import Sequence

from core.published.tables import RESULTS, Result


def results_markdown(results: Sequence[Result] = RESULTS) -> str:
    """Return the results of Tables 1 and 2 as a table in Markdown, whose cells wrap: notes are long."""
    rows = ["| Table | Method | Printed accuracy | Authors | Printed reference, if wrong | What the number is |"]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    for result in results:
        method = f"[{result.method}]({result.link})" if result.link else result.method
        printed = result.printed_reference if result.printed_reference != result.authors else ""
        cells = [str(result.table), method, f"{result.accuracy:.2f} %", result.authors, printed, result.note]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def results_text(results: Sequence[Result] = RESULTS) -> str:
    """Return how many results there are, how many references were corrected, and what to know about the numbers."""
    wrong = sum(result.printed_reference != result.authors for result in results)
    return (
        f"The {len(results)} results that the report compares itself with, in its order. {wrong} references are "
        "printed wrong and corrected here. The numbers are as printed; the note says what a number is where this was "
        "checked in the paper."
    )
