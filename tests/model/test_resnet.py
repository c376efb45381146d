"""The network against the published parameter counts and an independent implementation."""

import math

import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from torch import nn

from core.model.resnet import ResNet


@pytest.mark.parametrize(
    ("shortcut", "classes", "count"),
    [("A", 10, 269_722), ("report", 10, 273_066), ("report", 2, 272_546), ("keras", 10, 273_066)],
)
def test_trainable_parameters_as_published(shortcut, classes, count):
    model = ResNet(num_classes=classes, shortcut=shortcut)
    assert sum(weight.numel() for weight in model.parameters() if weight.requires_grad) == count


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_counts_the_layers_with_weights(depth):
    model = ResNet(depth, width=2)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("wrong", [{"depth": 21}, {"depth": 2}, {"shortcut": "C"}])
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ResNet(**wrong)


class PlainBlock(nn.Module):
    """The block of widely used CIFAR ResNet scripts, with option A or B."""

    def __init__(self, c_in, c_out, option):
        super().__init__()
        stride = c_out // c_in
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.option, self.grows = option, stride > 1
        if self.grows and option == "B":
            self.down = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if not self.grows:
            return F.relu(y + x)
        if self.option == "B":
            return F.relu(y + self.down(x))
        quarter = y.shape[1] // 4
        return F.relu(y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, quarter, quarter)))


def plain_resnet20(option):
    stages = [(16, 16)] * 3 + [(16, 32), (32, 32), (32, 32), (32, 64), (64, 64), (64, 64)]
    blocks = [PlainBlock(c_in, c_out, option) for c_in, c_out in stages]
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


@pytest.mark.parametrize("option", ["A", "B"])
def test_published_weights_load_by_position(option):
    torch.manual_seed(0)
    theirs, ours = plain_resnet20(option), ResNet(shortcut=option)
    images = torch.rand(4, 3, 32, 32)
    theirs.train()(images)  # so that the running statistics are not the initial ones
    state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("shortcut", ["A", "B", "report", "keras"])
def test_with_its_last_layer_zeroed_the_loss_is_ln_k(classes, shortcut):
    model = ResNet(num_classes=classes, shortcut=shortcut).eval()
    nn.init.zeros_(model.classifier.weight)
    nn.init.zeros_(model.classifier.bias)
    loss = F.cross_entropy(model(torch.rand(8, 3, 32, 32)), torch.arange(8) % classes)
    assert abs(loss.item() - math.log(classes)) < 1e-6


def test_the_report_draws_its_last_layer_too():
    weights = ResNet(shortcut="report", generator=torch.Generator().manual_seed(0)).classifier.weight
    assert weights.std().item() == pytest.approx(math.sqrt(2 / 64), rel=0.1)
    assert ResNet(shortcut="report").norm.momentum == 0.01
    assert ResNet(shortcut="report").norm.eps == 1e-3


def test_keras_of_early_2018_drew_every_layer_with_0_88_times_the_deviation():
    """A normal distribution cut at ±2 has 0.8796 times its deviation, which Keras did not correct for."""
    truncated = scipy.stats.truncnorm.std(-2, 2)
    then, now = (ResNet(shortcut=name, generator=torch.Generator().manual_seed(0)) for name in ("keras", "report"))
    layers = [name for name, module in then.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == 22
    for name in layers:
        small, large = then.get_submodule(name), now.get_submodule(name)
        assert torch.allclose(small.weight, truncated * large.weight, rtol=1e-5, atol=1e-8)
        assert small.weight.abs().max() <= 2 * (2 / small.weight[0].numel()) ** 0.5
        assert not small.bias.any()
    kernel = then.blocks[8].conv2.weight
    assert kernel.std().item() == pytest.approx(truncated * math.sqrt(2 / (64 * 9)), rel=0.02)
    assert (then.norm.momentum, then.norm.eps) == (0.01, 1e-3)


def test_the_reports_strided_convolution_pads_like_keras():
    """Keras's `same` on an even side of stride 2 pads below and to the right only."""
    block = ResNet(shortcut="report").blocks[3]
    nn.init.zeros_(block.conv1.weight)
    block.conv1.weight.data[0, 0, 2, 2] = 1.0  # looks at the lower right neighbour
    image = torch.arange(16 * 16 * 16, dtype=torch.float32).reshape(1, 16, 16, 16)
    out = block.conv1(image)[0, 0]
    assert out[0, 0] == image[0, 0, 2, 2]
    assert out[-1, -1] == 0


def test_first_weights_come_from_the_generator_alone():
    first = ResNet(generator=torch.Generator().manual_seed(5)).state_dict()
    torch.rand(7)  # moves PyTorch's global generator, which other threads share
    again = ResNet(generator=torch.Generator().manual_seed(5)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
