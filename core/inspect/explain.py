"""What a network looks at in an image: Grad-CAM, occlusion, the maps inside the network, and its first filters.

All of it runs on the CPU with one thread, on a copy of the network: Captum hooks into the modules, and two pages may
ask at once. Images are uint8, results are NumPy arrays.

Selvaraju et al., "Grad-CAM", arXiv:1610.02391. Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks",
arXiv:1311.2901 (occlusion). Both are computed by Captum (arXiv:2009.07896).
"""

import copy
from typing import Any

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam, Occlusion
from numpy.typing import NDArray
from torch import Tensor, nn

from core.config.sections import IMAGE_SIZE
from core.images.classify import Classifier
from core.model.layers import list_layers
from core.training.environment import one_thread

Pixels = NDArray[np.uint8]
Heat = NDArray[np.float32]
STAGES = (1, 2, 3)
#: What an occluded square shows: middle grey.
GREY = 128
#: Sides of the square that occlusion moves over the image, in pixels; it moves by half of it.
PATCHES = (4, 8, 12)


def grad_cam(network: Classifier, images: Pixels, classes: NDArray[np.int64], stage: int = 3) -> Heat:
    """Return where each image speaks for a class: float32 (n, 32, 32), 0 to 1.

    ``images``: uint8 (n, 3, 32, 32); ``classes``: int64 (n,), the class of each. A map is divided by its largest value
    and enlarged from the resolution of the ``stage`` (1: 32 × 32, 2: 16 × 16, 3: 8 × 8). It is zero everywhere if
    nothing at that stage speaks for the class. For the last stage it is the class activation map (arXiv:1512.04150).
    """
    if not len(images):
        return np.zeros((0, IMAGE_SIZE, IMAGE_SIZE), np.float32)
    model = _copy(network)
    with one_thread(), torch.enable_grad():
        maps = LayerGradCam(model, _stage_end(model, stage)).attribute(
            _inputs(network, images), torch.from_numpy(np.asarray(classes, np.int64)), relu_attributions=True
        )
        maps = LayerAttribution.interpolate(maps.detach(), (IMAGE_SIZE, IMAGE_SIZE), "bilinear")[:, 0]
        highest = maps.amax((1, 2), keepdim=True)
        return torch.where(highest > 0, maps / highest.clamp_min(1e-12), 0).numpy()


def occlusion(network: Classifier, image: Pixels, label: int, patch: int = 8) -> Heat:
    """Return by how much a class's probability falls where a grey square covers the image: float32 (32, 32), −1 to 1.

    ``image``: uint8 (3, 32, 32). The square of ``patch`` × ``patch`` pixels moves by half its side; the value of a
    pixel is the mean over the squares that cover it. Negative where covering raises the probability.
    """
    model = _copy(network)
    step = max(1, patch // 2)
    with one_thread(), torch.inference_mode():
        falls = Occlusion(lambda x: model(x).softmax(1)).attribute(
            _inputs(network, image[None]),
            sliding_window_shapes=(3, patch, patch),
            strides=(3, step, step),
            baselines=_inputs(network, np.full((1, *image.shape), GREY, np.uint8)),
            target=label,
            perturbations_per_eval=32,
        )
        return falls[0].mean(0).float().numpy()


def map_layers(network: Classifier) -> list[str]:
    """Return the layers that have maps, in the order of a forward pass: paths of modules, ``blocks.0`` for a block."""
    names = []
    layers = [layer.name for layer in list_layers(network.config.model, len(network.classes)) if layer.side > 1]
    for name, following in zip(layers, [*layers[1:], ""], strict=True):
        names.append(name)
        block = ".".join(name.split(".")[:2])
        if block.startswith("blocks") and not following.startswith(f"{block}."):
            names.append(block)
    return names


def feature_maps(network: Classifier, image: Pixels, layer: str) -> Heat:
    """Return the output of a layer for one image, uint8 (3, 32, 32): float32 (channels, side, side).

    A block's output is what comes out of its last ReLU. Raises LookupError for a layer without maps.
    """
    if layer not in map_layers(network):
        raise LookupError(f"The network has no layer {layer} with maps.")
    model, kept = _copy(network), list[Tensor]()

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        kept.append(output.clone())  # the network goes on to change it in place

    with one_thread(), torch.inference_mode():
        handle = model.get_submodule(layer).register_forward_hook(keep)
        model(_inputs(network, image[None]))
        handle.remove()
    return kept[0][0].float().numpy()


def first_filters(network: Classifier) -> NDArray[np.float32]:
    """Return the weights of the first convolution: float32 (channels, 3, 3, 3), by red, green and blue."""
    conv = network.model.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    return conv.weight.detach().float().numpy()


def _copy(network: Classifier) -> nn.Module:
    return copy.deepcopy(network.model).eval()


def _inputs(network: Classifier, images: Pixels) -> Tensor:
    return network.normalization(torch.tensor(images))


def _stage_end(model: nn.Module, stage: int) -> nn.Module:
    """Return the last block of a stage. Raises ValueError for another stage than 1 to 3."""
    if stage not in STAGES:
        raise ValueError(f"stage must be 1, 2 or 3, not {stage}")
    blocks = list(model.get_submodule("blocks").children())
    return blocks[len(blocks) // len(STAGES) * stage - 1]


# --- to look at -------------------------------------------------------------------------------------------

#: Colours from cold to hot, as in the colour scale "inferno", which also reads in grey.
_HOT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)
_AGAINST = np.array([40, 110, 220], np.float32)


def overlay(image: Pixels, heat: Heat, side: int = 256) -> Pixels:
    """Return an image under a map: uint8 (side, side, 3). ``image``: uint8 (3, 32, 32); ``heat``: (32, 32), −1 to 1.

    The image is grey and dark where the map is 0, coloured up to light yellow where it is 1, blue where it is negative.
    """
    grey = image.mean(0)[..., None]
    strength = np.abs(heat).clip(0, 1)[..., None]
    at = heat.clip(0, 1)[..., None] * (len(_HOT) - 1)
    lower = np.minimum(at.astype(int)[..., 0], len(_HOT) - 2)
    hot = _HOT[lower] + (_HOT[lower + 1] - _HOT[lower]) * (at - lower[..., None])
    colour = np.where(heat[..., None] >= 0, hot, _AGAINST)
    share = 0.25 + 0.5 * strength
    mixed = (1 - share) * grey + share * colour
    return _enlarged(mixed.clip(0, 255).astype(np.uint8), side)


def as_grey(maps: Heat) -> Pixels:
    """Return maps (n, side, side) as grey images, uint8 (n, 3, 32, 32), each from its lowest to its highest value.

    A map with one value everywhere is black: a channel that is dead for this image.
    """
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    grey = (255 * (maps - low) / np.maximum(high - low, 1e-12)).astype(np.uint8)
    return _tiles(np.repeat(grey[:, None], 3, axis=1))


def as_colours(filters: NDArray[np.float32]) -> Pixels:
    """Return filters (n, 3, 3, 3) as colours, uint8 (n, 3, 32, 32): a weight of 0 is grey, the largest is 0 or 255."""
    largest = np.abs(filters).max((1, 2, 3), keepdims=True)
    return _tiles((127.5 + 127.5 * filters / np.maximum(largest, 1e-12)).astype(np.uint8))


def _tiles(images: Pixels) -> Pixels:
    """Return square images of any size as 32 × 32 pixels, the nearest pixel for each."""
    side = images.shape[-1]
    places = np.arange(IMAGE_SIZE) * side // IMAGE_SIZE
    return images[:, :, places][..., places]


def _enlarged(image: Pixels, side: int) -> Pixels:
    places = np.arange(side) * len(image) // side
    return image[places][:, places]
