"""Networks that are not trained but built, so that what they look at is known."""

import torch
from torch import nn

from core.config.run_config import RunConfig
from core.data.task import Normalization
from core.images.classify import Classifier
from core.model.resnet import ResNet, make_network


def red_network() -> Classifier:
    """A network of two classes: deer is the amount of red in an image, dog the opposite.

    The red value passes through all layers in one channel, without normalisation and unchanged by the blocks.
    """
    config = RunConfig().replace(
        {"data.classes": ("deer", "dog"), "model.depth": 8, "model.width": 4, "data.train_size": 400}
        | {"data.validation_size": 100, "data.test_size": 100}
    )
    model = make_network(config)
    assert isinstance(model, ResNet)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.zero_()
            if isinstance(module, nn.Linear):
                module.bias.zero_()
        model.conv.weight[0, 0, 1, 1] = 1.0  # red, the pixel itself
        # Shortcut A pads channels on both sides: channel 0 of 4 becomes 2 of 8, then 6 of 16.
        model.classifier.weight[0, 6], model.classifier.weight[1, 6] = 40.0, -40.0
    nothing = Normalization(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    return Classifier("red", config, 1, model.eval(), nothing)
