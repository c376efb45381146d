"""Figures show the numbers of the table they were made from, name their units, and say what they do not know."""

import math
import tomllib

import pytest

from core.base.paths import PROJECT
from core.config.run_config import RunConfig
from core.figures.bars import class_accuracy, probabilities
from core.figures.curves import accuracy, learning_rate, loss, mark_onsets, speed
from core.figures.style import View
from core.stats.overfitting import onset
from core.views.curves import NEUTRAL, PALETTE, RunCurves, colour_of, colours
from tests.made import made_record, made_run

PAIR = RunConfig().replace({"data.classes": ("deer", "dog"), "data.train_size": 4_500, "data.validation": "test"})


@pytest.fixture
def curves(store):
    """Makes the curves of a made-up run."""

    def make(epochs=4, label="one", config=None) -> RunCurves:
        run_id = made_run(store, epochs, config=config)
        return RunCurves.of(run_id, label, store.config(run_id), store.metrics(run_id))

    return make


def traces(figure):
    """The figure's traces by the last word of their ids: train, val, best, measured, key."""
    return {trace.uid.split()[-1]: trace for trace in figure.data}


def lines(figure) -> dict[float, str]:
    """Heights of the lines across, and what is written on them."""
    return {shape.y0: shape.label.text for shape in figure.layout.shapes}


def test_accuracy_has_each_epoch_in_percent(curves):
    found = traces(accuracy([curves(4)]))
    assert list(found["val"].x) == [1, 2, 3, 4]
    assert list(found["val"].y) == [100 * made_record(epoch)["val_accuracy"] for epoch in range(1, 5)]
    assert list(found["train"].y) == [100 * made_record(epoch)["train_accuracy"] for epoch in range(1, 5)]
    assert found["train"].line.dash == "dash"
    assert found["val"].line.dash == "solid"


@pytest.mark.parametrize("kind", ["loss", "objective"])
def test_the_two_losses_are_named_and_not_mixed_up(curves, kind):
    figure = loss([curves(3)], kind=kind)
    assert list(traces(figure)["val"].y) == [made_record(epoch)[f"val_{kind}"] for epoch in (1, 2, 3)]
    title = figure.layout.yaxis.title.text
    assert title.endswith("(nats per image)")
    assert ("L2 penalty" in title) == (kind == "objective")


def test_labels_say_what_the_curves_are(curves):
    held_out = traces(accuracy([curves()]))
    assert held_out["train"].name == "train (running mean over augmented batches)"
    assert held_out["val"].name == "validation (held out)"
    assert "chosen on held-out images" in held_out["best"].name
    chosen_on_test = traces(accuracy([curves(config=PAIR)]))
    assert chosen_on_test["val"].name == "test images (also chose the best epoch)"
    assert "chosen on test images, as in the report" in chosen_on_test["best"].name


def test_the_best_epoch_is_the_first_of_equals(store):
    run_id = made_run(store, 0)
    for epoch, share in enumerate((0.5, 0.8, 0.8, 0.7), start=1):
        store.append_record(run_id, made_record(epoch) | {"val_accuracy": share})
    run = RunCurves.of(run_id, "one", store.config(run_id), store.metrics(run_id))
    assert run.best_epoch == 2
    best = traces(accuracy([run]))["best"]
    assert (list(best.x), list(best.y)) == ([2], [80.0])
    assert list(traces(loss([run]))["best"].y) == [made_record(2)["val_loss"]]


def test_the_chance_line_follows_the_number_of_classes(curves):
    ten, two = curves(), curves(config=PAIR)
    assert lines(accuracy([ten])) == {10.0: "guessing: 10 %"}
    assert lines(accuracy([ten, two])) == {50.0: "guessing: 50 %", 10.0: "guessing: 10 %"}
    assert lines(loss([two])) == {math.log(2): "guessing: ln 2 = 0.693"}
    assert lines(accuracy([ten], View(chance=False))) == {}
    assert lines(loss([ten], kind="objective")) == {}  # the penalty makes guessing cost more


def test_a_published_number_is_a_line_with_its_words_where_no_curve_ends(curves):
    figure = accuracy([curves()], View(chance=False), ("the report", 0.9137))
    found = lines(figure)
    assert list(found.values()) == ["the report: 91.37 %"]
    assert list(found) == pytest.approx([91.37])
    label = figure.layout.shapes[0].label
    assert (label.textposition, label.yanchor) == ("start", "top"), "the line may be the highest thing in the chart"


@pytest.mark.parametrize(
    ("x", "title", "values"),
    [
        ("epoch", "Epoch", [1, 2, 3]),
        ("step", "Step (batches)", [125, 250, 375]),
        ("images", "Images seen", [4_000, 8_000, 12_000]),
        ("seconds", "Training time (seconds)", [7.5, 15, 22.5]),
    ],
)
def test_every_horizontal_axis(curves, x, title, values):
    run = curves(3)
    for figure in (accuracy([run], View(x=x)), loss([run], View(x=x)), speed([run], View(x=x))):
        assert figure.layout.xaxis.title.text == title
        assert list(figure.data[0].x) == values


@pytest.mark.parametrize(("epochs", "unit", "last"), [(30, "minutes", 3.75), (2_000, "hours", 15_000 / 3600)])
def test_long_times_have_a_larger_unit(curves, epochs, unit, last):
    figure = speed([curves(epochs)], View(x="seconds"))
    assert figure.layout.xaxis.title.text == f"Training time ({unit})"
    assert figure.data[0].x[-1] == pytest.approx(last)


def test_smoothing_keeps_what_was_measured_faint_behind(store):
    run_id = made_run(store, 0)
    for epoch, share in enumerate((0.2, 0.9, 0.4, 0.6, 0.5), start=1):
        store.append_record(run_id, made_record(epoch) | {"val_accuracy": share})
    run = RunCurves.of(run_id, "one", store.config(run_id), store.metrics(run_id))
    median = {trace.uid.removeprefix(run_id): trace for trace in accuracy([run], View(smoothing="median", span=3)).data}
    assert list(median[" val"].y) == pytest.approx([55, 40, 60, 50, 55])
    assert list(median[" val measured"].y) == [20, 90, 40, 60, 50]
    assert median[" val measured"].opacity < 0.5
    assert [measured for _, measured in median[" val"].customdata] == [20, 90, 40, 60, 50]
    mean = traces(accuracy([run], View(smoothing="exponential", span=3)))["val"].y
    assert mean[1] == pytest.approx((20 * 0.5 + 90) / 1.5)  # weights fall by half an epoch, the start corrected


def test_training_curves_can_be_left_out(curves):
    assert set(traces(accuracy([curves()], View(train=False)))) == {"val", "best"}


def test_log_x(curves):
    run = curves()
    for figure in (accuracy([run], View(log_x=True)), speed([run], View(x="images", log_x=True))):
        assert figure.layout.xaxis.type == "log"
        assert figure.layout.xaxis.dtick is None, "on a logarithmic axis it would mean powers of ten"
    assert accuracy([run]).layout.xaxis.type is None
    assert accuracy([run], View(log_x=True)).layout.xaxis.uirevision != accuracy([run]).layout.xaxis.uirevision
    assert traces(accuracy([run], View(log_x=True)))["val"].x == traces(accuracy([run]))["val"].x


def test_log_loss(curves):
    assert loss([curves()], View(log_loss=True)).layout.yaxis.type == "log"
    assert loss([curves()]).layout.yaxis.type is None
    assert accuracy([curves()], View(log_loss=True)).layout.yaxis.type is None


def test_several_runs_are_told_apart_and_hidden_whole(curves):
    first, second = curves(label="a <b>"), curves(label="c")
    figure = accuracy([first, second])
    shown = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert shown == [
        "a &lt;b&gt; · validation (held out)",
        "c · validation (held out)",
        "train (running mean over augmented batches)",
    ]
    assert {trace.legendgroup for trace in figure.data if trace.uid != "key"} == {first.id, second.id}


def test_a_redraw_keeps_zoom_and_hidden_curves_until_the_axis_means_something_else(curves):
    run, view = curves(), View()
    before, after = accuracy([run], view), accuracy([run], view)
    assert [one.uid for one in before.data] == [one.uid for one in after.data]
    assert len({one.uid for one in before.data}) == len(before.data)
    assert before.layout.uirevision == after.layout.uirevision
    assert accuracy([run], View(x="step")).layout.xaxis.uirevision != before.layout.xaxis.uirevision
    assert loss([run], View(log_loss=True)).layout.yaxis.uirevision != loss([run]).layout.yaxis.uirevision


def test_figures_suit_a_light_and_a_dark_page(curves):
    run = curves()
    bars = probabilities(("cat", "dog"), {"one": (0.3, 0.7)})
    for figure in (accuracy([run]), loss([run]), learning_rate([run]), speed([run]), class_accuracy([run]), bars):
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.font.color is None
        assert figure.layout.xaxis.title.text
        used = {trace.marker.color or trace.line.color for trace in figure.data}
        assert used <= set(PALETTE)


def test_before_the_first_epoch_a_sentence_stands_in_the_figure(curves):
    run = curves(0)
    for figure in (accuracy([run]), loss([run]), learning_rate([run]), speed([run]), class_accuracy([run])):
        assert [one.text for one in figure.layout.annotations] == ["The first point appears when the first epoch ends."]
    assert not accuracy([curves(1)]).layout.annotations


def test_the_learning_rate_is_logarithmic_only_over_powers_of_ten(curves):
    few, many = learning_rate([curves(4)]), learning_rate([curves(100)])
    assert list(few.data[0].y) == [0.1, 0.05, 0.1 / 3, 0.025]
    assert (few.layout.yaxis.type, many.layout.yaxis.type) == (None, "log")


def test_class_accuracy_is_that_of_the_best_epoch(curves):
    figure = class_accuracy([curves(3)])
    assert list(figure.data[0].y)[:2] == ["airplane", "automobile"]
    assert list(figure.data[0].x) == [100 * share for share in made_record(3)["val_accuracy_by_class"]]


def test_probabilities_are_the_likeliest_first_and_side_by_side():
    classes = ("cat", "deer", "dog")
    figure = probabilities(
        classes, {"pair": (None, 0.25, 0.75), "all": (0.5, 0.1, 0.4)}, top=2, run_colours={"all": NEUTRAL}
    )
    assert [list(bar.y) for bar in figure.data] == [["dog", "cat"]] * 2
    assert [list(bar.x) for bar in figure.data] == [[75.0, None], [40.0, 50.0]]
    assert list(figure.data[0].text) == ["75.0 %", ""]
    assert figure.data[1].marker.color == NEUTRAL


def test_a_run_has_its_colour_for_good_and_neighbours_have_others():
    ids = [f"20261124-0930{second:02d}-k7fa" for second in range(20)]
    assert colour_of(ids[0]) == colour_of(ids[0]) != NEUTRAL
    assert {colour_of(one) for one in ids} <= set(PALETTE)
    assert len(set(colours(ids[:7]).values())) == 7
    assert colours(ids[:1]) == {ids[0]: colour_of(ids[0])}
    # The oldest keeps its own colour whoever comes beside it.
    assert all(colours([ids[0], other])[ids[0]] == colour_of(ids[0]) for other in ids[1:])
    assert len(colours(ids)) == 20


def test_the_palette_is_the_themes():
    theme = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["theme"]
    assert tuple(theme["light"]["chartCategoricalColors"]) == PALETTE
    assert len(theme["dark"]["chartCategoricalColors"]) == len(PALETTE)


# --- over-fitting ---------------------------------------------------------------------------------


@pytest.fixture
def over_fitted(store):
    """Makes the curves of a run whose validation loss is lowest in epoch 10 of 30 and ends far above."""

    def make(label="one", end=2.0) -> RunCurves:
        run_id = made_run(store, 0)
        for epoch in range(1, 31):
            value = 1.0 + (10 - epoch) / 10 if epoch <= 10 else 1.0 + (end - 1.0) * (epoch - 10) / 20
            store.append_record(run_id, made_record(epoch) | {"val_loss": value, "seconds": 3_600.0 * epoch})
        return RunCurves.of(run_id, label, store.config(run_id), store.metrics(run_id))

    return make


@pytest.mark.parametrize(("kind", "make", "scale"), [("accuracy", accuracy, 100.0), ("loss", loss, 1.0)])
def test_the_onset_of_over_fitting_is_on_the_validation_curve(over_fitted, kind, make, scale):
    run = over_fitted()
    epoch = onset(run.metrics).epoch
    assert epoch == 9  # whose median is as low as that of 10, and first
    for view, x in ((View(chance=False), epoch), (View(x="seconds", chance=False), float(epoch))):
        figure = make([run], view)
        mark_onsets(figure, [run], view, kind)
        (mark,) = (trace for trace in figure.data if trace.uid.endswith(" onset"))
        assert mark.x[0] == x  # the ninth epoch, or the ninth hour
        assert mark.y[0] == pytest.approx(scale * run.metrics[f"val_{kind}"].iloc[epoch - 1])
        assert f"epoch {epoch}" in mark.name
        assert [shape.x0 for shape in figure.layout.shapes] == [x]


def test_a_run_that_does_not_over_fit_is_not_marked_and_several_get_no_lines(over_fitted):
    sound, one, other = over_fitted("sound", end=1.02), over_fitted("one"), over_fitted("<b>other")
    figure = loss([sound, one, other], View(chance=False))
    mark_onsets(figure, [sound, one, other], View(), "loss")
    marks = [trace for trace in figure.data if trace.uid.endswith(" onset")]
    assert [trace.uid.split()[0] for trace in marks] == [one.id, other.id]
    assert marks[1].meta == "&lt;b&gt;other, "
    assert not figure.layout.shapes
