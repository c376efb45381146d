"""Dataset: real images, the split's own counts, and a way out of every problem."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import core.jobs.worker
from core.base.errors import DataError
from core.config.draft import Draft
from core.config.presets import PRESETS
from core.config.sections import CLASSES
from core.data import cifar10
from core.data import fetch as fetch_module
from core.images import gallery
from tests.made import idle_worker
from tests.pages.shown import field, image_grids, pixels, texts

APP = Path(__file__).parents[2] / "app.py"
PAGE = Path(__file__).parents[2] / "pages" / "dataset.py"


@pytest.fixture
def page(store, monkeypatch):
    """The page on its own, not yet opened."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    return AppTest.from_file(str(PAGE), default_timeout=30)


@pytest.fixture
def fetch(monkeypatch):
    """A download of the test's own, which fails as without a network."""
    fetch = fetch_module.Fetch()

    def refuse(report):
        raise DataError("CIFAR-10 could not be downloaded. Connect to the internet, and try again.")

    monkeypatch.setattr(fetch_module, "acquire", refuse)
    monkeypatch.setattr("pages.parts.get_data.FETCH", fetch)
    return fetch


def opened(page, view, **query):
    page.query_params["view"] = view
    for name, value in query.items():
        page.query_params[name] = str(value)
    page.run()
    assert not page.exception
    return page


# --- without the data -------------------------------------------------------------------------------


def test_without_the_data_it_is_offered_and_a_failure_can_be_tried_again(page, fetch, monkeypatch, tmp_path):
    monkeypatch.setenv("RESNET_LAB_DATA", str(tmp_path / "empty"))
    page.run()
    assert not page.exception
    assert not page.tabs
    assert str(tmp_path / "empty") in texts(page)
    page.button(key="get-data").click().run()
    fetch.wait()
    page.run()
    assert "Connect to the internet" in texts(page)
    assert "again" in page.button(key="get-data").label


def test_damaged_data_is_named_and_can_be_downloaded_again(page, fetch, monkeypatch):
    def damaged(folder=None):
        raise DataError("The copy is damaged: test_batch.bin is not the official file.")

    monkeypatch.setattr(cifar10, "load", damaged)
    page.run()
    assert not page.exception
    assert "test_batch.bin" in texts(page)
    assert page.button(key="get-data")


def test_verifying_says_how_it_went(page, monkeypatch):
    monkeypatch.setattr(cifar10, "verify", lambda folder=None: None)
    page.run().button(key="verify").click().run()
    assert "byte for byte" in texts(page)

    def damaged(folder=None):
        raise DataError("data_batch_3.bin is not the official file.")

    monkeypatch.setattr(cifar10, "verify", damaged)
    page.button(key="verify").click().run()
    assert "data_batch_3.bin" in texts(page)


# --- images ---------------------------------------------------------------------------------------


def test_the_images_are_those_of_the_class_and_the_official_set(page):
    opened(page, "Images")
    page.button_group(key="class").set_value("ship").run()
    page.button_group(key="side").set_value("test").run()
    (grid,) = image_grids(page)
    data = cifar10.load()
    here = gallery.indices(data.labels, "ship", "test")[: len(grid["tiles"])]
    assert (pixels(grid) == data.images[here]).all()
    assert grid["tiles"][0]["label"] == gallery.description(data, int(here[0]))
    assert "1,000 images" in texts(page)
    assert grid["clickable"]


def test_another_page_shows_other_pictures_and_another_class_begins_at_the_first(page):
    opened(page, "Images")
    first = image_grids(page)[0]["tiles"]
    page.get("pagination")[0].set_value(2).run()
    second = image_grids(page)[0]["tiles"]
    assert not {tile["label"] for tile in first} & {tile["label"] for tile in second}
    page.button_group(key="class").set_value("frog").run()
    assert image_grids(page)[0]["tiles"][0]["label"] == gallery.description(cifar10.load(), 0)


# --- augmentation -----------------------------------------------------------------------------------


def test_the_strip_is_what_training_sees_of_the_image(page):
    opened(page, "Augmentation").number_input(key="image").set_value(17).run()
    chosen, strip = image_grids(page)
    data, config = cifar10.load(), PRESETS["fast"].config
    assert (pixels(chosen)[0] == data.images[17]).all()
    assert (pixels(strip) == gallery.as_trained(config, data, [17], range(1, 13))[:, 0]).all()
    assert [tile["caption"] for tile in strip["tiles"]] == [f"epoch {epoch}" for epoch in range(1, 13)]


def test_the_strip_has_no_more_epochs_than_a_run(page):
    opened(page, "Augmentation").selectbox(key="augmentation-preset").set_value("quick").run()
    assert [tile["caption"] for tile in image_grids(page)[1]["tiles"]] == [f"epoch {epoch}" for epoch in range(1, 6)]
    assert "first 5 epochs" in image_grids(page)[1]["label"]


def test_a_link_opens_its_image_and_is_kept_up_to_date(page):
    opened(page, "Augmentation", image=50_003)
    assert (pixels(image_grids(page)[0])[0] == cifar10.load().images[50_003]).all()
    page.number_input(key="image").set_value(8).run()
    assert page.query_params["image"] == "8"


def test_an_old_link_opens_its_image(page):
    opened(page, "Augmentation", picture=50_003)
    assert page.number_input(key="image").value == 50_003
    assert page.query_params["image"] == "50003" and "picture" not in page.query_params


@pytest.mark.parametrize("image", ["60000", "cat"])
def test_a_link_to_no_image_opens_the_first(page, image):
    opened(page, "Augmentation", image=image)
    assert page.number_input(key="image").value == 0


def test_a_setting_changes_the_strip(page):
    opened(page, "Augmentation")
    before = pixels(image_grids(page)[1])
    field = next(widget for widget in page.text_input if widget.key.startswith("augment.cutout"))
    field.set_value("16").run()
    after = pixels(image_grids(page)[1])
    assert (before != after).any()
    assert "16 × 16" in texts(page)


def test_nothing_is_augmented_with_a_value_out_of_range(page):
    opened(page, "Augmentation")
    next(widget for widget in page.text_input if widget.key.startswith("augment.cutout")).set_value("99").run()
    assert not page.exception
    assert "99 is out of range" in texts(page)
    assert len(image_grids(page)) == 1


def test_the_page_says_whether_a_run_sees_exactly_this(page):
    trained = opened(page, "Augmentation").number_input(key="image")
    trained.set_value(17).run()
    assert "exactly these images" in texts(page)
    page.number_input(key="image").set_value(50_017).run()
    assert "does not train on this image" in texts(page)


# --- split ------------------------------------------------------------------------------------------


def test_the_table_has_the_splits_counts(page):
    opened(page, "Split")
    page.selectbox(key="split-preset").set_value("report").run()
    table = page.dataframe[0].value
    expected = gallery.class_counts(PRESETS["report"].config, cifar10.load().labels)
    assert table.loc[list(CLASSES)].to_numpy().tolist() == expected.to_numpy().tolist()
    assert table.loc["all"].tolist() == [50_000, 10_000, 0]
    assert "re-split" in texts(page)


def test_an_impossible_split_is_a_warning(page):
    opened(page, "Split")
    next(widget for widget in page.text_input if widget.key.startswith("data.train_size")).set_value("50001").run()
    assert not page.exception
    assert "50,001" in page.warning[0].value
    assert not page.dataframe


def test_the_settings_survive_a_visit_to_another_page(page):
    page.session_state["dataset"] = draft = Draft("quick", PRESETS["quick"].config)
    draft.take("data.test_size", "1234")
    opened(page, "Split")
    assert page.dataframe[0].value.loc["all", "Test"] == 1_234


# --- into a new run ------------------------------------------------------------------------------------


@pytest.fixture
def app(store, monkeypatch):
    """The whole app on this page, with a worker that takes no run."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", idle_worker)
    return AppTest.from_file(str(APP), default_timeout=30).switch_page("pages/dataset.py")


def started(app, store):
    """The runs after a click on Start. (AppTest takes the next click for one on the page that was left.)"""
    app.switch_page("pages/new_run.py").run().button(key="start").click().run()
    return store.ids()


def test_the_settings_go_into_a_new_run_with_the_changes_marked(app, store):
    opened(app, "Split")
    app.button(key="classes-deer-dog").click().run()
    field(app, "data.train_size").set_value("4000").run()
    opened(app, "Augmentation")
    field(app, "augment.cutout").set_value("7").run()
    wanted = app.session_state["dataset"].config
    app.button(key="use-augmentation").click().run()
    assert not app.exception
    assert app.title[0].value == "New run"
    assert field(app, "data.train_size").value == "4000"
    marks = [mark.value for mark in app.markdown if "● preset" in mark.value]
    assert len(marks) == 4, "classes, sizes of the training and the validation set, cutout"
    (run_id,) = started(app, store)
    assert store.run(run_id).config() == wanted
    assert (wanted.data.classes, wanted.data.train_size, wanted.augment.cutout) == (("deer", "dog"), 4_000, 7)


def test_a_split_goes_into_a_new_run_and_leaves_its_name(app, store):
    app.switch_page("pages/new_run.py").run()
    app.text_input(key="name#0").set_value("mine").run()
    opened(app.switch_page("pages/dataset.py"), "Split")
    app.selectbox(key="split-preset").set_value("report").run()
    app.button(key="use-split").click().run()
    (run_id,) = started(app, store)
    assert store.run(run_id).config() == PRESETS["report"].config
    assert store.run(run_id).meta().name == "mine"


def test_settings_with_problems_do_not_go_into_a_new_run(page):
    opened(page, "Split")
    field(page, "data.classes").set_value(["cat"]).run()
    assert "use-split" not in [button.key for button in page.button]
