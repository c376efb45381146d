"""The tab Slices of Inspect: what it says, its accuracies, and the images it shows."""

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data import cifar10
from core.data.split import make_split
from core.inspect import duplicates
from core.inspect.contested import contested_labels
from core.inspect.slices import brightness_and_contrast
from tests.made import made_predictions, made_run
from tests.pages.shown import charts, image_grids, pixels, texts


@pytest.fixture
def page(app):
    """Opens the tab on the test's own runs."""

    def open_page(**query: object) -> AppTest:
        app.switch_page("pages/inspect.py")
        app.query_params.update({"view": "Slices", **query})
        app.run()
        assert not app.exception
        return app

    return open_page


def with_pairs(monkeypatch, train, test):
    """Let the n-th test image be the near-duplicate of the n-th training image, for three of them."""
    table = pd.DataFrame({"first": train[:3], "second": test[:3], "distance": [0.05, 0.1, 0.15], "mirrored": [0, 1, 0]})
    monkeypatch.setattr(duplicates, "pairs", lambda: table)


def test_duplicates_stand_beside_their_training_images(page, store, monkeypatch):
    run_id = made_run(store)
    made_predictions(store, run_id)
    data = cifar10.load()
    split = make_split(store.run(run_id).config(), data.labels)
    with_pairs(monkeypatch, split.train, split.test)
    app = page(run=run_id)
    (grid,) = image_grids(app)
    assert grid["group"] == 2 and len(grid["tiles"]) == 6
    order = np.column_stack([split.test[:3], split.train[:3]]).ravel()
    assert (pixels(grid) == data.images[order]).all()
    assert "3 of 10,000 test images have a near-duplicate" in texts(app)
    assert set(charts(app)) == {"slices-duplicates"}


def test_a_run_without_duplicates_says_so(page, store, monkeypatch):
    run_id = made_run(store)
    made_predictions(store, run_id)
    with_pairs(monkeypatch, [0, 1, 2], [3, 4, 5])
    app = page(run=run_id)
    assert "None of these test images" in texts(app) and not image_grids(app)


def test_fifths_show_their_images_with_the_mistakes_first(page, store):
    run_id = made_run(store)
    predictions = made_predictions(store, run_id)
    app = page(run=run_id, slice="Brightness")
    (grid,) = image_grids(app)
    answers = predictions.answers()
    assert answers is not None
    brightness, _ = brightness_and_contrast(cifar10.load().images[answers.images])
    shown, _ = brightness_and_contrast(pixels(grid))
    assert shown.max() <= np.quantile(brightness, 0.2) + 1e-3
    assert all("→" in tile["caption"] for tile in grid["tiles"])  # more mistakes than fit on a page
    figure = charts(app)["slices-brightness"]["figure"]
    assert figure["layout"]["yaxis"]["ticktext"][0] == "darkest fifth" and len(figure["data"]) == 1


def test_two_runs_are_in_one_chart_and_side_by_side(page, store):
    first, second = made_run(store), made_run(store)
    for seed, run_id in enumerate((first, second)):
        made_predictions(store, run_id, seed)
    app = page(run=first, slice="Contrast", **{"with": second})
    assert len(charts(app)["slices-contrast"]["figure"]["data"]) == 2
    assert len(image_grids(app)) == 2


def test_with_few_runs_contested_labels_say_what_to_do(page, store):
    ids = [made_run(store) for _ in range(3)]
    for seed, run_id in enumerate(ids[:2]):
        made_predictions(store, run_id, seed)
    app = page(run=ids[0], slice="Contested labels")
    assert "2 runs on this computer have predictions" in texts(app) and not image_grids(app)


def test_runs_that_agree_with_all_labels_contest_none(page, store):
    ids = [made_run(store) for _ in range(5)]
    for seed, run_id in enumerate(ids):
        made_predictions(store, run_id, seed, share=1)
    app = page(run=ids[0], slice="Contested labels")
    assert "No label is contested" in texts(app) and "0 of" not in texts(app) and not image_grids(app)


def test_five_runs_contest_labels(page, store):
    ids = [made_run(store) for _ in range(5)]
    members = [made_predictions(store, run_id, seed, share=0.3).answers() for seed, run_id in enumerate(ids)]
    expected = contested_labels([answers for answers in members if answers])
    app = page(run=ids[0], slice="Contested labels")
    (grid,) = image_grids(app)
    assert len(expected) > 30 and len(grid["tiles"]) == 30
    assert (pixels(grid) == cifar10.load().images[expected["image"][:30]]).all()
    assert f"5 runs contest {len(expected):,} labels" in texts(app)
