"""Tables 1 and 2 as the page and docs/report.md show them."""

from core.published.tables import RESULTS
from core.views.report import results_markdown, results_text


def test_each_result_is_a_row_and_wrong_references_are_shown_beside_the_right_ones():
    _, _, *lines = results_markdown().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[2] for row in rows] == [f"{result.accuracy:.2f} %" for result in RESULTS]
    wrong = {row[4]: row[3] for row in rows if row[4]}
    assert wrong == {"Karpathy 2011": "Lee, Gallagher & Tu 2015", "Courbariaux et al. 2015": "Liao & Carneiro 2015"}
    assert sum("](http" in row[1] for row in rows) == 17


def test_the_text_counts_results_and_corrections():
    assert results_text().startswith("The 28 results")
    assert " 2 references are printed wrong" in results_text()
    assert " 0 references" in results_text(RESULTS[:1])
