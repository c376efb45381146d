"""A run as charts need it: where the points within an epoch lie on each axis."""

from dataclasses import replace

import pytest

from core.records import Moment
from core.views.run import read_view
from tests.made import made_progress, made_record, made_run


def test_points_within_an_epoch_have_a_place_on_every_axis(store):
    run_id = made_run(store, 2, "running")
    progress = replace(made_progress(), moments=(Moment(1.5, 2.0, 0.3), Moment(2.25, 1.5, 0.5)))
    store.run(run_id).write_progress(progress)
    with store.run(run_id).hold():
        moments = read_view(store, run_id, "a run").curves.moments
    assert moments["epoch"].tolist() == [1.5, 2.25]
    assert moments["step"].tolist() == [150, 225]
    assert moments["images"].tolist() == [6_000, 9_000]
    seconds = [made_record(epoch).seconds for epoch in (1, 2)]
    expected = [sum(seconds) / 2, seconds[1] + 0.25 * 4_000 / progress.images_per_second]
    assert moments["seconds"].tolist() == pytest.approx(expected)
    assert moments["train_accuracy"].tolist() == [0.3, 0.5]


def test_a_finished_run_has_no_points_within_epochs(store):
    assert read_view(store, made_run(store), "a run").curves.moments.empty
