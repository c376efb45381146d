"""The page Inspect: which run, which answers, and what each tab shows of them."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data import cifar10
from tests.made import made_predictions, made_run
from tests.pages.shown import image_grids, pixels, texts


@pytest.fixture
def page(app):
    """Opens the page on the test's own runs."""

    def open_page(**query: object) -> AppTest:
        app.run().switch_page("pages/inspect.py")
        app.query_params.update(query)
        app.run()
        assert not app.exception
        return app

    return open_page


def test_without_a_run_the_next_step_is_offered(page):
    app = page()
    assert "No run to inspect" in app.info[0].value
    assert [button.key for button in app.button] == ["new-run"]


def test_the_most_confident_mistakes_come_first(page, store):
    run_id = made_run(store)
    answers = made_predictions(store, run_id).answers()
    assert answers is not None
    (grid,) = image_grids(page(run=run_id))
    wrong = np.flatnonzero(~answers.correct)
    order = wrong[np.argsort(-answers.confidence[wrong])][: len(grid["tiles"])]
    assert (pixels(grid) == cifar10.load().images[answers.images[order]]).all()


def test_two_runs_stand_beside_each_other(page, store):
    first, second = made_run(store), made_run(store)
    for seed, run_id in enumerate((first, second)):
        made_predictions(store, run_id, seed)
    app = page(run=first, **{"with": second})
    assert len(image_grids(app)) == 2
    assert (app.selectbox(key="inspect_run").value, app.selectbox(key="inspect_with").value) == (first, second)


def test_a_link_to_a_run_that_cannot_be_inspected_says_why(page, store):
    made_predictions(store, made_run(store))
    for run_id in (made_run(store, 0, "queued"), made_run(store, 0, "stopped"), "20200101-000000-abcd"):
        app = page(run=run_id)
        assert run_id in app.error[0].value and len(app.error) == 1
        assert len(image_grids(app)) == 1


def test_part_and_epoch_can_be_chosen_where_both_are_kept(page, store):
    run_id = made_run(store)
    made_predictions(store, run_id, last=True)
    app = page(run=run_id, part="validation", weights="last")
    assert "500 validation images, epoch 4" in texts(app)
    plain = made_run(store)
    made_predictions(store, plain)
    app = page(run=plain, part="test")
    assert "10,000 test images, epoch 4" in texts(app)
