"""The 28 results of Tables 1 and 2: complete, sorted as printed, linked, and with their right authors."""

import re

from core.published.tables import RESULTS


def test_both_tables_have_fourteen_results_from_the_best_to_the_worst():
    assert [result.table for result in RESULTS] == [1] * 14 + [2] * 14
    accuracies = [result.accuracy for result in RESULTS]
    assert accuracies == sorted(accuracies, reverse=True)
    assert (accuracies[0], accuracies[-1]) == (96.53, 90.5)


def test_a_result_links_to_its_paper_where_the_number_is_known():
    linked = {result.method: result.link for result in RESULTS if result.link}
    assert len(linked) == 17 and linked["Network in network"] == "https://arxiv.org/abs/1312.4400"
    papers = [link for link in linked.values() if "arxiv" in link]
    assert len(papers) == 16
    assert all(re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", link) for link in papers)
    assert {result.link for result in RESULTS if not result.arxiv and not result.url} == {None}


def test_notes_say_what_was_checked_in_the_paper_itself():
    notes = {result.accuracy: result for result in RESULTS if result.note}
    assert "100 test passes" in notes[96.53].note and notes[96.53].arxiv == "1412.6071"
    assert "best of five" in notes[93.57].note and "93.39 ± 0.16" in notes[93.57].note
    assert "91.25" in notes[93.57].note and notes[93.57].arxiv == "1512.03385"
    assert all(result.link for result in notes.values())


def test_the_two_wrong_references_are_corrected_with_a_note():
    wrong = {result.printed_reference: result for result in RESULTS if result.authors != result.printed_reference}
    assert {printed: result.authors for printed, result in wrong.items()} == {
        "Karpathy 2011": "Lee, Gallagher & Tu 2015",
        "Courbariaux et al. 2015": "Liao & Carneiro 2015",
    }
    assert all(printed in result.note and "wrong" in result.note for printed, result in wrong.items())
