"""Health of a training: what it measures, by hand; which steps; and that measuring changes nothing."""

import contextlib
import itertools
import math
import types

import pytest
import torch
from torch import nn

from core.config.run_config import RunConfig
from core.data.task import load_task
from core.model.resnet import ResNet
from core.records import HEALTH, STAGES, EpochRecord
from core.training import step as step_module
from core.training.environment import Environment
from core.training.health import MOST_SAMPLES, SPACING, HealthMeter, sampled_steps, stage_weights
from core.training.trainer import Trainer
from tests.made import tiny_config

ENVIRONMENT = Environment("cpu", "fp32", 1)


@pytest.mark.parametrize("batches", [1, 2, 7, 8, 9, 16, 63, 64, 65, 390, 100_000])
def test_sampled_steps_are_few_and_spread_over_the_epoch(batches):
    steps = sorted(sampled_steps(batches))
    assert 1 <= len(steps) <= min(MOST_SAMPLES, max(1, batches // SPACING))
    assert 1 <= steps[0] and steps[-1] <= batches
    gaps = [later - earlier for earlier, later in itertools.pairwise(steps)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(("depth", "shortcut"), [(8, "A"), (20, "B"), (14, "report")])
def test_every_kernel_belongs_to_one_stage(depth, shortcut):
    model = ResNet(depth, width=4, shortcut=shortcut)
    stages = stage_weights(model)
    assert len(stages) == len(STAGES)
    kernels = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert {id(weight) for stage in stages for weight in stage} == {id(weight) for weight in kernels}
    assert sum(map(len, stages)) == len(kernels)
    assert [stage[0].shape[0] for stage in stages[:4]] == [4, 4, 8, 16]


def test_a_step_is_measured_as_by_hand():
    model = ResNet(8, width=4, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    meter = HealthMeter(model, batches=1)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    meter.begin_epoch()
    model(images).square().sum().backward()
    squares = sum(float(parameter.grad.double().square().sum()) for parameter in model.parameters())
    before = [[weight.detach().clone() for weight in stage] for stage in stage_weights(model)]
    with meter.measured_step():
        optimizer.step()
    with meter.probe(model.eval()), torch.no_grad():
        model(images)
    health = meter.read()
    assert health.grad_norm == pytest.approx(math.sqrt(squares), rel=1e-5)
    for stage, old, ratio in zip(stage_weights(model), before, health.update_ratio, strict=True):
        moved = sum(float((now - was).detach().double().square().sum()) for now, was in zip(stage, old, strict=True))
        size = sum(float(was.double().square().sum()) for was in old)
        assert ratio == pytest.approx(math.sqrt(moved / size), rel=1e-4)


def test_dead_relus_are_those_of_the_first_hundred_images_on_every_device():
    """A GPU evaluates a thousand images at once."""
    meter = HealthMeter(ResNet(8, width=4), batches=1)
    output = torch.zeros(1000, 3, 2, 2)
    output[99, 1], output[100, 2] = 1.0, 1.0
    meter._count_dead(output)
    assert meter.read().dead_relus == pytest.approx(2 / 3)


def test_steps_that_are_not_sampled_do_not_count():
    model = ResNet(8, width=4)
    meter = HealthMeter(model, batches=3)
    ones, (sampled,) = [torch.ones_like(parameter) for parameter in model.parameters()], sampled_steps(3)
    for step in (1, 2, 3):
        for parameter, one in zip(model.parameters(), ones, strict=True):
            parameter.grad = one * (1.0 if step == sampled else 1e6)
        if meter.measures(step):
            with meter.measured_step():
                pass
    with meter.probe(model.eval()), torch.no_grad():
        model(torch.rand(2, 3, 32, 32))
    health = meter.read()
    assert health.grad_norm == pytest.approx(math.sqrt(sum(one.numel() for one in ones)))
    assert health.update_ratio == [0.0] * len(STAGES)


def dead_share(model: ResNet, *batches: torch.Tensor) -> float:
    meter = HealthMeter(model, batches=1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with meter.measured_step():
        pass
    with meter.probe(model.eval()), torch.no_grad():
        for batch in batches:
            model(batch)
    assert not any(module._forward_hooks for module in model.modules())
    return meter.read().dead_relus


def test_dead_channels_are_counted():
    model = ResNet(8, width=4, generator=torch.Generator().manual_seed(0))
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    channels = (4 + 4 + 4) + (8 + 8) + (16 + 16)  # stem; two ReLUs in each block
    assert dead_share(model, images) == 0.0
    with torch.no_grad():
        model.blocks[2].norm1.bias[3:6] = -1e6  # three of the sixteen
    assert dead_share(model, images) == 3 / channels
    with torch.no_grad():
        model.norm.weight[0] = model.norm.bias[0] = 0.0  # exactly zero is dead too
    assert dead_share(model, images) == (3 + 1) / channels


def test_only_the_first_batch_is_looked_at():
    model = ResNet(8, width=4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.norm.weight.zero_()
        model.norm.bias.copy_(torch.tensor([-1.0, 1.0, 1.0, 1.0]))
    images = torch.rand(3, 3, 32, 32)
    first = dead_share(model, images)
    assert first > 0
    assert dead_share(model, images, images, images) == first


class Unmeasured(HealthMeter):
    """Measures nothing."""

    def measures(self, batch):
        return False

    @contextlib.contextmanager
    def probe(self, model):
        yield

    def read(self):
        return types.SimpleNamespace()  # no field of EpochRecord


def new_trainer(config: RunConfig) -> Trainer:
    return Trainer(config, load_task(config, torch.device("cpu")), ENVIRONMENT)


def epochs_of(trainer: Trainer, number: int) -> list[EpochRecord]:
    records = (record for record in trainer.train() if isinstance(record, EpochRecord))
    return list(itertools.islice(records, number))


@pytest.mark.parametrize(
    "settings",
    [("train.optimizer=muon", "train.averaging=ema"), ("train.optimizer=adam", "model.shortcut=report")],
    ids=lambda settings: settings[0],
)
def test_measuring_changes_no_weight_and_no_other_number(settings, monkeypatch):
    config = tiny_config("train.epochs=2", "train.batch_size=32", *settings)
    measured = new_trainer(config)
    epochs_of(measured, 2)
    monkeypatch.setattr(step_module, "HealthMeter", Unmeasured)
    plain = new_trainer(config)
    epochs_of(plain, 2)
    for name, tensor in plain.weights().items():
        assert torch.equal(tensor, measured.weights()[name]), name
    varied = ("seconds", "images_per_second", *HEALTH)
    for ours, theirs in zip(measured.history, plain.history, strict=True):
        assert ours.grad_norm is not None and theirs.grad_norm is None
        for name, value in vars(theirs).items():
            assert name in varied or getattr(ours, name) == value, name


def test_a_resumed_training_records_the_same_health():
    config = tiny_config("train.epochs=3")
    straight = epochs_of(new_trainer(config), 3)
    first, second = new_trainer(config), new_trainer(config)
    epochs_of(first, 1)
    second.load(first.state())
    resumed = epochs_of(second, 2)
    for ours, theirs in zip(resumed, straight[1:], strict=True):
        assert [getattr(ours, name) for name in HEALTH] == [getattr(theirs, name) for name in HEALTH]
        assert ours.grad_norm > 0 and 0 <= ours.dead_relus <= 1
        assert len(ours.update_ratio) == len(STAGES) and min(ours.update_ratio) > 0


def test_a_state_of_an_earlier_version_loads():
    config = tiny_config("train.epochs=2")
    first, second = new_trainer(config), new_trainer(config)
    epochs_of(first, 1)
    state = first.state()
    for name in HEALTH:
        del state["history"][0][name]
    second.load(state)
    assert [getattr(second.history[0], name) for name in HEALTH] == [None, [], None]
