"""Charts in a real browser: room for the curves, the toolbar beside the legend, cards on a phone."""

import pytest

from core.config.run_config import RunConfig
from tests.made import made_run

DRAWN = "() => document.querySelector('.js-plotly-plot')?.data?.length > 0"
#: Height of the plot, and whether the toolbar lies over the legend.
LOOKS = """() => {
    const chart = document.querySelector('.js-plotly-plot');
    const [bar, legend] = ['.modebar', '.legend'].map((name) => chart.querySelector(name).getBoundingClientRect());
    return {height: chart._fullLayout._size.h, over: bar.bottom > legend.top && bar.top < legend.bottom};
}"""


@pytest.fixture(scope="module")
def runs(lab):
    """Four runs with long names."""
    base = RunConfig().replace({"train.epochs": 6})
    name = "a sweep over the learning rate with the preset fast and a long name, rate {}"
    rates = (0.1, 0.2, 0.3, 0.4)
    return [made_run(lab.store, epochs=6, config=base.replace({"train.lr": lr}), name=name.format(lr)) for lr in rates]


@pytest.mark.parametrize("width", [1_440, 390])
def test_long_names_leave_room_for_the_curves_and_the_toolbar_is_not_over_the_legend(lab, page, runs, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{lab.url}/compare?runs={','.join(runs)}")
    page.wait_for_function(DRAWN)
    looks = page.evaluate(LOOKS)
    assert looks["height"] >= 280 and not looks["over"]


def test_cards_stand_two_by_two_on_a_phone(lab, page, runs):
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{lab.url}/run?run={runs[0]}")
    cards = page.get_by_test_id("stMetric")
    cards.nth(1).wait_for()
    first, second = (cards.nth(at).bounding_box() for at in (0, 1))
    assert first["y"] == second["y"] and first["x"] < second["x"]


def test_a_chart_stays_within_its_place_when_the_window_changes(lab, page, runs):
    page.goto(f"{lab.url}/compare?runs={','.join(runs)}")
    page.wait_for_function(DRAWN)
    page.set_viewport_size({"width": 1_100, "height": 900})
    page.wait_for_timeout(1_000)
    node, drawn = (page.locator(name).first.bounding_box() for name in (".live-chart", ".live-chart .main-svg"))
    assert drawn["y"] >= node["y"] and drawn["y"] + drawn["height"] <= node["y"] + node["height"] + 1


def test_a_long_name_on_home_is_whole(lab, page, runs):
    page.goto(lab.url)
    name = page.get_by_text("a long name, rate 0.4").first
    name.wait_for()
    assert name.evaluate("at => at.scrollWidth <= at.parentElement.closest('[data-testid=stPageLink]').clientWidth")
