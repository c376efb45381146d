"""Tables 1 and 2 as the page shows them."""

from core.published.tables import RESULTS
from core.views.report import results_table, results_text


def test_each_result_is_a_row_and_wrong_references_are_shown_beside_the_right_ones():
    table = results_table()
    assert table["accuracy"].tolist() == [result.accuracy for result in RESULTS]
    wrong = table[table["printed"].notna()].set_index("printed")["authors"].to_dict()
    assert wrong == {"Karpathy 2011": "Lee, Gallagher & Tu 2015", "Courbariaux et al. 2015": "Liao & Carneiro 2015"}
    assert table["paper"].notna().sum() == 17


def test_the_text_counts_results_and_corrections():
    assert results_text().startswith("The 28 results")
    assert " 2 references are printed wrong" in results_text()
    assert " 0 references" in results_text(RESULTS[:1])
