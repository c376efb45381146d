"""Near-duplicates: copies are found however they were changed, other photos are not, and the file is what was found."""

import numpy as np
import pandas as pd
import pytest

from core.config.sections import ALL_IMAGES
from core.data import cifar10
from core.inspect import duplicates
from core.inspect.duplicates import (
    KEPT,
    PAIRS,
    THRESHOLD,
    Pair,
    Pixels,
    align,
    candidates,
    compared,
    line_sampler,
    pairs,
    search,
    twins,
    with_common_copies,
)


@pytest.fixture(scope="module")
def images() -> Pixels:
    """All images of CIFAR-10."""
    return cifar10.load().images


def copy(image: Pixels, zoom: float = 1.0, down: float = 0.0, right: float = 0.0, gain: float = 1.0) -> Pixels:
    """Return an image zoomed, moved, and with more or less contrast."""
    rows, columns = (line_sampler(32, 0, zoom, shift) for shift in (down, right))
    pixels = rows @ image.astype(np.float32) @ columns.T
    return (128 + gain * (pixels - 128)).round().clip(0, 255).astype(np.uint8)


def test_a_line_is_read_where_it_should_be():
    assert (line_sampler(32, 3, 1.0, 0.0) == np.eye(32)[3:-3]).all()
    moved = line_sampler(32, 3, 1.0, 2.0) @ np.arange(32)
    assert moved == pytest.approx(np.arange(5, 31))
    between = line_sampler(16, 4, 1.5, 0.25) @ np.arange(16)  # a straight line stays one
    assert between == pytest.approx(7.5 + 1.5 * (np.arange(4, 12) - 7.5) + 0.25)
    assert line_sampler(32, 3, 1.3, 3.0).sum(1) == pytest.approx(1)


def test_an_image_is_at_no_distance_from_itself_and_its_mirror_image(images):
    image = images[50_001]
    assert align(image, image) == (pytest.approx(1, abs=1e-5), False)
    assert align(image[..., ::-1], image) == (pytest.approx(1, abs=1e-5), True)


@pytest.mark.parametrize("change", [{"down": 2.0, "right": -2.0}, {"zoom": 1.12}, {"zoom": 0.9, "right": 1.4}])
def test_a_changed_copy_is_near(images, change):
    for index in (50_001, 50_010, 50_020):
        similarity, mirrored = align(copy(images[index], gain=0.7, **change), images[index])
        assert similarity > 1 - THRESHOLD / 2 and not mirrored


def test_different_photos_of_a_class_are_not_near(images):
    horses = np.flatnonzero(cifar10.load().labels == 7)[:12]
    similarities = [align(images[a], images[b])[0] for a in horses[:3] for b in horses[3:]]
    assert max(similarities) < 1 - KEPT


def test_candidates_have_the_copy_among_thousands(images):
    some = images[:2_000].copy()
    some[1_999] = copy(images[7][..., ::-1], zoom=1.05, down=1.5, right=-1.0)
    found = candidates(some, np.array([1_999]), most=8)
    assert [7, 1_999] in found.tolist()
    assert len(found) >= 8 and (found[:, 0] < found[:, 1]).all()


def test_the_search_finds_the_copy_and_nothing_else(images):
    some = images[:1_000].copy()
    some[999] = copy(images[20][..., ::-1], gain=1.3, right=1.0)
    (pair,) = search(some, np.array([999]))
    assert (pair.first, pair.second, pair.mirrored) == (20, 999, True)
    assert pair.distance <= THRESHOLD


def test_the_file_is_what_the_search_finds(images):
    table = pd.read_csv(PAIRS)
    assert list(table.columns) == ["first", "second", "distance", "mirrored"]
    assert (table["first"] < table["second"]).all() and table["second"].max() < ALL_IMAGES
    assert not table.duplicated(["first", "second"]).any()
    sample = table.sample(12, random_state=0)[["first", "second"]]
    places = np.union1d(np.random.default_rng(0).choice(ALL_IMAGES, 200, replace=False), sample)
    inside = table[table["first"].isin(places) & table["second"].isin(places)]
    # The pairs among these images have the distances of the file …
    again = compared(images, inside[["first", "second"]].to_numpy())
    assert [pair.distance for pair in again] == pytest.approx(inside["distance"].tolist(), abs=0.002)
    assert [pair.mirrored for pair in again] == inside["mirrored"].astype(bool).tolist()
    # … and the search finds them and no others, but for some of photographs whose other copies are not here.
    found = {(places[pair.first], places[pair.second]) for pair in search(images[places], np.arange(len(places)))}
    listed = set(inside[["first", "second"]].itertuples(index=False, name=None))
    assert found <= listed and len(found) >= 0.8 * len(listed)


def test_images_with_a_common_copy_are_compared_too():
    found = [Pair(1, 2, 0.1, False), Pair(2, 9, 0.1, True), Pair(1, 4, 0.05, False), Pair(4, 7, 0.25, False)]
    assert with_common_copies(found).tolist() == [[1, 9], [2, 4]]
    assert with_common_copies([*found, Pair(1, 9, 0.2, False), Pair(2, 4, 0.2, False)]).shape == (0, 2)


def test_only_pairs_within_the_threshold_count():
    assert 0 <= pairs()["distance"].min() and pairs()["distance"].max() <= THRESHOLD
    assert pairs()["distance"].is_monotonic_increasing


def test_a_twin_counts_only_in_the_runs_own_training_set(monkeypatch):
    table = pd.DataFrame(
        {
            "first": [1, 2, 3, 10, 11],
            "second": [10, 10, 11, 11, 12],
            "distance": [0.03, 0.01, 0.05, 0.06, 0.07],
            "mirrored": [0, 1, 0, 1, 0],
        }
    )
    monkeypatch.setattr(duplicates, "pairs", lambda: table)
    train, test = np.array([1, 2, 3, 12]), np.array([10, 11, 13])
    found = twins(test, train)
    assert found[["image", "twin", "distance", "mirrored"]].to_numpy().tolist() == [[10, 2, 0.01, 1], [11, 3, 0.05, 0]]
    assert twins(test, np.array([1]))["twin"].tolist() == [1]
    assert twins(test, np.array([12]))["image"].tolist() == [11]  # either number may be the test image
    assert twins(np.array([13]), train).empty
