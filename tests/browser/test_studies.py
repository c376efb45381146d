"""A study in a real browser: defined from its file, started, killed with its server, gone on with, and its figures."""

import re

from playwright.sync_api import expect

from core.runs.storage import Storage
from core.study.progress import statuses
from core.study.store import StudyStore, as_text
from core.study.study import Axis, Study
from tests.conftest import wait_for
from tests.made import tiny_config

STUDY = Study("two rates", tiny_config("train.epochs=25", "data.validation=test"), (Axis("train.lr", (0.05, 0.1)),))


def test_a_study_is_run_through_a_killed_server_to_its_figures(serve, page, tmp_path):
    server = serve()
    Storage(server.store).change(runs_at_once=1)
    page.goto(f"{server.url}/studies")
    page.get_by_role("tab", name="From a file").click()
    path = tmp_path / "study.json"
    path.write_text(as_text(STUDY))
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Create study").last.click()
    expect(page.get_by_role("heading", name="two rates")).to_be_visible()
    (study_id,) = StudyStore(server.store).ids()
    expect(page).to_have_url(re.compile(study_id))

    def states():
        return [cell.state for cell in statuses(study_id, STUDY, server.store.summaries())]

    page.get_by_role("button", name="Start study").click()
    wait_for(lambda: states()[0] == "running" and server.store.run(server.store.ids()[-1]).records())
    server.kill()
    assert states() == ["interrupted", "queued"]

    other = serve()  # goes on with the queue by itself; what it was killed in waits for a word
    page.goto(f"{other.url}/studies?study={study_id}")
    page.get_by_role("button", name="Continue study").click()
    wait_for(lambda: states() == ["finished", "finished"])
    expect(page.get_by_text("2 runs: 2 finished")).to_be_visible()
    expect(page.get_by_text("from 0.05 to 0.1", exact=False).first).to_be_visible()
    drawn = page.wait_for_function(
        "() => { const c = document.querySelector('.js-plotly-plot');"
        " const t = c?.data?.find(one => one.uid === 'all mean'); return t && Array.from(t.y); }"
    ).json_value()
    best = [cell.run.best_val_accuracy for cell in statuses(study_id, STUDY, server.store.summaries())]
    assert [round(y, 6) for y in drawn] == [round(100 * accuracy, 6) for accuracy in best]
    assert len(server.store.ids()) == 2
