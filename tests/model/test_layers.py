"""The counted layers against the real network, layer by layer."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from core.base.paths import PROJECT
from core.config.run_config import RunConfig
from core.config.sections import CLASSES, ModelConfig
from core.model.layers import layer_table, list_layers
from core.model.resnet import make_network


def modules_seen(config: RunConfig) -> list[tuple]:
    """What a forward pass of one image goes through: name, module and output of each layer."""
    model = make_network(config).eval()
    seen = []
    for name, module in model.named_modules():
        if not list(module.children()) and not isinstance(module, nn.Identity):
            module.register_forward_hook(lambda module, _, output, name=name: seen.append((name, module, output[0])))
    with torch.inference_mode():
        model(torch.zeros(1, 3, 32, 32))
    return seen


@pytest.mark.parametrize("shortcut", ["A", "B", "report", "keras"])
@pytest.mark.parametrize(("depth", "width", "classes"), [(20, 16, 10), (8, 8, 3), (32, 24, 2)])
def test_each_layer_is_that_of_the_real_network(depth, width, classes, shortcut):
    config = RunConfig().replace(
        {"model.depth": depth, "model.width": width, "model.shortcut": shortcut, "data.classes": CLASSES[:classes]}
    )
    layers, seen = list_layers(config.model, classes), modules_seen(config)
    assert [layer.name for layer in layers] == [name for name, _, _ in seen]
    for layer, (_, module, output) in zip(layers, seen, strict=True):
        assert layer.kind == type(module).__name__.replace("SameConv2d", "Conv2d")
        assert layer.output == "×".join(map(str, output.shape))
        assert layer.parameters == sum(weight.numel() for weight in module.parameters())
        if isinstance(module, nn.Conv2d):
            assert (layer.c_in, layer.c_out) == (module.in_channels, module.out_channels)
            assert module.kernel_size == (layer.kernel, layer.kernel)
            assert module.stride == (layer.stride, layer.stride)
        weights = module.weight.numel() if isinstance(module, nn.Conv2d | nn.Linear) else 0
        assert layer.macs == weights * output[0].numel()


def test_the_reports_network_has_the_published_number_of_parameters():
    layers = list_layers(ModelConfig(shortcut="report"), 10)
    assert sum(layer.parameters for layer in layers) == 273_066


def test_the_table_has_a_row_per_layer():
    table = layer_table(RunConfig())
    assert list(table.columns) == ["layer", "kind", "output", "parameters", "macs"]
    assert table["parameters"].sum() == 269_722
    # 40.8 million, as counted for CIFAR ResNet-20 elsewhere.
    assert table["macs"].sum() == pytest.approx(40.8e6, rel=0.01)


def test_counting_layers_does_not_import_torch():
    code = "import sys, core.model; core.model.list_layers; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
