"""The epoch loop against an independent one; exact resume; what its records say."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.base.errors import LabError
from core.data.augmentation import plan_epoch, seeded_generator
from core.data.task import load_task
from core.model.resnet import ResNet
from core.records import BatchRecord, EpochRecord
from core.training.environment import Environment
from core.training.trainer import Diverged, Trainer
from tests.made import tiny_config

ENVIRONMENT = Environment("cpu", "fp32", 1)


def trainer_of(*settings: str) -> Trainer:
    config = tiny_config(*settings)
    return Trainer(config, load_task(config, torch.device("cpu")), ENVIRONMENT)


def epochs_of(trainer: Trainer) -> list[EpochRecord]:
    return [record for record in trainer.train() if isinstance(record, EpochRecord)]


def plain_batch(trainer: Trainer, rows: torch.Tensor, plan) -> torch.Tensor:
    """One augmented batch, image by image, in NumPy."""
    images = trainer.task.train.images.numpy()
    mean = images.mean(axis=(0, 2, 3)) / 255
    std = images.std(axis=(0, 2, 3)) / 255
    batch = []
    for row in rows.tolist():
        image = (images[row] / 255 - mean[:, None, None]) / std[:, None, None]
        if plan.flip[row]:
            image = image[:, :, ::-1]
        down, right = plan.shift[row].tolist()
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)))
        batch.append(padded[:, 4 - down : 36 - down, 4 - right : 36 - right])
    return torch.tensor(np.stack(batch), dtype=torch.float32)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_first_batches_agree_with_a_plain_loop(optimizer):
    trainer = trainer_of(
        "augment.translate=crop",
        "train.label_smoothing=0.1",
        f"train.optimizer={optimizer}",
        "train.lr=0.01",
        "train.schedule=constant",
        "train.warmup_epochs=0",
        "train.nesterov=true",
        "train.weight_decay=0.01",
    )
    model = ResNet(8, 10, 8, generator=seeded_generator(0, 0))
    plain = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01, foreach=False),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01, foreach=False),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.01, foreach=False),
    }[optimizer](model.parameters())
    plan = plan_epoch(trainer.config.augment, 160, 0, 1)
    losses, seen = 0.0, 0
    records = trainer.train()
    for start in range(0, 80, 16):
        rows = plan.order[start : start + 16]
        labels = trainer.task.train.labels[rows]
        logits = model.train()(plain_batch(trainer, rows, plan))
        losses += F.cross_entropy(logits, labels).item() * len(rows)
        seen += len(rows)
        plain.zero_grad()
        F.cross_entropy(logits, labels, label_smoothing=0.1).backward()
        plain.step()
        record = next(records)
        assert isinstance(record, BatchRecord)
        assert record.loss == pytest.approx(losses / seen, rel=2e-4)
    if optimizer == "sgd":  # Adam divides by gradients near zero, where rounding decides the sign of a step
        for ours, theirs in zip(trainer.model.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


RECIPES = {
    "sgd, one-cycle, averaging": ["train.averaging=ema", "train.averaging_start=2", "augment.flip=alternating"],
    "adam, report": [
        "train.optimizer=adam",
        "train.lr=0.001",
        "train.schedule=report",
        "train.milestones=1,2,3,4",
        "model.shortcut=report",
        "augment.translate=shift",
        "train.decay_on=kernels",
    ],
    "adamw, cosine, equal averaging": [
        "train.optimizer=adamw",
        "train.lr=0.002",
        "train.schedule=cosine",
        "train.averaging=equal",
        "train.averaging_start=2",
        "augment.cutout=8",
    ],
    "muon, growing windows": [
        "train.optimizer=muon",
        "augment.grow_from=20",
        "augment.translate=crop",
        "train.averaging=ema",
    ],
    "plateau": ["train.schedule=plateau", "train.plateau_patience=1", "train.label_smoothing=0.1"],
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_resuming_from_the_state_is_exact(recipe):
    straight = trainer_of(*RECIPES[recipe])
    records = epochs_of(straight)
    first = trainer_of(*RECIPES[recipe])
    records_of_first = first.train()
    while first.epoch < 2:
        next(records_of_first)
    state = copy.deepcopy(first.state())
    next(records_of_first)  # a batch of the third epoch, which is lost
    second = trainer_of(*RECIPES[recipe])
    second.load(state)
    rest = epochs_of(second)
    assert [record.epoch for record in rest] == [3, 4]
    for name, tensor in straight.weights().items():
        assert torch.equal(tensor, second.weights()[name]), name
    for ours, theirs in zip(records[2:], rest, strict=True):
        assert ours.val_loss_by_class == theirs.val_loss_by_class
        assert ours.train_loss == theirs.train_loss


def test_records_count_steps_images_and_time():
    records = epochs_of(trainer_of())
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    assert [record.step for record in records] == [10, 20, 30, 40]
    assert [record.images for record in records] == [160, 320, 480, 640]
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(records))


def test_the_validation_results_belong_to_the_saved_weights():
    trainer = trainer_of("train.label_smoothing=0.2")
    last = epochs_of(trainer)[-1]
    model = ResNet(8, 10, 8).eval()
    weights = trainer.weights()
    mean, std = weights.pop("input.mean"), weights.pop("input.std")
    model.load_state_dict(weights)
    images = trainer.task.validation
    with torch.no_grad():
        logits = model((images.images / 255 - mean) / std)
    correct = logits.argmax(1) == images.labels
    losses = F.cross_entropy(logits, images.labels, reduction="none")
    assert last.val_accuracy == pytest.approx(correct.float().mean().item())
    assert last.val_loss == pytest.approx(losses.mean().item(), rel=1e-4)
    for label in range(10):
        of_class = images.labels == label
        assert last.val_accuracy_by_class[label] == pytest.approx(correct[of_class].float().mean().item())
        assert last.val_loss_by_class[label] == pytest.approx(losses[of_class].mean().item(), rel=1e-4)
    smoothed = F.cross_entropy(logits, images.labels, label_smoothing=0.2).item()
    squares = sum(float((weight.detach() ** 2).sum()) for weight in model.parameters())
    assert last.val_objective == pytest.approx(smoothed + 0.5 * 5e-4 * squares, rel=1e-4)


def test_the_penalty_is_keras_l2_on_the_kernels():
    """Keras's l2(1e-4) adds 1e-4·Σw² of each kernel; our weight decay is twice that."""
    settings = [
        "train.optimizer=adam",
        "train.weight_decay=0.0002",
        "train.decay_on=kernels",
        "train.lr=1e-7",
        "train.epochs=1",
        "train.schedule=constant",
        "train.warmup_epochs=0",
        "model.shortcut=report",
    ]
    trainer = trainer_of(*settings)
    record = epochs_of(trainer)[-1]
    kernels = [layer.weight for layer in trainer.model.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert record.val_objective - record.val_loss == pytest.approx(
        1e-4 * sum(float((w.detach() ** 2).sum()) for w in kernels), rel=1e-4
    )


def test_equal_averaging_is_the_mean_of_the_epochs_ends():
    trainer = trainer_of("train.averaging=equal", "train.averaging_start=3")
    ends = []
    for record in trainer.train():
        if isinstance(record, EpochRecord) and record.epoch >= 3:
            ends.append(trainer.model.classifier.weight.detach().clone())
        elif isinstance(record, EpochRecord):
            assert trainer.evaluated_model is trainer.model
    assert trainer.evaluated_model is not trainer.model
    torch.testing.assert_close(trainer.evaluated_model.classifier.weight, (ends[0] + ends[1]) / 2)


def test_an_average_has_batch_norm_statistics_of_its_own_weights():
    sizes = ("data.train_size=700", "train.batch_size=64")  # of fewer images the statistics vary more
    trainer = trainer_of("train.averaging=ema", "train.averaging_decay=0.9", *sizes)
    epochs_of(trainer)
    images = trainer.steps.batch(torch.arange(len(trainer.task.train)))
    with torch.no_grad():
        seen = trainer.evaluated_model.conv(images)
    torch.testing.assert_close(
        trainer.evaluated_model.norm.running_mean, seen.mean(dim=(0, 2, 3)), rtol=1e-2, atol=1e-2
    )


def test_a_pair_learns_more_than_chance():
    more = ("data.train_size=1100", "train.batch_size=64", "train.lr=0.05")
    records = epochs_of(trainer_of("data.classes=airplane,frog", *more))
    assert records[-1].val_accuracy > 0.7
    assert len(records[-1].val_accuracy_by_class) == 2


def test_divergence_is_an_error_that_says_what_to_try():
    trainer = trainer_of("train.lr=10", "train.schedule=constant", "train.warmup_epochs=0", "train.weight_decay=1")
    with pytest.raises(Diverged, match="smaller learning rate") as error:
        epochs_of(trainer)
    assert "warm-up" in str(error.value)
    assert "fp32" not in str(error.value), "it trains in fp32 already"


def test_stopping_early_ends_the_run():
    trainer = trainer_of("train.early_stopping=loss", "train.patience=1", "train.min_delta=1", "train.epochs=8")
    assert epochs_of(trainer)[-1].epoch < 8


def test_a_state_of_another_network_is_refused():
    other = trainer_of("model.width=4")
    with pytest.raises(LabError, match="does not fit"):
        trainer_of().load(other.state())


def test_best_is_strictly_better():
    trainer = trainer_of()
    accuracies = []
    for record in trainer.train():
        if isinstance(record, EpochRecord):
            assert trainer.is_best == (record.val_accuracy > max(accuracies, default=-1))
            accuracies.append(record.val_accuracy)
    assert not math.isnan(sum(accuracies))


def test_growing_crops_are_what_the_network_sees(monkeypatch):
    trainer = trainer_of("augment.grow_from=24", "train.epochs=4", "augment.grow_until=0.5")
    shown = []
    forward = type(trainer.model).forward
    monkeypatch.setattr(
        type(trainer.model),
        "forward",
        lambda self, x: (shown.append((self.training, x.shape[-1])), forward(self, x))[1],
    )
    epochs = epochs_of(trainer)
    assert [side for trained, side in shown if trained] == [24] * 10 + [28] * 10 + [32] * 20
    assert {side for trained, side in shown if not trained} == {32}
    assert [record.images for record in epochs] == [160, 320, 480, 640]


def test_time_left_counts_the_larger_crops_to_come():
    trainer = trainer_of("augment.grow_from=16", "train.epochs=4", "augment.grow_until=1")
    assert trainer.config.crop_sizes() == [16, 20, 24, 28]
    first = next(trainer.train())
    images = 160 - 16 + 160 * (20**2 + 24**2 + 28**2) / 16**2
    assert first.seconds_left == pytest.approx(images / first.images_per_second)


def test_time_left_counts_the_evaluations():
    trainer = trainer_of("train.epochs=3", "train.schedule=constant")
    records = trainer.train()
    first = next(record for record in records if isinstance(record, EpochRecord))
    evaluation = first.seconds - 160 / first.images_per_second
    assert evaluation > 0
    batch = next(records)
    assert batch.seconds_left == pytest.approx((2 * 160 - 16) / batch.images_per_second + 2 * evaluation)
