"""The cost of networks: sums over their layers, and what the memory formula counts."""

import pytest

from core.config.run_config import RunConfig
from core.cost.network import PROGRAM_BYTES, memory_bytes, memory_text, network_cost, step_work
from core.model.layers import list_layers
from tests.cost.made import QUICK


@pytest.mark.parametrize("shortcut", ["A", "B", "report"])
@pytest.mark.parametrize(("depth", "width"), [(20, 16), (8, 8), (32, 24)])
def test_the_cost_sums_up_the_layers(depth, width, shortcut):
    config = RunConfig().replace({"model.depth": depth, "model.width": width, "model.shortcut": shortcut})
    cost, layers = network_cost(config), list_layers(config.model, 10)
    assert cost.macs == sum(layer.macs for layer in layers)
    assert cost.parameters == sum(layer.parameters for layer in layers)
    assert cost.widest == 32 * 32 * width
    n = (depth - 2) // 6
    outputs = cost.widest * (1 + 2 * n * (1 + 1 / 2 + 1 / 4)) + (shortcut != "A") * cost.widest * (1 / 2 + 1 / 4)
    assert cost.activations == outputs
    assert (cost.blocked == cost.activations) == (width % 16 == 0)


def test_eight_channels_cost_more_than_half_of_sixteen():
    half = QUICK.replace({"model.width": 8})
    assert network_cost(half).activations * 2 == network_cost(QUICK).activations
    assert step_work(half) > 0.5 * step_work(QUICK)


def test_the_cost_of_a_layer_is_not_shared_by_threads():
    one, four = (QUICK.replace({"train.threads": threads}) for threads in (1, 4))
    deep_one, deep_four = (config.replace({"model.depth": 110}) for config in (one, four))
    assert step_work(four) > step_work(one)
    assert step_work(deep_four, 1) / step_work(four, 100) > step_work(deep_one, 1) / step_work(one, 100)


def test_memory_counts_images_weights_and_the_batch():
    sizes, memory = QUICK.data.sizes(), memory_bytes(QUICK)
    assert memory > 3_072 * (sizes.train + sizes.validation + sizes.test)
    parameters = network_cost(QUICK).parameters
    assert memory_bytes(QUICK.replace({"train.optimizer": "adam"})) - memory == 4 * parameters
    assert memory_bytes(QUICK.replace({"train.averaging": "ema"})) - memory == 4 * parameters
    assert memory_bytes(QUICK.replace({"train.batch_size": 1_024})) > 2 * memory
    # All of CIFAR-10 is held as bytes, and its mean computed from a copy, whatever the batch.
    narrow = RunConfig().replace({"train.batch_size": 1, "model.width": 2})
    held = 60_000 * 3_072 + 12 * network_cost(narrow).parameters
    assert memory_bytes(narrow) == PROGRAM_BYTES + held + 45_000 * 3_072


@pytest.mark.parametrize(
    ("size", "text"), [(4.3e6, "4 MB"), (43.4e6, "43 MB"), (417e6, "420 MB"), (999.8e6, "1.0 GB"), (2.34e9, "2.3 GB")]
)
def test_memory_has_two_digits(size, text):
    assert memory_text(size) == text
