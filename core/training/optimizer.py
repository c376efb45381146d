"""The optimiser of a config, and the penalty its weight decay stands for."""

from typing import Any

import torch
from torch import Tensor, nn

from core.config.sections import TrainConfig
from core.model.resnet import decayed
from core.training.muon import Muon


class Together:
    """Several optimisers, each with parameters of its own, used as one."""

    def __init__(self, *parts: torch.optim.Optimizer):
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all parts."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(self) -> None:
        """One step of each."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of all parts, in their order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises KeyError or ValueError if ``state`` is of other optimisers."""
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)


def make_optimizer(config: TrainConfig, model: nn.Module, device: torch.device) -> torch.optim.Optimizer | Together:
    """The config's optimiser over the model's parameters; decay only on those the config names.

    Muon takes the kernels and SGD all else. A group's ``scale`` is what its rate is to the schedule's.
    """
    pulled = pulled_to_zero(config, model)
    chosen = {id(one) for one in pulled}
    kernels = decayed(model, "kernels") if config.optimizer == "muon" else []
    elsewhere = chosen | {id(one) for one in kernels}
    groups: list[dict[str, Any]] = [
        {"params": pulled, "weight_decay": config.weight_decay},
        {"params": [one for one in model.parameters() if id(one) not in elsewhere], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = device.type in ("cpu", "cuda")  # one kernel for all parameters; on the processor only when asked for
    if config.optimizer in ("sgd", "muon"):
        nesterov = config.nesterov and config.momentum > 0
        sgd = torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, fused=fused)
        if config.optimizer == "sgd":
            return sgd
        muon = Muon(kernels, config.muon_lr, config.muon_momentum)
        muon.param_groups[0]["scale"] = config.muon_lr / config.lr
        return Together(muon, sgd)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.lr, eps=config.adam_eps, fused=fused)


def pulled_to_zero(config: TrainConfig, model: nn.Module) -> list[nn.Parameter]:
    """The parameters that weight decay acts on. Muon keeps its kernels at a norm of their own."""
    pulled = decayed(model, config.decay_on)
    kernels = {id(one) for one in decayed(model, "kernels")} if config.optimizer == "muon" else set()
    return [one for one in pulled if id(one) not in kernels]


def penalty(config: TrainConfig, pulled: list[Tensor]) -> float:
    """The L2 penalty in the objective: weight_decay/2 · Σw² over the decayed parameters ``pulled``.

    Keras's ``l2(c)`` adds c·Σw², so its c is half our weight decay. AdamW has no penalty: it shrinks weights
    outside the gradient (arXiv:1711.05101).
    """
    if config.optimizer == "adamw" or not config.weight_decay or not pulled:
        return 0.0
    with torch.no_grad():
        norms = torch.stack(torch._foreach_norm(pulled))
    return 0.5 * config.weight_decay * float((norms * norms).sum())
