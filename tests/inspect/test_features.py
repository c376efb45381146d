"""Features, the nearest training images, and what is kept of them."""

import os

import numpy as np
import pytest

from core.data import cifar10
from core.data.split import make_split
from core.images.classify import Classifier
from core.inspect import features
from core.inspect.features import Activations, Computation, Features, Shelf, activations
from tests.inspect.networks import red_network
from tests.made import made_run, made_weights


@pytest.fixture
def data():
    """Images of one colour each: their red value is their class times 20, plus a little."""
    labels = np.tile(np.arange(10), 6_000)
    images = np.zeros((60_000, 3, 32, 32), np.uint8)
    images[:, 0] = (labels * 20 + np.arange(60_000) % 17).astype(np.uint8)[:, None, None]
    return cifar10.Cifar10(images, labels)


def random_images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), np.uint8)


def test_the_features_of_the_red_network_are_the_amount_of_red():
    network, images = red_network(), random_images(5)
    seen = activations(network, images)
    assert seen.features.shape == (5, 16) and seen.features.dtype == np.float32
    assert [stage.shape for stage in seen.stages] == [(5, 8), (5, 16), (5, 32)]
    red = images[:, 0] / 255
    np.testing.assert_allclose(seen.stages[0][:, 0], red.mean((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(seen.stages[0][:, 4], red.std((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(seen.features[:, 6], red[:, ::4, ::4].mean((1, 2)), rtol=1e-4)


def test_the_logits_are_those_that_classify(store):
    run_id = made_run(store)
    made_weights(store, run_id)
    network, images = Classifier.load(store, run_id), random_images(4)
    logits = activations(network, images).logits
    powers = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(1, keepdims=True), network.probabilities(images), atol=1e-5)


def test_the_nearest_point_in_the_same_direction():
    values = np.array([[1, 0], [0, 5], [3, 3], [-1, 0]], np.float32)
    known = Features(np.array([10, 20, 30, 40]), values)
    images, similarity = known.nearest(np.array([[2, 0], [0, 1]], np.float32), 2)
    assert images.tolist() == [[10, 30], [20, 30]]
    assert similarity == pytest.approx(np.array([[1, 0.5**0.5]] * 2), abs=1e-6)
    assert known.nearest(np.array([[2, 0]], np.float32), 9)[0].shape == (1, 4)


def test_a_computation_goes_on_where_it_was_interrupted(data):
    network = red_network()
    computation = Computation(network, data, "train")
    split = make_split(network.config, data.labels)
    assert computation.images.tolist() == split.train.tolist()
    assert (computation.share, computation.done) == (0, False)
    computation.advance()
    assert 0 < computation.share < 1
    whole = computation.result()
    assert computation.done and len(whole) == 300
    np.testing.assert_array_equal(whole.features, activations(network, data.images[split.train]).features)
    computation.advance()
    assert len(computation.result()) == 300


def test_an_image_is_nearest_to_itself(data):
    network = red_network()
    kept = Computation(network, data, "train").features()
    colours = data.images[kept.images[:3]]
    images, similarity = kept.nearest(activations(network, colours).features, 1)
    assert (data.images[images[:, 0], 0, 0, 0] > 0).all() and similarity == pytest.approx(1, abs=1e-3)


def test_features_are_kept_for_the_weights_they_belong_to(store):
    run_id = made_run(store)
    made_weights(store, run_id)
    shelf = Shelf(store, run_id)
    assert shelf.read_features("test") is None
    values = np.random.default_rng(0).random((3, 4)).astype(np.float16).astype(np.float32)
    shelf.write_features("test", Features(np.array([1, 2, 59_999]), values))
    again = Shelf(store, run_id).read_features("test")
    assert again is not None and again.images.tolist() == [1, 2, 59_999]
    np.testing.assert_array_equal(again.values, values)
    assert store.ids() == [run_id]
    made_weights(store, run_id, seed=3)
    assert Shelf(store, run_id).read_features("test") is None


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x02\0\0\0\0\0\0\0{}", bytes(200)])
def test_a_damaged_file_is_computed_again(store, content):
    run_id = made_run(store)
    made_weights(store, run_id)
    shelf = Shelf(store, run_id)
    shelf.write("train", {"other": np.zeros(3)})
    assert shelf.read_features("train") is None
    next(shelf.folder.iterdir()).write_bytes(content)
    assert shelf.read("train") is None


def test_the_files_used_longest_ago_make_room(tmp_path):
    for at, name in enumerate("abcd"):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(bytes(100))
        os.utime(path, (1_000 + at, 1_000 + at))
    features.tidy(tmp_path, most=250)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["c", "d"]


def test_joining_keeps_the_order():
    parts = [activations(red_network(), random_images(2, seed)) for seed in (1, 2)]
    joined = Activations.joined(parts)
    np.testing.assert_array_equal(joined.logits[2:], parts[1].logits)
    assert len(joined) == 4
