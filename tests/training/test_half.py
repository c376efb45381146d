"""The network in bf16 beside the one in fp32 computes what autocast computes, bit for bit."""

import copy

import pytest
import torch
import torch.nn.functional as F

from core.model.resnet import ResNet
from core.training.half import HalfNetwork


@pytest.mark.parametrize("shortcut", ["A", "B", "report"])
def test_gradients_and_statistics_are_those_of_autocast(shortcut):
    rng = torch.Generator().manual_seed(0)
    network = ResNet(8, width=16, shortcut=shortcut, generator=rng).to(memory_format=torch.channels_last)
    plain = copy.deepcopy(network)
    half = HalfNetwork(network)
    half.network.train()
    labels = torch.arange(6) % 10
    for step in range(2):
        images = torch.rand(6, 3, 32, 32, generator=rng).contiguous(memory_format=torch.channels_last)
        for model in (network, plain):
            model.zero_grad()
        half.refresh()
        logits = half(images)
        F.cross_entropy(logits.float(), labels).backward()
        half.give_gradients()
        with torch.autocast("cpu", torch.bfloat16):
            expected = plain(images)
        F.cross_entropy(expected.float(), labels).backward()
        assert logits.dtype == torch.bfloat16
        assert torch.equal(logits, expected)
        for (name, ours), theirs in zip(network.named_parameters(), plain.parameters(), strict=True):
            assert ours.dtype == ours.grad.dtype == torch.float32
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-2, atol=1e-5, msg=f"{name} in step {step}")
            with torch.no_grad():
                ours -= 0.1 * theirs.grad
                theirs -= 0.1 * theirs.grad
    for name, tensor in plain.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


def test_the_network_in_fp32_is_left_as_it_is():
    network = ResNet(8, width=4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    HalfNetwork(network)
    assert network.state_dict().keys() == before.keys()
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
