"""Every figure of the project has the template, axis titles with units, and stable ids."""

import json

import pandas as pd
import plotly.io
import pytest

from core.config.presets import PRESETS
from core.figures import bars, compare, curves, health, leaderboard, preview, study
from core.figures.style import TEMPLATE, View, escape, hover_text
from core.views.leaderboard import standings
from tests.made import made_curves, made_record
from tests.outcomes_made import outcomes

RUN = made_curves([made_record(epoch) for epoch in range(1, 4)])
GROUP = compare.GroupCurves("a-run", "a group", RUN.mark, (RUN,))
FIGURES = {
    "accuracy": curves.accuracy([RUN]),
    "loss": curves.loss([RUN]),
    "objective": curves.loss([RUN], kind="objective"),
    "learning rate": curves.learning_rate([RUN]),
    "speed": curves.speed([RUN]),
    "gradient norm": health.gradient_norm([RUN]),
    "update ratio": health.update_ratio(RUN),
    "dead ReLUs": health.dead_relus([RUN]),
    "bands": compare.bands([GROUP], View()),
    "class accuracy": bars.class_accuracy([RUN]),
    "probabilities": bars.probabilities(("cat", "dog"), {"a run": (0.3, 0.7)}),
    "schedule": preview.schedule(PRESETS["quick"].config),
    "class counts": preview.class_counts(pd.DataFrame({"Training": [5, 5]}, index=["cat", "dog"])),
    "leaderboard": leaderboard.dots(standings([], {})),
    "study": study.outcome(outcomes({6_000: (0.9,), 8_000: (0.95,)}), "data.train_size"),
}
#: Their vertical axis has names instead of values.
NAMES = {"class accuracy", "probabilities", "class counts", "leaderboard"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_the_template_titles_and_ids(name):
    figure = FIGURES[name]
    content = json.loads(figure.to_json(remove_uids=False))["layout"]
    assert content["template"] == plotly.io.templates[TEMPLATE].to_plotly_json()
    assert content["uirevision"]
    assert content["xaxis"]["title"]["text"]
    assert name in NAMES or content["yaxis"]["title"]["text"]
    assert all(trace.uid for trace in figure.data)


def test_values_are_shown_with_their_unit():
    assert hover_text("accuracy", "y") == "%{y:.2f} %"
    assert hover_text("loss", "y") == "%{y:.4f} nats"


def test_a_name_is_never_markup():
    assert escape('<b>a & "b"') == '&lt;b&gt;a &amp; "b"'
