"""Mistakes: the confusion matrix by hand, and which images a cell holds, in which order."""

import numpy as np

from core.inspect.mistakes import Cell, answer_text, cell_text, confusion, ranked, table
from core.runs.predictions import Answers

LOGITS = np.array([[2, 0], [1, 0], [0, 3], [4, 0], [0, 1]], np.float32)
ANSWERS = Answers("test", 1, np.array([3, 5, 6, 8, 9]), np.array([0, 1, 0, 1, 1]), LOGITS, LOGITS.argmax(1))


def test_the_confusion_matrix_has_a_row_for_each_true_class():
    assert confusion(ANSWERS).tolist() == [[1, 1], [2, 1]]


def test_the_most_confident_mistakes_come_first():
    assert ranked(ANSWERS, Cell()).tolist() == [3, 2, 1]
    assert ranked(ANSWERS, Cell(true=1)).tolist() == [3, 1]
    assert ranked(ANSWERS, Cell(predicted=1)).tolist() == [2]
    assert ranked(ANSWERS, Cell(1, 0)).tolist() == [3, 1]


def test_a_cell_of_the_diagonal_has_right_answers():
    assert ranked(ANSWERS, Cell(1, 1)).tolist() == [4]
    assert ranked(ANSWERS, Cell(0, 0)).tolist() == [0]


def test_each_answer_is_a_row_of_the_table():
    rows = table(ANSWERS, ("cat", "dog"))
    assert rows["image"].tolist() == [3, 5, 6, 8, 9]
    assert rows.loc[1, ["label", "predicted", "correct"]].tolist() == ["dog", "cat", False]
    assert np.allclose(rows["cat"] + rows["dog"], 1) and (rows["confidence (0-1)"] >= 0.5).all()


def test_a_cell_says_what_it_holds():
    names = ("cat", "dog")
    assert cell_text(ANSWERS, Cell(), names) == "3 mistakes among 5 images (60.00 %)"
    assert cell_text(ANSWERS, Cell(1, 0), names) == "2 images of dog called cat"
    assert cell_text(ANSWERS, Cell(0, 0), names) == "1 image of cat, recognised"
    assert cell_text(ANSWERS, Cell(true=1), names) == "2 images of dog called something else"
    assert cell_text(ANSWERS, Cell(predicted=1), names) == "1 image of other classes called dog"
    assert answer_text(ANSWERS, 3, names) == "Image 8: dog, called cat (98.2 %)"
