"""Classify images with the best weights of a run."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.base.errors import StoreError
from core.config.run_config import RunConfig
from core.data.task import Normalization
from core.runs.store import RunStore
from core.training.checkpoint import load_weights
from core.training.environment import Environment, one_thread
from core.training.evaluation import predict


@dataclass(frozen=True)
class Classifier:
    """A trained network, and the normalization it was trained with. ``epoch`` is the one of its weights."""

    run_id: str
    config: RunConfig
    epoch: int | None
    model: torch.nn.Module
    normalization: Normalization

    @classmethod
    def load(cls, store: RunStore, run_id: str) -> "Classifier":
        """Return the network of a run's best epoch. Raises StoreError if there is none or its file is damaged."""
        config = store.run(run_id).config()
        model, inputs = load_weights(store.run(run_id).read_weights(), run_id, config)
        normalization = Normalization(inputs["input.mean"], inputs["input.std"])
        return cls(run_id, config, store.run(run_id).status().best_epoch, model, normalization)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.config.data.classes

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (n, k), rows summing to 1, of uint8 images (n, 3, 32, 32).

        Raises StoreError if the weights give NaN or infinite values.
        """
        if not len(images):
            return np.zeros((0, len(self.classes)), np.float32)
        with one_thread():
            logits = predict(self.model, torch.tensor(images), self.normalization, Environment("cpu", "fp32", 1))
        if not logits.isfinite().all():
            raise StoreError(
                f"The weights of run {self.run_id} give no valid numbers: its training diverged, or the file is "
                "damaged. Copy its settings into a new run, with a smaller learning rate."
            )
        return logits.softmax(1).numpy()
