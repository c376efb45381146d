"""What a network looks at, with a network that is known to look at red."""

import numpy as np
import pytest

from core.images.classify import Classifier
from core.inspect import explain
from core.model.layers import list_layers
from core.model.resnet import make_network
from tests.inspect.networks import red_network


@pytest.fixture
def network():
    return red_network()


def red_corner():
    """A black image whose upper left 8 × 8 pixels are red."""
    image = np.zeros((3, 32, 32), np.uint8)
    image[0, :8, :8] = 255
    return image


@pytest.mark.parametrize("stage", explain.STAGES)
def test_grad_cam_shows_the_red_corner_for_the_class_that_is_red(network, stage):
    heat = explain.grad_cam(network, red_corner()[None], np.array([0]), stage)[0]
    assert heat.shape == (32, 32) and heat.dtype == np.float32
    assert heat.max() == 1 and heat.min() >= 0
    assert heat[:6, :6].min() > 0.5
    assert heat[12:, :].max() == heat[:, 12:].max() == 0


def test_grad_cam_is_empty_where_nothing_speaks_for_the_class(network):
    images = np.stack([red_corner(), red_corner()])
    deer, dog = explain.grad_cam(network, images, np.array([0, 1]))
    assert deer.max() == 1 and not dog.any()
    assert explain.grad_cam(network, images[:0], np.array([], int)).shape == (0, 32, 32)
    with pytest.raises(ValueError, match="stage"):
        explain.grad_cam(network, images, np.array([0, 1]), 4)


def test_covering_the_red_corner_takes_the_probability_that_it_gives(network):
    heat = explain.occlusion(network, red_corner(), 0, patch=8)
    covered = red_corner()
    covered[:, :8, :8] = explain.GREY
    before, after = network.probabilities(np.stack([red_corner(), covered]))[:, 0]
    assert heat.shape == (32, 32)
    # Only one position of the square covers the first pixels: their value is what it takes.
    assert heat[:4, :4] == pytest.approx(before - after, abs=1e-5) and before - after > 0.05
    # Grey is redder than black, so covering another part raises the probability.
    assert heat[16:, 16:].max() < 0
    opposite = explain.occlusion(network, red_corner(), 1, patch=8)
    np.testing.assert_allclose(opposite, -heat, atol=1e-5)


def test_the_maps_of_each_layer_are_its_output(network):
    layers = explain.map_layers(network)
    assert layers[:2] == ["conv", "norm"] and layers[-1] == "blocks.2" and "classifier" not in layers
    assert layers.index("blocks.0.norm2") + 1 == layers.index("blocks.0")
    sides = {name: explain.feature_maps(network, red_corner(), name).shape for name in layers}
    assert sides["conv"] == (4, 32, 32) and sides["blocks.1"] == (8, 16, 16) and sides["blocks.2"] == (16, 8, 8)
    conv = explain.feature_maps(network, red_corner(), "conv")
    np.testing.assert_allclose(conv[0], red_corner()[0] / 255)
    assert not conv[1:].any()
    with pytest.raises(LookupError):
        explain.feature_maps(network, red_corner(), "classifier")


@pytest.mark.parametrize("shortcut", ["A", "B", "report"])
def test_every_layer_of_every_kind_of_network_has_maps(network, shortcut):
    config = network.config.replace({"model.shortcut": shortcut})
    other = Classifier("other", config, 1, make_network(config).eval(), network.normalization)
    listed = {layer.name: (layer.c_out, layer.side, layer.side) for layer in list_layers(config.model, 2)}
    for name in explain.map_layers(other):
        shape = explain.feature_maps(other, red_corner(), name).shape
        assert shape == listed.get(name, shape)
    assert set(listed) - set(explain.map_layers(other)) == {"classifier"}


def test_a_map_is_not_changed_by_the_layers_after_it(network):
    with_negative = network.model.get_submodule("norm")
    with_negative.bias.data[1] = -2.0
    assert explain.feature_maps(network, red_corner(), "norm")[1].max() == -2, "the ReLU that follows works in place"


def test_explaining_leaves_the_network_as_it_was(network):
    before = network.probabilities(red_corner()[None])
    explain.grad_cam(network, red_corner()[None], np.array([0]))
    explain.occlusion(network, red_corner(), 0)
    assert not any(module._forward_hooks for module in network.model.modules())
    np.testing.assert_array_equal(network.probabilities(red_corner()[None]), before)


def test_the_first_filters_are_the_weights_and_their_colours_show_them(network):
    filters = explain.first_filters(network)
    assert filters.shape == (4, 3, 3, 3)
    assert filters[0, 0, 1, 1] == 1 and np.count_nonzero(filters) == 1
    colours = explain.as_colours(filters)
    assert colours.shape == (4, 3, 32, 32) and colours.dtype == np.uint8
    assert colours[0, :, 16, 16].tolist() == [255, 127, 127]
    assert (colours[1] == 127).all()


def test_an_overlay_marks_for_and_against(network):
    image, heat = np.full((3, 32, 32), 100, np.uint8), np.zeros((32, 32), np.float32)
    heat[:, :10], heat[:, 22:] = 1, -1
    shown = explain.overlay(image, heat, side=64)
    assert shown.shape == (64, 64, 3) and shown.dtype == np.uint8
    hot, none, against = shown[5, 5].astype(int), shown[5, 32].astype(int), shown[5, 60].astype(int)
    assert hot[0] > 180 and against[2] > against[0] + 50
    assert np.ptp(none) <= 5


def test_maps_become_grey_tiles():
    maps = np.zeros((2, 8, 8), np.float32)
    maps[0, 0, 0] = 3
    tiles = explain.as_grey(maps)
    assert tiles.shape == (2, 3, 32, 32)
    assert (tiles[0, :, :4, :4] == 255).all() and not tiles[0, :, 4:, 4:].any() and not tiles[1].any()
