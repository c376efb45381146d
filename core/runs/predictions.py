"""Predictions: what a run's network answered for every image it was validated and tested on.

A finished run keeps them in predictions.safetensors, so that everything said about single images (which are wrong, how
sure the network is, where two runs disagree) needs no second evaluation. The file has, for each set of images:

=========================  =========  ======================================================================
``test.images``            uint16 N   the images' places among CIFAR-10's 60,000
``test.labels``            uint8 N    true classes, 0…k−1 in the order of the task's classes
``test.26.logits``         f16 N×k    the network of epoch 26
``test.26.predicted``      uint8 N    the class of the largest logit before rounding to 16 bits
``validation.…``                      the same for held-out images
=========================  =========  ======================================================================

Its metadata says which configuration it belongs to, which epoch is the best and which the last, and whether it was
computed later, from the weights. Nothing here needs torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.base.errors import ConfigError, StoreError
from core.base.strict_json import from_json, to_json
from core.base.tensors import with_metadata
from core.config.run_config import EXTENDED, RunConfig

PREDICTIONS = "predictions.safetensors"
#: The most bytes of such a file that are read: 120,000 images twice, with their logits.
PREDICTIONS_BYTES = 20_000_000
#: Images with known answers: a test set, or held-out training images.
Part = Literal["test", "validation"]
#: The weights that answered: those of the best epoch or of the last.
Weights = Literal["best", "last"]
#: The largest number of 16 bits.
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of the network of one ``epoch`` for N images of one ``part``, with k classes.

    ``images``: int64 (N,), places among CIFAR-10's 60,000, rising; ``labels`` and ``predicted``: int64 (N,), 0…k−1;
    ``logits``: float32 (N, k), rounded to 16 bits.
    """

    part: Part
    epoch: int
    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    predicted: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, places: NDArray[np.int64]) -> "Answers":
        """Return the answers at these places (0…N−1, rising)."""
        chosen = self.images[places], self.labels[places], self.logits[places], self.predicted[places]
        return Answers(self.part, self.epoch, *chosen)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Bool (N,): whether the answer is right."""
        return self.predicted == self.labels

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0 to 1: the accuracy in the run's own record."""
        return float(self.correct.mean())

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Float64 (N, k), rows summing to 1: the softmax of the logits."""
        powers = np.exp(self.logits.astype(np.float64) - self.logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """Float64 (N,): the probability of the answer."""
        return self.probabilities[np.arange(len(self)), self.predicted]


@dataclass(frozen=True, eq=False)
class Predictions:
    """All answers of a run. ``later``: they were computed from the weights after the run had ended."""

    classes: tuple[str, ...]
    best_epoch: int
    last_epoch: int
    later: bool
    kept: tuple[Answers, ...]

    def answers(self, part: Part = "test", weights: Weights = "best") -> Answers | None:
        """Return the answers for a set of images; ``None`` if they are not kept.

        A run that is validated on its test images has no others.
        """
        epoch = self.best_epoch if weights == "best" else self.last_epoch
        return next((answers for answers in self.kept if (answers.part, answers.epoch) == (part, epoch)), None)


def predictions_bytes(predictions: Predictions, config: RunConfig) -> bytes:
    """Return the content of a predictions.safetensors; equal predictions give equal bytes."""
    tensors: dict[str, NDArray] = {}
    for answers in predictions.kept:
        tensors[f"{answers.part}.images"] = answers.images.astype(np.uint16)
        tensors[f"{answers.part}.labels"] = answers.labels.astype(np.uint8)
        logits = answers.logits.clip(-_LARGEST, _LARGEST).astype(np.float16)
        tensors[f"{answers.part}.{answers.epoch}.logits"] = logits
        tensors[f"{answers.part}.{answers.epoch}.predicted"] = answers.predicted.astype(np.uint8)
    metadata = {
        "classes": ",".join(predictions.classes),
        "config": to_json(config.to_dict()),
        "best_epoch": str(predictions.best_epoch),
        "last_epoch": str(predictions.last_epoch),
        "later": str(predictions.later),
    }
    return with_metadata(save(tensors), metadata)


def read_predictions(content: bytes, run_id: str, config: RunConfig) -> Predictions:
    """Return the predictions in the content of a file.

    Raises StoreError if it is damaged, or belongs to another configuration than that of run ``run_id``.
    """
    damaged = StoreError(
        f"{PREDICTIONS} of run {run_id} is damaged. Delete the file; the predictions can be computed again from the "
        "weights."
    )
    try:
        metadata = from_json(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        made_with = RunConfig.from_dict(from_json(metadata["config"]))
        epochs = int(metadata["best_epoch"]), int(metadata["last_epoch"])
        later = metadata["later"] == "True"
        kept = tuple(_kept(load(content), len(config.data.classes)))
    except (SafetensorError, ConfigError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise damaged from error
    if differing := [path for path in made_with.differences(config) if path not in EXTENDED]:
        raise StoreError(
            f"{PREDICTIONS} of run {run_id} belongs to another configuration ({', '.join(differing[:3])} differ). "
            "Put the run's own file back, or delete it."
        )
    return Predictions(config.data.classes, *epochs, later, kept)


def _kept(tensors: Mapping[str, NDArray], k: int) -> Iterable[Answers]:
    """Yield the answers in the tensors of a file. Raises LookupError or ValueError if they do not fit each other."""
    for name, logits in tensors.items():
        part, *rest = name.split(".")
        if rest[-1] != "logits":
            continue
        if part not in ("test", "validation"):
            raise ValueError(part)
        images, labels, epoch = tensors[f"{part}.images"], tensors[f"{part}.labels"], rest[0]
        predicted = tensors[f"{part}.{epoch}.predicted"]
        if not images.shape == labels.shape == predicted.shape == logits.shape[:1] or logits.shape[1:] != (k,):
            raise ValueError("shapes")
        if not len(images) or max(labels.max(), predicted.max()) >= k or (np.diff(images.astype(np.int64)) <= 0).any():
            raise ValueError("values")
        yield Answers(
            "test" if part == "test" else "validation",
            int(epoch),
            images.astype(np.int64),
            labels.astype(np.int64),
            logits.astype(np.float32),
            predicted.astype(np.int64),
        )
