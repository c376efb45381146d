"""A picture in, probabilities out: the best weights of a run, used on their own."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.base.errors import StoreError
from core.config.run_config import RunConfig
from core.data.task import Normalization
from core.runs.store import RunStore
from core.training.checkpoint import load_weights
from core.training.environment import Environment
from core.training.evaluation import predict


@dataclass(frozen=True)
class Classifier:
    """A trained network with what it needs to see a picture as it did in training."""

    run_id: str
    config: RunConfig
    epoch: int | None
    model: torch.nn.Module
    normalization: Normalization

    @classmethod
    def load(cls, store: RunStore, run_id: str) -> "Classifier":
        """The best epoch's network of a run. Raises StoreError if it has none or they are damaged."""
        config = store.run(run_id).config()
        model, inputs = load_weights(store, run_id, config)
        normalization = Normalization(inputs["input.mean"], inputs["input.std"])
        return cls(run_id, config, store.run(run_id).status().best_epoch, model, normalization)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.config.data.classes

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (n, k), rows summing to 1, of uint8 images (n, 3, 32, 32). StoreError if no numbers come out.

        Computed by one thread: a second team of threads would fight the training's for the cores.
        """
        if not len(images):
            return np.zeros((0, len(self.classes)), np.float32)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            logits = predict(self.model, torch.tensor(images), self.normalization, Environment("cpu", "fp32", 1))
        finally:
            torch.set_num_threads(threads)
        if not logits.isfinite().all():
            raise StoreError(
                f"The weights of run {self.run_id} cannot be used: no numbers come out of them, so its training broke "
                "down or the file is damaged. Clone the run with a smaller learning rate."
            )
        return logits.softmax(1).numpy()
