"""Inspect's tabs What it looks at and Map: which image, what of it, and where it lies on the map."""

import json

import numpy as np
import pytest

from core.data import cifar10
from core.data.split import make_split
from core.images.classify import Classifier
from core.inspect.explain import as_grey, feature_maps
from core.inspect.features import Computation
from core.inspect.map import pca_map
from tests.made import made_predictions, made_run, made_weights
from tests.pages.shown import action, image_grids, pixels, texts

CONFIG = {"data.classes": ("deer", "dog"), "model.depth": 8, "model.width": 4, "train.epochs": 4}
CONFIG |= {"data.train_size": 600, "data.validation_size": 200, "data.test_size": 100}


@pytest.fixture
def run_id(store):
    """A run with a network that was never trained, and predictions that are not its own."""
    from core.config.run_config import RunConfig

    made = made_run(store, config=RunConfig().replace(CONFIG), name="a network")
    made_weights(store, made)
    made_predictions(store, made)
    return made


def opened(app, view, **query):
    app.switch_page("pages/inspect.py")
    app.query_params.update({"view": view, **query})
    app.run()
    assert not app.exception
    return app


def alts(app):
    return [image.alt for element in app.get("image") for image in element.proto.imgs]


def test_the_most_confident_mistake_is_explained_first(app, store, run_id):
    opened(app, "What it looks at", run=run_id)
    answers = store.run(run_id).predictions().answers()
    wrong = np.flatnonzero(~answers.correct)
    image = int(answers.images[wrong[answers.confidence[wrong].argmax()]])
    assert app.number_input(key="inspect_image").value == image
    assert app.query_params["image"] == str(image)
    network = Classifier.load(store, run_id)
    row = network.probabilities(cifar10.load().images[[image]])[0]
    predicted = network.classes[row.argmax()]
    assert any(alt.startswith("Grad-CAM") and alt.endswith(f"for {predicted}") for alt in alts(app))
    assert any(alt.startswith("Occlusion") and alt.endswith(f"for {predicted}") for alt in alts(app))


def test_an_image_in_the_address_and_another_class(app, run_id):
    opened(app, "What it looks at", run=run_id, image="59999")
    assert app.number_input(key="inspect_image").value == 59_999
    box = app.selectbox(key=f"class looks {run_id}")
    for at, name in enumerate(("deer", "dog")):
        box.set_value(at).run()
        assert any(alt.startswith("Grad-CAM") and alt.endswith(f"for {name}") for alt in alts(app))


def test_the_maps_of_the_chosen_layer_are_shown(app, store, run_id):
    opened(app, "What it looks at", run=run_id, image="50007")
    app.selectbox(key=f"layer looks {run_id}").set_value("blocks.1").run()
    expected = as_grey(feature_maps(Classifier.load(store, run_id), cifar10.load().images[50_007], "blocks.1"))
    assert (pixels(image_grids(app)[-1]) == expected).all()


def test_nearest_training_images_are_found_on_demand(app, store, run_id):
    opened(app, "What it looks at", run=run_id, image="50007")
    action(app, "learn").click().run()
    (grid,) = [grid for grid in image_grids(app) if grid["label"].startswith("Nearest")]
    data, train = cifar10.load(), make_split(store.run(run_id).config(), cifar10.load().labels).train
    assert len(grid["tiles"]) == 6
    for tile in pixels(grid):
        assert (data.images[train] == tile).all((1, 2, 3)).any()


def test_without_the_data_set_the_next_step_is_offered(app, run_id, monkeypatch):
    def missing(folder=None):
        raise cifar10.DataError("CIFAR-10 is not on this computer yet.")

    monkeypatch.setattr(cifar10, "load", missing)
    for view in ("What it looks at", "Map"):
        assert "not on this computer" in texts(opened(app, view, run=run_id))
    monkeypatch.setattr(cifar10, "available", lambda *_: False)
    app.run()
    assert [title.value for title in app.subheader] == ["Download the images first"] and not app.error


def image_map(app):
    (proto,) = [e.proto for e in app.get("bidi_component") if e.proto.component_name == "resnet_lab_image_map"]
    return json.loads(proto.json)


def test_the_map_places_the_test_images_by_their_features(app, store, run_id):
    shown = image_map(opened(app, "Map", run=run_id))
    network = Classifier.load(store, run_id)
    expected = pca_map(Computation(network, cifar10.load(), "test").features())
    assert len(shown["x"]) == 100 and shown["names"] == ["deer", "dog"]
    assert np.corrcoef(shown["x"], expected.places[:, 0])[0, 1] == pytest.approx(1, abs=1e-4)
    answers = store.run(run_id).predictions().answers()
    assert shown["images"] == answers.images.tolist() and shown["groups"] == answers.labels.tolist()
    app.button_group(key="map_colour").set_value("error").run()
    shown = image_map(app)
    assert shown["names"] == ["Right", "Wrong"] and shown["groups"] == (~answers.correct).astype(int).tolist()


def test_a_tsne_map_is_computed_once(app, run_id):
    opened(app, "Map", run=run_id)
    app.button_group(key="map_method").set_value("t-sne").run()
    action(app, "t-sne").click().run()
    first = image_map(app)
    assert len(first["x"]) == 100
    opened(app, "Map", run=run_id)
    assert image_map(app)["x"] == first["x"] and not [b for b in app.button if (b.key or "").startswith("t-sne")]
