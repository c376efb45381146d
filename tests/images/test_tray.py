"""The tray of images: how many it keeps, what is computed once, and what its table says."""

import base64
import io
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from core.base.kept import Kept
from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.cifar10 import Cifar10
from core.data.split import make_split
from core.images.read import LoadedImage, Square, to_network
from core.images.tray import (
    BROWSER_SIDE,
    MAX_IMAGES,
    Tray,
    TrayImage,
    classify,
    labels,
    not_counted,
    results_table,
    runs_with_weights,
    sample_test_images,
    score_text,
)
from tests.made import change_file, made_run

LABELS = np.tile(np.arange(10), 6_000)


@dataclass
class Network:
    """Predicts "dog" with a probability that is the first red value; counts the images."""

    run_id: str = "a-run"
    classes: tuple[str, ...] = ("deer", "dog")
    asked: list[int] = field(default_factory=list)

    def probabilities(self, images):
        self.asked.append(len(images))
        dog = images[:, 0, 0, 0].astype(np.float32) / 255
        return np.stack([1 - dog, dog], axis=1)


def loaded(width=64, height=48, value=51, name="one.png"):
    image = Image.new("RGB", (width, height), (value, 0, 0))
    return LoadedImage(name, image, width, height, "PNG", frames=1)


def reference_run(store, epochs, classes):
    run_id = made_run(store, epochs, config=RunConfig().replace({"data.classes": classes, "train.epochs": epochs}))
    change_file(store, run_id, "meta.json", reference=True)
    return run_id


def test_own_runs_come_first_then_the_reference_run_that_knows_most(store):
    less, more = (reference_run(store, epochs, RunConfig().data.classes) for epochs in (2, 8))
    pair = reference_run(store, 9, ("deer", "dog"))
    older, newer, _without_weights = (made_run(store) for _ in range(3))
    for run_id in (less, more, pair, older, newer):
        (store.run(run_id).path / "best.safetensors").touch()
    assert list(runs_with_weights(store)) == [newer, older, more, less, pair]


def test_runs_of_one_name_have_different_labels(store):
    first, second, other = (made_run(store, name=name) for name in ("same", "same", "other"))
    for run_id in (first, second, other):
        (store.run(run_id).path / "best.safetensors").touch()
    text = "60.57 % validation accuracy · 10 classes · finished"
    assert labels(runs_with_weights(store)) == {
        first: f"same ({first[-4:]}) · {text}",
        second: f"same ({second[-4:]}) · {text}",
        other: f"other · {text}",
    }


def test_a_full_tray_says_how_many_were_left_out_and_keeps_the_newest_first():
    tray = Tray()
    tray.add([TrayImage(loaded(name="first"))])
    tray.add([TrayImage(loaded(name=str(at))) for at in range(MAX_IMAGES + 2)])
    assert len(tray.images) == MAX_IMAGES
    assert [image.name for image in (tray.images[0], tray.images[-1])] == ["0", "first"]
    assert "3 of the images were left out" in tray.refused[0]
    tray.clear()
    assert (tray.images, tray.refused) == ([], [])


def test_about_describes_the_file():
    assert TrayImage(LoadedImage("a.gif", Image.new("RGB", (1, 1)), 4000, 2000, "GIF", 7)).about == (
        "4000 × 2000 GIF, the first of 7 frames"
    )
    assert TrayImage(loaded()).about == "64 × 48 PNG"


@pytest.mark.parametrize(
    ("size", "form", "expected"), [((32, 32), "PNG", (32, 32)), ((512, 100), "JPEG", (BROWSER_SIDE, 62))]
)
def test_the_browsers_copy_is_small(size, form, expected):
    image = TrayImage(loaded(*size, value=200))
    kind, content = image.address.split(";base64,")
    assert kind == f"data:image/{form.lower()}"
    copy = Image.open(io.BytesIO(base64.b64decode(content)))
    assert (copy.format, copy.size[0], copy.size[1]) == (form, expected[0], pytest.approx(expected[1], abs=1))
    assert abs(copy.convert("RGB").getpixel((5, 5))[0] - 200) <= 2
    assert image.source.image.size == size, "the image itself is unchanged"


def halves(width=80, height=40):
    """Return an image that is black on the left and red on the right."""
    source = loaded(width, height, value=0)
    source.image.paste((255, 0, 0), (width // 2, 0, width, height))
    return TrayImage(source)


def test_a_manual_crop_changes_its_own_pixels_and_results_only():
    network, image, other = Network(), halves(), halves()
    before = {crop: classify([image], network, 1, crop)[0, 1] for crop in ("centre", "whole", "hand")}
    assert before["hand"] == before["centre"] == 0
    image.cut(Square(0.9, 0.5, 0.5))
    np.testing.assert_array_equal(image.pixels("hand"), to_network(image.source, "hand", Square(0.9, 0.5, 0.5)))
    assert classify([image, other], network, 1, "hand")[:, 1].tolist() == [1, 0]
    assert {crop: classify([image], network, 1, crop)[0, 1] for crop in ("centre", "whole")} == {
        "centre": 0,
        "whole": 0,
    }


def test_crop_text_names_the_crop():
    image = halves()
    assert [image.crop_text(crop) for crop in ("centre", "whole")] == ["centre crop", "stretch"]
    assert image.crop_text("hand") == "manual crop, x 25–75 %, y 0–100 %"
    image.cut(Square(0.9, 2, 0.5))
    assert image.crop_text("hand") == "manual crop, x 75–100 %, y 50–100 %"
    table = results_table([image], Network(), np.array([[0.5, 0.5]], np.float32), "hand", [""])
    assert table["crop"].tolist() == ["manual crop, x 75–100 %, y 50–100 %"]


def test_images_of_one_name_have_different_numbers():
    tray = Tray()
    tray.add([TrayImage(loaded()), TrayImage(loaded())])
    tray.add([TrayImage(loaded())])
    numbers = [image.number for image in tray.images]
    tray.clear()
    tray.add([TrayImage(loaded())])
    assert len({*numbers, tray.images[0].number}) == 4


def test_results_are_computed_once():
    network, image, other = Network(), TrayImage(loaded(value=51)), TrayImage(loaded(value=204))
    first = classify([image], network, time=1, crop="centre")
    both = classify([other, image], network, time=1, crop="centre")
    np.testing.assert_allclose(both[:, 1], [0.8, 0.2])
    np.testing.assert_array_equal(both[1], first[0])
    assert network.asked == [1, 1]
    classify([image], network, time=1, crop="whole")
    classify([image], network, time=2, crop="centre")  # other weights
    assert network.asked == [1, 1, 1, 1]


def test_the_table_has_a_row_per_image_and_the_true_class_if_known():
    images = [TrayImage(loaded(name="a")), TrayImage(loaded(name="b"), "dog")]
    rows = np.array([[0.75, 0.25], [0.4, 0.6]], np.float32)
    table = results_table(images, Network(), rows, "whole", ["", "training image"])
    assert table[["image", "prediction", "second choice", "true class", "not counted"]].to_numpy().tolist() == [
        ["a", "deer", "dog", "", ""],
        ["b", "dog", "deer", "dog", "training image"],
    ]
    assert table["probability"].tolist() == pytest.approx([0.75, 0.6])
    assert table["dog"].tolist() == pytest.approx([0.25, 0.6])


def test_only_images_of_a_runs_own_test_set_count(monkeypatch):
    monkeypatch.setattr(cifar10, "load", lambda: Cifar10(np.empty(0), LABELS))
    config = RunConfig().replace(
        {"data.classes": ("deer", "dog"), "data.split": "pooled", "data.train_size": 9_000, "data.test_size": 1_000}
    )
    parts = make_split(config, LABELS)
    used = np.concatenate([parts.train, parts.validation, parts.test])
    unused = np.setdiff1d(np.flatnonzero(LABELS == CLASSES.index("deer")), used)
    indices = [parts.test[0], parts.train[0], parts.validation[0], unused[0], CLASSES.index("cat")]
    images = [TrayImage(loaded(), CLASSES[LABELS[at]], int(at)) for at in indices]
    reasons = ["", "training image", "validation image", "not in its test set", "unknown class"]
    assert not_counted([*images, TrayImage(loaded())], config) == [*reasons, ""]
    as_report = config.replace({"data.validation": "test"})
    assert not_counted(images[:1], as_report) == [""]


@pytest.mark.parametrize(
    ("truths", "reasons", "text"),
    [
        (("", ""), ("", ""), ""),
        (("deer", "deer"), ("", ""), "1 of 2 test images correct."),
        (("", "dog"), ("", ""), "1 of 1 test images correct."),
        (("deer", "dog"), ("", "training image"), "1 of 1 test images correct. Not counted: training image (1)."),
        (("cat", "frog"), ("unknown class", "unknown class"), "Not counted: unknown class (2)."),
    ],
)
def test_the_score_counts_test_images_and_names_the_others(truths, reasons, text):
    rows = np.array([[0.75, 0.25], [0.4, 0.6]], np.float32)
    images = [TrayImage(loaded(), truth or None) for truth in truths]
    assert score_text(results_table(images, Network(), rows, "centre", reasons)) == text


def test_sampled_test_images_are_of_every_class_and_in_the_test_set():
    images = np.random.default_rng(0).integers(0, 256, (60_000, 1, 32, 32), np.uint8).repeat(3, axis=1)
    config = RunConfig().replace({"data.classes": ("cat", "frog"), "data.split": "pooled", "data.train_size": 9_000})
    data = Cifar10(images, LABELS)
    test = make_split(config, LABELS).test
    names = set()
    for draw in range(5):
        sample = sample_test_images(config, data, draw)
        assert [image.truth for image in sample] == ["cat", "frog"]
        for image in sample:
            at = int(image.name.removeprefix("CIFAR-10 "))
            assert at in test
            np.testing.assert_array_equal(image.pixels("centre"), images[at])
        names.update(image.name for image in sample)
    assert len(names) > 5, "another draw, other images"
    again = [image.name for image in sample_test_images(config, data, 4)]
    assert again == [image.name for image in sample]


def test_a_kept_tray_comes_back_without_loss_and_two_tabs_keep_their_own(tmp_path):
    kept = Kept(tmp_path / "kept")
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (300, 512, 3), dtype=np.uint8))
    tray = Tray()
    tray.add([TrayImage(LoadedImage(name, photo, 4_000, 3_000, "JPEG", 1, ("from Adobe RGB",))) for name in ("a", "é")])
    tray.images[0].cut(Square(0.25, 0.5, 0.5))
    assert tray.keep(kept) and not tray.keep(kept)
    back, other = Tray.restored(kept, tray.kept_id), Tray.restored(kept, tray.kept_id)
    assert not back.keep(kept), "nothing has changed"
    for image, restored in zip(tray.images, back.images, strict=True):
        assert np.array_equal(image.pixels("hand"), restored.pixels("hand"))
        assert (image.name, image.about, image.number) == (restored.name, restored.about, restored.number)
    back.images[0].cut(Square())
    other.add([TrayImage(LoadedImage("new", photo.crop((0, 0, 9, 9)), 9, 9, "PNG", 1))])
    assert back.keep(kept) and other.keep(kept)
    assert len({tray.kept_id, back.kept_id, other.kept_id}) == 3
    assert [image.number for image in Tray.restored(kept, other.kept_id).images] == [3, 1, 2]
    assert Tray.restored(kept, tray.kept_id).images[0].square == Square(0.25, 0.5, 0.5)


def test_a_kept_tray_whose_files_are_gone_is_empty(tmp_path):
    kept = Kept(tmp_path / "kept")
    tray = Tray()
    tray.add([TrayImage(LoadedImage("a", Image.new("RGB", (9, 9)), 9, 9, "PNG", 1))])
    tray.keep(kept)
    (kept.folder / tray.images[0].kept_as).unlink()
    assert Tray.restored(kept, tray.kept_id).images == []
    assert Tray.restored(kept, "").images == []
    assert Tray.restored(kept, kept.save({"images": [{"file": 3}]})).images == []
    tray.images[0].cut(Square(0.5, 0.5, 0.5))
    tray.keep(kept)
    assert len(Tray.restored(kept, tray.kept_id).images) == 1, "kept again"
