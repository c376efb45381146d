"""The epoch loop: a generator of records, and the state to resume from.

A :class:`Trainer` has a config, a task and an environment. Iterating over :meth:`Trainer.train` trains; closing the
generator stops, and the unfinished epoch is lost. Resuming from :meth:`Trainer.state` is exact: on the same device,
precision and threads, a run that stopped and resumed ends with the same weights, bit for bit, as one that did not.
"""

import math
import time
from collections.abc import Generator
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn, update_bn

from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.config.sections import IMAGE_SIZE
from core.data.augmentation import EpochPlan, augment, plan_epoch, seeded_generator
from core.data.task import Task
from core.model.resnet import make_network
from core.records import BatchRecord, EpochRecord, best
from core.training.environment import Environment
from core.training.evaluation import evaluation_of, predict
from core.training.health import HealthMeter
from core.training.optimizer import decayed_parameters, l2_penalty, make_optimizer
from core.training.schedule import EVALUATION_BATCH, STATISTICS_IMAGES, learning_rate, stops_early


class Diverged(LabError):
    """The training loss is no longer finite."""


class Trainer:
    """Trains the network of ``config`` on ``task``. Not safe to share between threads."""

    def __init__(self, config: RunConfig, task: Task, environment: Environment):
        self.config, self.task, self.environment = config, task, environment
        environment.claim_threads()
        device, train = environment.torch_device, config.train
        network = make_network(config, seeded_generator(train.seed, 0))
        self.model: nn.Module = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = make_optimizer(train, self.model, device)
        self.average = self._make_average()
        self.history: list[EpochRecord] = []
        #: :meth:`weights` of the best epoch so far; ``None`` before the first.
        self.best: dict[str, Tensor] | None = None
        #: Float32 (N, k), on the CPU: the logits of the last epoch for the validation set; ``None`` after :meth:`load`.
        self.validated: Tensor | None = None
        self.batches = math.ceil(len(task.train) / train.batch_size)
        self._health = HealthMeter(self.model, self.batches)

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
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "history": [asdict(record) for record in self.history],
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Resume from ``state``. Raises LabError if it belongs to another network or optimiser."""
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
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
        train, images = self.config.train, len(self.task.train)
        began = time.perf_counter()
        plan = plan_epoch(self.config.augment, images, train.seed, epoch).to(self.environment.torch_device)
        side, later_images = self._crop_size(epoch)
        seconds_outside = self._seconds_outside_steps() * (train.epochs - epoch + 1)
        decayed = decayed_parameters(train, self.model)
        average = self._average_at(epoch)
        loss_sum = objective_sum = lr = 0.0
        correct = seen = 0
        self._health.begin_epoch()
        self.model.train()
        for batch, rows in enumerate(plan.order.split(train.batch_size), 1):
            lr = self._set_learning_rate((epoch - 1) * self.batches + batch - 1)
            penalty = l2_penalty(train, decayed)
            loss, smoothed, hits = self._step(batch, rows, plan, side)
            if not math.isfinite(loss):
                raise Diverged(
                    f"The loss became {loss} in epoch {epoch}, batch {batch}: training diverged. "
                    + self._advice_after_divergence(lr)
                )
            if train.averaging == "ema" and average is not None:
                average.update_parameters(self.model)
            seen += len(rows)
            loss_sum += loss * len(rows)
            objective_sum += (smoothed + penalty) * len(rows)
            correct += hits
            speed = seen / (time.perf_counter() - began)
            yield BatchRecord(
                epoch=epoch,
                epochs=train.epochs,
                batch=batch,
                batches=self.batches,
                loss=loss_sum / seen,
                accuracy=correct / seen,
                lr=lr,
                images_per_second=speed,
                seconds_left=(images - seen + later_images) / speed + seconds_outside,
            )
        speed = seen / (time.perf_counter() - began)
        if average is not None:
            self._finish_average(average, plan)
        model = average.module if average is not None else self.model
        validation_set, normalization = self.task.validation, self.task.normalization
        with self._health.probe(model):
            self.validated = predict(model, validation_set.images, normalization, self.environment).cpu()
        validation = evaluation_of(self.validated, validation_set.labels, train.label_smoothing)
        penalty = l2_penalty(train, decayed_parameters(train, model))
        record = EpochRecord(
            epoch=epoch,
            step=epoch * self.batches,
            images=epoch * images,
            seconds=(self.history[-1].seconds if self.history else 0.0) + time.perf_counter() - began,
            lr=lr,
            images_per_second=speed,
            train_loss=loss_sum / seen,
            train_objective=objective_sum / seen,
            train_accuracy=correct / seen,
            val_loss=validation.loss,
            val_objective=validation.smoothed_loss + penalty,
            val_accuracy=validation.accuracy,
            val_loss_by_class=validation.loss_by_class,
            val_accuracy_by_class=validation.accuracy_by_class,
            **vars(self._health.read()),
        )
        self.history.append(record)
        if self.is_best:
            self.best = self.weights()
        yield record

    def _advice_after_divergence(self, lr: float) -> str:
        """Return what to try, without what this run has already."""
        remedies = [f"a smaller learning rate (it was {lr:g})"]
        if self.config.in_effect("train.warmup_epochs") and not self.config.train.warmup_epochs:
            remedies.append("a warm-up")
        if self.environment.precision != "fp32":
            remedies.append("fp32 precision")
        return f"Try {' or '.join(remedies)}."

    def _crop_size(self, epoch: int) -> tuple[int, float]:
        """Return the side of this epoch's crops, and how many images of that size the later epochs amount to."""
        sides = self.config.crop_sizes()
        side = sides[epoch - 1]
        return side, len(self.task.train) * sum((later / side) ** 2 for later in sides[epoch:])

    def _seconds_outside_steps(self) -> float:
        """Return the seconds that the last epoch took besides its steps, for the evaluation; 0 before the first."""
        if not self.history:
            return 0.0
        *before, last = self.history
        whole = last.seconds - (before[-1].seconds if before else 0.0)
        return max(0.0, whole - len(self.task.train) / last.images_per_second)

    def _step(self, batch: int, rows: Tensor, plan: EpochPlan, side: int) -> tuple[float, float, int]:
        """Take step ``batch`` of the epoch (from 1), on the images ``rows``.

        Returns the cross-entropy, the cross-entropy of smoothed labels and the number of correct predictions.
        """
        images, labels = self._batch(rows, plan, side), self.task.train.labels[rows]
        with self.environment.autocast():
            logits = self.model(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.config.train.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        with self._health.step(batch):
            self.optimizer.step()
        with torch.no_grad():
            plain = F.cross_entropy(logits, labels) if self.config.train.label_smoothing else loss
            return plain.item(), loss.item(), int((logits.argmax(1) == labels).sum())

    def _batch(self, rows: Tensor, plan: EpochPlan, side: int = IMAGE_SIZE) -> Tensor:
        images = self.task.normalization(self.task.train.images[rows])
        augmented = augment(images, self.config.augment, plan, rows, side)
        return augmented.contiguous(memory_format=torch.channels_last)

    def _set_learning_rate(self, step: int) -> float:
        objectives = [record.val_objective for record in self.history]
        lr = learning_rate(self.config.train, step, self.batches, objectives)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        return lr

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

    def _finish_average(self, average: AveragedModel, plan: EpochPlan) -> None:
        """Add the epoch's weights to an equal average, and estimate the average's batch-norm statistics.

        The trained network's own running statistics belong to other weights (arXiv:1803.05407, section 3.2).
        """
        if self.config.train.averaging == "equal":
            average.update_parameters(self.model)
        batches = plan.order[:STATISTICS_IMAGES].split(max(self.config.train.batch_size, EVALUATION_BATCH))
        with torch.no_grad(), self.environment.autocast():
            update_bn((self._batch(rows, plan) for rows in batches), average.module)


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
