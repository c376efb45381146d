"""The newcomer's path in a real browser: start a quick run from the form, see its curve, drop an image."""

import re

from PIL import Image
from playwright.sync_api import expect

from core.data import cifar10
from tests.conftest import wait_for


def test_start_a_run_see_its_curve_drop_a_picture(serve, page, tmp_path):
    server = serve()
    page.goto(server.url)
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    page.get_by_role("link", name="New run").first.click()
    page.get_by_role("textbox", name="Epochs", exact=True).fill("2")
    page.get_by_role("button", name="Start run").click()

    # The run stands in the store, and the page shows the newest.
    wait_for(lambda: len(server.store.ids()) == 1)
    run_id = server.store.ids()[0]
    expect(page).to_have_url(re.compile(rf"/run\?.*run={run_id}"))
    wait_for(lambda: len(server.store.run(run_id).records()) >= 2)
    chart = page.locator(".js-plotly-plot").first
    expect(chart).to_be_visible()
    # The page draws an epoch a moment after it ends; another curve has points within epochs.
    accuracies = [100 * record.val_accuracy for record in server.store.run(run_id).records()][:2]
    page.wait_for_function(
        "accuracies => document.querySelector('.js-plotly-plot')?.data?.some("
        "t => t.y?.length >= 2 && accuracies.every((y, at) => Math.abs(t.y[at] - y) < 1e-3))",
        arg=accuracies,
    )

    wait_for(lambda: server.store.run(run_id).status().state == "finished")
    best = server.store.run(run_id).status().best_val_accuracy
    assert best > 0.2
    expect(page.get_by_text(f"{100 * best:.1f}").first).to_be_visible()

    picture = tmp_path / "ship.png"
    data = cifar10.load()
    Image.fromarray(data.images[list(data.labels).index(8)].transpose(1, 2, 0)).resize((200, 200)).save(picture)
    page.get_by_role("link", name="Classify").first.click()
    page.locator("input[type=file]").first.set_input_files(picture)
    expect(page.get_by_text("ship.png").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+(\.\d+)?\s?%")).first).to_be_visible()
