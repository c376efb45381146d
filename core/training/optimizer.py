"""The optimiser of a config, and the penalty its weight decay stands for."""

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.model.resnet import decayed


def make_optimizer(config: TrainConfig, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """SGD, Adam or AdamW over the model's parameters; decay only on those the config names."""
    pulled = decayed(model, config.decay_on)
    chosen = {id(one) for one in pulled}
    groups = [
        {"params": pulled, "weight_decay": config.weight_decay},
        {"params": [one for one in model.parameters() if id(one) not in chosen], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = device.type in ("cpu", "cuda")  # one kernel for all parameters; on the processor only when asked for
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov and config.momentum > 0,
            fused=fused,
        )
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.lr, eps=config.adam_eps, fused=fused)


def penalty(config: TrainConfig, pulled: list[Tensor]) -> float:
    """The L2 penalty in the objective: weight_decay/2 · Σw² over the decayed parameters ``pulled``.

    Keras's ``l2(c)`` adds c·Σw², so its c is half our weight decay. AdamW has no penalty: it shrinks weights
    outside the gradient (arXiv:1711.05101).
    """
    if config.optimizer == "adamw" or not config.weight_decay:
        return 0.0
    with torch.no_grad():
        norms = torch.stack(torch._foreach_norm(pulled))
    return 0.5 * config.weight_decay * float((norms * norms).sum())
