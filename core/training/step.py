"""One training step, from the number of a batch to new weights, with everything it needs on the device.

Before an epoch the random choices and the learning rates of all its steps are copied to the device; a counter there
says which batch is next, and sums of losses and hits stay there until someone reads them. The CPU has nothing to add,
so that on CUDA a step is replayed as a graph (:mod:`core.training.graphs`).
"""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE
from core.data.augmentation import EpochPlan, augment, mix
from core.data.task import Task
from core.training.environment import Environment
from core.training.graphs import Replayed, join_lanes, lane
from core.training.half import LANES, HalfNetwork
from core.training.health import HealthMeter
from core.training.optimizer import CombinedOptimizer, decayed_parameters, l2_penalty

#: The lane of what is only counted, beside those of the gradients.
COUNTING_LANE = LANES


class StepKind(NamedTuple):
    """What makes steps different programs: the number of images, the side of an image in pixels, whether images are
    mixed, whether the step is measured, and whether the average of the weights follows it.
    """

    images: int
    side: int
    mixes: bool
    measured: bool
    averaged: bool


class EpochSums(NamedTuple):
    """Means over the images of an epoch so far; losses in nats per image, ``accuracy`` from 0 to 1.

    ``diverged``: the first batch (from 1) whose loss was not finite; 0 if there is none.
    """

    loss: float
    objective: float
    accuracy: float
    diverged: int


class TrainingStep:
    """The steps of one epoch after another. ``average`` follows the weights after each step, if it is given."""

    def __init__(
        self,
        config: RunConfig,
        task: Task,
        environment: Environment,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | CombinedOptimizer,
        average: AveragedModel | None,
    ):
        self.config, self.task, self.environment = config, task, environment
        self.model, self.optimizer, self._average = model, optimizer, average
        device, train = environment.torch_device, config.train
        self.batches = math.ceil(len(task.train) / train.batch_size)
        self.health = HealthMeter(model, self.batches)
        self._decayed = decayed_parameters(train, model)
        self._plan: EpochPlan | None = None
        real = torch.float32 if device.type == "mps" else torch.float64  # which Apple's accelerator does not have
        self._rates = torch.zeros(self.batches, dtype=torch.float32 if device.type == "cuda" else real, device=device)
        self._offsets = torch.arange(train.batch_size, device=device)
        #: The number of the next batch, from 0, and the first batch (from 1) whose loss was not finite, or 0. Of shape
        #: (1,): as an index, a tensor without dimensions is read by the CPU.
        self._next, self._diverged = (torch.zeros(1, dtype=torch.int64, device=device) for _ in range(2))
        #: Cross-entropy, objective and hits, each summed over the images of the epoch.
        self._sums = torch.zeros(3, dtype=real, device=device)
        self._side, self._mixes, self._averages = IMAGE_SIZE, False, False
        self._seen = 0
        half = device.type == "cuda" and environment.precision == "bf16"
        self._half = HalfNetwork(model, environment.kernels == "fused") if half else None
        self._run = Replayed(self._step, device)

    def begin_epoch(self, plan: EpochPlan, rates: Sequence[float], side: int, mixes: bool, averages: bool) -> None:
        """Prepare the steps of an epoch: its random choices, the learning rate of each step, the side of its crops in
        pixels, whether images are mixed, and whether the average follows the weights.
        """
        if self._plan is None:
            self._plan = plan.to(self.environment.torch_device)
        else:
            for field in fields(plan):
                getattr(self._plan, field.name).copy_(getattr(plan, field.name))
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64).to(self._rates.dtype))
        self._next.zero_()
        self._diverged.zero_()
        self._sums.zero_()
        self._side, self._mixes, self._averages = side, mixes, averages
        self._seen = 0
        self.health.begin_epoch()
        self.model.train()
        if self._half is not None:
            self._half.network.train()

    def take(self, batch: int) -> int:
        """Take step ``batch`` (from 1), the next one of the epoch; return the number of images seen in this epoch."""
        images = min(self.config.train.batch_size, len(self.task.train) - self._seen)
        first_average = self._averages and self._average is not None and batch == 1 and not self._average.n_averaged
        averaged = self._averages and not first_average
        self._run(StepKind(images, self._side, self._mixes, self.health.measures(batch), averaged))
        if first_average:
            assert self._average is not None
            self._average.update_parameters(self.model)  # copies the weights
        self._seen += images
        return self._seen

    def read(self) -> EpochSums:
        """Return the means over the epoch so far; on a GPU, waits for the steps taken."""
        loss, objective, hits = (self._sums / self._seen).tolist()
        return EpochSums(loss, objective, hits, int(self._diverged))

    def batch(self, rows: Tensor, side: int = IMAGE_SIZE) -> Tensor:
        """Return the images ``rows`` of the training set, augmented by the epoch's plan, as the network takes them."""
        assert self._plan is not None
        images = self.task.normalization(self.task.train.images[rows])
        augmented = augment(images, self.config.augment, self._plan, rows, side)
        return augmented.contiguous(memory_format=torch.channels_last)

    def _step(self, kind: StepKind) -> None:
        """Take the next step. Waits for nothing and decides nothing by a value that is on the device."""
        assert self._plan is not None
        train = self.config.train
        first = self._next * train.batch_size
        rows = self._plan.order[first + self._offsets[: kind.images]]
        self._set_rates()
        self.optimizer.zero_grad(set_to_none=True)
        with lane(1):
            penalty = l2_penalty(train, self._decayed)
        if self._half is not None:
            with lane(2):
                self._half.refresh()
        images, labels = self.batch(rows, kind.side), self.task.train.labels[rows]
        share = None
        if kind.mixes:
            images, share = mix(images, self.config.augment, self._plan, rows)
        join_lanes()
        logits = self._logits(images).float()
        loss = _cross_entropy(logits, labels, share, train.label_smoothing)
        with lane(COUNTING_LANE, logits, labels), torch.no_grad():
            plain = _cross_entropy(logits, labels, share) if train.label_smoothing else loss
            hits = (logits.argmax(1) == labels).sum()
            self._count(kind.images, plain, loss + penalty, hits)
        loss.backward()
        join_lanes()
        if self._half is not None:
            self._half.give_gradients()
        if kind.measured:
            with self.health.measured_step():
                self.optimizer.step()
        else:
            self.optimizer.step()
        if kind.averaged:
            self._follow()

    def _logits(self, images: Tensor) -> Tensor:
        if self._half is not None:
            with self.environment.operators():
                return self._half(images)
        with self.environment.autocast():
            return self.model(images)

    def _set_rates(self) -> None:
        rate = self._rates[self._next].squeeze(0)
        for group in self.optimizer.param_groups:
            scaled = rate * group.get("scale", 1.0)
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(scaled)
            else:
                group["lr"] = float(scaled)

    def _count(self, images: int, plain: Tensor, objective: Tensor, hits: Tensor) -> None:
        self._next += 1
        sums = torch.stack([plain.detach() * images, objective.detach() * images, hits.to(plain.dtype)])
        self._sums += sums.to(self._sums.dtype)
        first = (self._diverged == 0) & ~torch.isfinite(plain)
        self._diverged += self._next * first

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the average follow the weights by one step."""
        average = self._average
        assert average is not None and average.multi_avg_fn is not None
        average.multi_avg_fn(list(average.parameters()), list(self.model.parameters()), average.n_averaged)
        average.n_averaged += 1


def _cross_entropy(logits: Tensor, labels: Tensor, share: Tensor | None, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy; with ``share`` (N,), so much of each image is its own and the rest its partner's,
    as :func:`core.data.augmentation.mix` says.
    """
    if share is None:
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)
    own, partners = (
        F.cross_entropy(logits, wanted, label_smoothing=smoothing, reduction="none")
        for wanted in (labels, labels.roll(1))
    )
    return (share * own + (1 - share) * partners).mean()
