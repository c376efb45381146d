"""The published numbers as printed, and where they are drawn."""

import pytest

from core.config import CLASSES, RunConfig
from core.published import POINTS, main_result, reference_line


def test_the_best_published_results_are_the_reports_own():
    by_task = {one.task: one for one in POINTS if one.varied == "train_size" and one.value in (10_000, 50_000)}
    assert by_task["deer-dog"].best_accuracy == 0.968522 and by_task["deer-dog"].min_loss == 0.44778106
    assert by_task["all-ten"].best_accuracy == 0.9137 and by_task["all-ten"].min_loss == 0.497534511


def test_every_figure_has_its_points():
    assert {figure: sum(one.figure == figure for one in POINTS) for figure in (3, 5, 7, 9)} == {3: 5, 5: 5, 7: 5, 9: 5}


@pytest.mark.parametrize(("classes", "accuracy"), [(CLASSES, 0.9137), (("dog", "deer"), 0.968522)])
def test_a_reference_belongs_to_its_classes(classes, accuracy):
    config = RunConfig().replace({"data.classes": classes})
    assert main_result(config).best_accuracy == accuracy
    name, value = reference_line([config])
    assert value == accuracy and "chosen on its test images" in name


def test_a_line_is_drawn_only_where_all_runs_have_the_classes_of_one_result():
    ten, pair, other = (
        RunConfig().replace({"data.classes": one}) for one in (CLASSES, ("deer", "dog"), ("cat", "dog"))
    )
    assert reference_line([ten, ten.replace({"train.lr": 0.2})])[1] == 0.9137
    assert reference_line([other]) is None
    assert reference_line([ten, pair]) is None
    assert reference_line([]) is None
