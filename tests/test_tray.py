"""The tray of pictures: how many it keeps, what is computed once, and what its table says."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from core.config import RunConfig
from core.data.cifar10 import Cifar10
from core.data.split import split
from core.pictures import Picture, to_network
from core.tray import MOST_PICTURES, SIDE, Tray, classify, results_table, shown, unseen_images

LABELS = np.tile(np.arange(10), 6_000)


@dataclass
class Network:
    """Takes a picture for "dog" as surely as its first red value is high; counts what it was shown."""

    run_id: str = "a-run"
    classes: tuple[str, ...] = ("deer", "dog")
    asked: list[int] = field(default_factory=list)

    def probabilities(self, images):
        self.asked.append(len(images))
        dog = images[:, 0, 0, 0].astype(np.float32) / 255
        return np.stack([1 - dog, dog], axis=1)


def picture(width=64, height=48, value=51, name="one.png"):
    image = Image.new("RGB", (width, height), (value, 0, 0))
    return Picture(name, image, width, height, "RGB", "PNG", frames=1)


def test_a_full_tray_says_how_many_were_left_out_and_keeps_the_newest_first():
    tray = Tray()
    tray.add([shown(picture(name="first"))])
    tray.add([shown(picture(name=str(at))) for at in range(MOST_PICTURES + 2)])
    assert len(tray.pictures) == MOST_PICTURES
    assert [one.name for one in (tray.pictures[0], tray.pictures[-1])] == ["0", "first"]
    assert "3 of the pictures were left out" in tray.refused[0]
    tray.clear()
    assert (tray.pictures, tray.refused) == ([], [])


def test_a_picture_is_kept_small_with_what_its_file_was():
    whole = Picture("a.gif", Image.new("RGB", (1000, 500)), 4000, 2000, "P", "GIF", frames=7)
    one = shown(whole)
    assert max(one.image.size) == SIDE
    assert whole.image.size == (1000, 500), "the picture itself is left as it was"
    assert one.about == "4000 × 2000 GIF, the first of 7 frames"
    np.testing.assert_array_equal(one.inputs["whole"], to_network(whole, "whole"))


def test_what_was_computed_is_not_computed_again():
    network, one, two = Network(), shown(picture(value=51)), shown(picture(value=204))
    first = classify([one], network, time=1, crop="centre")
    both = classify([two, one], network, time=1, crop="centre")
    np.testing.assert_allclose(both[:, 1], [0.8, 0.2])
    np.testing.assert_array_equal(both[1], first[0])
    assert network.asked == [1, 1]
    classify([one], network, time=1, crop="whole")
    classify([one], network, time=2, crop="centre")  # other weights
    assert network.asked == [1, 1, 1, 1]


def test_the_table_has_a_row_a_picture_and_the_truth_where_it_is_known():
    pictures = [shown(picture(name="a")), shown(picture(name="b"))]
    pictures[1].truth = "dog"
    table = results_table(pictures, Network(), np.array([[0.75, 0.25], [0.4, 0.6]], np.float32))
    assert table[["picture", "taken for", "or else", "truth"]].to_numpy().tolist() == [
        ["a", "deer", "dog", ""],
        ["b", "dog", "deer", "dog"],
    ]
    assert table["probability"].tolist() == pytest.approx([0.75, 0.6])
    assert table["dog"].tolist() == pytest.approx([0.25, 0.6])


def test_test_images_are_of_every_class_and_none_was_trained_on():
    images = np.random.default_rng(0).integers(0, 256, (60_000, 1, 32, 32), np.uint8).repeat(3, axis=1)
    config = RunConfig().replace({"data.classes": ("cat", "frog"), "data.split": "pooled", "data.train_size": 9_000})
    data = Cifar10(images, LABELS)
    test = split(config, LABELS).test
    names = set()
    for draw in range(5):
        found = unseen_images(config, data, draw)
        assert [one.truth for one in found] == ["cat", "frog"]
        for one in found:
            at = int(one.name.removeprefix("CIFAR-10 "))
            assert at in test
            np.testing.assert_array_equal(one.inputs["centre"], images[at])
        names.update(one.name for one in found)
    assert len(names) > 5, "another draw, other images"
    again = [one.name for one in unseen_images(config, data, 4)]
    assert again == [one.name for one in found]
