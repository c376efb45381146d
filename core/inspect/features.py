"""Features: what a network makes of an image before its last layer, and the training images nearest to one.

The penultimate features of an image are the means of the last stage's channels, 64 numbers in a network of width 16.
Those of a run's training images take up to a minute to compute and are kept in the runs folder's cache: one file
per run and set, 128 bytes per image (6.4 MB for 50,000). A file belongs to the weights whose SHA-256 it names; with
other weights it is ignored and replaced. All files together take at most :data:`MOST_BYTES`; the least recently used
ones go first.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor, nn

from core.base.errors import StoreError
from core.base.files import read_file, sweep, write_atomically
from core.base.strict_json import from_json
from core.base.tensors import with_metadata
from core.data.cifar10 import Cifar10
from core.data.split import make_split
from core.images.classify import Classifier
from core.runs.store import RunStore
from core.training.environment import one_thread

Part = Literal["train", "validation", "test"]
#: Bytes that all kept features may take: those of about thirty runs.
MOST_BYTES = 200_000_000
#: The most bytes of one file: 60,000 images with 512 numbers each.
FILE_BYTES = 64_000_000
#: Images in a step of a computation: about 0.2 seconds with one thread.
STEP = 250
STAGES = 3


# --- what the network makes of images -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Activations:
    """What a network makes of n images. All float32.

    ``features``: (n, d), the means of the last stage's channels. ``stages``: for each stage (n, 2·channels), mean and
    standard deviation of each channel over the pixels. ``logits``: (n, k).
    """

    features: NDArray[np.float32]
    stages: tuple[NDArray[np.float32], ...]
    logits: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.logits)

    @classmethod
    def joined(cls, parts: "list[Activations]") -> "Activations":
        """Return the activations of all images of the ``parts``, in their order."""
        return cls(
            np.concatenate([part.features for part in parts]),
            tuple(np.concatenate([part.stages[at] for part in parts]) for at in range(STAGES)),
            np.concatenate([part.logits for part in parts]),
        )


def activations(network: Classifier, images: NDArray[np.uint8]) -> Activations:
    """Return what ``network`` makes of uint8 ``images`` (n, 3, 32, 32), n ≥ 1, without augmentation."""
    model = network.model
    stages, logits = [], []
    with one_thread(), torch.inference_mode():
        for batch in torch.tensor(images).split(STEP):
            outputs = _stage_outputs(model, network.normalization(batch).contiguous(memory_format=torch.channels_last))
            stages.append([torch.cat([x.mean((2, 3)), x.std((2, 3), correction=0)], 1).float() for x in outputs])
            logits.append(model.get_submodule("classifier")(outputs[-1].mean((2, 3))).float())
    joined = tuple(torch.cat(parts).numpy() for parts in zip(*stages, strict=True))
    return Activations(joined[-1][:, : joined[-1].shape[1] // 2], joined, torch.cat(logits).numpy())


def _stage_outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the output of each stage, as in :meth:`core.model.resnet.ResNet.forward`.

    Without hooks: another page may be using the same network.
    """
    x = F.relu(model.get_submodule("norm")(model.get_submodule("conv")(x)))
    outputs, blocks = [], list(model.get_submodule("blocks").children())
    for number, block in enumerate(blocks, 1):
        x = block(x)
        if number % (len(blocks) // STAGES) == 0:
            outputs.append(x)
    return outputs


# --- the features of a run's images ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Features:
    """Penultimate features of a set of a run's images.

    ``images``: int64 (N,), places among CIFAR-10's 60,000; ``values``: float32 (N, d), rounded to 16 bits.
    """

    images: NDArray[np.int64]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def _directions(self) -> NDArray[np.float32]:
        return _unit(self.values)

    def nearest(self, features: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the ``count`` images nearest to each of m ``features`` (m, d), the nearest first.

        The first array, int64 (m, count), has the images' places in CIFAR-10, the second their cosine similarity, −1
        to 1. Cosine, because the length of the features mostly says how much of something is in the image.
        """
        similarity = _unit(features) @ self._directions.T
        count = min(count, len(self))
        found = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(similarity, found, 1), axis=1, kind="stable")
        found = np.take_along_axis(found, order, 1)
        return self.images[found], np.take_along_axis(similarity, found, 1)


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


class Computation:
    """Activations of one set of a run's images, computed in steps.

    A page calls :meth:`advance` until :attr:`done` and shows :attr:`share` meanwhile. If it is interrupted it continues
    with the same object later; several pages may advance one computation.
    """

    def __init__(self, network: Classifier, data: Cifar10, part: Part):
        self.network, self.data = network, data
        self.images: NDArray[np.int64] = getattr(make_split(network.config, data.labels), part)
        self._computed: list[Activations] = []
        self._next = 0
        self._lock = threading.Lock()

    @property
    def share(self) -> float:
        """The share of the images that is computed, 0 to 1."""
        return min(1.0, self._next / len(self.images))

    @property
    def done(self) -> bool:
        """Whether all images are computed."""
        return self._next >= len(self.images)

    def advance(self) -> None:
        """Compute the next :data:`STEP` images."""
        with self._lock:
            if not self.done:
                images = self.images[self._next : self._next + STEP]
                self._computed.append(activations(self.network, self.data.images[images]))
                self._next += STEP

    def result(self) -> Activations:
        """Return the activations of all images, in the order of :attr:`images`; computes what is missing."""
        while not self.done:
            self.advance()
        with self._lock:
            self._computed = [Activations.joined(self._computed)]
            return self._computed[0]

    def features(self) -> Features:
        """Return the penultimate features of all images, as they are kept: rounded to 16 bits."""
        return Features(self.images, self.result().features.astype(np.float16).astype(np.float32))


# --- keeping them -----------------------------------------------------------------------------------------


class Shelf:
    """The arrays kept for a run's best weights, by name, in ``.cache/features`` of the runs folder.

    It is a cache: what cannot be read is computed again, and what cannot be written is only slower next time.
    """

    def __init__(self, store: RunStore, run_id: str):
        self.folder = store.cache_folder / "features"
        self.run_id = run_id
        self.weights = hashlib.sha256(store.run(run_id).read_weights()).hexdigest()

    def read(self, name: str) -> dict[str, NDArray] | None:
        """Return the arrays kept as ``name``; ``None`` if there are none for these weights."""
        path = self._path(name)
        try:
            content = read_file(path, FILE_BYTES)
            metadata = from_json(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
            if metadata["weights"] != self.weights:
                return None
            arrays: dict[str, NDArray] = load(content)
        except (OSError, StoreError, SafetensorError, ValueError, LookupError, TypeError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return arrays

    def write(self, name: str, arrays: Mapping[str, NDArray]) -> None:
        """Keep arrays, in place of those of earlier weights."""
        with contextlib.suppress(OSError, StoreError):
            self.folder.mkdir(parents=True, exist_ok=True)
            content = with_metadata(save(dict(arrays)), {"weights": self.weights})
            write_atomically(self._path(name), content, durable=False)
            tidy(self.folder)

    def read_features(self, part: Part) -> Features | None:
        """Return the kept features of a set of the run's images."""
        arrays = self.read(part)
        if arrays is None or not {"images", "features"} <= arrays.keys():
            return None
        return Features(arrays["images"].astype(np.int64), arrays["features"].astype(np.float32))

    def write_features(self, part: Part, features: Features) -> None:
        """Keep the features of a set of the run's images."""
        self.write(part, {"images": features.images.astype(np.uint16), "features": features.values.astype(np.float16)})

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.run_id}.{name}.safetensors"


def tidy(folder: Path, most: int = MOST_BYTES) -> None:
    """Delete the least recently used files of a folder until the rest takes at most ``most`` bytes."""
    sweep(folder)
    files = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in files:
        total += path.stat().st_size
        if total > most:
            path.unlink(missing_ok=True)
