"""A step leaves everything on the device, so that a GPU can replay it; on a GPU, replayed steps are the usual ones."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.data.augmentation import plan_epoch
from core.data.task import load_task
from core.records import EpochRecord
from core.training.environment import Environment
from core.training.trainer import Trainer
from tests.made import tiny_config

RECIPES = {
    "sgd, mixup, averaging": ["augment.mix=mixup", "train.averaging=ema", "train.weight_decay=0.001"],
    "muon, cutmix": ["train.optimizer=muon", "augment.mix=cutmix", "augment.grow_from=20"],
    "adam, shift, cutout": ["train.optimizer=adam", "augment.translate=shift", "augment.cutout=8"],
    "adamw, smoothing": ["train.optimizer=adamw", "train.label_smoothing=0.1", "augment.translate=reflect-crop"],
}


class Looks(TorchDispatchMode):
    """Counts how often the CPU asks for a value that may be on a device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


def new_trainer(*settings: str, device: str = "cpu", precision: str = "fp32") -> Trainer:
    config = tiny_config(*settings)
    return Trainer(config, load_task(config, torch.device(device)), Environment(device, precision, 1))


def begin(trainer: Trainer, *, averages: bool = False) -> None:
    plan = plan_epoch(trainer.config.augment, len(trainer.task.train), 0, 1)
    rates = [0.01] * trainer.batches
    trainer.steps.begin_epoch(plan, rates, 32, trainer.config.mixes(1), averages)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_asks_for_no_value_from_the_device(recipe):
    trainer = new_trainer(*RECIPES[recipe])
    for group in trainer.optimizer.param_groups:  # as on a GPU
        group["lr"] = torch.tensor(float(group["lr"]))
    begin(trainer, averages=trainer.average is not None)
    trainer.steps.take(1)  # makes the optimiser's state, and begins an average
    with Looks() as looks:
        for batch in range(2, trainer.batches + 1):
            trainer.steps.take(batch)
    assert looks.count == 0
    with Looks() as looks:
        trainer.steps.read()
    assert looks.count == 1, "the number of the batch that diverged"


def test_the_sums_are_means_over_the_images_seen():
    trainer = new_trainer("train.batch_size=48")
    begin(trainer)
    losses, hits, seen = 0.0, 0.0, 0
    for batch in range(1, trainer.batches + 1):
        before = trainer.steps.read() if batch > 1 else None
        now_seen = trainer.steps.take(batch)
        sums = trainer.steps.read()
        losses += sums.loss * now_seen - (before.loss * seen if before else 0.0)
        hits += sums.accuracy * now_seen - (before.accuracy * seen if before else 0.0)
        assert 0 <= sums.accuracy <= 1
        seen = now_seen
    assert seen == len(trainer.task.train)
    assert seen % 48, "the last batch is smaller"
    assert sums.loss == pytest.approx(losses / seen)
    assert round(hits) == pytest.approx(hits, abs=1e-6)


def test_the_first_batch_that_diverged_is_known_later():
    trainer = new_trainer("train.batch_size=48")
    begin(trainer)
    trainer.steps.take(1)
    assert trainer.steps.read().diverged == 0
    with torch.no_grad():
        trainer.model.classifier.weight[0, 0] = torch.nan
    for batch in (2, 3, 4):
        trainer.steps.take(batch)
    assert trainer.steps.read().diverged == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")
@pytest.mark.parametrize("recipe", RECIPES)
def test_on_a_gpu_replayed_steps_end_with_the_weights_of_usual_ones(recipe, monkeypatch):
    settings = ("train.epochs=2", *RECIPES[recipe])
    replayed, usual = (new_trainer(*settings, device="cuda") for _ in range(2))
    monkeypatch.setattr(usual.steps, "_run", usual.steps._step)
    for trainer in (replayed, usual):
        assert [record.epoch for record in trainer.train() if isinstance(record, EpochRecord)] == [1, 2]
    for name, tensor in usual.weights().items():
        assert torch.equal(tensor, replayed.weights()[name]), name
