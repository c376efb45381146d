"""Classify with nothing but a run's folder."""

import numpy as np
import pytest
import torch

from core.base.errors import StoreError
from core.data import cifar10
from core.data.task import load_task
from core.images.classify import Classifier
from core.jobs.runner import run
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
    classifier = Classifier.load(store, run_id)
    task = load_task(store.run(run_id).config(), torch.device("cpu"))
    share = (
        classifier.probabilities(task.validation.images.numpy()).argmax(1) == task.validation.labels.numpy()
    ).mean()
    assert share == pytest.approx(store.run(run_id).status().best_val_accuracy)
    assert classifier.epoch == store.run(run_id).status().best_epoch


def test_rows_are_probabilities_of_its_classes(trained):
    classifier = Classifier.load(*trained)
    table = classifier.probabilities(cifar10.load().images[:7])
    assert classifier.classes == ("airplane", "frog", "truck")
    assert table.shape == (7, 3) and table.dtype == np.float32
    np.testing.assert_allclose(table.sum(1), 1, rtol=1e-5)
    assert classifier.probabilities(np.zeros((0, 3, 32, 32), np.uint8)).shape == (0, 3)


def test_an_image_has_the_same_result_alone_and_in_a_batch(trained):
    classifier, images = Classifier.load(*trained), cifar10.load().images[:20]
    together = classifier.probabilities(images)
    alone = np.concatenate([classifier.probabilities(images[at : at + 1]) for at in range(20)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


def test_it_leaves_the_number_of_threads_as_it_was(trained):
    before = torch.get_num_threads()
    Classifier.load(*trained).probabilities(cifar10.load().images[:2])
    assert torch.get_num_threads() == before


def test_without_weights_the_error_says_when_there_will_be_some(store):
    with pytest.raises(StoreError, match="first finished epoch"):
        Classifier.load(store, store.create(tiny_config()))
