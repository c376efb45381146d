"""Figures of a search: what is drawn of its trials, and that nothing is drawn of none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.figures import search as figures
from core.search.trials import Trial, table
from tests.search_made import made_search, quality

SEARCH = made_search("train.lr=0.01 to 1", "train.momentum=0.5 to 0.99", "train.optimizer=sgd,adamw")


def made_trials(count: int = 12) -> list[Trial]:
    rng, trials = np.random.default_rng(0), []
    for number in range(count):
        settings = {
            "train.lr": float(10 ** rng.uniform(-2, 0)),
            "train.momentum": float(rng.uniform(0.5, 0.99)),
            "train.optimizer": "adamw" if number % 3 == 2 else "sgd",
        }
        config = SEARCH.config(settings)
        state = ("finished", "pruned", "failed", "running")[number % 4] if number else "finished"
        steps = tuple(quality(config, epoch) for epoch in range(1, 4 if state == "pruned" else 10))
        trials.append(Trial(number, config, (RUN,), steps, state, pruned_at=3 if state == "pruned" else None))
    return trials


#: What the table reads of a run.
RUN = SimpleNamespace(id="a-run", epochs=None, status=SimpleNamespace(epoch=9))


@pytest.fixture
def trials() -> pd.DataFrame:
    return table(SEARCH, made_trials())


def test_history_has_a_point_per_trial_and_the_best_so_far(trials):
    figure = figures.history(SEARCH, trials)
    points = {trace.name: trace for trace in figure.data}
    assert sum(len(trace.x) for name, trace in points.items() if name != "Best so far") == 12
    assert list(points["Best so far"].y) == sorted(points["Best so far"].y)
    assert points["Best so far"].y[-1] == pytest.approx(100 * trials["best"].max())
    assert points["Pruned"].marker.symbol != points["Finished"].marker.symbol


def test_parallel_lines_have_a_scale_per_setting_and_a_place_without_effect(trials):
    (lines,) = figures.parallel(SEARCH, trials).data
    assert [scale.label for scale in lines.dimensions] == ["Optimizer", "Learning rate", "Momentum", "Accuracy (%)"]
    rate, momentum = lines.dimensions[1], lines.dimensions[2]
    assert min(rate.values) == pytest.approx(np.log10(trials["train.lr"].min()))
    assert list(momentum.values).count(momentum.tickvals[0]) == 4  # with AdamW
    assert momentum.ticktext[0] == figures.NO_EFFECT
    assert momentum.range[0] == momentum.tickvals[0]


def test_a_setting_alone_is_drawn_where_it_has_an_effect(trials):
    figure = figures.slices(SEARCH, trials, "train.momentum")
    assert len(figure.data[0].x) == 8
    assert figures.slices(SEARCH, trials, "train.lr").layout.xaxis.type == "log"
    assert set(figures.slices(SEARCH, trials, "train.optimizer").data[0].x) == {"sgd", "adamw"}


def test_two_numbers_have_a_surface_and_two_choices_have_none(trials):
    trials = trials.assign(state="finished")
    surface, points = figures.contour(SEARCH, trials, "train.lr", "train.momentum").data
    assert np.nanmax(surface.z) <= 100 * trials["value"].max() + 1e-6
    assert len(points.x) == 8
    assert len(figures.contour(SEARCH, trials, "train.optimizer", "train.lr").data) == 1


def test_importance_is_drawn_with_its_doubt():
    shares = pd.DataFrame(
        {"path": ["train.lr", "train.momentum"], "share": [0.8, 0.2], "low": [0.5, 0.1], "high": [0.9, 0.5]}
    )
    (bars,) = figures.importance(shares).data
    assert list(bars.x) == [20.0, 80.0]
    assert list(bars.error_x.array) == pytest.approx([30.0, 10.0])


def test_without_trials_there_is_a_message_and_no_trace():
    none = table(SEARCH, [])
    for figure in (
        figures.history(SEARCH, none),
        figures.parallel(SEARCH, none),
        figures.slices(SEARCH, none, "train.lr"),
        figures.contour(SEARCH, none, "train.lr", "train.momentum"),
        figures.importance(pd.DataFrame()),
    ):
        assert not figure.data and len(figure.layout.annotations) == 1
    assert figures.history_text(none) == figures.NO_TRIAL


def test_a_surface_leaves_out_what_was_pruned():
    some = table(SEARCH, made_trials(24)).assign(state="finished")
    some.loc[3::6, ["state", "value"]] = ["pruned", 0.01]
    surface, points = figures.contour(SEARCH, some, "train.lr", "train.momentum").data
    assert np.nanmin(surface.z) > 2
    assert min(points.marker.color) == pytest.approx(1)


def test_a_scale_of_numbers_has_round_ones_and_its_ends():
    (momentum,) = (one for one in SEARCH.ranges if one.path == "train.momentum")
    assert figures._with_ends(momentum, figures._round_ticks(momentum)) == [0.5, 0.6, 0.8, 0.99]
