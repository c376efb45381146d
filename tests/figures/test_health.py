"""Charts of health show the epochs' values on axes that suit them, and say where nothing was recorded."""

import math
from dataclasses import replace

import pytest

from core.figures.health import NOT_RECORDED, USUAL_RATIO, dead_relus, gradient_norm, update_ratio
from core.figures.style import NO_EPOCH_TEXT, View
from core.records import STAGES
from tests.made import made_curves, made_record

EPOCHS = [made_record(epoch) for epoch in range(1, 5)]
RUN = made_curves(EPOCHS)
OLD_EPOCHS = [replace(record, grad_norm=None, update_ratio=[], dead_relus=None) for record in EPOCHS]
OLD = made_curves(OLD_EPOCHS)
FIGURES = {
    "gradient norm": lambda run: gradient_norm([run]),
    "update ratio": update_ratio,
    "dead ReLUs": lambda run: dead_relus([run]),
}


def test_the_gradient_norm_is_on_a_logarithmic_axis():
    figure = gradient_norm([RUN])
    assert list(figure.data[0].y) == [record.grad_norm for record in EPOCHS]
    assert list(figure.data[0].x) == [1, 2, 3, 4]
    assert figure.layout.yaxis.type == "log"


@pytest.mark.parametrize(("highest", "own"), [(1.5, False), (20.0, True), (1_000.0, False)])
def test_a_few_digits_are_labelled_where_plotly_would_label_all(highest, own):
    records = [replace(record, grad_norm=norm) for record, norm in zip(EPOCHS, (highest, 1.2, 1.1, 1.0), strict=True)]
    assert (gradient_norm([made_curves(records)]).layout.yaxis.tickvals is not None) == own


def test_every_stage_has_a_curve_and_the_band_is_behind_them():
    figure = update_ratio(RUN)
    assert [trace.name for trace in figure.data] == list(STAGES)
    for at, trace in enumerate(figure.data):
        assert list(trace.y) == [record.update_ratio[at] for record in EPOCHS]
    assert len({trace.line.color for trace in figure.data}) == len(STAGES)
    (band,) = figure.layout.shapes
    assert (band.y0, band.y1, band.layer) == (*USUAL_RATIO, "below")
    assert not update_ratio(RUN, View(chance=False)).layout.shapes


def test_dead_relus_are_in_percent():
    figure = dead_relus([RUN])
    assert list(figure.data[0].y) == pytest.approx([100 * record.dead_relus for record in EPOCHS])
    assert RUN.metrics["dead_relus"].tolist() == [record.dead_relus for record in EPOCHS]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_without_values_says_why(name):
    def notes(figure):
        return [note.text.replace("<br>", " ") for note in figure.layout.annotations]

    assert notes(FIGURES[name](RUN)) == []
    assert notes(FIGURES[name](OLD)) == [NOT_RECORDED]
    assert notes(FIGURES[name](made_curves([]))) == [NO_EPOCH_TEXT]


def test_a_run_that_an_earlier_version_began_shows_its_later_epochs():
    mixed = made_curves([*OLD_EPOCHS[:2], made_record(3)])
    assert list(update_ratio(mixed).data[0].x) == [3]
    values = list(gradient_norm([mixed]).data[0].y)
    assert math.isnan(values[0]) and values[2] == made_record(3).grad_norm
