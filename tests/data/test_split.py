"""Splits are stratified, disjoint, reproducible and nested, whatever is asked."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.config.run_config import RunConfig
from core.config.sections import CLASSES, TRAIN_IMAGES
from core.data.split import shares, split

#: Labels as CIFAR-10's are: 5,000 and 1,000 of each class, mixed.
LABELS = np.concatenate([np.random.default_rng(0).permutation(np.repeat(np.arange(10), n)) for n in (5_000, 1_000)])


def parts_of(**changes):
    config = RunConfig().replace({f"data.{name}": value for name, value in changes.items()}).checked()
    return split(config, LABELS)


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
            "data.classes": tuple(classes), "data.split": "pooled" if pooled else "official", "data.train_size": train,
            "data.test_size": test, "data.validation": "held-out" if held_out else "test",
            "data.validation_size": held_out, "data.split_seed": seed, "train.batch_size": 1,
        }
    )  # fmt: skip
    assume(not config.problems())
    parts, sizes = split(config, LABELS), config.data.sizes()
    assert (len(parts.train), len(parts.test)) == (sizes.train, sizes.test)
    everything = [parts.train, parts.test] + ([parts.validation] if held_out else [])
    joined = np.concatenate(everything)
    assert len(np.unique(joined)) == len(joined)
    wanted = [CLASSES.index(one) for one in config.data.classes]
    for part in everything:
        counts = np.bincount(LABELS[part], minlength=10)
        assert counts.sum() == counts[wanted].sum()
        # Held-out images come off a part that is even to one image, which can double the difference.
        assert np.ptp(counts[wanted]) <= 2
    if not held_out:
        assert np.array_equal(parts.validation, parts.test)


def test_official_split_keeps_the_official_sides():
    parts = parts_of()
    assert parts.train.max() < TRAIN_IMAGES <= parts.test.min()
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (45_000, 5_000, 10_000)


def test_the_reports_split_pools_both_sides():
    parts = parts_of(split="pooled", train_size=50_000, validation="test")
    assert parts.train.max() >= TRAIN_IMAGES
    assert len(parts.test) == 10_000


def test_same_seed_same_parts_and_another_seed_others():
    changes = {"split": "pooled", "train_size": 30_000, "validation": "test"}
    assert np.array_equal(parts_of(**changes).train, parts_of(**changes).train)
    assert not np.array_equal(parts_of(**changes).train, parts_of(**changes, split_seed=1).train)


@pytest.mark.parametrize("kind", ["official", "pooled"])
def test_larger_training_parts_contain_smaller_and_share_the_test_part(kind):
    small, large = (
        parts_of(split=kind, train_size=size, test_size=5_000, validation_size=500) for size in (6_001, 20_003)
    )
    assert set(small.train) <= set(large.train)
    assert np.array_equal(small.test, large.test)
    assert np.array_equal(small.validation, large.validation)


def test_a_full_pool_can_be_shared_out_to_the_last_image():
    parts = parts_of(split="pooled", train_size=30_005, test_size=29_995, validation="test")
    assert len(np.union1d(parts.train, parts.test)) == 60_000


def test_shares_differ_by_one_at_most():
    assert shares(23, 10) == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
