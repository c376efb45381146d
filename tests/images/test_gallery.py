"""Images of CIFAR-10: images by class and official set, put in one sheet, augmented as in training."""

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from core.base.paths import PROJECT
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.config.sections import CLASSES
from core.data import cifar10
from core.data.augmentation import augment, plan_epoch
from core.data.cifar10 import Cifar10
from core.data.split import make_split
from core.data.task import make_task
from core.images import gallery

LABELS = np.concatenate([np.random.default_rng(0).permutation(np.repeat(np.arange(10), n)) for n in (5_000, 1_000)])


@pytest.fixture(scope="module")
def real():
    return cifar10.load()


@pytest.fixture(scope="module")
def uniform():
    """A data set whose images are all the same noise, which no flip or shift leaves unchanged."""
    image = np.random.default_rng(1).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    return Cifar10(np.broadcast_to(image, (60_000, 3, 32, 32)), LABELS)


def config(**augment):
    return RunConfig().replace({f"augment.{name}": value for name, value in augment.items()})


def test_indices_are_those_of_the_class_and_official_set():
    deer = gallery.indices(LABELS, "deer", "training")
    assert len(deer) == 5_000
    assert set(LABELS[deer]) == {CLASSES.index("deer")}
    assert deer.max() < 50_000
    assert gallery.indices(LABELS, "deer", "test").min() >= 50_000
    assert len(gallery.indices(LABELS, "deer")) == 6_000
    assert gallery.indices(LABELS).tolist() == list(range(60_000))


def test_a_description_names_class_and_official_set(real):
    assert gallery.description(real, 0) == "Image 0: frog, official training set"
    assert gallery.description(real, 50_001) == "Image 50,001: ship, official test set"


def test_position_is_none_for_an_image_that_is_not_there():
    images = np.array([3, 8, 20])
    assert gallery.position(images, 8) == 1
    assert gallery.position(images, 3) == 0
    assert gallery.position(images, 9) is None
    assert gallery.position(images, None) is None


@pytest.mark.parametrize(
    ("text", "index"),
    [("0", 0), ("59999", 59_999), ("60000", None), ("-1", None), ("cat", None), ("", None), (None, None), ("²", None)],
)
def test_a_link_names_an_image_or_none(text, index):
    assert gallery.image_in_link(text) == index


def test_a_sheet_has_each_image_at_its_place():
    images = np.random.default_rng(0).integers(1, 256, (5, 3, 32, 32), dtype=np.uint8)
    sheet = gallery.sheet(images, columns=3)
    assert (sheet.width, sheet.height) == (3 * 32, 2 * 32)
    pixels = np.asarray(sheet)
    assert (pixels[32:64, 32:64] == images[4].transpose(1, 2, 0)).all()
    assert not pixels[32:, 64:].any()


def test_a_png_keeps_every_value():
    image = gallery.sheet(np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8), 2)
    head, _, content = gallery.data_url(image).partition(",")
    assert head == "data:image/png;base64"
    assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))) == np.asarray(image)).all()


# --- augmentation -----------------------------------------------------------------------------------


def test_without_augmentation_every_epoch_shows_the_image_itself(real):
    shown = gallery.as_trained(config(flip="none", translate="none", cutout=0), real, [7, 50_003], [1, 2, 3])
    assert shown.shape == (3, 2, 3, 32, 32)
    assert shown.dtype == np.uint8
    assert (shown == real.images[[7, 50_003]]).all()


def test_a_crop_is_shown_in_the_middle(real):
    grown = config(flip="none", translate="none", cutout=0, grow_from=20, grow_until=0.5)
    grown = grown.replace({"train.epochs": 6})
    shown = gallery.as_trained(grown, real, [7], [1, 2, 3, 4])
    mean = np.round(255 * real.images[:50_000].mean(axis=(0, 2, 3)) / 255)
    for epoch, border in enumerate((6, 4, 2, 0)):
        inside = np.zeros((32, 32), bool)
        inside[border : 32 - border, border : 32 - border] = True
        assert np.abs(shown[epoch, 0][:, ~inside] - mean[:, None]).max(initial=0) <= 2
        side = 32 - 2 * border
        window = shown[epoch, 0][:, inside].reshape(3, side, side)
        places = np.lib.stride_tricks.sliding_window_view(real.images[7], (side, side), axis=(1, 2))
        assert (places == window[:, None, None]).all(axis=(0, 3, 4)).any()


def test_what_is_shown_is_what_training_computes(real):
    changed = PRESETS["report"].config.replace({"train.seed": 5, "augment.cutout": 8})
    task = make_task(changed, real.images, real.labels, torch.device("cpu"))
    rows = torch.tensor([4, 40_000])
    plan = plan_epoch(changed.augment, len(task.train), 5, 3)
    normalized = task.normalization(task.train.images[rows])
    expected = augment(normalized, changed.augment, plan, rows) * task.normalization.std + task.normalization.mean
    shown = gallery.as_trained(changed, real, [int(task.train.indices[row]) for row in rows], [3])[0]
    # Blanked pixels have the mean of every tenth image instead of all.
    assert np.abs(shown - (255 * expected).numpy()).max() < 6
    assert np.abs(shown - (255 * expected).numpy()).mean() < 1


def test_alternating_flips_every_other_epoch(uniform):
    shown = gallery.as_trained(config(flip="alternating", translate="none"), uniform, [11], range(1, 7))[:, 0]
    sides = [bool((image == uniform.images[11]).all()) for image in shown]
    assert sides in ([True, False] * 3, [False, True] * 3)
    mirrored = shown[sides.index(False)]
    assert (mirrored == uniform.images[11][:, :, ::-1]).all()


def test_another_seed_gives_other_random_numbers(uniform):
    first = config(flip="none", translate="shift")
    shown = [gallery.as_trained(first.replace({"train.seed": seed}), uniform, [5], range(1, 9)) for seed in (0, 0, 1)]
    assert (shown[0] == shown[1]).all()
    assert (shown[0] != shown[2]).any()


def test_an_image_outside_the_training_set_is_augmented_too(uniform):
    pair = config(flip="none", translate="crop").replace({"data.classes": ("deer", "dog"), "data.train_size": 700})
    outside = 59_999
    assert not gallery.trains_on(pair, uniform, outside)
    assert (gallery.as_trained(pair, uniform, [outside], range(1, 5)) != uniform.images[outside]).any()


def test_augmenting_leaves_the_number_of_threads_alone(uniform):
    before = torch.get_num_threads()
    gallery.as_trained(config(), uniform, [0], [1])
    assert torch.get_num_threads() == before


def test_trains_on_agrees_with_the_split(real):
    held_out = RunConfig()
    parts = make_split(held_out, real.labels)
    assert gallery.trains_on(held_out, real, int(parts.train[0]))
    assert not gallery.trains_on(held_out, real, int(parts.validation[0]))
    assert not gallery.trains_on(held_out, real, 50_000)


def test_sample_images_are_training_images_of_different_classes(real):
    config = RunConfig().replace({"data.classes": ("cat", "dog", "ship")})
    chosen = gallery.sample_training_images(config, real, 4)
    assert [CLASSES[real.labels[index]] for index in chosen] == ["cat", "dog", "ship", "cat"]
    assert len(set(chosen)) == 4
    assert all(gallery.trains_on(config, real, index) for index in chosen)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"flip": "none", "translate": "none"}, "No augmentation"),
        ({"flip": "alternating", "translate": "none"}, "every other epoch"),
        ({"flip": "random", "translate": "shift", "translate_pixels": 3}, "up to 3 pixels (edge pixels repeated)"),
        ({"translate": "reflect-crop", "translate_pixels": 1}, "up to 1 pixel (edges mirrored)"),
        ({"cutout": 8}, "8 × 8"),
        ({"grow_from": 20}, "20 × 20 pixels, growing to full size by 75% of the run"),
    ],
)
def test_augmentation_text_names_each_step(settings, words):
    assert words in gallery.augmentation_text(config(**settings))


def test_pytorch_is_not_imported_before_an_image_is_augmented():
    rooms = "core.images.gallery, core.cost.estimate, core.figures.preview, core.data.fetch"
    code = f"import sys, {rooms}; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert answer.stdout.strip() == "False"


# --- splits -----------------------------------------------------------------------------------------


def test_class_counts_are_those_of_the_split():
    config = RunConfig().replace(
        {"data.classes": ("cat", "dog"), "data.train_size": 4_000, "data.validation_size": 501, "data.test_size": 900}
    )
    counts = gallery.class_counts(config, LABELS)
    assert counts.index.tolist() == ["cat", "dog"]
    assert counts.columns.tolist() == ["Training", "Validation", "Test", "Unused"]
    assert counts.sum().tolist() == [3_499, 501, 900, 12_000 - 4_900]
    assert (counts.sum(axis=1) == 6_000).all()
    assert counts["Test"].tolist() == [450, 450]


def test_a_test_set_that_validates_is_counted_once():
    counts = gallery.class_counts(PRESETS["report"].config, LABELS)
    assert counts.columns.tolist() == ["Training", "Test (also validates)", "Unused"]
    assert counts.sum().tolist() == [50_000, 10_000, 0]
