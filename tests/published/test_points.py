"""The published numbers: facts that their arithmetic has to satisfy, and where they are drawn."""

import pytest

from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import CLASSES
from core.published.points import FIGURES, POINTS, TASKS, main_result, points_of, reference_line


def test_every_figure_has_five_points_of_one_setting_rising():
    assert FIGURES == (3, 5, 7, 9)
    for figure in FIGURES:
        points = [point for point in POINTS if point.figure == figure]
        assert len(points) == 5 and len({(point.task, point.path) for point in points}) == 1
        values = [point.value for point in points]
        assert values == sorted(set(values))
        assert points[0].path in SETTINGS


def test_all_images_that_did_not_train_were_tested_on():
    for point in POINTS:
        trained = point.value if point.path == "data.train_size" else 50_000
        assert point.images == 6_000 * len(TASKS[point.task]) - trained


def test_the_points_that_are_no_measurement_are_marked():
    assert {point.figure: point.derived for point in POINTS} == {3: 5, 5: None, 7: None, 9: None}


def test_the_same_run_has_the_same_numbers_in_every_figure():
    runs = [point for point in POINTS if point.best_accuracy == 0.9137]
    assert [(point.figure, point.value) for point in runs] == [(5, 50_000), (7, 128), (9, 200)]
    assert {round(point.loss, 2) for point in runs} == {0.5}


@pytest.mark.parametrize(
    ("classes", "path", "figure", "values"),
    [
        (("dog", "deer"), "data.train_size", 3, [6_000, 7_000, 8_000, 9_000, 10_000]),
        (CLASSES, "data.train_size", 5, [30_000, 35_000, 40_000, 45_000, 50_000]),
        (CLASSES, "train.batch_size", 7, [32, 64, 128, 256, 512]),
        (CLASSES, "train.epochs", 9, [100, 200, 300, 400, 500]),
    ],
)
def test_a_study_finds_the_points_of_its_figure(classes, path, figure, values):
    points = points_of(classes, path)
    assert {point.figure for point in points} == {figure}
    assert [point.value for point in points] == values


def test_other_classes_and_other_settings_have_no_points():
    assert points_of(("cat", "dog"), "data.train_size") == ()
    assert points_of(("deer", "dog"), "train.epochs") == ()
    assert points_of(CLASSES, "train.lr") == ()


def test_the_main_result_of_ten_classes_is_the_one_with_most_training_images():
    point = main_result(RunConfig())
    assert (point.best_accuracy, point.loss) == (0.9137, 0.497534511)
    assert reference_line([RunConfig()]) == ("the report’s main result, chosen on its test images", 0.9137)


def test_the_pair_has_no_result_and_no_line_because_its_numbers_are_no_measurement():
    pair = RunConfig().replace({"data.classes": ("dog", "deer")})
    assert points_of(("deer", "dog"), "data.train_size")
    assert main_result(pair) is None
    assert reference_line([pair]) is None


def test_a_line_is_drawn_only_where_all_runs_have_the_classes_of_one_result():
    ten, pair, other = (
        RunConfig().replace({"data.classes": classes}) for classes in (CLASSES, ("deer", "dog"), ("cat", "dog"))
    )
    assert reference_line([ten, ten.replace({"train.lr": 0.2})])[1] == 0.9137
    assert reference_line([other]) is None
    assert reference_line([ten, pair]) is None
    assert reference_line([]) is None
