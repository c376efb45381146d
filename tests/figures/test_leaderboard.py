"""The leaderboard as a chart shows every result at its place, with its symbol and its interval."""

import pytest

from core.figures.leaderboard import MOST_OURS, dots, standings_text
from core.stats.intervals import wilson
from tests.made import made_run
from tests.views.test_leaderboard import HELD, TEST, measured, results


def test_dots_are_in_the_tables_order_with_their_symbols(store):
    measured(store, 0.93, name="<b>ours")
    made_run(store, config=TEST, name="on test")
    found = results(store)
    figure = dots(found)
    by_symbol = {trace.marker.symbol: trace for trace in figure.data}
    assert set(by_symbol) == {"circle", "diamond-open", "star", "star-open"}
    for trace in figure.data:
        assert list(trace.x) == pytest.approx([found[place].accuracy for place in trace.y])
    assert sorted(place for trace in figure.data for place in trace.y) == list(range(len(found)))
    (place,) = by_symbol["star"].y
    assert figure.layout.yaxis.ticktext[place] == "&lt;b&gt;ours"
    assert "held-out images" in by_symbol["star"].customdata[0]
    assert by_symbol["star"].error_x.array[0] == pytest.approx(100 * (wilson(0.93, 10_000).high - 0.93))
    assert set(by_symbol["circle"].error_x.array) == {0.0}
    assert any("(a person)" in text for text in figure.layout.yaxis.ticktext)


def test_of_many_runs_the_best_are_drawn(store):
    for at in range(MOST_OURS + 3):
        measured(store, 0.80 + at / 1_000, config=HELD.replace({"train.lr": 0.1 + at / 100}))
    (stars,) = (trace for trace in dots(results(store)).data if trace.marker.symbol == "star")
    assert len(stars.x) == MOST_OURS
    assert min(stars.x) == pytest.approx(80.3)


def test_the_chart_as_text(store):
    assert standings_text(results(store)).startswith(
        "30 results on ten classes. First: Fractional max-pooling, 96.53 %."
    )
    measured(store, 0.97, name="mine")
    assert "mine, 97.00 %, number 1." in standings_text(results(store))
