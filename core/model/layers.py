"""The table of a network's layers: what shape leaves each, what it holds and what it costs."""

import pandas as pd
import torch
from torch import nn

from core.config.run_config import RunConfig
from core.model.resnet import resnet


def layer_table(config: RunConfig) -> pd.DataFrame:
    """One row per layer in the order of a forward pass over one 32×32 picture.

    Columns: ``layer`` (name), ``kind``, ``output`` (shape as text), ``parameters`` (trainable),
    ``macs`` (multiply-accumulates of one picture; norms, ReLUs and sums are not counted).
    """
    model = resnet(config.model.depth, len(config.data.classes), config.model.width, config.model.shortcut).eval()
    rows: list[dict[str, object]] = []

    def note(name: str, module: nn.Module, output: torch.Tensor) -> None:
        parameters = sum(one.numel() for one in module.parameters())
        shape = tuple(output.shape[1:])
        macs = 0
        if isinstance(module, nn.Conv2d | nn.Linear):
            places = output[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
            macs = module.weight.numel() * places
        rows.append({"layer": name, "kind": type(module).__name__.replace("SameConv2d", "Conv2d"),
                     "output": "×".join(map(str, shape)), "parameters": parameters, "macs": macs})  # fmt: skip

    for name, module in model.named_modules():
        if not list(module.children()) and not isinstance(module, nn.Identity):
            module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
    with torch.inference_mode():
        model(torch.zeros(1, 3, 32, 32))
    return pd.DataFrame(rows)
