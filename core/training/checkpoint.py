"""TODO: core.training.checkpoint."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from core.base.errors import LabError, StoreError
from core.base.text import one_line
from core.config.run_config import RunConfig
from core.model.resnet import resnet
from core.runs.store import RunStore

#: What a file of weights has beside the network's: how a picture becomes its input.
_INPUTS = ("input.mean", "input.std")


def load_state(path: Path) -> dict[str, Any]:
    """The state in a last.pt, read without running any code it may hold. Raises LabError if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            # torch.save packs nothing. What is packed can be a few bytes that unpack to all of the memory.
            if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
                raise zipfile.BadZipFile("not made by torch.save")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise almost anything
        raise LabError(
            f"{path.name} of run {path.parent.name} is damaged: the run cannot go on from it. "
            "Clone the run to start anew."
        ) from error
    if not isinstance(state, dict):
        raise LabError(f"{path.name} of run {path.parent.name} holds no state of a run.")
    return state


def load_weights(store: RunStore, run_id: str, config: RunConfig) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """The best epoch's network on the processor, and its ``input.mean`` and ``input.std``."""
    path = store.run(run_id).best_weights()
    model = resnet(config.model.depth, len(config.data.classes), config.model.width, config.model.shortcut)
    try:
        with safe_open(path, framework="pt") as file:
            named = (file.metadata() or {}).get("classes")
            tensors = {name: file.get_tensor(name) for name in _expected(model, file)}
        inputs = {name: tensors.pop(name) for name in _INPUTS}
        model.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise StoreError(
            f"The weights of run {run_id} cannot be used: the file is damaged or belongs to another network."
        ) from error
    if named is not None and named != ",".join(config.data.classes):
        raise StoreError(
            f"The weights of run {run_id} cannot be used: they tell {one_line(named.replace(',', ', '))} apart, its "
            f"configuration says {', '.join(config.data.classes)}. One of the two files belongs to another run."
        )
    sound = all(one.isfinite().all() for one in (*model.state_dict().values(), *inputs.values()))
    if not sound or not (inputs["input.std"] > 0).all():
        raise StoreError(
            f"The weights of run {run_id} cannot be used: some are no numbers, so its training broke down or the file "
            "is damaged. Clone the run with a smaller learning rate."
        )
    return model.eval(), inputs


def _expected(model: torch.nn.Module, file: Any) -> list[str]:
    """Names of the tensors in a file of weights; KeyError if they are not the model's and the input's, shapes too.

    Told by the file's head, before a tensor that fits no memory is read.
    """
    shapes = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # no mapping
    inputs = {name: found.pop(name) for name in _INPUTS}
    if found != shapes or any(shape not in ((3, 1, 1), (3, 32, 32)) for shape in inputs.values()):
        raise KeyError
    return [*found, *inputs]
