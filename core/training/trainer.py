"""The epoch loop: a generator of records, and the state to go on from.

:class:`Trainer` knows a config, a task and an environment. Iterating :meth:`Trainer.train` trains;
closing it stops, and the unfinished epoch is forgotten by whoever goes on from :meth:`Trainer.state`,
which is exact: on the same device, precision and threads, a run that stopped and went on ends with the
same weights, bit for bit, as one that did not.
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
from core.data.augment import Draws, augment, draw, generator
from core.data.task import Task
from core.model.resnet import resnet
from core.records import BatchRecord, EpochRecord
from core.training.environment import Environment
from core.training.evaluation import evaluate
from core.training.optimizer import make_optimizer, penalty, pulled_to_zero
from core.training.schedule import learning_rate, stops_early

#: Training images from which an averaged network's batch-norm statistics are estimated.
STATISTICS_IMAGES = 5_000


class Diverged(LabError):
    """The loss is no number any more."""


class Trainer:
    """Trains the network of ``config`` on ``task``. Not safe to share between threads."""

    def __init__(self, config: RunConfig, task: Task, environment: Environment):
        self.config, self.task, self.environment = config, task, environment
        environment.claim_threads()
        device = environment.torch_device
        model, train = config.model, config.train
        self.model: nn.Module = resnet(
            model.depth, len(task.classes), model.width, model.shortcut, generator(train.seed, 0)
        ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = make_optimizer(train, self.model, device)
        self.average = self._make_average()
        self.history: list[EpochRecord] = []
        #: :meth:`weights` of the best epoch so far; ``None`` before the first.
        self.best: dict[str, Tensor] | None = None
        self.batches = math.ceil(len(task.train) / train.batch_size)

    @property
    def epoch(self) -> int:
        """Finished epochs."""
        return len(self.history)

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: the average once averaging has begun."""
        return self.average.module if self.average is not None and self._averages(self.epoch) else self.model

    @property
    def is_best(self) -> bool:
        """Whether the last finished epoch has strictly the best validation accuracy so far."""
        *before, last = [one.val_accuracy for one in self.history]
        return last > max(before, default=-1.0)

    def train(self) -> Generator[BatchRecord | EpochRecord, None, None]:
        """Train from the epoch reached to the last, or until stopping early. Raises Diverged."""
        while self.epoch < self.config.train.epochs and not self._stops_early():
            yield from self._train_epoch(self.epoch + 1)

    # --- the state to go on from ------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything :meth:`load` needs, made of tensors, numbers and text only."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "history": [asdict(one) for one in self.history],
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``state``. Raises LabError if it belongs to another network or optimiser."""
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None and state["average"] is not None:
                self.average.load_state_dict(state["average"])
            self.history = [EpochRecord(**one) for one in state["history"]]
            self.best = self._fitting(state.get("best"))  # states of before it was kept have none
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise LabError(
                "The state to go on from does not fit this configuration; another network saved it or it is damaged."
            ) from error

    def _fitting(self, best: Any) -> dict[str, Tensor] | None:
        """The best epoch's tensors of a state, or ``None``; ValueError if they are not this network's."""
        if best is not None and {name: one.shape for name, one in best.items()} != {
            name: one.shape for name, one in self.weights().items()
        }:
            raise ValueError
        return best

    def weights(self) -> dict[str, Tensor]:
        """Tensors that classify a picture: the judged network's, ``input.mean`` and ``input.std``; on the processor."""
        normalization = self.task.normalization
        tensors = {**self.judged.state_dict(), "input.mean": normalization.mean, "input.std": normalization.std}
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}

    # --- one epoch --------------------------------------------------------------------------------

    def _train_epoch(self, epoch: int) -> Generator[BatchRecord | EpochRecord, None, None]:
        train = self.config.train
        began = time.perf_counter()
        draws = draw(self.config.augment, len(self.task.train), train.seed, epoch).to(self.environment.torch_device)
        pulled: list[Tensor] = list(pulled_to_zero(train, self.model))
        side, later = self._pictures_left(epoch)
        beside = self._beside_steps() * (train.epochs - epoch + 1)
        loss_sum = objective_sum = correct = seen = 0.0
        lr = 0.0
        self.model.train()
        for batch, rows in enumerate(draws.order.split(train.batch_size), 1):
            lr = self._set_learning_rate((epoch - 1) * self.batches + batch - 1)
            penalized = penalty(train, pulled)
            loss, smoothed, hits = self._step(rows, draws, side)
            if not math.isfinite(loss):
                raise Diverged(
                    f"The loss became {loss} in epoch {epoch}, batch {batch}: training diverged. Try a smaller "
                    f"learning rate (it was {lr:g}), some warm-up, or fp32 precision."
                )
            if train.averaging == "ema" and self._averages(epoch):
                self._update_average()
            seen += len(rows)
            loss_sum += loss * len(rows)
            objective_sum += (smoothed + penalized) * len(rows)
            correct += hits
            speed = seen / (time.perf_counter() - began)
            left = len(self.task.train) - seen + later
            yield BatchRecord(
                epoch, train.epochs, batch, self.batches, loss_sum / seen, correct / seen, lr, speed,
                left / speed + beside,
            )  # fmt: skip
        trained = time.perf_counter() - began
        self._finish_average(epoch, draws)
        judged = self.average.module if self.average is not None and self._averages(epoch) else self.model
        part, smoothing = self.task.validation, train.label_smoothing
        judgement = evaluate(judged, part, self.task.normalization, self.environment, smoothing)
        before = self.history[-1] if self.history else None
        record = EpochRecord(
            epoch=epoch,
            step=epoch * self.batches,
            images=epoch * len(self.task.train),
            seconds=(before.seconds if before else 0.0) + time.perf_counter() - began,
            lr=lr,
            images_per_second=seen / trained,
            train_loss=loss_sum / seen,
            train_objective=objective_sum / seen,
            train_accuracy=correct / seen,
            val_loss=judgement.loss,
            val_objective=judgement.smoothed_loss + penalty(train, list(pulled_to_zero(train, judged))),
            val_accuracy=judgement.accuracy,
            val_loss_by_class=judgement.loss_by_class,
            val_accuracy_by_class=judgement.accuracy_by_class,
        )
        self.history.append(record)
        if self.is_best:
            self.best = self.weights()
        yield record

    def _pictures_left(self, epoch: int) -> tuple[int, float]:
        """The side of this epoch's pictures, and how many of that size the later epochs come to."""
        sides = self.config.crop_sizes()
        side = sides[epoch - 1]
        return side, len(self.task.train) * sum((one / side) ** 2 for one in sides[epoch:])

    def _beside_steps(self) -> float:
        """Seconds that the last epoch took beside its steps, to judge the network; none is known before the first."""
        if not self.history:
            return 0.0
        *before, last = self.history
        whole = last.seconds - (before[-1].seconds if before else 0.0)
        return max(0.0, whole - len(self.task.train) / last.images_per_second)

    def _step(self, rows: Tensor, draws: Draws, side: int) -> tuple[float, float, int]:
        """One step on the images ``rows``: cross-entropy, cross-entropy of smoothed labels, number right."""
        images, labels = self._batch(rows, draws, side), self.task.train.labels[rows]
        with self.environment.autocast():
            logits = self.model(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.config.train.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            plain = F.cross_entropy(logits, labels) if self.config.train.label_smoothing else loss
            return plain.item(), loss.item(), int((logits.argmax(1) == labels).sum())

    def _batch(self, rows: Tensor, draws: Draws, side: int = IMAGE_SIZE) -> Tensor:
        images = self.task.normalization(self.task.train.images[rows])
        changed = augment(images, self.config.augment, draws, rows, side)
        return changed.contiguous(memory_format=torch.channels_last)

    def _set_learning_rate(self, step: int) -> float:
        objectives = [one.val_objective for one in self.history]
        lr = learning_rate(self.config.train, step, self.batches, objectives)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        return lr

    def _stops_early(self) -> bool:
        losses = [one.val_loss for one in self.history]
        return stops_early(self.config.train, losses, [one.val_accuracy for one in self.history])

    # --- averaging --------------------------------------------------------------------------------

    def _make_average(self) -> AveragedModel | None:
        train = self.config.train
        if train.averaging == "off":
            return None
        rule = get_ema_multi_avg_fn(train.averaging_decay) if train.averaging == "ema" else get_swa_multi_avg_fn()
        return AveragedModel(self.model, multi_avg_fn=rule)

    def _averages(self, epoch: int) -> bool:
        return self.average is not None and epoch >= self.config.train.averaging_start

    def _update_average(self) -> None:
        assert self.average is not None
        self.average.update_parameters(self.model)

    def _finish_average(self, epoch: int, draws: Draws) -> None:
        """Add the epoch's end to an equal average, and estimate the average's batch-norm statistics anew.

        The trained network's own running statistics belong to other weights (arXiv:1803.05407, section 3.2).
        """
        if self.average is None or not self._averages(epoch):
            return
        if self.config.train.averaging == "equal":
            self._update_average()
        batch_size = max(self.config.train.batch_size, 100)
        rows = draws.order[:STATISTICS_IMAGES].split(batch_size)
        with torch.no_grad(), self.environment.autocast():
            update_bn((self._batch(one, draws) for one in rows), self.average.module)
