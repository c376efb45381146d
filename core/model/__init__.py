"""The networks: residual networks for 32×32 images, and the list of their layers.

Optimisers and training are in :mod:`core.training`. Importing this package does not import PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"layers": ["Layer", "layer_table", "list_layers"], "resnet": ["ResNet", "make_network"]}
)
