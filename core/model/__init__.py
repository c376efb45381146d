"""The network: a residual net of 6n+2 layers for 32×32 pictures, and the table of its layers."""

from core.model.layers import layer_table
from core.model.resnet import ResNet, resnet

__all__ = ["ResNet", "layer_table", "resnet"]
