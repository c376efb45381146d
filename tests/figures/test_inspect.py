"""Figures of single answers: their numbers are those of the answers, and texts say them to people who do not see."""

import numpy as np
import pandas as pd
import pytest

from core.figures import inspect as figures
from core.inspect.calibration import BINS, reliability
from core.inspect.classes import SCORES, class_scores
from core.inspect.mistakes import Cell, confusion
from core.inspect.pairs import AGREEMENTS, class_differences, pair
from tests.runs.test_predictions import made_answers

ANSWERS, OTHER = made_answers(n=400), made_answers(n=400, seed=1)
CLASSES = tuple("abcdefghij")


def test_right_answers_are_on_a_grey_diagonal_and_mistakes_coloured() -> None:
    matrix = confusion(ANSWERS)
    figure = figures.confusion_matrix(matrix, CLASSES, rows=False, chosen=Cell(2, 3))
    mistakes, right = figure.data
    assert np.isnan(np.diag(mistakes.z)).all() and (np.diag(right.z) == np.diag(matrix)).all()
    assert np.nansum(mistakes.z) + np.nansum(right.z) == 400
    assert figure.layout.coloraxis.cmax == np.nanmax(mistakes.z)
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (2.5, 3.5, 1.5, 2.5), "the column is the prediction"


@pytest.mark.parametrize(("cell", "frame"), [(Cell(true=1), (-0.5, 9.5, 0.5, 1.5)), (Cell(), None)])
def test_a_frame_marks_a_row_or_nothing(cell: Cell, frame: tuple[float, ...] | None) -> None:
    shapes = figures.confusion_matrix(confusion(ANSWERS), CLASSES, rows=True, chosen=cell).layout.shapes
    assert [(each.x0, each.x1, each.y0, each.y1) for each in shapes] == ([frame] if frame else [])


def test_rows_add_up_to_100_percent_also_without_images() -> None:
    matrix = confusion(ANSWERS)
    matrix[4] = 0
    mistakes, right = figures.confusion_matrix(matrix, CLASSES, rows=True, chosen=Cell()).data
    sums = np.nansum([mistakes.z, right.z], axis=(0, 2))
    assert sums == pytest.approx([0.0 if at == 4 else 100.0 for at in range(10)])


def test_the_text_of_the_matrix_names_the_most_frequent_mistakes() -> None:
    matrix = np.array([[5, 0, 1], [7, 4, 0], [0, 2, 9]])
    text = figures.confusion_text(matrix, ("cat", "dog", "ship"))
    assert "28 images, 10 of them mistakes" in text
    assert text.index("dog called cat: 7") < text.index("ship called dog: 2") < text.index("cat called ship: 1")


@pytest.mark.parametrize("score", SCORES)
def test_scores_of_two_runs_have_their_intervals(score: str) -> None:
    tables = {name: class_scores(each, CLASSES) for name, each in (("one", ANSWERS), ("two", OTHER))}
    figure = figures.class_scores(tables, score)
    for trace, table in zip(figure.data, tables.values(), strict=True):
        assert list(trace.x) == pytest.approx(list(100 * table[score]))
        ends = np.array(trace.x) - np.array(trace.error_x.arrayminus)
        assert ends == pytest.approx(100 * table[f"{score}_low"].to_numpy())
    assert figure.layout.yaxis.categoryarray == CLASSES


def test_a_reliability_diagram_leaves_out_empty_bins() -> None:
    diagram = reliability(ANSWERS)
    _, line = figures.reliability({"as trained": diagram}).data
    assert len(line.x) == (diagram.counts > 0).sum() and not np.isnan(line.y).any()
    (bars,) = figures.bin_counts({"as trained": diagram}).data
    assert sum(bars.y) == 400 and len(bars.x) == BINS
    assert "right" in figures.reliability_text({"as trained": diagram})


def test_each_cell_of_two_networks_has_its_count_and_its_click() -> None:
    both = pair(ANSWERS, ANSWERS)
    assert both is not None
    figure = figures.agreement(both, ("one", "two"), "second")
    texts = np.where(figure.data[0].text == "", figure.data[1].text, figure.data[0].text)
    assert [text.partition("<br>")[0] for text in texts.flat] == [f"{both.counts[name]:,}" for name in AGREEMENTS]
    cells = [("right", "right"), ("wrong", "right"), ("right", "wrong"), ("wrong", "wrong")]
    assert [figures.agreement_at(x, y) for x, y in cells] == list(AGREEMENTS)
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.y0) == (-0.5, 0.5), "second row: the first network is wrong, the second right"


def test_differences_of_classes_are_in_points() -> None:
    both = pair(ANSWERS, ANSWERS)
    assert both is not None
    table = class_differences(both, CLASSES)
    assert set(figures.class_differences(table, ("one", "two")).data[0].x) == {0}
    assert figures.class_differences(pd.DataFrame(), ("one", "two")).layout.annotations[0].text
