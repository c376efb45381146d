"""Maps of images in two dimensions, and the files with their small images."""

import io

import numpy as np
import pytest
from PIL import Image

import core.inspect.map as maps
from core.data import cifar10
from core.inspect.features import Features, Shelf
from core.inspect.map import ImageMap, keep_map, kept_map, pca_map, principal, publish_sheets, tsne_map
from tests.made import made_run, made_weights


@pytest.fixture
def two_groups():
    """Features of 120 images in two groups that lie far apart."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (120, 16)).astype(np.float32)
    values[60:, 3] += 50
    return Features(np.arange(50_000, 50_120), values)


def test_the_first_direction_is_that_of_the_largest_variance():
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(4_000, 3)) * [1, 5, 2] + 7).astype(np.float32)
    places, shares = principal(values, 2)
    assert places.shape == (4_000, 2)
    assert shares == pytest.approx([25 / 30, 4 / 30, 1 / 30], abs=0.02)
    assert abs(np.corrcoef(places[:, 0], values[:, 1])[0, 1]) > 0.99
    assert np.corrcoef(places[:, 0], values[:, 1])[0, 1] > 0, "the largest component is positive"
    np.testing.assert_allclose(places.mean(0), 0, atol=1e-3)


def test_pca_places_every_image_and_parts_the_groups(two_groups):
    found = pca_map(two_groups)
    assert found.rows.tolist() == list(range(120)) and found.explained[0] > 0.9
    assert found.places[:60, 0].max() < found.places[60:, 0].min()


def test_tsne_keeps_neighbours_together_and_is_the_same_each_time(two_groups):
    found, again = tsne_map(two_groups, images=80), tsne_map(two_groups, images=80)
    np.testing.assert_array_equal(found.places, again.places)
    assert len(found.rows) == len(set(found.rows)) == 80 and found.explained == ()
    second = found.rows >= 60
    distances = np.linalg.norm(found.places[:, None] - found.places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (second[distances.argmin(1)] == second).mean() > 0.95


def test_a_tsne_map_is_kept_per_set(store, two_groups):
    run_id = made_run(store)
    made_weights(store, run_id)
    shelf = Shelf(store, run_id)
    assert kept_map(shelf, two_groups, "test", "t-sne") is None
    made = ImageMap(np.array([3, 7]), np.array([[0, 1], [2, 3]], np.float32))
    keep_map(shelf, "test", made)
    kept = kept_map(Shelf(store, run_id), two_groups, "test", "t-sne")
    assert kept is not None and kept.rows.tolist() == [3, 7] and kept.places.tolist() == [[0, 1], [2, 3]]
    assert kept_map(shelf, two_groups, "validation", "t-sne") is None
    pca = kept_map(shelf, two_groups, "validation", "pca")
    assert pca is not None and len(pca.rows) == 120


def test_the_small_images_are_published_once(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "PROJECT", tmp_path)
    images = np.zeros((60_000, 3, 32, 32), np.uint8)
    images[51_041] = 200
    data = cifar10.Cifar10(images, np.zeros(60_000, np.int64))
    assert publish_sheets(data, np.array([50_003, 51_041, 51_042])) == [50, 51]
    path = tmp_path / "static" / "cifar10" / "51.png"
    pixels = np.asarray(Image.open(io.BytesIO(path.read_bytes())))
    assert pixels.shape == (25 * 32, 40 * 32, 3)
    assert (pixels[32:64, 32:64] == 200).all() and pixels.sum() == 200 * 3 * 32 * 32
    before = path.stat().st_mtime_ns
    publish_sheets(data, np.array([51_000]))
    assert path.stat().st_mtime_ns == before


def test_without_a_place_for_them_there_are_no_small_images(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "PROJECT", tmp_path)
    (tmp_path / "static").write_text("in the way")
    data = cifar10.Cifar10(np.zeros((60_000, 3, 32, 32), np.uint8), np.zeros(60_000, np.int64))
    assert publish_sheets(data, np.array([50_003])) == []
