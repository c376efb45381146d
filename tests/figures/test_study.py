"""Figures of a study show the table's values, both kinds of uncertainty, and the report's points."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.figures.study import colours_in_order, curves, curves_text, data, outcome, outcome_text
from core.figures.style import View
from core.published.points import points_of
from core.stats.intervals import wilson
from core.views.curves import NEUTRAL, RUN_COLOURS
from tests.made import made_curves, made_record
from tests.outcomes_made import outcomes

X = "data.train_size"
PAIR = points_of(("deer", "dog"), X)
TEN = points_of(CLASSES, X)
THREE = {6_000: (0.90, 0.91, 0.92), 8_000: (0.93, 0.95), 10_000: (0.96,)}


def traces(figure):
    return {trace.uid: trace for trace in figure.data}


def test_each_value_is_a_mean_with_its_deviation_and_n():
    mean = traces(outcome(outcomes(THREE), X))["all mean"]
    assert list(mean.x) == [6_000, 8_000, 10_000]
    assert list(mean.y) == pytest.approx([91.0, 94.0, 96.0])
    assert list(mean.error_y.array) == pytest.approx([1.0, 100 * np.std([0.93, 0.95], ddof=1), 0.0])
    assert [text.strip() for text in mean.text] == ["n=3", "n=2", "n=1"]


def test_single_runs_are_drawn_behind_the_mean_of_several():
    runs = traces(outcome(outcomes(THREE), X))["all runs"]
    assert list(runs.y) == pytest.approx([90.0, 91.0, 92.0, 93.0, 95.0])
    assert runs.opacity < 0.5
    assert "6000-2, seed 2: 92.00 %, best epoch 7" in runs.customdata


def test_the_sampling_of_test_images_is_a_thin_bar():
    figure = outcome(outcomes(THREE, images=2_000), X)
    thin, thick = traces(figure)["all images"], traces(figure)["all mean"]
    assert thin.error_y.thickness < thick.error_y.thickness
    assert thin.error_y.array[2] == pytest.approx(100 * (wilson(0.96, 2_000).high - 0.96))
    assert thin.error_y.arrayminus[0] == pytest.approx(100 * (0.91 - wilson(0.91, 2_000).low))
    assert "95 % interval" in thick.name
    assert "2,000 test images" in thick.customdata[0]


def test_single_seeds_have_no_deviation_and_the_legend_says_so():
    found = traces(outcome(outcomes({6_000: (0.9,), 8_000: (0.95,)}), X))
    assert found["all mean"].error_y.array is None
    assert "no deviation" in found["all mean"].name
    assert "all runs" not in found


def test_the_objective_is_in_nats_without_a_bar_for_images():
    figure = outcome(outcomes(THREE), X, metric="objective")
    assert list(traces(figure)["all mean"].y) == pytest.approx([1.5 - 0.91, 1.5 - 0.94, 1.5 - 0.96])
    assert "all images" not in traces(figure)
    assert "penalty (nats per image)" in figure.layout.yaxis.title.text


@pytest.mark.parametrize(
    ("metric", "values"),
    [("accuracy", [100 * point.best_accuracy for point in TEN]), ("objective", [point.loss for point in TEN])],
)
def test_the_reports_points_lie_over_it_to_the_last_digit(metric, values):
    report = traces(outcome(outcomes(THREE), X, metric=metric, published=TEN))["report"]
    assert list(report.y) == values
    assert list(report.x) == [30_000, 35_000, 40_000, 45_000, 50_000]
    assert report.marker.symbol == "circle-open"
    assert report.name.startswith("the report (one run each")
    assert "Figure 5 of the report, 50,000" in report.customdata[-1] and "10,000 test images" in report.customdata[-1]
    assert "10 times our epochs" in traces(outcome(outcomes(THREE), X, published=TEN, scaled=0.1))["report"].name


@pytest.mark.parametrize(("metric", "factor"), [("accuracy", "1.06"), ("objective", "0.9")])
def test_printed_numbers_that_are_no_measurement_are_called_what_they_are(metric, factor):
    report = traces(outcome(outcomes(THREE), X, metric=metric, published=PAIR))["report"]
    assert report.name == f"printed in the report; equals its Figure 5 × {factor}"
    assert report.mode == "markers" and report.line.color is None
    assert "Figure 3 of the report, 10,000" in report.customdata[-1] and "images" not in report.customdata[-1]


def test_the_report_has_no_cross_entropy():
    assert "report" not in traces(outcome(outcomes(THREE), X, metric="loss", published=PAIR))


def test_the_reports_epochs_are_scaled_with_ours():
    table = outcomes({10: (0.8, 0.81), 20: (0.85, 0.86)}, "train.epochs")
    report = traces(outcome(table, "train.epochs", published=points_of(CLASSES, "train.epochs"), scaled=0.1))["report"]
    assert list(report.x) == pytest.approx([10, 20, 30, 40, 50])
    assert "Figure 9 of the report, 100:" in report.customdata[0]
    assert report.name.endswith("its epochs × 0.1")


def test_batch_sizes_stand_on_a_logarithmic_axis_with_each_value_named():
    table = outcomes(dict.fromkeys((32, 64, 128, 256, 512), (0.9, 0.91)), "train.batch_size")
    axis = outcome(table, "train.batch_size").layout.xaxis
    assert axis.type == "log"
    assert list(axis.tickvals) == [32, 64, 128, 256, 512]
    assert outcome(outcomes(THREE), X).layout.xaxis.type is None
    zero = outcomes({0: (0.9,), 4: (0.9,), 100: (0.9,)}, "augment.cutout")
    assert outcome(zero, "augment.cutout").layout.xaxis.type is None


def test_choices_are_in_their_settings_order_without_a_line():
    figure = outcome(outcomes({"adamw": (0.9,), "sgd": (0.8,), "adam": (0.7,)}, "train.optimizer"), "train.optimizer")
    assert figure.layout.xaxis.type == "category"
    assert list(figure.layout.xaxis.categoryarray) == ["sgd", "adam", "adamw"]
    mean = traces(figure)["all mean"]
    assert list(mean.x) == ["sgd", "adam", "adamw"]
    assert "lines" not in mean.mode


def test_numbers_and_a_word_share_a_category_axis():
    rising = ["10,000", "20,000", "all"]
    figure = outcome(outcomes({20_000: (0.8, 0.82), "all": (0.9, 0.92), 10_000: (0.7, 0.72)}), X)
    found = traces(figure)
    assert list(figure.layout.xaxis.categoryarray) == rising
    assert list(found["all mean"].x) == list(found["all images"].x) == rising
    assert list(found["all mean"].y) == pytest.approx([71.0, 81.0, 91.0])
    assert list(found["all runs"].x) == [name for name in rising for _ in range(2)]


def test_the_chance_level_is_drawn_only_if_it_does_not_squeeze_the_points():
    assert not outcome(outcomes(THREE), X, classes=2).layout.shapes
    poor = outcomes({6_000: (0.55, 0.56), 8_000: (0.7, 0.7)})
    assert [shape.y0 for shape in outcome(poor, X, classes=2).layout.shapes] == [50.0]
    assert not outcome(poor, X, metric="objective", classes=2).layout.shapes


def test_each_series_has_a_colour_and_a_name():
    table = pd.concat([outcomes(THREE).assign(**{"train.optimizer": name}) for name in ("adam", "sgd")])
    found = traces(outcome(table, X, ("train.optimizer",)))
    assert found["Optimizer sgd mean"].marker.color == RUN_COLOURS[0]
    assert found["Optimizer adam mean"].marker.color == RUN_COLOURS[1]
    assert NEUTRAL not in RUN_COLOURS
    assert found["Optimizer adam mean"].name.startswith("Optimizer adam (mean ± standard deviation")
    assert found["Optimizer adam runs"].legendgroup == found["Optimizer adam mean"].legendgroup


def test_the_axis_says_what_chose_the_epoch():
    assert "chosen on held-out images" in outcome(outcomes(THREE), X).layout.yaxis.title.text
    on_test = outcome(outcomes(THREE, selected_on="test"), X).layout.yaxis.title.text
    assert on_test.endswith("chosen on test images")


def test_a_study_without_a_finished_run_shows_the_report_and_says_so():
    figure = outcome(outcomes(THREE).head(0), X, published=PAIR, classes=2)
    assert set(traces(figure)) == {"report"}
    assert "No run of this study" in figure.layout.annotations[0].text
    assert "No run of this study" in outcome_text(outcomes(THREE).head(0), X)


def test_a_run_without_a_value_is_left_out():
    table = outcomes(THREE)
    table.loc[table["run_id"] == "8000-1", "accuracy"] = math.nan
    assert list(traces(outcome(table, X))["all mean"].y) == pytest.approx([91.0, 93.0, 96.0])


def test_every_trace_has_an_id_that_stays():
    table = pd.concat([outcomes(THREE).assign(**{"train.optimizer": name}) for name in ("adam", "sgd")])
    ids = [trace.uid for trace in outcome(table, X, ("train.optimizer",), published=PAIR).data]
    assert all(ids) and len(set(ids)) == len(ids)
    assert not any(uid.endswith(" measured") for uid in ids)  # their visibility follows another curve's


# --- as numbers and words -------------------------------------------------------------------------


def test_the_data_are_a_row_a_point():
    table = data(outcomes(THREE), X, published=TEN)
    here, report = table[table["source"] == "here"], table[table["source"] == "report"]
    assert here[X].tolist() == [6_000, 8_000, 10_000]
    assert here["n"].tolist() == [3, 2, 1]
    assert here["accuracy_mean"].tolist() == pytest.approx([0.91, 0.94, 0.96])
    assert here["objective_sd"].iloc[0] == pytest.approx(0.01)
    assert here["objective_mean"].iloc[2] == pytest.approx(1.5 - 0.96)
    assert here["lowest_objective_mean"].iloc[2] == pytest.approx(1.4 - 0.96)
    assert math.isnan(here["accuracy_sd"].iloc[2])
    assert here["accuracy_low"].iloc[1] == pytest.approx(wilson(0.94, 2_000).low)
    assert report["accuracy_mean"].tolist() == [point.best_accuracy for point in TEN]
    assert report["objective_mean"].tolist() == [point.loss for point in TEN]
    assert report["images"].tolist() == [30_000, 25_000, 20_000, 15_000, 10_000]
    assert report["loss_mean"].isna().all() and report["accuracy_low"].notna().all()


def test_the_data_mark_printed_numbers_that_are_no_measurement():
    table = data(outcomes(THREE), X, published=PAIR)
    printed = table[table["source"] == "report, derived"]
    assert printed["accuracy_mean"].tolist() == [point.best_accuracy for point in PAIR]
    assert printed[["images", "n", "selected_on", "accuracy_low"]].isna().all().all()


def test_the_data_have_the_reports_epochs_too():
    table = data(
        outcomes({10: (0.8,), 50: (0.9,)}, "train.epochs"),
        "train.epochs",
        published=points_of(CLASSES, "train.epochs"),
        scaled=0.1,
    )
    assert table["epochs_of_the_report"].tolist() == [100, 500, 100, 200, 300, 400, 500]


def test_the_data_of_series_name_them_and_an_empty_study_has_the_columns():
    table = pd.concat([outcomes(THREE).assign(**{"train.optimizer": name}) for name in ("adam", "sgd")])
    assert data(table, X, ("train.optimizer",))["train.optimizer"].tolist() == ["sgd"] * 3 + ["adam"] * 3
    assert data(table.head(0), X).empty and X in data(table.head(0), X).columns


def test_the_figure_as_text():
    text = outcome_text(outcomes(THREE), X)
    assert "against Training set size (images)" in text
    assert "6,000: 91.00 ± 1.00 % (3 seeds)" in text and "10,000: 96.00 % (one run)" in text


# --- curves ---------------------------------------------------------------------------------------


def run(name, accuracies):
    records = [made_record(epoch, val_accuracy=accuracy) for epoch, accuracy in enumerate(accuracies, start=1)]
    return made_curves(records, name, RunConfig(), name)


def test_cells_are_means_and_bands_coloured_in_order():
    cells = [
        ("32", [run("a", (0.2, 0.4)), run("b", (0.4, 0.6))]),
        ("64", []),
        ("128", [run("c", (0.3, 0.5))]),
        ("512", [run("d", (0.1, 0.2))]),
    ]
    found = traces(curves(cells, View()))
    assert list(found["a mean"].y) == pytest.approx([30.0, 50.0])
    assert {"a low", "a high", "a single"} <= set(found)
    assert [found[f"{name} mean"].name for name in "acd"] == ["32", "128", "512"]
    assert [found[f"{name} mean"].line.color for name in "acd"] == colours_in_order(3)
    assert len(set(colours_in_order(5))) == 5


@pytest.mark.parametrize(("x", "last"), [("epoch", 2), ("step", 250), ("images", 8_000), ("seconds", 15.0)])
def test_cells_can_be_seen_over_every_axis(x, last):
    found = traces(curves([("32", [run("a", (0.2, 0.4))])], View(x=x), "loss"))
    assert found["a mean"].x[-1] == last


def test_the_curves_as_text_say_which_images_they_are_of():
    cells = [("32", [run("a", (0.2, 0.4))]), ("64", []), ("128", [run("c", (0.3, 0.5))])]
    assert curves_text(cells) == "Accuracy of each epoch, validation (held-out images): 32, 128."
    on_test = [(label, [replace(run, selected_on="test") for run in runs]) for label, runs in cells]
    text = "Cross-entropy of each epoch, test images (also chose the best epoch): 32, 128."
    assert curves_text(on_test, "loss") == text


def test_without_a_run_the_figure_says_so():
    figure = curves([("32", [])], View())
    assert not figure.data and figure.layout.annotations
    assert colours_in_order(0) == []
