"""The files that training saves: a state to resume from (last.pt) and weights (best.safetensors).

Both may come from anywhere: reading them runs no code and needs no more memory than the network.
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from core.base.errors import LabError, StoreError
from core.base.text import one_line
from core.config.run_config import RunConfig
from core.model.resnet import make_network

#: The tensors in a file of weights that are not the network's: how an image becomes its input.
INPUT_TENSORS = ("input.mean", "input.std")


def state_bytes(state: dict[str, Any]) -> bytes:
    """Return the content of a last.pt.

    In memory: on a full disk, torch.save would hide the cause behind an error of its own.
    """
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def weights_bytes(tensors: dict[str, torch.Tensor], epoch: int, classes: Sequence[str]) -> bytes:
    """Return the content of a best.safetensors with the weights of ``epoch``."""
    return save(tensors, {"epoch": str(epoch), "classes": ",".join(classes)})


def load_state(path: Path) -> dict[str, Any]:
    """Return the training state in ``path``. Raises LabError if it is damaged."""
    name = f"{path.name} of run {path.parent.name}"
    try:
        with zipfile.ZipFile(path) as archive:
            # torch.save does not compress. A few compressed bytes could unpack to more than the memory.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise zipfile.BadZipFile("not made by torch.save")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise almost anything
        raise LabError(
            f"{name} is damaged, so the run cannot continue. Clone the run to start from the beginning."
        ) from error
    if not isinstance(state, dict):
        raise LabError(f"{name} does not contain a training state.")
    return state


def load_weights(path: Path, config: RunConfig) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Return the network in ``path``, on the CPU and in evaluation mode, and its ``input.mean`` and ``input.std``.

    Raises StoreError if the file is damaged or belongs to another configuration.
    """
    unusable = f"The weights of run {path.parent.name} cannot be used"
    model = make_network(config)
    try:
        with safe_open(path, framework="pt") as file:
            classes = (file.metadata() or {}).get("classes")
            tensors = {name: file.get_tensor(name) for name in _expected_names(model, file)}
        inputs = {name: tensors.pop(name) for name in INPUT_TENSORS}
        model.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise StoreError(f"{unusable}: the file is damaged or belongs to another network.") from error
    if classes is not None and classes != ",".join(config.data.classes):
        raise StoreError(
            f"{unusable}: they are for the classes {one_line(classes.replace(',', ', '))}, but the configuration has "
            f"{', '.join(config.data.classes)}. One of the two files belongs to another run."
        )
    finite = all(tensor.isfinite().all() for tensor in (*model.state_dict().values(), *inputs.values()))
    if not finite or not (inputs["input.std"] > 0).all():
        raise StoreError(
            f"{unusable}: some values are not finite numbers, so training diverged or the file is damaged. "
            "Clone the run with a smaller learning rate."
        )
    return model.eval(), inputs


def _expected_names(model: torch.nn.Module, file: Any) -> list[str]:
    """Return the names of the tensors in a file of weights; KeyError if names or shapes are not the expected ones.

    Reads only the file's header, so that a tensor larger than the memory is never read.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # not a mapping
    inputs = {name: shapes.pop(name) for name in INPUT_TENSORS}
    if shapes != expected or any(shape not in ((3, 1, 1), (3, 32, 32)) for shape in inputs.values()):
        raise KeyError
    return [*shapes, *inputs]
