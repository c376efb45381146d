"""The optimiser of a config, and the L2 penalty that its weight decay stands for."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from core.config.sections import TrainConfig
from core.training.muon import Muon


class CombinedOptimizer:
    """Several optimisers, each with its own parameters, used like one."""

    def __init__(self, *optimizers: torch.optim.Optimizer):
        self.optimizers = optimizers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimisers."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients of all parameters."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self) -> None:
        """Take one step with each optimiser."""
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all optimisers, in order."""
        return {"parts": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load :meth:`state_dict`. Raises KeyError or ValueError if ``state`` is of other optimisers."""
        for optimizer, own_state in zip(self.optimizers, state["parts"], strict=True):
            optimizer.load_state_dict(own_state)


def make_optimizer(
    config: TrainConfig, model: nn.Module, device: torch.device
) -> torch.optim.Optimizer | CombinedOptimizer:
    """Return the config's optimiser over the model's parameters; weight decay only where the config applies it.

    With ``muon``, Muon takes the kernels and SGD the rest. A parameter group's ``scale``, if any, is the ratio of its
    learning rate to the schedule's.
    """
    decayed = decayed_parameters(config, model)
    by_muon = kernels(model) if config.optimizer == "muon" else []
    others = _without(model.parameters(), [*decayed, *by_muon])
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = device.type in ("cpu", "cuda")  # one kernel for all parameters; on the CPU only if asked for
    optimizer: torch.optim.Optimizer | CombinedOptimizer
    if config.optimizer in ("sgd", "muon"):
        nesterov = config.nesterov and config.momentum > 0
        optimizer = torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, fused=fused)
        if config.optimizer == "muon":
            muon = Muon(by_muon, config.muon_lr, config.muon_momentum)
            muon.param_groups[0]["scale"] = config.muon_lr / config.lr
            optimizer = CombinedOptimizer(muon, optimizer)
    else:
        kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
        capturable = device.type == "cuda"
        optimizer = kind(groups, lr=config.lr, eps=config.adam_eps, fused=fused, capturable=capturable)
    if device.type == "cuda":  # where a step is replayed, so that it finds its learning rate on the device
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=device)
    return optimizer


#: What a parameter group keeps when a state is loaded: how it is computed and where its learning rate lies.
_OWN = ("lr", "fused", "foreach", "capturable")


def portable_state(optimizer: torch.optim.Optimizer | CombinedOptimizer) -> dict[str, Any]:
    """Return the optimiser's state_dict with learning rates as numbers."""
    state = optimizer.state_dict()
    for part in state.get("parts", [state]):
        for group in part["param_groups"]:
            group["lr"] = float(group["lr"])
    return state


def load_portable_state(optimizer: torch.optim.Optimizer | CombinedOptimizer, state: dict[str, Any]) -> None:
    """Load :func:`portable_state`. Raises KeyError or ValueError if ``state`` is of another optimiser."""
    own = [{name: group[name] for name in _OWN if name in group} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, kept in zip(optimizer.param_groups, own, strict=True):
        group.update(kept)


def kernels(model: nn.Module) -> list[nn.Parameter]:
    """Return the kernels of the convolutions."""
    return [module.get_parameter("weight") for module in model.modules() if isinstance(module, nn.Conv2d)]


def decayed_parameters(config: TrainConfig, model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that weight decay acts on; not Muon's kernels, whose norm is fixed."""
    match config.decay_on:
        case "all":
            parameters = list(model.parameters())
        case "weights":
            layers = (module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear))
            parameters = [layer.get_parameter("weight") for layer in layers]
        case _:
            parameters = kernels(model)
    return _without(parameters, kernels(model)) if config.optimizer == "muon" else parameters


def _without(parameters: Iterable[nn.Parameter], excluded: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    ids = {id(parameter) for parameter in excluded}
    return [parameter for parameter in parameters if id(parameter) not in ids]


def l2_penalty(config: TrainConfig, decayed: list[nn.Parameter]) -> Tensor | float:
    """Return the L2 penalty in the objective: weight_decay/2 · Σw² over the ``decayed`` parameters, on their device.

    Keras's ``l2(c)`` adds c·Σw², so its c is half our weight decay. AdamW has no penalty: it shrinks weights
    outside the gradient (arXiv:1711.05101).
    """
    if config.optimizer == "adamw" or not config.weight_decay or not decayed:
        return 0.0
    with torch.no_grad():
        norms = torch.stack(torch._foreach_norm(tuple(decayed)))
    return 0.5 * config.weight_decay * (norms * norms).sum()
