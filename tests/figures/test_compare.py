"""Figures that compare runs show the values of the runs' tables."""

from dataclasses import replace

import numpy as np
import pytest

from core.compare.contenders import group_runs
from core.compare.gap import gap
from core.config.run_config import RunConfig
from core.figures.compare import GroupCurves, bands, gap_intervals, mean_curve, parallel_coordinates
from core.figures.style import View
from core.runs.summary import labels
from core.views.curves import Mark
from tests.made import made_curves, made_record, made_run

CONFIG = RunConfig().replace({"data.train_size": 4_500, "data.validation_size": 500, "data.test_size": 2_000})


def curves(name, accuracies, seconds=10.0):
    records = [
        made_record(epoch, val_accuracy=accuracy, seconds=seconds * epoch)
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]
    return made_curves(records, name, CONFIG, name)


def group(*runs, name="a & b"):
    return GroupCurves(runs[0].id, name, Mark("#0072b2"), runs)


def traces(figure):
    return {trace.uid: trace for trace in figure.data}


def test_the_mean_and_deviation_are_over_the_runs_that_reached_the_epoch():
    table = mean_curve(group(curves("one", [0.2, 0.4, 0.5]), curves("two", [0.4, 0.5])), "val_accuracy", "epoch")
    assert table["mean"].tolist() == pytest.approx([0.3, 0.45, 0.5])
    assert table["sd"].tolist()[:2] == pytest.approx([np.std([0.2, 0.4], ddof=1), np.std([0.4, 0.5], ddof=1)])
    assert np.isnan(table["sd"].iloc[2])
    assert table["n"].tolist() == [2, 2, 1]


def test_over_seconds_a_mean_stands_at_the_mean_time():
    table = mean_curve(group(curves("one", [0.2], 10.0), curves("two", [0.4], 20.0)), "val_accuracy", "seconds")
    assert table["x"].tolist() == [15.0]


def test_a_group_is_a_mean_a_band_and_each_run_behind_it():
    found = traces(bands([group(curves("one", [0.2, 0.4]), curves("two", [0.4, 0.6]))], View()))
    assert list(found["one mean"].y) == pytest.approx([30.0, 50.0])
    half = 100 * np.std([0.2, 0.4], ddof=1)
    assert list(found["one low"].y) == pytest.approx([30.0 - half, 50.0 - half])
    assert list(found["one high"].y) == pytest.approx([30.0 + half, 50.0 + half])
    assert list(found["one single"].y) == pytest.approx([20.0, 40.0, np.nan, 40.0, 60.0, np.nan], nan_ok=True)
    assert found["one mean"].name == "a &amp; b"


@pytest.mark.parametrize("smoothing", ["none", "exponential", "median"])
def test_an_epoch_that_only_one_run_reached_has_no_band_and_no_deviation(smoothing):
    runs = curves("one", [0.2, 0.4, 0.5]), curves("two", [0.4, 0.5])
    found = traces(bands([group(*runs)], View(smoothing=smoothing, span=3)))
    assert list(found["one low"].x) == list(found["one high"].x) == [1, 2]
    mean = found["one mean"]
    assert list(mean.x) == [1, 2, 3]
    spread = [text for _, text in mean.customdata]
    assert "±" in spread[1] and spread[1].endswith("(n = 2)")
    assert spread[2] == " (n = 1)"
    assert "±" not in mean.hovertemplate


@pytest.mark.parametrize("kind", ["accuracy", "loss"])
@pytest.mark.parametrize(
    ("chosen_on", "texts"),
    [
        (("held-out",), ["validation (held-out images)"]),
        (("test",), ["test images (also chose the best epoch)"]),
        (("test", "held-out"), ["validation (held-out images)", "test images (also chose the best epoch)"]),
    ],
)
def test_the_axis_says_which_images_the_curves_are_of(kind, chosen_on, texts):
    groups = [group(replace(curves(part, [0.2, 0.4]), selected_on=part)) for part in chosen_on]
    assert bands(groups, View(), kind).layout.yaxis.title.text.split("<br>")[1:] == texts


def test_a_single_run_has_no_band_and_its_measured_values_behind_the_smoothed_curve():
    run = curves("one", [0.2, 0.4, 0.9])
    assert set(traces(bands([group(run)], View()))) == {"one mean"}
    found = traces(bands([group(run)], View(smoothing="median", span=3)))
    assert list(found["one measured"].y) == pytest.approx([20.0, 40.0, 90.0])
    assert list(found["one mean"].y) != pytest.approx([20.0, 40.0, 90.0])


def test_loss_is_drawn_in_nats_with_the_chance_level():
    figure = bands([group(curves("one", [0.2, 0.4]), curves("two", [0.4, 0.6]))], View(log_loss=True), "loss")
    assert figure.layout.yaxis.type == "log"
    assert [shape.y0 for shape in figure.layout.shapes] == pytest.approx([np.log(10)])
    assert list(traces(figure)["one mean"].y) == pytest.approx([made_record(1).val_loss, made_record(2).val_loss])
    assert not bands([group(curves("one", [0.2]))], View(chance=False)).layout.shapes


def test_without_an_epoch_the_figure_says_so():
    run = curves("one", [])
    figure = bands([group(run)], View())
    assert not figure.data
    assert "No epoch" in figure.layout.annotations[0].text


def test_intervals_show_every_run_and_the_better_above(store):
    for lr, seeds in ((0.1, (0.80, 0.82)), (0.2, (0.90,))):
        for seed, accuracy in enumerate(seeds):
            run_id = made_run(store, config=CONFIG.replace({"train.lr": lr, "train.seed": seed}))
            store.run(run_id).write_result({"best": {"accuracy": accuracy, "loss": 0.5}})
    runs = store.summaries()
    found = gap(*group_runs(runs, labels(runs)))
    figure = gap_intervals(found, ["#0072b2", "#d55e00"])
    better, runs, other = figure.data
    assert (better.x[0], other.x[0]) == pytest.approx((90.0, 81.0))
    assert sorted(runs.x) == pytest.approx([80.0, 82.0])
    assert better.error_x.array[0] == pytest.approx(100 * (found.better.image_interval.high - 0.9))
    assert (better.marker.color, other.marker.color) == ("#0072b2", "#d55e00")


def test_parallel_axes_take_numbers_logarithms_and_choices(store):
    settings = [
        {"train.lr": 0.001, "train.batch_size": 32, "train.optimizer": "adam"},
        {"train.lr": 0.1, "train.batch_size": 64, "train.optimizer": "sgd", "train.momentum": 0.5},
        {"train.lr": 1.0, "train.batch_size": 96, "train.optimizer": "sgd", "train.momentum": 0.9},
    ]
    for values in settings:
        made_run(store, config=CONFIG.replace(values))
    made_run(store, epochs=0, state="queued", config=CONFIG)
    runs = store.summaries()
    paths = ["train.lr", "train.batch_size", "train.optimizer", "train.momentum"]
    rate, batch, optimizer, momentum, outcome = parallel_coordinates(runs, paths).data[0].dimensions
    assert sorted(rate["values"]) == pytest.approx([-3.0, -1.0, 0.0])
    assert list(rate.ticktext) == ["0.001", "0.1", "1"]
    assert sorted(batch["values"]) == [32, 64, 96]
    assert list(optimizer.ticktext) == ["sgd", "adam"]
    # Momentum has no effect with Adam, so its axis has a place for that.
    assert list(momentum.ticktext) == ["–", "0.5", "0.9"]
    assert list(outcome["values"]) == pytest.approx([100 * made_record(4).val_accuracy] * 3)
    assert outcome.label == "Validation accuracy (%)"


@pytest.mark.parametrize(
    ("seeds", "labelled"),
    [
        ((0, 1, 2, 3, 10, 12, 13, 99), ["0", "10", "99"]),
        ((7,), ["7"]),
        ((0, 1, 99), ["0", "99"]),
        (tuple(range(100)), [str(at) for at in range(0, 91, 6)] + ["99"]),
    ],
)
def test_labels_of_a_parallel_axis_do_not_overlap(store, seeds, labelled):
    for seed in seeds:
        made_run(store, epochs=1, config=CONFIG.replace({"train.seed": seed}))
    axis = parallel_coordinates(store.summaries(), ["train.seed"]).data[0].dimensions[0]
    assert list(axis.ticktext) == labelled
    assert sorted(axis["values"]) == list(seeds)
