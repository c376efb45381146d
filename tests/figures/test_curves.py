"""Charts of curves and bars show the values of the table, with units and with what chose the best epoch."""

import itertools
import math
from dataclasses import replace

import pytest

from core.base.text import percent_range
from core.config.run_config import RunConfig
from core.figures.bars import class_accuracy, probabilities
from core.figures.curves import accuracy, learning_rate, loss, small_accuracy, speed
from core.figures.style import View
from core.stats.intervals import wilson
from core.views.curves import NEUTRAL, PALETTE, Mark, RunCurves, colour_of, marks
from tests.made import made_curves, made_record

PAIR = RunConfig().replace({"data.classes": ("deer", "dog"), "data.train_size": 4_500, "data.validation": "test"})
COUNT = itertools.count()


def new_curves(records, label="one", config=None) -> RunCurves:
    """Return the curves of another run with these records."""
    return made_curves(records, label, config, f"20261124-093000-{next(COUNT):04d}")


def curves(epochs=4, label="one", config=None) -> RunCurves:
    """Return the curves of another made-up run."""
    classes = len(config.data.classes) if config else 10
    return new_curves([made_record(epoch, classes) for epoch in range(1, epochs + 1)], label, config)


def with_accuracies(*accuracies) -> RunCurves:
    """Return the curves of another run with these validation accuracies."""
    return new_curves([made_record(at, val_accuracy=share) for at, share in enumerate(accuracies, start=1)])


def traces(figure):
    """The figure's traces by the last word of their ids: train, val, best, measured, key."""
    return {trace.uid.split()[-1]: trace for trace in figure.data}


def lines(figure) -> dict[float, str]:
    """Heights of the lines across, and what is written on them."""
    heights = {shape.y0 for shape in figure.layout.shapes}
    return {note.y: note.text for note in figure.layout.annotations if note.y in heights}


def test_accuracy_has_each_epoch_in_percent():
    found = traces(accuracy([curves(4)]))
    assert list(found["val"].x) == [1, 2, 3, 4]
    assert list(found["val"].y) == [100 * made_record(epoch).val_accuracy for epoch in range(1, 5)]
    assert list(found["train"].y) == [100 * made_record(epoch).train_accuracy for epoch in range(1, 5)]
    assert found["train"].line.dash == "dash"
    assert found["val"].line.dash == "solid"


@pytest.mark.parametrize("kind", ["loss", "objective"])
def test_cross_entropy_and_objective_are_named(kind):
    figure = loss([curves(3)], kind=kind)
    assert list(traces(figure)["val"].y) == [getattr(made_record(epoch), f"val_{kind}") for epoch in (1, 2, 3)]
    title = figure.layout.yaxis.title.text
    assert title.endswith("(nats per image)")
    assert ("L2 penalty" in title) == (kind == "objective")


def test_labels_say_what_the_curves_were_measured_on():
    held_out = traces(accuracy([curves()]))
    assert held_out["train"].name == "training (running mean over augmented batches)"
    assert held_out["val"].name == "validation (held-out images)"
    assert "chosen on held-out images" in held_out["best"].name
    chosen_on_test = traces(accuracy([curves(config=PAIR)]))
    assert chosen_on_test["val"].name == "test images (also chose the best epoch)"
    assert "chosen on test images" in chosen_on_test["best"].name


def test_the_best_epoch_is_the_first_of_equals():
    run = with_accuracies(0.5, 0.8, 0.8, 0.7)
    assert run.best_epoch == 2
    best = traces(accuracy([run]))["best"]
    assert (list(best.x), list(best.y)) == ([2], [80.0])


def test_the_star_marks_the_lowest_loss_in_a_chart_of_losses():
    records = [made_record(epoch, val_loss=loss, val_accuracy=0.5) for epoch, loss in enumerate((3.0, 1.0, 2.0), 1)]
    star = traces(loss([made_curves(records)]))["best"]
    assert (list(star.x), list(star.y)) == ([2], [1.0])
    assert "lowest" in star.name and "epoch 2" in star.name
    diverged = made_curves([made_record(1, val_loss=math.nan)])
    assert "best" not in traces(loss([diverged]))


def test_the_chance_level_depends_on_the_number_of_classes():
    ten, two = curves(), curves(config=PAIR)
    assert lines(accuracy([ten])) == {10.0: "chance level 10 %"}
    assert lines(accuracy([ten, two])) == {50.0: "chance level 50 %", 10.0: "chance level 10 %"}
    assert lines(loss([two])) == {math.log(2): "chance level ln 2 = 0.693"}
    assert lines(accuracy([ten], View(chance=False))) == {}
    assert lines(loss([ten], kind="objective")) == {}  # the penalty raises the level of chance


def test_a_published_result_is_a_line_with_its_text_away_from_the_curves():
    figure = accuracy([curves()], View(chance=False), ("the report", 0.9137))
    found = lines(figure)
    assert list(found.values()) == ["the report: 91.37 %"]
    assert list(found) == pytest.approx([91.37])
    (note,) = figure.layout.annotations
    assert (note.x, note.xanchor, note.yanchor) == (0, "left", "top"), "the line may be the highest thing in the chart"
    assert note.name == "note"  # pages give it a background, so that it is readable over curves


def test_the_small_chart_of_home_has_the_axes_of_run():
    run = curves(3)
    small, whole = small_accuracy(run), accuracy([run])
    for axis in ("type", "range", "rangemode", "dtick"):
        assert small.layout.xaxis[axis] == whole.layout.xaxis[axis]
    assert small.layout.yaxis.range == whole.layout.yaxis.range
    assert not small.layout.showlegend


def test_a_note_on_a_logarithmic_axis_is_at_its_line():
    figure = loss([curves()], View(log_loss=True))
    assert 10 ** figure.layout.annotations[0].y == pytest.approx(figure.layout.shapes[0].y0)


@pytest.mark.parametrize(
    ("x", "title", "values"),
    [
        ("epoch", "Epoch", [1, 2, 3]),
        ("step", "Step (batches)", [125, 250, 375]),
        ("images", "Images seen", [4_000, 8_000, 12_000]),
        ("seconds", "Training time (seconds)", [7.5, 15, 22.5]),
    ],
)
def test_every_horizontal_axis(x, title, values):
    run = curves(3)
    for figure in (accuracy([run], View(x=x)), loss([run], View(x=x)), speed([run], View(x=x))):
        assert figure.layout.xaxis.title.text == title
        assert list(figure.data[0].x) == values


@pytest.mark.parametrize(("epochs", "unit", "last"), [(30, "minutes", 3.75), (2_000, "hours", 15_000 / 3600)])
def test_long_times_have_a_larger_unit(epochs, unit, last):
    figure = speed([curves(epochs)], View(x="seconds"))
    assert figure.layout.xaxis.title.text == f"Training time ({unit})"
    assert figure.data[0].x[-1] == pytest.approx(last)


def test_the_measured_values_stay_faintly_behind_a_smoothed_curve():
    run = with_accuracies(0.2, 0.9, 0.4, 0.6, 0.5)
    median = {trace.uid.removeprefix(run.id): trace for trace in accuracy([run], View(smoothing="median", span=3)).data}
    assert list(median[" val"].y) == pytest.approx([55, 40, 60, 50, 55])
    assert list(median[" val measured"].y) == [20, 90, 40, 60, 50]
    assert median[" val measured"].opacity < 0.5
    assert [measured for _, measured in median[" val"].customdata] == [20, 90, 40, 60, 50]
    mean = traces(accuracy([run], View(smoothing="exponential", span=3)))["val"].y
    assert mean[1] == pytest.approx((20 * 0.5 + 90) / 1.5)  # weights fall by half an epoch, the start corrected


def test_training_curves_can_be_left_out():
    assert set(traces(accuracy([curves()], View(train=False)))) == {"val", "best"}


def test_log_x():
    run = curves()
    for figure in (accuracy([run], View(log_x=True)), speed([run], View(x="images", log_x=True))):
        assert figure.layout.xaxis.type == "log"
        assert figure.layout.xaxis.dtick is None, "on a logarithmic axis it would mean powers of ten"
    assert accuracy([run]).layout.xaxis.type is None
    assert accuracy([run], View(log_x=True)).layout.xaxis.uirevision != accuracy([run]).layout.xaxis.uirevision
    assert traces(accuracy([run], View(log_x=True)))["val"].x == traces(accuracy([run]))["val"].x


def test_log_loss():
    assert loss([curves()], View(log_loss=True)).layout.yaxis.type == "log"
    assert loss([curves()]).layout.yaxis.type is None
    assert accuracy([curves()], View(log_loss=True)).layout.yaxis.type is None


def test_with_several_runs_the_legend_names_each_and_hides_all_of_its_curves():
    first, second = curves(label="a <b>"), curves(label="c")
    figure = accuracy([first, second])
    shown = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert shown == [
        "a &lt;b&gt;",
        "c",
        "validation (held-out images)",
        "training (running mean over augmented batches)",
    ]
    assert {trace.legendgroup for trace in figure.data if not trace.uid.startswith("key")} == {first.id, second.id}
    mixed = [
        trace.name for trace in accuracy([first, curves(label="c", config=PAIR)]).data if trace.showlegend is not False
    ]
    assert mixed[:2] == ["a &lt;b&gt; · validation (held-out images)", "c · test images (also chose the best epoch)"]


def test_a_long_name_takes_little_room_in_the_legend_and_is_whole_in_the_hover_box():
    name = "a very long name of a run with the preset fast and rate {} and depth 20"
    figure = accuracy([curves(label=name.format(rate)) for rate in (0.1, 0.2)])
    shown = [trace for trace in figure.data if trace.uid.endswith(" val")]
    assert all(len(trace.name) <= 36 for trace in shown)
    assert ["0.1" in shown[0].name, "0.2" in shown[1].name] == [True, True]
    assert name.format(0.1) in shown[0].meta


def test_a_redraw_keeps_zoom_and_hidden_curves_as_long_as_the_axes_are_the_same():
    run, view = curves(), View()
    before, after = accuracy([run], view), accuracy([run], view)
    assert [trace.uid for trace in before.data] == [trace.uid for trace in after.data]
    assert len({trace.uid for trace in before.data}) == len(before.data)
    assert before.layout.uirevision == after.layout.uirevision
    assert accuracy([run], View(x="step")).layout.xaxis.uirevision != before.layout.xaxis.uirevision
    assert loss([run], View(log_loss=True)).layout.yaxis.uirevision != loss([run]).layout.yaxis.uirevision


def test_figures_suit_a_light_and_a_dark_page():
    run = curves()
    bars = probabilities(("cat", "dog"), {"one": (0.3, 0.7)})
    for figure in (accuracy([run]), loss([run]), learning_rate([run]), speed([run]), class_accuracy([run]), bars):
        template = figure.layout.template.layout
        assert template.paper_bgcolor == template.plot_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.font.color is template.font.color is None
        assert figure.layout.xaxis.title.text
        used = {trace.marker.color or trace.line.color for trace in figure.data}
        assert used <= set(PALETTE)


def test_before_the_first_epoch_the_figure_says_so():
    run = curves(0)
    for figure in (accuracy([run]), loss([run]), learning_rate([run]), speed([run]), class_accuracy([run])):
        assert [note.text.replace("<br>", " ") for note in figure.layout.annotations] == [
            "No epoch is finished yet. Points appear a few seconds after training begins."
        ]
        assert max(map(len, figure.layout.annotations[0].text.split("<br>"))) <= 45, "it fits on a phone"
        assert not figure.layout.shapes and figure.layout.yaxis.visible is False  # no line through the sentence
    assert not accuracy([curves(1)], View(chance=False)).layout.annotations


def test_the_learning_rate_is_logarithmic_only_over_powers_of_ten():
    few, many = learning_rate([curves(4)]), learning_rate([curves(100)])
    assert list(few.data[0].y) == [0.1, 0.05, 0.1 / 3, 0.025]
    assert (few.layout.yaxis.type, many.layout.yaxis.type) == (None, "log")


def test_class_accuracy_is_that_of_the_best_epoch():
    figure = class_accuracy([curves(3)])
    assert list(figure.data[0].y)[:2] == ["airplane", "automobile"]
    assert list(figure.data[0].x) == [100 * share for share in made_record(3).val_accuracy_by_class]


def test_bars_of_classes_have_the_interval_of_their_images():
    record = made_record(2, val_accuracy_by_class=[0.5, 0.0, 1.0, *[0.9] * 7])
    (bars,) = class_accuracy([new_curves([record])]).data
    lines = zip(bars.x, bars.error_x.arrayminus, bars.error_x.array, strict=True)
    ends = [(x - low, x + high) for x, low, high in lines]
    for (low, high), share, hover in zip(ends, record.val_accuracy_by_class, bars.customdata, strict=True):
        expected = wilson(share, 50)  # 500 validation images, ten classes
        assert (low, high) == pytest.approx((100 * expected.low, 100 * expected.high))
        assert hover == [percent_range(*expected), 50]
    assert ends[0] == pytest.approx((36.64, 63.36), abs=0.01)  # Wilson's interval of 25 of 50
    assert not probabilities(("cat", "dog"), {"one": (0.3, 0.7)}).data[0].error_x.array
    few = class_accuracy([new_curves([made_record(2, val_accuracy_by_class=[0.5, 0.25])])])
    assert list(few.data[0].x) == [50, 25], "a file from elsewhere"


def test_probabilities_are_sorted_and_runs_stand_side_by_side():
    classes = ("cat", "deer", "dog")
    figure = probabilities(
        classes, {"pair": (None, 0.25, 0.75), "all": (0.5, 0.1, 0.4)}, top=2, run_colours={"all": NEUTRAL}
    )
    assert [list(bar.y) for bar in figure.data] == [["dog", "cat"]] * 2
    assert [list(bar.x) for bar in figure.data] == [[75.0, None], [40.0, 50.0]]
    assert list(figure.data[0].text) == ["75.0 %", ""]
    assert figure.data[1].marker.color == NEUTRAL


def test_a_run_keeps_its_colour_and_its_neighbours_have_others():
    ids = [f"20261124-0930{second:02d}-k7fa" for second in range(20)]
    assert colour_of(ids[0]) == colour_of(ids[0]) != NEUTRAL
    assert {colour_of(run_id) for run_id in ids} <= set(PALETTE)
    assert len({mark.colour for mark in marks(ids[:7]).values()}) == 7
    assert marks(ids[:1]) == {ids[0]: Mark(colour_of(ids[0]))}
    # The oldest run keeps its own colour.
    assert all(marks([ids[0], other])[ids[0]].colour == colour_of(ids[0]) for other in ids[1:])


def test_beyond_the_palette_no_two_runs_look_alike():
    ids = [f"20261124-0930{second:02d}-k7fa" for second in range(24)]
    looks = marks(ids)
    assert len(set(looks.values())) == 24
    assert {mark.dash for mark in marks(ids[:7]).values()} == {"solid"}
    figure = accuracy([replace(curves(), id=run_id, mark=looks[run_id]) for run_id in ids])
    drawn = [curve for curve in figure.data if curve.uid.endswith(" val")]
    assert len({(curve.line.color, curve.line.dash, curve.marker.symbol) for curve in drawn}) == 24


def test_the_bars_of_classes_say_which_images_were_measured():
    assert class_accuracy([curves()]).layout.xaxis.title.text == "Validation accuracy (%)"
    assert class_accuracy([curves(config=PAIR)]).layout.xaxis.title.text == "Test accuracy (%)"
