"""The files that training saves: a state to resume from (last.pt) and weights (best.safetensors).

Both may come from anywhere: reading them runs no code and needs no more memory than the network.
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from core.base.errors import ConfigError, LabError, StoreError
from core.base.strict_json import from_json, to_json
from core.base.tensors import with_metadata
from core.base.text import one_line
from core.config.run_config import EXTENDED, RunConfig
from core.model.resnet import make_network

#: The tensors in a file of weights that are not the network's: how an image becomes its input.
INPUT_TENSORS = ("input.mean", "input.std")


def state_bytes(state: dict[str, Any], run_id: str, config: RunConfig) -> bytes:
    """Return the content of a last.pt, which says what run and configuration it belongs to.

    In memory: on a full disk, torch.save would hide the cause behind an error of its own.
    """
    file = io.BytesIO()
    torch.save({**state, "run": run_id, "config": config.to_dict()}, file)
    return file.getvalue()


def weights_bytes(tensors: dict[str, torch.Tensor], epoch: int, config: RunConfig) -> bytes:
    """Return the content of a best.safetensors with the weights of ``epoch``.

    It says what configuration it belongs to, not what run: equal weights give equal bytes.
    """
    metadata = {"classes": ",".join(config.data.classes), "config": to_json(config.to_dict()), "epoch": str(epoch)}
    return with_metadata(save(tensors), metadata)


def load_state(
    content: bytes, run_id: str, config: RunConfig, *, parent: str | None = None, name: str = "last.pt"
) -> dict[str, Any]:
    """Return the training state in the content of a last.pt.

    Raises LabError if it is damaged or belongs to another run or configuration. A state of the run ``parent`` may
    differ in the settings that extending changes. States of earlier versions do not say what they belong to.
    """
    title = f"{name} of run {run_id}"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # torch.save does not compress. A few compressed bytes could unpack to more than the memory.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise zipfile.BadZipFile("not made by torch.save")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise almost anything
        raise LabError(f"{title} is damaged, so the run cannot continue. Copy its settings into a new run.") from error
    if not isinstance(state, dict):
        raise LabError(f"{title} does not contain a training state.")
    origin = state.pop("run", run_id)
    if origin not in (run_id, parent):
        raise LabError(f"{title} is the state of run {one_line(str(origin), 40)}. Put the run's own state back.")
    _check_config(title, state.pop("config", None), config, () if origin == run_id else EXTENDED)
    return state


def _check_config(title: str, content: Any, config: RunConfig, allowed: Sequence[str]) -> None:
    """Raise StoreError if a file was made with other settings than ``config``, except for those ``allowed``.

    ``content``: the configuration that the file names, ``None`` if it names none.
    """
    if content is None:
        return
    try:
        differences = RunConfig.from_dict(content).differences(config)
    except ConfigError as error:
        raise StoreError(f"{title} names a configuration that cannot be used: {error}") from error
    texts = [f"{path} {was} instead of {now}" for path, (was, now) in differences.items() if path not in allowed]
    if texts:
        raise StoreError(
            f"{title} belongs to another configuration ({', '.join(texts[:3])}). Put the run's own file back."
        )


def load_weights(content: bytes, run_id: str, config: RunConfig) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Return the network in the content of a best.safetensors, and its ``input.mean`` and ``input.std``.

    The network is on the CPU and in evaluation mode. Raises StoreError if the file is damaged or belongs to another
    configuration. Files of earlier versions do not say what they belong to.
    """
    unusable = f"The weights of run {run_id} cannot be used"
    model = make_network(config)
    try:
        header = from_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header.pop("__metadata__", {})
        classes, made_with = metadata.get("classes"), metadata.get("config")
        _check_shapes(model, {name: tuple(tensor["shape"]) for name, tensor in header.items()})
        tensors = load(content)
        inputs = {name: tensors.pop(name) for name in INPUT_TENSORS}
        model.load_state_dict(tensors)
        made_with = None if made_with is None else from_json(made_with)
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise StoreError(f"{unusable}: the file is damaged or belongs to another network.") from error
    if classes is not None and classes != ",".join(config.data.classes):
        raise StoreError(
            f"{unusable}: they are for the classes {one_line(classes.replace(',', ', '))}, but the configuration has "
            f"{', '.join(config.data.classes)}. One of the two files belongs to another run."
        )
    _check_config(f"best.safetensors of run {run_id}", made_with, config, EXTENDED)
    finite = all(tensor.isfinite().all() for tensor in (*model.state_dict().values(), *inputs.values()))
    if not finite or not (inputs["input.std"] > 0).all():
        raise StoreError(
            f"{unusable}: some values are not finite numbers, so training diverged or the file is damaged. "
            "Copy the settings into a new run, with a smaller learning rate."
        )
    return model.eval(), inputs


def _check_shapes(model: torch.nn.Module, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise KeyError if names or shapes in a file of weights are not the network's: no other tensor is then read."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    inputs = {name: shapes.pop(name) for name in INPUT_TENSORS}
    if shapes != expected or any(shape not in ((3, 1, 1), (3, 32, 32)) for shape in inputs.values()):
        raise KeyError
