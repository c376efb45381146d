"""Splits are stratified, disjoint, reproducible and nested, whatever is asked."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.config.run_config import RunConfig
from core.config.sections import CLASSES, TRAIN_IMAGES, shares
from core.data.split import make_split

#: Labels as CIFAR-10's are: 5,000 and 1,000 of each class, mixed.
LABELS = np.concatenate([np.random.default_rng(0).permutation(np.repeat(np.arange(10), n)) for n in (5_000, 1_000)])


def split_of(**changes):
    config = RunConfig().replace({f"data.{name}": value for name, value in changes.items()}).checked()
    return make_split(config, LABELS)


@settings(max_examples=60, deadline=None)
@given(
    classes=st.sets(st.sampled_from(CLASSES), min_size=2),
    pooled=st.booleans(),
    train=st.integers(2, 60_000),
    test=st.one_of(st.none(), st.integers(2, 60_000)),
    held_out=st.one_of(st.none(), st.integers(2, 30_000)),
    seed=st.integers(0, 2**31 - 1),
)
def test_any_allowed_split_is_stratified_and_disjoint(classes, pooled, train, test, held_out, seed):
    config = RunConfig().replace(
        {
            "data.classes": tuple(classes),
            "data.split": "pooled" if pooled else "official",
            "data.train_size": train,
            "data.test_size": test,
            "data.validation": "held-out" if held_out else "test",
            "data.validation_size": held_out,
            "data.split_seed": seed,
            "train.batch_size": 1,
        }
    )
    assume(not config.problems())
    split, sizes = make_split(config, LABELS), config.data.sizes()
    assert (len(split.train), len(split.test)) == (sizes.train, sizes.test)
    everything = [split.train, split.test] + ([split.validation] if held_out else [])
    joined = np.concatenate(everything)
    assert len(np.unique(joined)) == len(joined)
    wanted = [CLASSES.index(name) for name in config.data.classes]
    for indices in everything:
        counts = np.bincount(LABELS[indices], minlength=10)
        assert counts.sum() == counts[wanted].sum()
        # Held-out images come off a set that is even to one image, which can double the difference.
        assert np.ptp(counts[wanted]) <= 2
    if not held_out:
        assert np.array_equal(split.validation, split.test)


def test_official_split_keeps_the_official_sides():
    split = split_of()
    assert split.train.max() < TRAIN_IMAGES <= split.test.min()
    assert (len(split.train), len(split.validation), len(split.test)) == (45_000, 5_000, 10_000)


def test_the_reports_split_pools_both_sides():
    split = split_of(split="pooled", train_size=50_000, validation="test")
    assert split.train.max() >= TRAIN_IMAGES
    assert len(split.test) == 10_000


def test_the_seed_decides_the_split():
    changes = {"split": "pooled", "train_size": 30_000, "validation": "test"}
    assert np.array_equal(split_of(**changes).train, split_of(**changes).train)
    assert not np.array_equal(split_of(**changes).train, split_of(**changes, split_seed=1).train)


@pytest.mark.parametrize("kind", ["official", "pooled"])
def test_a_larger_training_set_contains_the_smaller_and_has_the_same_test_set(kind):
    small, large = (
        split_of(split=kind, train_size=size, test_size=5_000, validation_size=500) for size in (6_001, 20_003)
    )
    assert set(small.train) <= set(large.train)
    assert np.array_equal(small.test, large.test)
    assert np.array_equal(small.validation, large.validation)


def test_all_images_can_be_used():
    split = split_of(split="pooled", train_size=30_005, test_size=29_995, validation="test")
    assert len(np.union1d(split.train, split.test)) == 60_000


def test_shares_differ_by_one_at_most():
    assert shares(23, 10) == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(
    "settings",
    [
        {"data.train_size": 4_507, "data.validation_size": 503},
        {"data.validation": "test", "data.test_size": 1_003},
        {"data.validation": "test", "data.split": "pooled", "data.train_size": 50_001},
        {"data.classes": ("deer", "dog"), "data.train_size": 901},
    ],
)
def test_a_config_knows_the_number_of_validation_images_of_each_class(settings):
    config = RunConfig().replace(settings)
    split = make_split(config, LABELS)
    counts = [int((LABELS[split.validation] == CLASSES.index(name)).sum()) for name in config.data.classes]
    assert config.data.validation_by_class() == counts
