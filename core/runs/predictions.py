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
computed later, from the weights. Nothing here needs torch; :mod:`core.jobs.predict` computes them.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.base.errors import ConfigError, StoreError
from core.base.strict_json import from_json, to_json
from core.base.tensors import with_metadata
from core.config.run_config import RunConfig
from core.config.sections import ALL_IMAGES
from core.records import EpochRecord, best

PREDICTIONS = "predictions.safetensors"
#: The most bytes of such a file that are read: 120,000 images twice, with their logits.
PREDICTIONS_BYTES = 20_000_000
#: Bytes of predictions that a store keeps in memory: those of about 100 runs.
RECENT_BYTES = 200_000_000
#: Images with known answers: a test set, or held-out training images.
Part = Literal["test", "validation"]
_PARTS: tuple[Part, ...] = ("test", "validation")
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
    way_on = f"`resnet-lab check {run_id} --repair` computes them again from the weights."
    damaged = StoreError(f"{PREDICTIONS} of run {run_id} is damaged. {way_on}")
    try:
        metadata = from_json(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        made_with = config
        if metadata["config"] != to_json(config.to_dict()):  # checking a configuration takes time
            made_with = RunConfig.from_dict(from_json(metadata["config"]))
        epochs = int(metadata["best_epoch"]), int(metadata["last_epoch"])
        later = metadata["later"] == "True"
        kept = tuple(_kept(load(content), len(config.data.classes)))
    except (SafetensorError, ConfigError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise damaged from error
    if differing := [*made_with.differences(config)][:3]:
        raise StoreError(
            f"{PREDICTIONS} of run {run_id} belongs to another configuration ({', '.join(differing)} differ). {way_on}"
        )
    return Predictions(config.data.classes, *epochs, later, kept)


def contradiction(
    predictions: Predictions, config: RunConfig, records: Sequence[EpochRecord], result: Mapping[str, Any] | None
) -> str | None:
    """Return what in the predictions of a finished run does not fit its epochs and its result, or ``None``.

    Accuracies are compared only if the predictions were made at the end of the run: another computer that computes
    them later may round differently.
    """
    sizes, validated = config.data.sizes(), "validation" if config.data.validation == "held-out" else "test"
    if not records or (predictions.best_epoch, predictions.last_epoch) != (best(records).epoch, records[-1].epoch):
        return f"its best and last epochs are {predictions.best_epoch} and {predictions.last_epoch}"
    accuracies = {(validated, record.epoch): record.val_accuracy for record in records}
    accuracies |= {
        ("test", tested["epoch"]): tested["accuracy"]
        for tested in (result or {}).values()
        if isinstance(tested, Mapping) and {"epoch", "accuracy"} <= tested.keys()
    }
    for answers in predictions.kept:
        what = f"the {answers.part} images of epoch {answers.epoch}"
        if len(answers) != (sizes.test if answers.part == "test" else sizes.validation):
            return f"it has {len(answers):,} answers for {what}"
        recorded = accuracies.get((answers.part, answers.epoch), answers.accuracy)
        if not predictions.later and answers.accuracy != recorded:
            return f"its accuracy on {what} is {answers.accuracy:.4f}, where the run recorded {recorded:.4f}"
    return None


class RecentPredictions:
    """The predictions that were read last, up to :data:`RECENT_BYTES` of them. Safe to share between threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[object, Predictions | None]] = OrderedDict()
        self._lock = Lock()

    def get(self, run_id: str, stamp: object, read: Callable[[], Predictions | None]) -> Predictions | None:
        """Return what ``read`` returns, from memory if it was read when the files had the same ``stamp``."""
        with self._lock:  # while one thread reads a hundred runs, the others wait for what it reads
            kept, predictions = self._kept.pop(run_id, (None, None))
            if kept != stamp:
                predictions = read()
            self._kept[run_id] = stamp, predictions
            while len(self._kept) > 1 and sum(_bytes(item) for _, item in self._kept.values()) > RECENT_BYTES:
                self._kept.popitem(last=False)
            return predictions


def _bytes(predictions: Predictions | None) -> int:
    """Return the bytes of the arrays, without what a page computes from them."""
    kept = predictions.kept if predictions else ()
    return sum(array.nbytes for answers in kept for array in (answers.logits, answers.predicted, answers.labels))


def _kept(tensors: Mapping[str, NDArray], k: int) -> Iterable[Answers]:
    """Yield the answers in the tensors of a file. Raises LookupError or ValueError if they do not fit each other."""
    for part in _PARTS:
        if f"{part}.images" not in tensors:
            continue
        images, labels = _integers(tensors[f"{part}.images"]), _integers(tensors[f"{part}.labels"])
        if images.shape != labels.shape or not len(images) or labels.max() >= k:
            raise ValueError("labels")
        if (np.diff(images) <= 0).any() or images[-1] >= ALL_IMAGES:
            raise ValueError("images")
        names = [name.split(".") for name in tensors]
        for epoch in sorted(int(name[1]) for name in names if name[0] == part and name[-1] == "logits"):
            logits, predicted = tensors[f"{part}.{epoch}.logits"], _integers(tensors[f"{part}.{epoch}.predicted"])
            if logits.dtype != np.float16 or logits.shape != (len(images), k):
                raise ValueError("logits")
            if predicted.shape != labels.shape or predicted.max() >= k:
                raise ValueError("predicted")
            yield Answers(part, epoch, images, labels, logits.astype(np.float32), predicted)


def _integers(values: NDArray) -> NDArray[np.int64]:
    """Return unsigned integers as int64 (N,). Raises ValueError for other values."""
    if values.dtype not in (np.uint8, np.uint16) or values.ndim != 1:
        raise ValueError(values.dtype)
    return values.astype(np.int64)
