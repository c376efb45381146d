"""The previews of a config before it runs, and its estimate."""

from streamlit.testing.v1 import AppTest

from core.config.run_config import RunConfig
from core.cost.speed import Speed, how, remember, shape
from core.data import cifar10
from core.images import gallery
from core.runs.folder import this_host
from tests.pages.shown import charts, image_grids, pixels, texts


def preview(part, **settings):
    """Return a page with nothing but a preview of a config."""

    def script(part, settings):
        from core.config.run_config import RunConfig
        from pages.parts.estimate import estimate_line
        from pages.parts.new_run import preview

        getattr(preview, part, estimate_line)(RunConfig().replace(settings))

    app = AppTest.from_function(script, args=(part, settings), default_timeout=30).run()
    assert not app.exception
    return app


def test_the_schedule_is_previewed():
    app = preview("schedule_preview", **{"train.schedule": "constant", "train.lr": 0.07})
    assert "0.07" in texts(app)
    assert set(charts(app)["preview-schedule"]["figure"]["data"][0]["y"]) == {0.07}


def test_augmented_images_are_previewed_with_the_runs_own_seed():
    config = RunConfig().replace({"augment.translate": "shift", "train.seed": 3})
    app = preview("augmentation_preview", **{"augment.translate": "shift", "train.seed": 3})
    (grid,) = image_grids(app)
    data, shown = cifar10.load(), pixels(grid)
    numbers = gallery.sample_training_images(config, data, 3)
    versions = gallery.as_trained(config, data, numbers, range(1, 6))
    assert (shown[0] == data.images[numbers[0]]).all()
    assert (shown[1:6] == versions[:, 0]).all()
    assert (shown[7:12] == versions[:, 1]).all()


def test_a_preview_has_no_more_epochs_than_the_run():
    app = preview("augmentation_preview", **{"train.epochs": 2, "train.warmup_epochs": 0.0})
    captions = [tile["caption"] for tile in image_grids(app)[0]["tiles"]]
    assert captions[1:3] == ["epoch 1", "epoch 2"] and len(captions) == 3 * 3


def test_without_images_the_preview_says_where_to_get_them(monkeypatch):
    monkeypatch.setattr(cifar10, "available", lambda folder=None: False)
    app = preview("augmentation_preview")
    assert "Dataset" in texts(app)
    assert not image_grids(app)


def test_layers_are_previewed():
    app = preview("layers_preview", **{"model.shortcut": "report"})
    assert "273,066" in texts(app)
    assert app.dataframe[0].value["parameters"].sum() == 273_066


def test_the_estimate_offers_a_measurement_until_there_is_one(store, monkeypatch):
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    app = preview("estimate_line")
    assert app.button(key="measure")
    config = RunConfig()
    remember(store, Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), 1_000.0, 3_000.0, "probe"))
    app.run()
    assert "19 min" in texts(app)
    assert not app.button


def test_measuring_from_the_page_makes_the_estimate(store, monkeypatch):
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))

    def measure(config, store):
        speed = Speed(this_host(), how(config), ("cpu", "fp32", 2), *shape(config), 500.0, 1_500.0, "probe")
        remember(store, speed)

    monkeypatch.setattr("core.jobs.probe.measure", measure)
    app = preview("estimate_line")
    app.button(key="measure").click().run()
    assert "measured" in texts(app) and not app.button
