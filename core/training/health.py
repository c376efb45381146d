"""The health of a training, once per epoch: gradient norm, ratio of update to weight, and share of dead ReLUs.

A few steps of each epoch and the first images of its evaluation are measured, which costs less than 1 % of the time
(benchmarks/health.py). Measuring only reads: the weights are those of a training that is not measured, bit for bit.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.model.resnet import Block
from core.training.schedule import EVALUATION_BATCH

#: Steps of an epoch that are measured, at most, and at most one step in so many.
MOST_SAMPLES, SPACING = 8, 8


@dataclass(frozen=True)
class EpochHealth:
    """What :class:`core.records.EpochRecord` says of an epoch's health; its fields have the same names."""

    grad_norm: float | None
    update_ratio: list[float]
    dead_relus: float


def sampled_steps(batches: int) -> frozenset[int]:
    """Return the steps of an epoch of ``batches`` steps that are measured, counted from 1: evenly spaced, the same in
    every epoch.
    """
    count = max(1, min(MOST_SAMPLES, batches // SPACING))
    return frozenset(int((at + 0.5) * batches / count) + 1 for at in range(count))


def stage_weights(model: nn.Module) -> list[list[nn.Parameter]]:
    """Return the weights of each of :data:`core.records.STAGES`: kernels of the convolutions, and the classifier's.

    Biases and batch norm are left out. They start at 0 and 1, so the ratio of a step to them says little.
    """
    blocks = list(model.get_submodule("blocks").children())
    per_stage = len(blocks) // 3
    parts: list[list[nn.Module]] = [[model.get_submodule("conv")]]
    parts += [blocks[at : at + per_stage] for at in range(0, len(blocks), per_stage)]
    parts.append([model.get_submodule("classifier")])
    return [
        [
            module.get_parameter("weight")
            for part in stage
            for module in part.modules()
            if isinstance(module, nn.Conv2d | nn.Linear)
        ]
        for stage in parts
    ]


class HealthMeter:
    """Measures the training of one network, epoch after epoch. Keeps nothing from one epoch to the next."""

    def __init__(self, model: nn.Module, batches: int):
        self._parameters = list(model.parameters())
        stages = stage_weights(model)
        self._weights: list[Tensor] = [weight for stage in stages for weight in stage]
        self._sizes = [len(stage) for stage in stages]
        self._steps = sampled_steps(batches)
        device = self._parameters[0].device
        #: Sums over the measured steps; they stay where they are, so that a step can be replayed.
        self._grad_norms = torch.zeros((), device=device)
        self._ratios = torch.zeros(len(stages), device=device)
        self._channels = 0
        self._dead: list[Tensor] = []

    def begin_epoch(self) -> None:
        """Forget what was measured."""
        self._grad_norms.zero_()
        self._ratios.zero_()
        self._channels, self._dead = 0, []

    def measures(self, batch: int) -> bool:
        """Return whether step ``batch`` (from 1) of an epoch is measured."""
        return batch in self._steps

    @contextlib.contextmanager
    def measured_step(self) -> Iterator[None]:
        """Measure the optimiser's step in the block."""
        before = self._before_step()
        yield
        self._after_step(before)

    @torch.no_grad()
    def _before_step(self) -> list[Tensor]:
        """Measure the gradient, and return the weights as they are."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._grad_norms += torch.stack(torch._foreach_norm(gradients)).norm()
        return [weight.clone() for weight in self._weights]

    @torch.no_grad()
    def _after_step(self, before: list[Tensor]) -> None:
        """Measure how far the weights moved."""
        updates = torch._foreach_norm(torch._foreach_sub(self._weights, before))
        self._ratios += self._norm_by_stage(updates) / self._norm_by_stage(torch._foreach_norm(before))

    def _norm_by_stage(self, norms: tuple[Tensor, ...]) -> Tensor:
        return torch.stack([part.norm() for part in torch.stack(norms).split(self._sizes)])

    @contextlib.contextmanager
    def probe(self, model: nn.Module) -> Iterator[None]:
        """Count dead ReLUs in the first forward pass of ``model`` in the block.

        A ReLU's channel is dead if it is zero at every pixel of each of the first images of the batch, as many as a
        CPU evaluates at once: a share of more images would be smaller.
        """

        def look(module: nn.Module, _: Any, output: Tensor) -> None:
            handles.pop(module).remove()  # later batches pass unseen
            self._count_dead(output)

        blocks = [module for module in model.modules() if isinstance(module, Block)]
        seen = [model.get_submodule("norm"), *(block.norm1 for block in blocks), *blocks]
        handles = {module: module.register_forward_hook(look) for module in seen}
        try:
            yield
        finally:
            for handle in handles.values():
                handle.remove()

    def _count_dead(self, output: Tensor) -> None:
        """Count the channels of ``output`` (N, c, h, w) that a ReLU makes, or has made, zero everywhere."""
        largest = output[:EVALUATION_BATCH].detach().amax(dim=(0, 2, 3))
        self._channels += len(largest)
        self._dead.append((largest <= 0).sum())

    def read(self) -> EpochHealth:
        """Return the means over the epoch's measured steps, and the share of dead ReLUs."""
        grad_norm = float(self._grad_norms) / len(self._steps)
        return EpochHealth(
            grad_norm=grad_norm if math.isfinite(grad_norm) else None,
            update_ratio=(self._ratios / len(self._steps)).tolist(),
            dead_relus=int(torch.stack(self._dead).sum()) / self._channels,
        )
