"""The page Run in a real browser: what updates must not disturb, and links that lead to exactly one run."""

import re

import pytest
from playwright.sync_api import expect

from tests.conftest import wait_for
from tests.made import made_run, tiny_config

CHART = ".js-plotly-plot"
DRAWN = f"() => {{ const c = document.querySelector('{CHART}'); return c?.data?.[0] && c.data[0].x.length > 1; }}"

NODE = f"document.querySelector('{CHART}')"
LONGEST = f"Math.max(...{NODE}.data.map(t => (t.x || []).length))"
SHOWN = f"{NODE}._fullData.map(t => t.visible)"


@pytest.fixture(autouse=True)
def nothing_left_at_work(lab):
    """A run that a failed test leaves training would be taken for the next test's."""
    yield
    for run_id in lab.store.ids():
        if lab.store.run(run_id).status().active:
            lab.store.queue.request_stop(run_id)
            wait_for(lambda run_id=run_id: not lab.store.run(run_id).status().active, 60)


def test_zoom_and_a_hidden_trace_survive_three_epochs_of_a_real_run(lab, page):
    server = lab
    run_id = server.store.create(tiny_config("train.epochs=3000", "train.batch_size=16"))
    page.goto(f"{server.url}/run?run={run_id}")
    page.wait_for_function(DRAWN, timeout=90_000)
    page.evaluate(
        f"""async () => {{
            const chart = document.querySelector('{CHART}');
            chart.dataset.mark = 'the same node';
            await Plotly.relayout(chart, {{'xaxis.range': [0.5, 2.5]}});
        }}"""
    )
    page.locator(f"{CHART} .legendtoggle").first.click()
    page.wait_for_function(f"() => ({SHOWN}).includes('legendonly')")
    hidden = page.evaluate(SHOWN)
    before = len(server.store.run(run_id).records())
    wait_for(lambda: len(server.store.run(run_id).records()) >= before + 3, 120)
    page.wait_for_function(
        f"n => Math.max(...document.querySelector('{CHART}').data.map(t => (t.x || []).length)) >= n",
        arg=before + 3,
        timeout=60_000,
    )
    seen = page.evaluate(f"() => [{NODE}.dataset.mark, {NODE}._fullLayout.xaxis.range, {SHOWN}]")
    assert seen == ["the same node", [0.5, 2.5], hidden]
    page.get_by_role("button", name="Stop run").click()
    wait_for(lambda: server.store.run(run_id).status().state == "stopped", 60)
    expect(page.get_by_role("button", name="Resume run")).to_be_visible()


@pytest.mark.parametrize("address", ["run", "live"])
def test_a_link_to_a_run_opens_it_first_thing_on_a_plain_server(serve, page, store, address):
    """Links to /live are from before the page was called Run."""
    wanted = made_run(store, epochs=3, name="the wanted one")
    other = made_run(store, epochs=2, name="a newer one")
    server = serve("app.py")
    page.goto(f"{server.url}/{address}?run={wanted}&with={other}&log=true")
    expect(page).to_have_url(re.compile(rf"/run\?.*run={wanted}.*with={other}"))
    expect(page.get_by_role("img", name=re.compile("the wanted one")).first).to_be_visible()
    expect(page.get_by_role("link", name="New run").first).to_be_visible()
    page.reload()
    expect(page).to_have_url(re.compile(wanted))
    expect(page.get_by_role("img", name=re.compile("the wanted one")).first).to_be_visible()


def test_a_page_refreshed_in_the_middle_of_a_run_picks_it_up_and_two_tabs_agree(lab, page):
    run_id = lab.store.create(tiny_config("train.epochs=3000", "train.batch_size=16"))
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{lab.url}/run")  # a run at work is shown without being asked for
        tab.wait_for_function(DRAWN, timeout=90_000)
        expect(tab).to_have_url(re.compile(run_id))
        expect(tab).to_have_title(re.compile(rf"^\d+\s?% · {run_id}"))
    page.reload()
    page.wait_for_function(DRAWN)
    seen = page.evaluate(LONGEST)
    page.wait_for_function(f"n => ({LONGEST}) > n", arg=seen)
    assert lab.store.run(run_id).status().state == "running"

    page.get_by_role("button", name="Stop run").click()
    expect(other.get_by_role("button", name="Resume run")).to_be_visible(timeout=60_000)
    assert lab.store.run(run_id).status().state == "stopped"
    kept = len(lab.store.run(run_id).records())
    other.get_by_role("button", name="Resume run").click()
    other.wait_for_function(f"n => ({LONGEST}) > n", arg=kept, timeout=60_000)
    other.get_by_role("button", name="Discard run").click()
    wait_for(lambda: run_id in lab.store.trash.ids(), 60)


def test_a_finished_run_is_extended_and_the_axis_made_logarithmic(lab, page):
    server = lab
    run_id = server.store.create(tiny_config("train.schedule=constant", "train.warmup_epochs=0", "train.epochs=2"))
    wait_for(lambda: server.store.run(run_id).status().state == "finished", 120)
    page.goto(f"{server.url}/run?run={run_id}")
    page.wait_for_function(DRAWN)
    page.get_by_text("Log x", exact=True).click()
    page.wait_for_function(f"() => {NODE}._fullLayout.xaxis.type === 'log'")
    expect(page).to_have_url(re.compile("logx=true"))
    page.get_by_role("button", name="Add epochs").click()
    page.get_by_label("Epochs to add").fill("3")
    page.get_by_label("Epochs to add").press("Enter")
    page.get_by_role("button", name="Queue longer run").click()
    expect(page.get_by_text("3 more epochs")).to_be_visible()
    expect(page).not_to_have_url(re.compile(re.escape(run_id)))
    child = server.store.ids()[0]
    assert server.store.run(child).meta().parent == run_id
    wait_for(lambda: server.store.run(child).status().state == "finished", 120)
    page.wait_for_function(f"() => {LONGEST} === 5")
    assert [record.epoch for record in server.store.run(child).records()] == [1, 2, 3, 4, 5]


def test_an_error_stays_on_its_page(lab, page):
    run_id = made_run(lab.store, epochs=2)  # has no last.pt
    page.goto(f"{lab.url}/run?run={run_id}")
    page.get_by_role("button", name="Add epochs").click()
    page.get_by_role("button", name="Queue longer run").click()
    expect(page.get_by_role("alert")).to_have_count(1)
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="last.pt")).to_have_count(0)
    page.get_by_role("link", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
