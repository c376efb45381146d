"""Probabilities from a run's folder alone."""

import numpy as np
import pytest
import torch

from core.base.errors import StoreError
from core.data import cifar10
from core.images.classify import Classifier
from core.jobs.evaluate import load_task
from core.jobs.runner import run
from core.training.environment import Environment
from tests.made import tiny_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from core.runs.store import RunStore

    store = RunStore(tmp_path_factory.mktemp("runs"))
    run_id = store.create(tiny_config("data.classes=airplane,frog,truck", "train.epochs=3"))
    run(store, run_id)
    return store, run_id


def test_it_agrees_with_the_validation_of_its_run(trained):
    store, run_id = trained
    one = Classifier.load(store, run_id)
    task = load_task(store.run(run_id).config(), Environment("cpu", "fp32", 1))
    share = (one.probabilities(task.validation.images.numpy()).argmax(1) == task.validation.labels.numpy()).mean()
    assert share == pytest.approx(store.run(run_id).status().best_val_accuracy)
    assert one.epoch == store.run(run_id).status().best_epoch


def test_rows_are_probabilities_of_its_classes(trained):
    one = Classifier.load(*trained)
    table = one.probabilities(cifar10.load().images[:7])
    assert one.classes == ("airplane", "frog", "truck")
    assert table.shape == (7, 3) and table.dtype == np.float32
    np.testing.assert_allclose(table.sum(1), 1, rtol=1e-5)
    assert one.probabilities(np.zeros((0, 3, 32, 32), np.uint8)).shape == (0, 3)


def test_a_picture_counts_the_same_alone_or_among_others(trained):
    one, images = Classifier.load(*trained), cifar10.load().images[:20]
    together = one.probabilities(images)
    alone = np.concatenate([one.probabilities(images[at : at + 1]) for at in range(20)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


def test_it_leaves_the_number_of_threads_as_it_was(trained):
    before = torch.get_num_threads()
    Classifier.load(*trained).probabilities(cifar10.load().images[:2])
    assert torch.get_num_threads() == before


def test_without_weights_it_says_when_there_will_be_some(store):
    with pytest.raises(StoreError, match="first finished epoch"):
        Classifier.load(store, store.create(tiny_config()))
