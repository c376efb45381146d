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


def test_an_accuracy_is_a_whole_number_of_images_but_in_figure_3():
    """Figure 3 is not a measurement: its numbers are 1.06 and 0.9 times Figure 5's at the same place."""
    for point in POINTS:
        right = point.best_accuracy * point.images
        assert (abs(right - round(right)) < 0.01) == (point.figure != 3)
    of = {figure: [point for point in POINTS if point.figure == figure] for figure in FIGURES}
    for pair, ten in zip(of[3], of[5], strict=True):
        assert pair.best_accuracy == pytest.approx(1.06 * ten.best_accuracy, abs=1e-8)
        assert pair.min_loss == pytest.approx(0.9 * ten.min_loss, abs=1e-8)


def test_the_same_run_has_the_same_numbers_in_every_figure():
    runs = [point for point in POINTS if point.best_accuracy == 0.9137]
    assert [(point.figure, point.value) for point in runs] == [(5, 50_000), (7, 128), (9, 200)]
    assert {round(point.min_loss, 2) for point in runs} == {0.5}


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


@pytest.mark.parametrize(
    ("classes", "accuracy", "loss", "name"),
    [
        (CLASSES, 0.9137, 0.497534511, "the report’s main result"),
        (("dog", "deer"), 0.968522, 0.44778106, "the report’s best"),
    ],
)
def test_a_reference_belongs_to_its_classes_and_is_called_best_only_where_it_is(classes, accuracy, loss, name):
    config = RunConfig().replace({"data.classes": classes})
    assert (main_result(config).best_accuracy, main_result(config).min_loss) == (accuracy, loss)
    assert reference_line([config]) == (f"{name}, chosen on its test images", accuracy)


def test_a_line_is_drawn_only_where_all_runs_have_the_classes_of_one_result():
    ten, pair, other = (
        RunConfig().replace({"data.classes": classes}) for classes in (CLASSES, ("deer", "dog"), ("cat", "dog"))
    )
    assert reference_line([ten, ten.replace({"train.lr": 0.2})])[1] == 0.9137
    assert reference_line([other]) is None
    assert reference_line([ten, pair]) is None
    assert reference_line([]) is None
