"""TODO: core.jobs.evaluate."""

from typing import Any, Literal

import torch

from core.config.run_config import RunConfig
from core.data import cifar10
from core.data.task import Task, make_task
from core.runs.store import RunStore
from core.training.checkpoint import load_weights
from core.training.environment import Environment
from core.training.evaluation import evaluate


def load_task(config: RunConfig, environment: Environment) -> Task:
    """The run's images on its device. Raises DataError if CIFAR-10 is not on this computer."""
    cifar = cifar10.load()
    return make_task(config, cifar.images, cifar.labels, environment.torch_device)


def evaluate_best(store: RunStore, run_id: str, part: Literal["validation", "test"] = "validation") -> dict[str, Any]:
    """The best epoch's weights on a part of the run's data, class by class (see Evaluation), with ``epoch``."""
    config = store.run(run_id).config()
    environment = Environment("cpu", "fp32", torch.get_num_threads())
    model, _ = load_weights(store, run_id, config)
    task = load_task(config, environment)
    which = task.validation if part == "validation" else task.test
    best = store.run(run_id).status().best_epoch
    return {"epoch": best, "part": part, **evaluate(model, which, task.normalization, environment).to_dict()}
