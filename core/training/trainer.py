"""The epoch loop: a generator of records, and the state to resume from.

A :class:`Trainer` has a config, a task and an environment. Iterating over :meth:`Trainer.train` trains; closing the
generator stops, and the unfinished epoch is lost. Resuming from :meth:`Trainer.state` is exact: on the same device,
precision and threads, a run that stopped and resumed ends with the same weights, bit for bit, as one that did not.
"""

import time
from collections.abc import Generator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn, update_bn

from core.base.errors import DIVERGED, LabError
from core.config.run_config import RunConfig
from core.data.augmentation import plan_epoch, seeded_generator
from core.data.task import Task
from core.model.resnet import make_network
from core.records import BatchRecord, EpochRecord, best
from core.training.environment import Environment
from core.training.evaluation import evaluation_batch, evaluation_of, predict
from core.training.graphs import claim_device
from core.training.optimizer import decayed_parameters, l2_penalty, load_portable_state, make_optimizer, portable_state
from core.training.schedule import STATISTICS_IMAGES, learning_rate, stops_early
from core.training.step import EpochSums, TrainingStep

#: Seconds between two looks at what a GPU has done: the progress that is shown, and how soon a stop takes effect.
READ_SECONDS = 0.25


class Diverged(LabError):
    """The training loss is no longer finite."""


class Trainer:
    """Trains the network of ``config`` on ``task``. Not safe to share between threads."""

    def __init__(self, config: RunConfig, task: Task, environment: Environment):
        self.config, self.task, self.environment = config, task, environment
        environment.claim_threads()
        claim_device(environment.torch_device)
        device, train = environment.torch_device, config.train
        network = make_network(config, seeded_generator(train.seed, 0))
        self.model: nn.Module = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = make_optimizer(train, self.model, device)
        self.average = self._make_average()
        #: Takes the steps of an epoch.
        self.steps = TrainingStep(config, task, environment, self.model, self.optimizer, self.average)
        self.history: list[EpochRecord] = []
        #: :meth:`weights` of the best epoch so far; ``None`` before the first.
        self.best: dict[str, Tensor] | None = None
        #: Float32 (N, k), on the CPU: the logits of the last epoch for the validation set; ``None`` after :meth:`load`.
        self.validated: Tensor | None = None

    @property
    def batches(self) -> int:
        """The number of steps of an epoch."""
        return self.steps.batches

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.history)

    @property
    def evaluated_model(self) -> nn.Module:
        """The network that is validated and kept: the average once averaging has started, else the trained one."""
        average = self._average_at(self.epoch)
        return average.module if average is not None else self.model

    @property
    def is_best(self) -> bool:
        """Whether the last finished epoch has strictly the highest validation accuracy so far."""
        return best(self.history) is self.history[-1]

    def train(self) -> Generator[BatchRecord | EpochRecord, None, None]:
        """Train from the first unfinished epoch to the last, or until stopping early. Raises Diverged."""
        while self.epoch < self.config.train.epochs and not self._stops_early():
            yield from self._train_epoch(self.epoch + 1)

    # --- the state to resume from -----------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything that :meth:`load` needs, made of tensors, numbers and text only."""
        return {
            "model": self.model.state_dict(),
            "optimizer": portable_state(self.optimizer),
            "average": self.average.state_dict() if self.average is not None else None,
            "history": [asdict(record) for record in self.history],
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Resume from ``state``, before the first step. Raises LabError if it belongs to another network or optimiser.

        On a GPU, recorded steps would go on with the tensors that the optimiser had before.
        """
        try:
            self.model.load_state_dict(state["model"])
            load_portable_state(self.optimizer, state["optimizer"])
            if self.average is not None and state["average"] is not None:
                self.average.load_state_dict(state["average"])
            self.history = [EpochRecord(**record) for record in state["history"]]
            self.best = self._checked_best(state.get("best"))  # older states do not have it
            self.validated = None
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise LabError(
                "The saved training state does not fit this configuration: it is damaged or of another network."
            ) from error

    def _checked_best(self, best: Any) -> dict[str, Tensor] | None:
        """Return ``best`` if it is ``None`` or has this network's tensors; else raise ValueError."""
        if best is not None and _shapes(best) != _shapes(self.weights()):
            raise ValueError
        return best

    def weights(self) -> dict[str, Tensor]:
        """Return the tensors that classify an image, on the CPU: the evaluated network's, input.mean and input.std."""
        normalization = self.task.normalization
        inputs = {"input.mean": normalization.mean, "input.std": normalization.std}
        tensors = {**self.evaluated_model.state_dict(), **inputs}
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}

    # --- one epoch --------------------------------------------------------------------------------

    def _train_epoch(self, epoch: int) -> Generator[BatchRecord | EpochRecord, None, None]:
        began, train = time.perf_counter(), self.config.train
        plan = plan_epoch(self.config.augment, len(self.task.train), train.seed, epoch)
        average, rates = self._average_at(epoch), self._learning_rates(epoch)
        follows = train.averaging == "ema" and average is not None
        self.steps.begin_epoch(plan, rates, self.config.crop_sizes()[epoch - 1], self.config.mixes(epoch), follows)
        sums, speed = yield from self._take_steps(epoch, rates, began)
        if average is not None:
            self._finish_average(average, plan.order)
        model = average.module if average is not None else self.model
        self.history.append(self._validate(epoch, model, rates[-1], sums, speed, began))
        if self.is_best:
            self.best = self.weights()
        yield self.history[-1]

    def _take_steps(
        self, epoch: int, rates: list[float], began: float
    ) -> Generator[BatchRecord, None, tuple[EpochSums, float]]:
        """Take the steps of an epoch; return its sums, and the images per second since ``began``. Raises Diverged."""
        images, epochs = len(self.task.train), self.config.train.epochs
        seconds_outside = self._seconds_outside_steps() * (epochs - epoch + 1)
        later_images = self._later_images(epoch)
        reader = _Reader(self.environment.torch_device)
        for batch in range(1, self.batches + 1):
            seen = self.steps.take(batch)
            if not (reader.is_due() or batch == self.batches):
                continue
            sums = self.steps.read()
            if sums.diverged:
                raise Diverged(
                    f"The loss became {sums.loss} in epoch {epoch}, batch {sums.diverged}: {DIVERGED}. "
                    + self._advice_after_divergence(rates[sums.diverged - 1])
                )
            speed = seen / (time.perf_counter() - began)
            yield BatchRecord(
                epoch=epoch,
                epochs=epochs,
                batch=batch,
                batches=self.batches,
                loss=sums.loss,
                accuracy=sums.accuracy,
                lr=rates[batch - 1],
                images_per_second=speed,
                seconds_left=(images - seen + later_images) / speed + seconds_outside,
            )
        return sums, speed

    def _validate(
        self, epoch: int, model: nn.Module, lr: float, sums: EpochSums, speed: float, began: float
    ) -> EpochRecord:
        """Return the record of an epoch that began at ``began`` and whose network is ``model``."""
        train, validation_set = self.config.train, self.task.validation
        with self.steps.health.probe(model):
            self.validated = predict(model, validation_set.images, self.task.normalization, self.environment).cpu()
        validation = evaluation_of(self.validated, validation_set.labels, train.label_smoothing)
        penalty = float(l2_penalty(train, decayed_parameters(train, model)))
        return EpochRecord(
            epoch=epoch,
            step=epoch * self.batches,
            images=epoch * len(self.task.train),
            seconds=(self.history[-1].seconds if self.history else 0.0) + time.perf_counter() - began,
            lr=lr,
            images_per_second=speed,
            train_loss=sums.loss,
            train_objective=sums.objective,
            train_accuracy=sums.accuracy,
            val_loss=validation.loss,
            val_objective=validation.smoothed_loss + penalty,
            val_accuracy=validation.accuracy,
            val_loss_by_class=validation.loss_by_class,
            val_accuracy_by_class=validation.accuracy_by_class,
            **vars(self.steps.health.read()),
        )

    def _advice_after_divergence(self, lr: float) -> str:
        """Return what to try, without what this run has already."""
        remedies = [f"a smaller learning rate (it was {lr:g})"]
        if self.config.in_effect("train.warmup_epochs") and not self.config.train.warmup_epochs:
            remedies.append("a warm-up")
        if self.environment.precision != "fp32":
            remedies.append("fp32 precision")
        return f"Try {' or '.join(remedies)}."

    def _later_images(self, epoch: int) -> float:
        """Return how many images of this epoch's size the later epochs amount to."""
        side, *later = self.config.crop_sizes()[epoch - 1 :]
        return len(self.task.train) * sum((other / side) ** 2 for other in later)

    def _seconds_outside_steps(self) -> float:
        """Return the seconds that the last epoch took besides its steps, for the evaluation; 0 before the first."""
        if not self.history:
            return 0.0
        *before, last = self.history
        whole = last.seconds - (before[-1].seconds if before else 0.0)
        return max(0.0, whole - len(self.task.train) / last.images_per_second)

    def _learning_rates(self, epoch: int) -> list[float]:
        """Return the learning rate of each step of an epoch."""
        objectives, first = [record.val_objective for record in self.history], (epoch - 1) * self.batches
        steps = range(first, first + self.batches)
        return [learning_rate(self.config.train, step, self.batches, objectives) for step in steps]

    def _stops_early(self) -> bool:
        losses = [record.val_loss for record in self.history]
        return stops_early(self.config.train, losses, [record.val_accuracy for record in self.history])

    # --- averaging --------------------------------------------------------------------------------

    def _make_average(self) -> AveragedModel | None:
        train = self.config.train
        if train.averaging == "off":
            return None
        rule = get_ema_multi_avg_fn(train.averaging_decay) if train.averaging == "ema" else get_swa_multi_avg_fn()
        return AveragedModel(self.model, multi_avg_fn=rule)

    def _average_at(self, epoch: int) -> AveragedModel | None:
        """Return the average if averaging has started by ``epoch``."""
        return self.average if epoch >= self.config.train.averaging_start else None

    def _finish_average(self, average: AveragedModel, order: Tensor) -> None:
        """Add the epoch's weights to an equal average, and estimate the average's batch-norm statistics.

        The trained network's own running statistics belong to other weights (arXiv:1803.05407, section 3.2).
        """
        if self.config.train.averaging == "equal":
            average.update_parameters(self.model)
        size = max(self.config.train.batch_size, evaluation_batch(self.environment.torch_device))
        batches = order[:STATISTICS_IMAGES].to(self.environment.torch_device).split(size)
        with torch.no_grad(), self.environment.autocast():
            update_bn((self.steps.batch(rows) for rows in batches), average.module)


class _Reader:
    """Says after which batches the sums are read: after each on the CPU, a few times a second on a GPU, where reading
    waits for the steps that were given to it.
    """

    def __init__(self, device: torch.device):
        self._always = device.type == "cpu"
        self._taken, self._wanted, self._last = 0, 1, time.perf_counter()

    def is_due(self) -> bool:
        """Return whether the batch just taken is one to read after. Called once for each batch."""
        self._taken += 1
        if self._taken < self._wanted:
            return False
        if not self._always:
            self._plan()
        return True

    def _plan(self) -> None:
        """Guess how many steps the GPU takes until the next look, from those since the last one."""
        now = time.perf_counter()
        seconds = max(now - self._last, 1e-6)
        self._wanted = max(1, int(self._taken * READ_SECONDS / seconds))
        self._taken, self._last = 0, now


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
