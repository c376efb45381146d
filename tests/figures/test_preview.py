"""Figures of what a config will do show the rates of training and the counts of the split."""

import numpy as np
import pandas as pd
import pytest

from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.figures import preview as figures_data
from core.images import gallery
from core.training.schedule import learning_rate
from core.views.curves import NEUTRAL

LABELS = np.concatenate([np.repeat(np.arange(10), n) for n in (5_000, 1_000)])


def config(**train):
    return RunConfig().replace({f"train.{name}": value for name, value in train.items()}).checked()


@pytest.mark.parametrize("name", PRESETS)
def test_rates_are_those_of_training(name):
    config = PRESETS[name].config
    batches = config.steps_per_epoch()
    table = figures_data.rates(config)
    assert table["epoch"].iloc[0] == 0
    assert table["epoch"].iloc[-1] == pytest.approx(config.train.epochs, abs=1 / batches + 1e-9)
    for row in table.sample(20, random_state=0).itertuples():
        assert row.lr == learning_rate(config.train, round(row.epoch * batches), batches)


def test_a_warm_up_is_drawn_up_to_its_peak():
    table = figures_data.rates(config(schedule="one-cycle", lr=0.4, epochs=10, warmup_epochs=2.0))
    assert table["lr"].max() == pytest.approx(0.4)
    assert table["epoch"][table["lr"].idxmax()] == pytest.approx(2.0)


def test_both_sides_of_a_milestone_are_drawn():
    table = figures_data.rates(config(schedule="multi-step", milestones=(30, 60), epochs=90, lr=0.1))
    for milestone, before, after in ((30, 0.1, 0.01), (60, 0.01, 0.001)):
        assert table["lr"][table["epoch"] < milestone].iloc[-1] == pytest.approx(before)
        first = table[table["epoch"] >= milestone].iloc[0]
        assert (first["epoch"], first["lr"]) == (milestone, pytest.approx(after))


def test_the_reports_first_lower_epoch_is_the_82nd():
    table = figures_data.rates(PRESETS["report"].config)
    assert table["epoch"][table["lr"] < 1e-3].iloc[0] == 81


def test_milestones_after_the_end_are_ignored():
    table = figures_data.rates(config(schedule="multi-step", milestones=(5, 500), epochs=10))
    assert table["epoch"].max() < 10


def test_a_schedule_by_factors_has_a_logarithmic_axis():
    report = PRESETS["report"].config
    figure = figures_data.schedule(report)
    assert list(figure.data[0].y) == figures_data.rates(report)["lr"].tolist()
    assert figure.layout.yaxis.type == "log"
    assert figures_data.schedule(PRESETS["quick"].config).layout.yaxis.type is None


def test_a_plateau_schedule_says_that_its_timing_is_unknown():
    plateau = config(schedule="plateau")
    assert "depends on the run" in figures_data.schedule(plateau).layout.annotations[0].text
    assert "5 epochs" in figures_data.schedule_text(plateau)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"schedule": "constant", "lr": 0.05}, "stays at 0.05"),
        ({"schedule": "cosine", "lr": 0.1, "warmup_epochs": 1.0}, "rises to 0.1"),
        ({"schedule": "multi-step", "lr": 0.1, "milestones": (3,), "epochs": 9}, "starts at 0.1 and ends at 0.01"),
    ],
)
def test_the_schedule_as_text(settings, text):
    assert text in figures_data.schedule_text(config(**settings))


def test_bars_are_the_counts_stacked():
    counts = gallery.class_counts(RunConfig().replace({"data.train_size": 20_000}), LABELS)
    figure = figures_data.class_counts(counts)
    assert figure.layout.barmode == "stack"
    assert [bar.name for bar in figure.data] == ["Training", "Validation", "Test", "Unused"]
    for bar in figure.data:
        assert list(bar.x) == counts[bar.name].tolist()
        assert list(bar.y) == counts.index.tolist()
    assert figure.data[-1].marker.color == NEUTRAL
    assert "training 18,000" in figures_data.class_counts_text(counts)


def test_an_empty_set_has_no_bar():
    counts = pd.DataFrame({"Training": [5, 5], "Unused": [0, 0]}, index=["cat", "dog"])
    assert [bar.name for bar in figures_data.class_counts(counts).data] == ["Training"]
