"""The published numbers as printed, and where they are drawn."""

import csv
import re
from pathlib import Path

import pytest

from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import CLASSES
from core.published.points import POINTS, main_result, points_of, reference_line
from core.published.tables import RESULTS

FIXTURES = Path(__file__).parents[1] / "fixtures"


def printed(name):
    """The rows of a table as it was typed from the report, every cell text."""
    with (FIXTURES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_point_of_the_figures_is_the_printed_one_to_the_last_digit():
    ours = [(one.figure, one.task, one.varied, one.value, one.best_accuracy, one.min_loss) for one in POINTS]
    theirs = [
        (int(row["figure"]), row["task"], row["varied"], int(row["value"]),
         float(row["best_accuracy"]), float(row["min_loss"]))
        for row in printed("figures.csv")
    ]  # fmt: skip
    assert ours == theirs


def test_each_point_was_tested_on_as_many_images_as_the_report_says():
    told = [re.search(r"test (?:= the other )?(\d+)", row["fixed"]).group(1) for row in printed("figures.csv")]
    assert [one.images for one in POINTS] == [int(number) for number in told]


def test_the_tables_are_the_printed_ones():
    ours = [(one.table, one.method, one.reference, one.accuracy, one.note) for one in RESULTS]
    theirs = [
        (int(row["table"]), row["method"], row["reference_as_printed"], float(row["accuracy_percent"]), row["note"])
        for row in printed("tables.csv")
    ]
    assert ours == theirs
    assert [sum(one.table == table for one in RESULTS) for table in (1, 2)] == [14, 14]


def test_a_result_links_to_its_paper_where_the_number_is_known():
    linked = [row["note"] for row in printed("tables.csv") if row["note"].startswith("arXiv:")]
    assert [one.link for one in RESULTS if one.link] == [
        "https://arxiv.org/abs/" + note.split(":")[1] for note in linked
    ]
    assert {one.link for one in RESULTS if not one.note.startswith("arXiv")} == {None}


def test_the_two_wrong_references_are_put_right():
    assert {one.reference: one.authors for one in RESULTS if one.wrong_reference} == {
        "Karpathy 2011": "Lee, Gallagher & Tu 2015",
        "Courbariaux et al. 2015": "Liao & Carneiro 2015",
    }
    assert all(one.authors == one.reference for one in RESULTS if not one.wrong_reference)


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
    found = points_of(classes, path)
    assert {one.figure for one in found} == {figure}
    assert [one.value for one in found] == values
    assert path in SETTINGS


def test_other_classes_and_other_knobs_have_no_points():
    assert points_of(("cat", "dog"), "data.train_size") == ()
    assert points_of(("deer", "dog"), "train.epochs") == ()
    assert points_of(CLASSES, "train.lr") == ()


def test_the_best_published_results_are_the_reports_own():
    by_task = {one.task: one for one in POINTS if one.varied == "train_size" and one.value in (10_000, 50_000)}
    assert by_task["deer-dog"].best_accuracy == 0.968522 and by_task["deer-dog"].min_loss == 0.44778106
    assert by_task["all-ten"].best_accuracy == 0.9137 and by_task["all-ten"].min_loss == 0.497534511


def test_every_figure_has_its_points():
    assert {figure: sum(one.figure == figure for one in POINTS) for figure in (3, 5, 7, 9)} == {3: 5, 5: 5, 7: 5, 9: 5}


@pytest.mark.parametrize(
    ("classes", "accuracy", "name"),
    [(CLASSES, 0.9137, "the report’s main result"), (("dog", "deer"), 0.968522, "the report’s best")],
)
def test_a_reference_belongs_to_its_classes_and_is_called_best_only_where_it_is(classes, accuracy, name):
    config = RunConfig().replace({"data.classes": classes})
    assert main_result(config).best_accuracy == accuracy
    assert reference_line([config]) == (f"{name}, chosen on its test images", accuracy)


def test_a_line_is_drawn_only_where_all_runs_have_the_classes_of_one_result():
    ten, pair, other = (
        RunConfig().replace({"data.classes": one}) for one in (CLASSES, ("deer", "dog"), ("cat", "dog"))
    )
    assert reference_line([ten, ten.replace({"train.lr": 0.2})])[1] == 0.9137
    assert reference_line([other]) is None
    assert reference_line([ten, pair]) is None
    assert reference_line([]) is None
