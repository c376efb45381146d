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
            wait_for(lambda run_id=run_id: not lab.store.run(run_id).status().active)


def test_zoom_and_a_hidden_trace_survive_three_epochs_of_a_real_run(lab, page):
    server = lab
    run_id = server.store.create(tiny_config("train.epochs=3000", "train.batch_size=16"))
    page.goto(f"{server.url}/run?run={run_id}")
    page.wait_for_function(DRAWN)
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
    wait_for(lambda: len(server.store.run(run_id).records()) >= before + 3)
    page.wait_for_function(
        f"n => Math.max(...document.querySelector('{CHART}').data.map(t => (t.x || []).length)) >= n", arg=before + 3
    )
    seen = page.evaluate(f"() => [{NODE}.dataset.mark, {NODE}._fullLayout.xaxis.range, {SHOWN}]")
    assert seen[:2] == ["the same node", [0.5, 2.5]]
    assert seen[2][0] == hidden[0] == "legendonly"  # the curve within the epoch may have come or gone meanwhile
    assert "legendonly" not in seen[2][1:]
    page.get_by_role("button", name="Stop run").click()
    wait_for(lambda: server.store.run(run_id).status().state == "stopped")
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
    run_id = lab.store.create(tiny_config("train.epochs=3000", "train.batch_size=16"), name="refreshed")
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{lab.url}/run")  # a run at work is shown without being asked for
        tab.wait_for_function(DRAWN)
        expect(tab).to_have_url(re.compile(run_id))
        expect(tab).to_have_title(re.compile(r"^\d+\s?% · refreshed"))
    page.reload()
    page.wait_for_function(DRAWN)
    seen = page.evaluate(LONGEST)
    page.wait_for_function(f"n => ({LONGEST}) > n", arg=seen)
    assert lab.store.run(run_id).status().state == "running"

    page.get_by_role("button", name="Stop run").click()
    expect(other.get_by_role("button", name="Resume run")).to_be_visible()
    assert lab.store.run(run_id).status().state == "stopped"
    kept = len(lab.store.run(run_id).records())
    other.get_by_role("button", name="Resume run").click()
    other.wait_for_function(f"n => ({LONGEST}) > n", arg=kept)
    other.get_by_role("button", name="Discard run").click()
    wait_for(lambda: run_id in lab.store.trash.ids())


def test_a_finished_run_is_extended_and_the_axis_made_logarithmic(lab, page):
    server = lab
    run_id = server.store.create(tiny_config("train.schedule=constant", "train.warmup_epochs=0", "train.epochs=2"))
    wait_for(lambda: server.store.run(run_id).status().state == "finished")
    page.goto(f"{server.url}/run?run={run_id}")
    page.wait_for_function(DRAWN)
    page.get_by_text("Log x", exact=True).click()
    page.wait_for_function(f"() => {NODE}._fullLayout.xaxis.type === 'log'")
    expect(page).to_have_url(re.compile("logx=true"))
    page.get_by_role("button", name="Train longer").click()
    page.get_by_label("Epochs to add").fill("3")
    page.get_by_label("Epochs to add").press("Enter")
    page.get_by_role("button", name="Queue longer run").click()
    expect(page.get_by_text("3 more epochs")).to_be_visible()
    expect(page).not_to_have_url(re.compile(re.escape(run_id)))
    child = server.store.ids()[0]
    assert server.store.run(child).meta().parent == run_id
    wait_for(lambda: server.store.run(child).status().state == "finished")
    page.wait_for_function(f"() => {LONGEST} === 5")
    assert [record.epoch for record in server.store.run(child).records()] == [1, 2, 3, 4, 5]


def test_an_error_stays_on_its_page(lab, page):
    config = tiny_config("train.schedule=constant", "train.epochs=2", "train.warmup_epochs=0")
    run_id = made_run(lab.store, 2, config=config)
    lab.store.run(run_id).write_file("last.pt", b"")  # without the best weights, which a longer run needs too
    page.goto(f"{lab.url}/run?run={run_id}")
    page.get_by_role("button", name="Train longer").click()
    page.get_by_role("button", name="Queue longer run").click()
    expect(page.get_by_role("alert")).to_have_count(1)
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="weights")).to_have_count(0)
    page.get_by_role("link", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


#: Records notifications in place of the browser's, which headless Chromium does not show.
STUB = """
window.notified = [];
window.Notification = class {
  static permission = '%s';
  static async requestPermission() { window.asked = true; return (Notification.permission = 'granted'); }
  constructor(title, options) { window.notified.push([title, options.body]); }
};
"""
MOMENTS = f"() => {NODE}?.data?.some(t => t.uid.endsWith(' moments') && t.x.length > 2)"


def long_epochs():
    return tiny_config("data.train_size=40000", "train.epochs=2")


def test_the_first_epoch_has_a_curve_and_discarding_can_be_undone(lab, page):
    run_id = lab.store.create(long_epochs(), name="a first epoch")
    page.goto(f"{lab.url}/run?run={run_id}")
    page.wait_for_function(MOMENTS)
    assert lab.store.run(run_id).records() == []
    before = page.evaluate(LONGEST)
    page.wait_for_function(f"() => {LONGEST} > {before}")
    page.get_by_role("button", name="Discard run").click()
    expect(page.get_by_text("Moved to trash")).to_be_visible()
    assert page.locator("[data-testid=stAlert]").all_text_contents() == []
    assert run_id in lab.store.trash.ids()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Resume run")).to_be_visible()
    assert run_id not in lab.store.trash.ids()


def test_a_notification_is_asked_for_by_a_click_and_shown_when_the_run_ends(lab, page):
    page.add_init_script(STUB % "default")
    run_id = lab.store.create(long_epochs(), name="tell me")
    page.goto(f"{lab.url}/run?run={run_id}")
    button = page.get_by_role("button", name="Notify me")
    expect(button).to_be_enabled()
    assert page.evaluate("window.asked") is None
    button.click()
    expect(page.get_by_role("button", name="Notification on")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Stop run").click()
    page.wait_for_function("() => window.notified.length")
    ((title, _),) = page.evaluate("window.notified")
    assert title == "tell me: stopped"
    expect(page.get_by_role("button", name="Notification on")).to_be_hidden()


def test_where_notifications_are_denied_the_page_works_without(lab, page):
    page.add_init_script(STUB % "denied")
    run_id = lab.store.create(long_epochs())
    page.goto(f"{lab.url}/run?run={run_id}")
    expect(page.get_by_role("button", name="Notify me")).to_be_disabled()
    page.get_by_role("button", name="Stop run").click()
    expect(page.get_by_role("button", name="Resume run")).to_be_visible()
    assert page.evaluate("window.notified") == []


def test_everything_is_done_on_the_runs_page(lab, page):
    run_id = made_run(lab.store, name="before", tags=("first",))
    page.goto(f"{lab.url}/run?run={run_id}")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Name", exact=True).fill("after")
    page.get_by_role("button", name="Rename run").click()
    expect(page.get_by_role("combobox", name="Run", exact=True)).to_have_value(re.compile("after"))
    page.get_by_label("Note", exact=True).fill("worth a look")
    page.get_by_role("button", name="Save note").click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("worth a look").first).to_be_visible()
    page.get_by_text(re.compile("^Settings")).click()
    expect(page.get_by_text("preset").first).to_be_visible()
    page.get_by_role("button", name="Train longer").click()
    page.get_by_role("button", name=re.compile("Set up a run of 14 epochs")).click()
    expect(page.get_by_role("heading", name="New run")).to_be_visible()
    expect(page.get_by_role("textbox", name=re.compile("^Epochs")).first).to_have_value("14")
    meta = lab.store.run(run_id).meta()
    assert (meta.name, meta.note) == ("after", "worth a look")
