"""The task's images, labels and normalisation on the real images."""

import numpy as np
import torch

from core.config.run_config import RunConfig
from core.data import cifar10
from core.data.task import load_task
from tests.made import tiny_config

CPU = torch.device("cpu")


def task_of(config: RunConfig):
    return load_task(config, CPU), cifar10.load()


def test_a_pair_has_two_labels_in_the_order_of_its_classes():
    task, data = task_of(tiny_config("data.classes=dog,deer"))
    assert task.classes == ("deer", "dog")
    official = data.labels[task.train.indices]
    assert set(official) == {4, 5}
    assert np.array_equal(task.train.labels.numpy(), (official == 5).astype(np.int64))
    assert np.array_equal(task.train.images.numpy(), data.images[task.train.indices])


def test_channel_normalization_is_that_of_the_images_trained_on():
    task, _ = task_of(tiny_config())
    normalized = task.normalization(task.train.images)
    assert torch.allclose(normalized.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(normalized.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3)
    assert normalized.shape == (160, 3, 32, 32)


def test_pixel_mean_subtracts_the_mean_image_only():
    task, _ = task_of(tiny_config("data.normalization=pixel-mean"))
    normalized = task.normalization(task.train.images)
    assert normalized.mean(dim=0).abs().max() < 1e-5
    assert torch.allclose(normalized.std(), (task.train.images / 255 - task.normalization.mean).std())


def test_without_held_out_images_the_test_set_validates():
    task, _ = task_of(tiny_config("data.validation=test"))
    assert task.validation is task.test
    held, _ = task_of(tiny_config())
    assert not set(held.validation.indices) & set(held.test.indices)
